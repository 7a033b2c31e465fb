"""Turns a source into labelled frames and output files."""
