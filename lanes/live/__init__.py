"""Plays a source in a thread for a screen, with pause, seek, snapshots and recording."""

from lanes.live.player import ENDS, Latency, Live, LiveOptions, Snapshot, State, hud_lines

__all__ = ["ENDS", "Latency", "Live", "LiveOptions", "Snapshot", "State", "hud_lines"]
