"""A pipeline's step that finds the lane lines of each frame: see `lanes.lines.follow`."""

from __future__ import annotations

import time

from lanes.lines.camera import Calibration
from lanes.lines.follow import LaneFollower
from lanes.pipeline.labelled import Labelled


class FollowLane:
    """Finds the lane of each frame, in order, if the task has lines; about 1.5 ms a frame.

    It is the last step, because it reads the labels. `sequence` is as for `LaneFollower`.
    """

    def __init__(self, calibration: Calibration | None = None, sequence: bool = False) -> None:
        self._follower = LaneFollower(calibration, sequence)

    def attach(self, labelled: Labelled) -> Labelled:
        """Let `labelled.lane` be found when it is first asked for, in the frames' order."""
        if labelled.task.lines:
            labelled.follower = self._follower
        return labelled

    def __call__(self, labelled: Labelled) -> Labelled:
        """Find the lane now; `labelled.seconds` then has "lines"."""
        if self.attach(labelled).follower:
            began = time.perf_counter()
            assert labelled.lane is not None
            labelled.seconds["lines"] = time.perf_counter() - began
        return labelled
