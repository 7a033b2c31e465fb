"""Video in and out: files and streams through PyAV, images and cameras through OpenCV.

A source yields `Frame`s; `VideoSink` writes them:

    with open_source("drive.mp4") as source, VideoSink.like(source, "copy.mp4") as sink:
        for frame in source:
            sink.write(frame)
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path

from lanes.errors import BadInput
from lanes.video.base import Source, rate_of
from lanes.video.camera import CameraMode, CameraSource
from lanes.video.images import ImagesSource, is_glob, is_image
from lanes.video.opening import CAMERA, local_path, without_scheme
from lanes.video.places import check_output
from lanes.video.reconnect import ReconnectingSource
from lanes.video.sink import Quality, VideoSink
from lanes.video.source import VideoSource

__all__ = [
    "CameraMode",
    "CameraSource",
    "ImagesSource",
    "Quality",
    "ReconnectingSource",
    "Source",
    "VideoSink",
    "VideoSource",
    "check_output",
    "open_source",
]


def open_source(
    input: str | Path,
    start: float | None = None,
    end: float | None = None,
    max_frames: int | None = None,
    *,
    seconds: float | None = None,
    fps: float | None = None,
    stream: int | None = None,
    camera: CameraMode | None = None,
    tap_sound: bool = False,
    threads: int = 0,
    timeout: float = 10.0,
) -> Source:
    """Open the source that matches `input`.

    A number or /dev/videoN is a camera; text with :// is the URL of a stream; "-" is a video on
    standard input; a folder, a pattern such as `day*/*.png` or a file with an image suffix is
    images; anything else is a video file. `start` and `end` are seconds from the first picture,
    `seconds` from the first frame at or after `start`. `fps` is the rate of images (default:
    25) and of streams without times. `threads` decode a video. A network may be silent for
    `timeout` seconds. `stream` is the number of the video stream, where a file has several;
    `camera` is what to ask of a camera. `tap_sound` makes a `Source.tap`.

    Raises:
        BadInput: the input does not exist, has nothing from `start` to `end`, or an option does not
            go with it.
        BadVideo: it is not a video, or cannot be shown correctly.
    """
    text = without_scheme(input)
    if not text.strip():
        raise BadInput("the input's name is empty; give a file, a folder, a camera or a URL")
    cut = (start, end, max_frames)
    if match := CAMERA.fullmatch(text):
        _refuse("a camera", fps=fps, stream=stream)
        return CameraSource(int(match[1]), *cut, seconds=seconds, mode=camera)
    if camera is not None:
        raise BadInput(
            f"{text} is not a camera; leave out --camera-size, -fps and -format, and --audio: "
            "files and streams keep their own sound"
        )
    video = partial(
        VideoSource, seconds=seconds, fps=fps, stream=stream, tap_sound=tap_sound, threads=threads
    )
    path = local_path(input)
    if path is None:
        return video(text, *cut, timeout=timeout)
    if path.is_dir() or is_image(path) or is_glob(str(path)):
        _refuse("images", stream=stream)
        rate = Fraction(25) if fps is None else rate_of(fps)
        return ImagesSource(path, *cut, seconds=seconds, rate=rate)
    return video(path, *cut)


def _refuse(kind: str, **options: object) -> None:
    """Raise `BadInput` for options that do not go with a kind of input."""
    for name, given in options.items():
        if given is not None:
            raise BadInput(f"--{name} does not go with {kind}; leave it out")
