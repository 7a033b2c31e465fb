"""Real-time lane segmentation for video: uint8 images in, uint8 label maps out."""

from __future__ import annotations

import os

# Both libraries read these when they are imported. ONNX Runtime 1.32 writes a device id and asks
# for a host of Microsoft's otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# OpenCV then refuses larger pictures by their header: a file of 100 KB can hold 3 GB of pixels.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "200000000")

# ruff: noqa: E402
from lanes.card import ModelCard
from lanes.draw.overlay import overlay, overlay_bgr
from lanes.errors import LanesError
from lanes.pipeline.api import Model, evaluate, label_video, load
from lanes.pipeline.labelled import Labelled
from lanes.pipeline.stages import prefetch, segment
from lanes.segmenter import Segmenter
from lanes.types import Frame, Result, Sample, Task
from lanes.video import VideoSink, VideoSource, open_source

__all__ = [
    "Frame",
    "Labelled",
    "LanesError",
    "Model",
    "ModelCard",
    "Result",
    "Sample",
    "Segmenter",
    "Task",
    "VideoSink",
    "VideoSource",
    "evaluate",
    "label_video",
    "load",
    "open_source",
    "overlay",
    "overlay_bgr",
    "prefetch",
    "segment",
]
