"""How `lanes.live.Live` plays an input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lanes.draw.overlay import ALPHA
from lanes.pipeline.labelled import Step
from lanes.video import CameraMode, Quality


@dataclass(frozen=True)
class LiveOptions:
    """How to play an input. Changed while it plays: pause, seek, speed, recordings.

    `labels` is the truth, as for `lanes-video --labels`. `video` and `json` are files to write from
    the first frame to the end. `start` is in seconds. `real_time` plays a file at its own rate and
    leaves out frames that come too late; else every frame is played, as fast as possible. `loop`
    begins again at the end. `consistency` measures how steady the labels are where no truth is.
    A network that is silent for `timeout` seconds is lost; with `reconnect` a camera or stream that
    is lost is opened again, until it is back. `camera` is what to ask of a camera. `steps`
    change each result before it is shown: see `lanes.pipeline.labelled`.
    """

    labels: Path | None = None
    video: Path | None = None
    json: Path | None = None
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
