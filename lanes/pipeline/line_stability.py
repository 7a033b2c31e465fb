"""How steadily lane lines are found in a video, frame by frame and tracked, without ground truth.

A line is looked at half way between the horizon and the bottom of the frame. Optical flow (DIS,
Kroeger et al. 2016, arXiv:1603.03590) says where that point was in the frame before; its distance
there from the nearest line is the line's jump.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lanes.images.resize import resize_plane
from lanes.lines.lane_lines import CERTAIN, find_lines
from lanes.lines.track import RATE, LineTracker
from lanes.pipeline.flow import ULTRAFAST, Flow, Luma, OpticalFlow
from lanes.types import LaneLine, Result

SIZE = (360, 640)
"""The flow is computed at this size."""
SAME = 25.0
"""A jump farther than this, in pixels at width 640, is to another line."""


@dataclass(frozen=True)
class LineStability:
    """The steadiness of a clip's certain lines.

    `lines` is their mean number per frame, `jump` their mean jump in pixels at width 640 (NaN
    without any), `lost` the share that the next frame does not have. `switches` counts the lines
    that got another track number.
    """

    lines: float
    jump: float
    lost: float
    switches: int


class Steadiness:
    """Compares the lines of each frame with those of the frame before."""

    def __init__(self) -> None:
        self._before: list[LaneLine] = []
        self._frames = self._lines = self._earlier = self._kept = self._switches = 0
        self._jumps: list[float] = []

    def add(self, lines: Sequence[LaneLine], row: float, flow: Flow | None, scale: float) -> None:
        """Take in a frame's lines at a pixel row; `scale` is the frame's width / 640."""
        sure = [line for line in lines if line.confidence >= CERTAIN and _has(line, row)]
        self._frames, self._lines = self._frames + 1, self._lines + len(sure)
        if flow is not None:
            self._earlier += len(self._before)
            kept = {self._follow(line, row, flow, scale) for line in sure}
            self._kept += len(kept - {None})
        self._before = sure

    def _follow(self, line: LaneLine, row: float, flow: Flow, scale: float) -> int | None:
        """The number of the line in the frame before that `line` was, if any."""
        x = _at(line, row)
        rows, columns = flow.shape[:2]
        place = min(int(row / scale), rows - 1), min(int(x / scale), columns - 1)
        right, down = (flow[place] * scale).tolist()
        jumps = [abs(_at(old, row + down) - x - right) / scale for old in self._before]
        best = int(np.nanargmin([*jumps, SAME]))
        if best == len(jumps):
            return None
        self._jumps.append(jumps[best])
        self._switches += line.track != self._before[best].track
        return best

    @property
    def total(self) -> LineStability:
        """The figures of all frames so far."""
        return LineStability(
            self._lines / max(self._frames, 1),
            float(np.mean(self._jumps)) if self._jumps else float("nan"),
            1 - self._kept / self._earlier if self._earlier else 0.0,
            self._switches,
        )


def line_stability(results: Iterable[Result]) -> dict[str, LineStability]:
    """Find the lines in the results of a clip, in each frame alone and tracked; compare both."""
    alone, tracked, tracker = Steadiness(), Steadiness(), LineTracker()
    flow_of = OpticalFlow(ULTRAFAST)
    before: Luma | None = None
    last: float | None = None
    for result in results:
        frame = result.frame
        luma = resize_plane(frame.planes[0], SIZE)
        flow: Flow | None = None if before is None else flow_of(luma, before)
        seconds = 1 / RATE if last is None else frame.seconds - last
        before, last = luma, frame.seconds
        lines = tracker.update(result.labels, frame, seconds=seconds)
        assert tracker.found is not None
        row = (tracker.found.bundle.horizon + frame.size[0]) / 2
        scale = frame.size[1] / SIZE[1]
        tracked.add(lines, row, flow, scale)
        alone.add(find_lines(result.labels, frame), row, flow, scale)
    return {"frame by frame": alone.total, "tracked": tracked.total}


def _at(line: LaneLine, row: float) -> float:
    return float(line.x_at(np.array([row]))[0])


def _has(line: LaneLine, row: float) -> bool:
    return not np.isnan(_at(line, row))
