"""Real-time lane segmentation for video: uint8 images in, uint8 label maps out."""

from __future__ import annotations

from lanes.card import ModelCard
from lanes.draw.overlay import overlay, overlay_bgr
from lanes.errors import LanesError
from lanes.pipeline.stages import prefetch, segment
from lanes.segmenter import Segmenter, load
from lanes.types import Frame, Result, Sample, Task
from lanes.video import VideoSink, VideoSource, open_source

__all__ = [
    "Frame",
    "LanesError",
    "ModelCard",
    "Result",
    "Sample",
    "Segmenter",
    "Task",
    "VideoSink",
    "VideoSource",
    "load",
    "open_source",
    "overlay",
    "overlay_bgr",
    "prefetch",
    "segment",
]
