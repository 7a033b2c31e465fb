"""The demo: rendered images of a task with exact ground truth, cached for the user."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import ModuleType

import av
import numpy as np

import lanes.synthetic
from lanes import assets
from lanes.colour import YuvColour, from_bgr
from lanes.datasets import _samples as drawn
from lanes.pipeline.stages import prefetch
from lanes.system.atomic import atomic_file, atomic_folder
from lanes.types import Image, LabelMap
from lanes.video import VideoSink
from lanes.video.output_files import write_image

SIZE = (720, 1280)
RATE = Fraction(30)
SECONDS = 10
PICTURES = 6
COLOUR = YuvColour("bt709", full_range=False)
CURE = "make room there, or set XDG_CACHE_HOME to another folder"


def demo_files(
    progress: Callable[[int, int], None] = lambda done, total: None, task: str = "lanes"
) -> tuple[Path, Path]:
    """The demo clip (H.264) of `task` and its label video (FFV1), rendered on first use.

    `progress(done, total)` is called after each frame.
    """
    module = drawn.drawer(task)
    folder = assets.cache_folder("demo")
    stem = f"{module.TASK}-{SIZE[1]}x{SIZE[0]}-{_renderer_version(module):08x}"
    clip, labels = folder / f"{stem}.mp4", folder / f"{stem}_labels.mkv"
    if not (clip.exists() and labels.exists()):
        total = int(SECONDS * RATE)
        # One thread renders while this one encodes.
        pairs = prefetch(module.demo(total, SIZE, RATE))
        with atomic_file(clip, cure=CURE) as part, atomic_file(labels, cure=CURE) as labels_part:
            write_clip(part, labels_part, pairs, RATE, lambda done: progress(done, total))
    return clip, labels


def demo_pictures(task: str) -> Path:
    """A folder with images of `task`, rendered on first use."""
    module = drawn.drawer(task)
    name = f"{module.TASK}-pictures-{_renderer_version(module):08x}"
    folder = assets.cache_folder("demo") / name
    if not folder.is_dir():
        # Another program may draw the same meanwhile.
        with atomic_folder(folder, overwrite=False, cure=CURE) as part:
            dataset = module.open("", "val", PICTURES)
            for index in range(len(dataset)):
                write_image(part / f"demo_{index + 1}.png", dataset[index].image)
    return folder


def _renderer_version(module: ModuleType) -> int:
    """A checksum of the renderer's code, so that an outdated clip is not reused."""
    sources = sorted(Path(lanes.synthetic.__path__[0]).glob("*.py"))
    sources.append(Path(str(module.__file__)))
    return zlib.crc32(b"".join(source.read_bytes() for source in sources))


def write_clip(
    clip: Path,
    labels: Path,
    pairs: Iterator[tuple[Image, LabelMap]],
    rate: Fraction,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write image and label pairs as an H.264 clip and an FFV1 label video."""
    first = next(pairs)
    height, width = first[1].shape
    with (
        VideoSink(
            clip,
            size=(height, width),
            rate=rate,
            colour=COLOUR,
            quality="balanced",
            overwrite=True,
        ) as sink,
        av.open(str(labels), "w", format="matroska") as container,
    ):
        stream = container.add_stream("ffv1", rate, width=width, height=height)
        stream.codec_context.pix_fmt = "gray"
        for number, (image, truth) in enumerate(chain([first], pairs)):
            sink.write(from_bgr(image, COLOUR))
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(truth), "gray")
            picture.pts = number
            picture.time_base = 1 / rate
            container.mux(stream.encode(picture))
            progress(number + 1)
        container.mux(stream.encode(None))
