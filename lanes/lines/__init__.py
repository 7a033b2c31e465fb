"""From pixels to lane lines: curves, sides, kinds and colours, tracks, metres and events."""
