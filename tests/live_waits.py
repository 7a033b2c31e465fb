"""Waiting for what a `lanes.live.Live` plays."""

from __future__ import annotations

import time

from lanes.live.player import ENDS

PATIENCE = 15


def until(live, true, patience=PATIENCE):
    """The first snapshot that is `true`."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if true(now := live.snapshot()):
            return now
        time.sleep(0.01)
    raise AssertionError(f"never so: {now}")


def ended(now):
    return now.state in ENDS
