"""Cells in label maps: instances, borders, tables."""
