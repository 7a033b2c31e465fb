"""Seeds of the scenes that test lanes.lines; committed before the code was tuned.

Tuning uses other seeds, from 5,000,000 on.
"""

FRAMES = range(7_000_000, 7_000_600)
"""Single frames: day, dusk, night and rain; curves and slopes."""
CLIPS = range(7_100_000, 7_100_040)
"""Clips with planned lane changes and departures."""
