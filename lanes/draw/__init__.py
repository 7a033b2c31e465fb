"""Draws labels, outlines and text over images."""
