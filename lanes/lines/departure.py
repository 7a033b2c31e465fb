"""Lane departures and lane changes: a state machine over the car's position in its lane.

The car leaves its lane when a wheel reaches the line, and is back when it is clearly inside again
(hysteresis). If it comes to rest in the next lane instead, this was a lane change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lanes.lines.position import Position

State: TypeAlias = Literal["unknown", "in lane", "leaving left", "leaving right"]
EventKind: TypeAlias = Literal["departure", "lane change"]

CAR_WIDTH = 1.8
"""Metres from wheel to wheel, outside."""
OUT, OUT_LEAST, OUT_MOST = 0.3, 0.15, 0.35
"""Offset at which a wheel reaches the line, in lane widths; and its limits if metres are known."""
BACK = 0.75
"""The car is back inside at this share of the offset at which it left."""
JUMP = 0.6
"""A change of the offset by more than this is the change of lanes at a line, as a share."""
LOST = 1.0
"""Seconds without lines after which the position is unknown."""
SMOOTH = 0.3
"""Time constant of the speed of drift, in seconds."""


@dataclass(frozen=True)
class Event:
    """A departure or a lane change, over once it is reported; times in seconds of the video.

    `depth` says how far a wheel was beyond the line at most, in lane widths; None in a lane change,
    in which the whole car crosses it.
    """

    kind: EventKind
    side: Literal["left", "right"]
    start: float
    end: float
    depth: float | None = None


@dataclass(frozen=True)
class LaneKeeping:
    """How the car keeps its lane in one frame.

    `margin` is the distance of the camera to the nearer line, as a share of the lane width, and
    `drift` the speed to the right in lane widths a second; `drift_m` is in m/s. `crossing` is the
    time in seconds until a wheel crosses the line at this speed (0: it has). None where not known:
    `drift_m` and `crossing` need metres. `event` is what ended with this frame, `under_way` a
    departure that has not ended, until this frame.
    """

    state: State
    margin: float | None
    drift: float | None
    drift_m: float | None = None
    crossing: float | None = None
    event: Event | None = None
    under_way: Event | None = None


class DepartureMonitor:
    """Watches the position frame by frame."""

    def __init__(self) -> None:
        self.state: State = "unknown"
        self._time = 0.0
        self._seen = 0.0  # the time of the last offset
        self._offset: float | None = None
        self._lane = 0
        """Lanes moved to the right since the state was last "in lane"."""
        self._drift = 0.0
        self._start = 0.0
        self._depth = 0.0

    def update(self, position: Position, seconds: float) -> LaneKeeping:
        """The state in a frame, `seconds` after the last one."""
        self._time += seconds
        if position.offset is None:
            return self._without()
        moved = self._move(position.offset)
        if self.state == "unknown":
            self._lane, moved = 0, position.offset
        event = self._step(moved, _out(position))
        return self._keeping(position, event)

    def _without(self) -> LaneKeeping:
        if self._time - self._seen > LOST:
            self.state, self._offset, self._lane, self._drift = "unknown", None, 0, 0.0
        return LaneKeeping(self.state, None, None, under_way=self._under_way())

    def _move(self, offset: float) -> float:
        """Follow the offset across lines: lane widths to the right of the lane's middle."""
        old, elapsed = self._offset, self._time - self._seen
        self._offset, self._seen = offset, self._time
        if old is None:
            return offset
        step = offset - old
        if abs(step) > JUMP:
            lanes = -1 if step > 0 else 1
            self._lane += lanes
            step += lanes
        share = min(elapsed / SMOOTH, 1.0)
        self._drift += share * (step / max(elapsed, 1e-6) - self._drift)
        return self._lane + offset

    def _step(self, moved: float, out: float) -> Event | None:
        """Change the state; gives the event that ended."""
        away = abs(moved)
        if self.state == "unknown":
            if away < out:
                self.state = "in lane"
            return None
        if self.state == "in lane":
            if away >= out:
                self.state = "leaving right" if moved > 0 else "leaving left"
                self._start, self._depth = self._time, away - out
            return None
        self._depth = max(self._depth, away - out)
        if away < BACK * out:
            return self._end("departure")
        if away > 1 - BACK * out:
            event = self._end("lane change")
            self._lane -= 1 if moved > 0 else -1
            return event
        return None

    def _end(self, kind: EventKind) -> Event:
        event = self._event(kind)
        self.state = "in lane"
        return event

    def _under_way(self) -> Event | None:
        return self._event("departure") if self.state.startswith("leaving") else None

    def _event(self, kind: EventKind) -> Event:
        side: Literal["left", "right"] = "right" if self.state == "leaving right" else "left"
        depth = self._depth if kind == "departure" else None
        return Event(kind, side, self._start, self._time, depth)

    def _keeping(self, position: Position, event: Event | None) -> LaneKeeping:
        offset, width = position.offset, position.lane_width_m
        assert offset is not None
        margin = 0.5 - abs(offset)
        under_way = self._under_way()
        if width is None:
            return LaneKeeping(self.state, margin, self._drift, None, None, event, under_way)
        towards = self._drift if offset > 0 else -self._drift
        free = margin - CAR_WIDTH / 2 / width
        crossing = 0.0 if free <= 0 else free / towards if towards > 1e-3 else None
        drift_m = self._drift * width
        return LaneKeeping(self.state, margin, self._drift, drift_m, crossing, event, under_way)


def _out(position: Position) -> float:
    """The offset at which a wheel reaches the line, as a share of the lane."""
    if position.lane_width_m is None:
        return OUT
    return min(max(0.5 - CAR_WIDTH / 2 / position.lane_width_m, OUT_LEAST), OUT_MOST)
