"""Metrics: score labels against truth."""
