"""Draws the dashboard's examples: `python scripts/draw_examples.py [NAME...]`.

For each a short clip (H.264), ground truth (FFV1) of the first, and a picture with its model's
labels; all are drawn by `lanes.synthetic`, so nobody else has rights to them. They ship with the
package.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import av
import cv2
import numpy as np

import lanes
from lanes.datasets import synthetic_cells
from lanes.synthetic.road import demo_scene, render, scene
from lanes.synthetic.smear import drift, smear
from lanes.synthetic.world import Glass
from lanes.types import Image, LabelMap

Pair: TypeAlias = tuple[Image, LabelMap]

FOLDER = Path(__file__).parents[1] / "apps" / "dashboard_pages" / "examples"
RATE, FRAMES = Fraction(25), 100
SIZE = (360, 640)
RAIN_SEED = 3_000_463
SMEAR_SEED, DIAMETER = 26, 42.0
MODELS = {"motorway": "lanes-fcn-lite", "rain": "lanes-fcn-lite", "smear": "cells-count"}
WITH_TRUTH = ("motorway",)
FFV1 = {"level": "3", "coder": "2", "context": "1", "g": "100"}
STILL = 60
"""The frame of the picture."""


def motorway() -> Iterator[Pair]:
    """The drive of the demo."""
    drive = demo_scene()
    for number in range(FRAMES):
        yield render(drive, SIZE, float(number / RATE))


def rain() -> Iterator[Pair]:
    """A wet motorway at night, in the rain."""
    drive = scene(RAIN_SEED)
    # Less noise than a camera has, which would take most of the file.
    light = replace(drive.light, noise=1.0, exposure=drive.light.exposure * 1.2)
    drive = replace(drive, light=light, glass=Glass(rain=0.5))
    for number in range(FRAMES):
        yield render(drive, SIZE, float(number / RATE))


def blood() -> Iterator[Pair]:
    """A blood smear under a microscope, in a stain that the model knows."""
    slide = smear(SMEAR_SEED, DIAMETER, synthetic_cells.WHITE)
    for seen in drift(slide, SIZE, FRAMES, RATE):
        yield seen.image, seen.labels


EXAMPLES = {"motorway": motorway, "rain": rain, "smear": blood}


def write(name: str) -> None:
    """Write the clip, its ground truth if it is small, and the picture of an example."""
    pairs = list(EXAMPLES[name]())
    options = {"crf": "28", "preset": "medium"}
    _write_video(FOLDER / f"{name}.mp4", "libx264", "yuv420p", [p[0] for p in pairs], options)
    if name in WITH_TRUTH:
        _write_video(FOLDER / f"{name}.mkv", "ffv1", "gray", [p[1] for p in pairs], FFV1)
    write_picture(name)


def write_picture(name: str) -> None:
    """Write the picture of an example whose clip exists, as the Live page draws it."""
    with lanes.load(MODELS[name]) as model:
        results = model.stream(FOLDER / f"{name}.mp4")
        drawn = next(islice(results, STILL, None)).drawn.bgr
    cv2.imwrite(str(FOLDER / f"{name}.webp"), drawn, [cv2.IMWRITE_WEBP_QUALITY, 80])


def _write_video(
    path: Path, codec: str, pixels: str, frames: list[Image], options: dict[str, str]
) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], pixels
        for number, frame in enumerate(frames):
            given = "bgr24" if frame.ndim == 3 else "gray"
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), given)
            picture.pts, picture.time_base = number, 1 / RATE
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in sys.argv[1:] or EXAMPLES:
        write(each)
