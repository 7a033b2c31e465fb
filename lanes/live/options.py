"""Options of `lanes.live.Live`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lanes.draw.overlay import ALPHA
from lanes.pipeline.labelled import Step
from lanes.pipeline.lane_options import LaneOptions
from lanes.video import CameraMode, Quality


@dataclass(frozen=True)
class LiveOptions(LaneOptions):
    """How to play an input. Pause, seek, rate and recordings can be changed during playback.

    `labels` is the ground truth, as for `lanes-video --labels`. `video`, `json` and `events` (a CSV
    table of departures and lane changes) are files to record from the first frame to the end.
    `start` is in seconds. `real_time` plays a file at its own rate and drops frames that are too
    late; otherwise every frame is played, as fast as possible. `loop` restarts at the end.
    `consistency` measures temporal consistency if there is no ground truth. A stream without data
    for `timeout` seconds is lost. With `reconnect`, a lost camera or stream is reopened, until it
    is back. `camera` is the mode to request of a camera. `steps` change each result before it is
    shown; see `lanes.pipeline.labelled`. Those of `LaneOptions` look for lane lines.
    """

    labels: Path | None = None
    video: Path | None = None
    json: Path | None = None
    events: Path | None = None
    alpha: float = ALPHA
    hud: bool = True
    quality: Quality = "fast"
    overwrite: bool = False
    start: float = 0.0
    real_time: bool = False
    loop: bool = False
    infer_every: int = 1
    consistency: bool = True
    reconnect: bool = True
    timeout: float = 5.0
    camera: CameraMode | None = None
    steps: Sequence[Step] = ()
