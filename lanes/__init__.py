"""Real-time lane segmentation for video: uint8 images in, uint8 label maps out."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` takes long to import

# Both libraries read these when they are imported. ONNX Runtime 1.32 writes a device id and asks
# for a host of Microsoft's otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# OpenCV then refuses larger pictures by their header: a file of 100 KB can hold 3 GB of pixels.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "200000000")

if TYPE_CHECKING:
    from lanes.card import ModelCard
    from lanes.draw.overlay import overlay, overlay_bgr
    from lanes.errors import LanesError
    from lanes.pipeline.api import Model, evaluate, label_video, load
    from lanes.pipeline.labelled import Labelled
    from lanes.pipeline.stages import prefetch, segment
    from lanes.segmenter import Segmenter
    from lanes.types import Frame, Result, Sample, Task
    from lanes.video import VideoSink, VideoSource, open_source

# Imported on first use, so that a command can begin before its libraries are loaded.
_MODULES = {
    "Frame": "types",
    "Labelled": "pipeline.labelled",
    "LanesError": "errors",
    "Model": "pipeline.api",
    "ModelCard": "card",
    "Result": "types",
    "Sample": "types",
    "Segmenter": "segmenter",
    "Task": "types",
    "VideoSink": "video",
    "VideoSource": "video",
    "evaluate": "pipeline.api",
    "label_video": "pipeline.api",
    "load": "pipeline.api",
    "open_source": "video",
    "overlay": "draw.overlay",
    "overlay_bgr": "draw.overlay",
    "prefetch": "pipeline.stages",
    "segment": "pipeline.stages",
}

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


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"lanes.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
