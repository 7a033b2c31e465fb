"""Draws the background: sky, clouds, hills, and a skyline of trees or roofs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.synthetic.ground import noise
from lanes.synthetic.things import haze
from lanes.synthetic.view import View
from lanes.synthetic.world import Scene
from lanes.types import Image


def backdrop(scene: Scene, v: View) -> Image:
    """Draw a panorama (rows + margins, 3 W, 3); its right third repeats the left third."""
    rng = np.random.default_rng([scene.seed, 2])
    rows, columns = v.size
    margin = columns // 8
    size = rows + 2 * margin, 2 * columns
    level = v.horizon + margin
    picture = _sky(rng, scene, size, level)
    unit = v.focal / 100
    if scene.backdrop == "hills" or rng.random() < 0.3:
        far = _ridge(rng, size[1], 4) * 3.0 * unit + 4.5 * unit
        _stand(picture, level - np.maximum(far, 0), scene, (105, 110, 90), 0.7)
    if scene.backdrop == "town":
        _stand(picture, level - _roofs(rng, size[1], unit), scene, (115, 112, 112), 0.45)
    trees = np.abs(_ridge(rng, size[1], 40)) * 0.5 + _ridge(rng, size[1], 9) * 0.6 + 1.3
    leaves = trees + 0.25 * _ridge(rng, size[1], max(size[1] // 4, 8))
    _stand(picture, level - np.maximum(leaves, 0.2) * unit, scene, (50, 82, 66), 0.3)
    picture = np.concatenate([picture, picture[:, :columns]], axis=1)
    return np.ascontiguousarray(picture)


def _sky(
    rng: np.random.Generator, scene: Scene, size: tuple[int, int], level: float
) -> NDArray[np.uint8]:
    light = scene.light
    rows, columns = size[0] // 2, size[1] // 2
    height = np.clip((level / 2 - np.arange(rows)) / max(level / 2, 1), 0, 1)
    height = height.astype(np.float32)[:, None, None]
    low, top = (np.array(c, np.float32) for c in (light.sky_low, light.sky_top))
    sky = np.broadcast_to(low + (top - low) * height**0.6, (rows, columns, 3))
    if light.clouds > 0.2 and light.time != "night":
        # Perspective: towards the horizon, clouds look thinner and closer together.
        field = sum(noise(rng, columns, rows, (5 * k, 7 * k)).T / k for k in (1, 2, 4, 8))
        cloud = np.clip(field - 1.4 + 1.8 * light.clouds, 0, 1)[..., None] * height**0.3
        bright = np.minimum(low * 1.08, 254) if light.time == "day" else low * 0.85
        tone = bright * (1 - 0.18 * np.clip(cloud - 0.5, 0, 1))
        sky = sky + (tone - sky) * np.float32(0.8) * cloud
    small = np.clip(sky, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(small, (size[1], size[0])), np.uint8)


def _ridge(rng: np.random.Generator, columns: int, cells: int) -> NDArray[np.float64]:
    """A periodic skyline: smooth noise with `cells` waves."""
    return np.asarray(noise(rng, columns, 1, (cells, 1))[:, 0], np.float64)


def _roofs(rng: np.random.Generator, columns: int, unit: float) -> NDArray[np.float64]:
    heights = np.zeros(columns)
    x = 0
    while x < columns:
        wide = int(rng.uniform(1.5, 7) * unit) + 2
        heights[x : x + wide] = rng.uniform(0, 1) ** 2 * 16 * unit
        x += wide
    return heights


def _stand(
    picture: NDArray[np.uint8],
    tops: NDArray[np.float64],
    scene: Scene,
    colour: tuple[int, int, int],
    air: float,
) -> None:
    """Fill the image below a skyline."""
    lit = np.array(colour) * scene.light.ambient * np.array(scene.light.tint)
    shade = lit + (np.array(haze(scene)) - lit) * air
    columns = np.arange(len(tops))
    outline = np.stack([columns, tops], axis=1)
    rows = picture.shape[0]
    corners = np.vstack([outline, [[len(tops), rows], [0, rows]]])
    tone = tuple(float(c) for c in shade)
    cv2.fillPoly(picture, [(corners * 16).astype(np.int32)], tone, cv2.LINE_AA, 4)
