"""Renders synthetic images with exact labels."""
