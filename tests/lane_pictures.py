"""Writes the pictures of docs/lines.md to docs/images: `python tests/lane_pictures.py`.

The default model labels a rendered drive, in which the car leaves its lane.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

import lanes
from lanes.lines.camera import toml_of
from lanes.pipeline.demo_clip import write_clip
from lanes.pipeline.labelled import Look
from lanes.synthetic.demo import demo_scene
from lanes.synthetic.road import render
from lanes.synthetic.world import Move

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZE, RATE = (720, 1280), Fraction(25, 2)
SECONDS = 4.8
WIDTH = 1000


def main() -> None:
    scene = replace(demo_scene(), moves=(Move(1.6, 3.6, 1.5),))
    with tempfile.TemporaryDirectory() as folder:
        clip, camera = Path(folder) / "a.mp4", Path(folder) / "camera.toml"
        frames = (render(scene, SIZE, n / float(RATE)) for n in range(int(SECONDS * RATE)))
        write_clip(clip, Path(folder) / "a.mkv", frames, RATE)
        focal = SIZE[1] / 2 / np.tan(scene.camera.fov / 2)
        camera.write_text(toml_of(float(focal), SIZE, scene.camera.height))
        with lanes.load() as model:
            results = list(model.stream(clip, calibration=camera))
            states = [result.lane.keeping.state for result in results]
    _write("lanes-hud", results[int(1.5 * RATE)])
    _write("lanes-departure", results[states.index("leaving right") + 2])


def _write(name: str, result: lanes.Labelled) -> None:
    look = Look(lines=("lanes-fcn-lite",), birdseye=True)
    picture = Image.fromarray(result.looking(look).drawn.bgr[..., ::-1])
    picture = picture.resize((WIDTH, WIDTH * SIZE[0] // SIZE[1]), Image.Resampling.LANCZOS)
    picture.save(IMAGES / f"{name}.webp", quality=82)


if __name__ == "__main__":
    main()
