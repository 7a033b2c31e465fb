"""From a source to labelled frames and files."""
