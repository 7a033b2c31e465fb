"""The own lane in a video, frame by frame: its lines, the car's position in it, departures."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lanes.lines.camera import Calibration, VanishingPoint
from lanes.lines.departure import DepartureMonitor, Event, LaneKeeping
from lanes.lines.position import Position, PositionMeter
from lanes.lines.track import DEATH, RATE, LineTracker
from lanes.types import Frame, LabelMap, LaneLine, Size


@dataclass(frozen=True)
class Lane:
    """The lane lines of a frame, from left to right, and how the car keeps its lane.

    `vanishing_point` is where the lines meet, (x, y) in pixels, averaged over the video; y is the
    horizon. `calibration` is the camera's, if known.
    """

    lines: list[LaneLine]
    position: Position
    keeping: LaneKeeping
    vanishing_point: tuple[float, float]
    calibration: Calibration | None = None

    @property
    def event(self) -> Event | None:
        """The departure or lane change that ended with this frame."""
        return self.keeping.event


class LaneFollower:
    """Follows the lane through a video; after a cut or a gap of half a second it starts again.

    Images of a folder are looked at one by one, unless they are a `sequence`.
    """

    def __init__(self, calibration: Calibration | None = None, sequence: bool = False) -> None:
        self.calibration = calibration
        self._sequence = sequence
        self._last: tuple[float, Size] | None = None

    def update(self, labels: LabelMap, frame: Frame, cut: bool = False) -> Lane:
        """The lane in the next frame; `labels` (any size) are of a task with lines.

        With `cut` the frame does not follow the one before. Times of events are the frames'.
        """
        seconds = self._elapsed(frame, cut)
        lines = self._tracker.update(labels, frame, seconds=seconds)
        assert self._tracker.found is not None
        bundle = self._tracker.found.bundle
        self._point.update(bundle, seconds)
        position = self._meter.update(lines, bundle, frame.size, seconds)
        keeping = _timed(self._monitor.update(position, seconds), frame.seconds)
        point = self._point.x, self._point.y
        return Lane(lines, position, keeping, point, self.calibration)

    def _elapsed(self, frame: Frame, cut: bool) -> float:
        """Seconds since the last frame; starts again if this one does not follow it."""
        last, self._last = self._last, (frame.seconds, frame.size)
        alone = bool(frame.name) and not self._sequence
        if last and not (cut or alone) and last[1] == frame.size:
            elapsed = frame.seconds - last[0]
            if 0 < elapsed <= DEATH:
                return elapsed
        self._start(frame.size)
        return 1 / RATE

    def _start(self, size: Size) -> None:
        self._tracker = LineTracker(self.calibration)
        self._meter = PositionMeter(self.calibration)
        self._monitor = DepartureMonitor()
        self._point = VanishingPoint(size)


def _timed(keeping: LaneKeeping, now: float) -> LaneKeeping:
    """The monitor's times, which begin at its start, as those of the video."""

    def timed(event: Event | None) -> Event | None:
        return event and replace(event, start=now - (event.end - event.start), end=now)

    return replace(keeping, event=timed(keeping.event), under_way=timed(keeping.under_way))
