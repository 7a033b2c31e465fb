"""Renders the synthetic road: an image and the exact label of every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.synthetic.backdrop import backdrop
from lanes.synthetic.demo import demo_scene
from lanes.synthetic.glass import cut_bars, look_through
from lanes.synthetic.ground import HALF, LENGTH, Ribbon, grain, ribbons
from lanes.synthetic.hatching import paint_hatch
from lanes.synthetic.paint import (
    BACKGROUND,
    DRIVABLE,
    HATCHED,
    IMPLIED,
    LINE,
    paint_line,
    sharpness,
)
from lanes.synthetic.scene import scene
from lanes.synthetic.things import Canvas, draw, haze
from lanes.synthetic.view import Floats, View, depths, heading, path, view
from lanes.synthetic.world import REACH, Scene
from lanes.types import Image, LabelMap, Size

__all__ = ["Scene", "demo_scene", "render", "scene"]


@dataclass(frozen=True)
class Stage:
    """What all frames of a scene share at one size.

    An image colour is the ground colour times `gain` plus `air`, both (h, W, 3). `bands` are (first
    row, last row, nearest depth) of each ribbon. `curve` is the tone curve (3 x 256).
    """

    view: View
    ribbons: tuple[Ribbon, ...]
    bands: tuple[tuple[int, int, float], ...]
    backdrop: Image
    gain: Floats
    air: Floats
    curve: NDArray[np.uint8]
    vignette: NDArray[np.uint8] | None
    grain: NDArray[np.uint8]
    bonnet: Image | None
    bonnet_mask: NDArray[np.uint8] | None


def render(scene: Scene, size: Size = (360, 640), seconds: float = 0.0) -> tuple[Image, LabelMap]:
    """Render the frame of a drive at a time, and its labels.

    Labels are 0 background, 1 drivable, 2 lane line (visible paint) and 3 implied line: a lane line
    without visible paint, such as between dashes, where it is worn, or behind a vehicle.

    `size` is (height, width), each at least 64 pixels. The image is BGR uint8 (H, W, 3), the labels
    are uint8 (H, W). Drivable is the asphalt of the ego carriageway's lanes, including arrows,
    crossings and stop lines, but without shoulders and lanes of oncoming traffic. The stripes and
    borders of hatching are 2. A pixel is labelled as line if paint fills at least half of it; lines
    are labelled up to the distance where they are half a pixel wide. Rain, glare and reflections do
    not change labels; bonnet, dashboard and black bars are 0.
    """
    stage = _stage(scene, size)
    s = scene.camera.speed * seconds
    picture = _sky(stage, scene, s)
    labels = np.zeros(size, np.uint8)
    t = _ground(stage, scene, s, scene.offset(seconds), picture, labels)
    hidden, vehicles = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    draw(Canvas(scene, stage.view, s, seconds, picture, hidden, vehicles))
    if scene.light.wet:
        _mirror(stage, scene, picture, np.maximum(hidden, vehicles), t)
    if stage.bonnet is not None and stage.bonnet_mask is not None:
        rows = stage.bonnet.shape[0]
        mask = stage.bonnet_mask
        cv2.copyTo(stage.bonnet, mask, picture[-rows:])
        hidden[-rows:] = np.maximum(hidden[-rows:], mask)
    look_through(scene, picture, hidden, seconds)
    behind = vehicles >= 128
    line = (labels[behind] == LINE) | (labels[behind] == IMPLIED)
    labels[behind] = np.where(line, IMPLIED, BACKGROUND)
    labels[hidden >= 128] = BACKGROUND
    if scene.hatch is not None:
        labels[labels == HATCHED] = LINE
    image = _expose(stage, scene, picture, seconds)
    cut_bars(scene.glass, image, labels)
    return image, labels


@lru_cache(maxsize=4)
def _ribbons(scene: Scene) -> tuple[Ribbon, ...]:
    return ribbons(scene)


@lru_cache(maxsize=4)
def _stage(scene: Scene, size: Size) -> Stage:
    """Prepare what the frames of a scene share; cached."""
    v = view(scene.camera, scene.road.slope_change, size)
    levels = _ribbons(scene)
    gain, air = _lighting(scene, v)
    bonnet, mask = _bonnet(scene, size)
    rng = np.random.default_rng([scene.seed, 3])
    rows, columns = size
    bank = grain(rng, (rows + 32, columns + 32, 3))
    noise = np.asarray(cv2.convertScaleAbs(bank, alpha=scene.light.noise, beta=128), np.uint8)
    return Stage(
        v, levels, _bands(v, levels), backdrop(scene, v), gain, air, _curve(scene),
        _vignette(scene, size), noise, bonnet, mask,
    )  # fmt: skip


def _bands(v: View, levels: tuple[Ribbon, ...]) -> tuple[tuple[int, int, float], ...]:
    """Divide the image's rows among the ribbons by depth."""
    middle = np.where(v.seen, v.depth, np.float32(1e8)).min(axis=1)
    bands = []
    for level in levels:
        rows = np.flatnonzero((middle >= level.near) & (middle < level.far))
        if len(rows):
            first, last = int(rows[0]), int(rows[-1]) + 1
            bands.append((first, last, float(v.depth[first:last].min())))
        else:
            bands.append((0, 0, 0.0))
    return tuple(bands)


def _lighting(scene: Scene, v: View) -> tuple[Floats, Floats]:
    light = scene.light
    gain = np.full(v.depth.shape, light.ambient, np.float32)
    if light.headlight:
        spread = np.exp(-((v.across / (1.8 + 0.16 * v.depth)) ** 2))
        near = np.clip(v.depth / 7, 0, 1) ** 2
        gain += light.headlight * spread * near * (11 / (v.depth + 4)) ** 1.4
    clear = np.exp(-light.haze * v.depth)
    # The last metres fade into the haze, so that the ground does not end abruptly.
    clear *= np.clip((REACH - v.depth) / 60, 0, 1) * 0.5 + 0.5
    gain *= clear
    coloured = cv2.merge([gain * np.float32(share) for share in light.tint])
    air = cv2.merge([(1 - clear) * np.float32(level) for level in haze(scene)])
    return np.asarray(coloured, np.float32), np.asarray(air, np.float32)


def _curve(scene: Scene) -> NDArray[np.uint8]:
    light = scene.light
    levels = np.arange(256)[:, None] / 255 * light.exposure * np.array(light.balance)
    # A soft shoulder, like a sensor's, so that bright skies do not clip abruptly.
    levels = np.where(levels > 0.8, 0.8 + 0.2 * np.tanh((levels - 0.8) / 0.3), levels)
    return np.asarray(np.clip(255 * levels**light.gamma, 0, 255), np.uint8)[None]


def _vignette(scene: Scene, size: Size) -> NDArray[np.uint8] | None:
    if scene.light.vignette < 0.03:
        return None
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) ** 2 for n in size)
    fall = 255 * (1 - np.float32(scene.light.vignette * 0.5) * (x + y[:, None]))
    return np.asarray(cv2.merge([fall.astype(np.uint8)] * 3), np.uint8)


def _bonnet(scene: Scene, size: Size) -> tuple[Image | None, NDArray[np.uint8] | None]:
    """The ego car's bonnet over the bottom rows, with a reflection of the sky."""
    camera = scene.camera
    rows = round(camera.bonnet * size[0])
    if rows < 2:
        return None, None
    x = np.linspace(-1, 1, size[1])
    y = np.arange(rows)[:, None]
    edge = rows * (0.15 + 0.55 * np.abs(x) ** 2.4)
    mask = np.clip((y - edge + 0.5) * 255, 0, 255).astype(np.uint8)
    sheen = np.exp(-(y - edge) / max(rows * 0.25, 1)).clip(0, 1) * 0.55
    low = np.array(scene.light.sky_low) * (0.8 if scene.light.time != "night" else 0.6)
    paint = np.array(camera.bonnet_colour) * scene.light.ambient
    colour = paint + sheen[..., None] * (low - paint)
    return np.clip(colour, 0, 255).astype(np.uint8), mask


def _sky(stage: Stage, scene: Scene, s: float) -> Image:
    """Rotate the backdrop by the road's heading and the camera's roll."""
    v = stage.view
    rows, columns = v.size
    unseen = np.flatnonzero(~v.seen.all(axis=1))
    last = min(rows, v.top + (int(unseen[-1]) + 1 if len(unseen) else 0))
    shift = v.focal * (heading(scene.road, s) + scene.camera.yaw) % (stage.backdrop.shape[1] // 2)
    c, n = np.cos(scene.camera.roll), np.sin(scene.camera.roll)
    middle, level = columns / 2, v.horizon
    margin = (stage.backdrop.shape[0] - rows) // 2
    matrix = np.array(
        [[c, n, middle + shift - c * middle - n * level],
         [-n, c, level + margin + n * middle - c * level]]
    )  # fmt: skip
    picture = np.empty((rows, columns, 3), np.uint8)
    picture[:last] = cv2.warpAffine(
        stage.backdrop,
        matrix,
        (columns, last),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return picture


def _ground(
    stage: Stage, scene: Scene, s: float, offset: float, picture: Image, labels: LabelMap
) -> Floats:
    """Draw and label the ground: texture, paint, light, haze; return each pixel's `t`."""
    v, road = stage.view, scene.road
    t = v.across - path(road, s, depths()).astype(np.float32)[v.step]
    t += np.float32(offset)
    texture, paint = _texture(stage, t, s)
    part = labels[v.top :]
    part[(t > road.left) & (t < road.right) & v.seen] = DRIVABLE
    sharp = sharpness(v, t)
    if scene.hatch is not None:
        paint_hatch(v, scene.hatch, s, t, sharp, texture, part)
    for line in road.lines:
        paint_line(v, line, s, t, sharp, (texture, paint), part)
    light = _grain(stage, s, t, paint)
    lit = cv2.multiply(texture, cv2.merge([light] * 3), scale=1 / 128)
    ground = cv2.add(cv2.multiply(lit, stage.gain, dtype=cv2.CV_32F), stage.air)
    below = picture[v.top :]
    cv2.copyTo(cv2.convertScaleAbs(ground), v.seen.view(np.uint8), below)
    return t


def _texture(stage: Stage, t: Floats, s: float) -> tuple[Image, NDArray[np.uint8]]:
    """Sample the ribbons at the ground point of every pixel."""
    v = stage.view
    texture = np.zeros((*t.shape, 3), np.uint8)
    paint = np.zeros((*t.shape, 2), np.uint8)
    for ribbon, (first, last, nearest) in zip(stage.ribbons, stage.bands, strict=True):
        if first == last:
            continue
        rows, columns = ribbon.scale
        start = (s + nearest) % LENGTH - nearest
        x = (t[first:last] + np.float32(HALF)) * np.float32(columns) - np.float32(0.5)
        y = (v.depth[first:last] + np.float32(start)) * np.float32(rows) - np.float32(0.5)
        for target, source in ((texture, ribbon.colour), (paint, ribbon.paint)):
            cv2.remap(
                source, x, y, cv2.INTER_LINEAR, target[first:last], borderMode=cv2.BORDER_REPLICATE
            )
    return texture, paint


def _grain(stage: Stage, s: float, t: Floats, paint: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Add a 2 cm grain to the nearest metres, which is finer than the ribbons' resolution."""
    v = stage.view
    light = np.ascontiguousarray(paint[..., 1])
    first = int(np.argmax(v.depth.min(axis=1) < 12))
    depth = v.depth[first:]
    along = ((depth + np.float32(s % 1000)) * 40).astype(np.int32) & 255
    beside = ((t[first:] + np.float32(HALF)) * 50).astype(np.int32) & 255
    strength = np.clip(1.5 - depth / 8, 0, 1)
    rough = 1 + _stones()[along, beside] * strength
    light[first:] = cv2.multiply(light[first:], rough, dtype=cv2.CV_8U)
    return light


@lru_cache(maxsize=1)
def _stones() -> Floats:
    return np.random.default_rng(0).normal(0, 0.045, (256, 256)).astype(np.float32)


def _mirror(
    stage: Stage, scene: Scene, picture: Image, hidden: NDArray[np.uint8], t: Floats
) -> None:
    """Reflect what is above the horizon in the wet road."""
    v = stage.view
    level = v.top
    rows = min(level, v.size[0] - level)
    if rows < 1:
        return
    flipped = cv2.blur(cv2.flip(picture[level - rows : level], 0), (3, 9))
    road = picture[level : level + rows]
    left, right = scene.road.paved[0]
    open_road = (hidden[level : level + rows] < 128) & (t[:rows] > left) & (t[:rows] < right)
    # Fade out the reflection, so that it does not end abruptly.
    fade = np.clip(np.arange(rows, 0, -1, dtype=np.float32) / (0.5 * rows), 0, 1)[:, None]
    share = open_road * (np.float32(0.35 * scene.light.wet) * fade)
    road[:] = cv2.blendLinear(road, flipped, 1 - share, share)


def _expose(stage: Stage, scene: Scene, picture: Image, seconds: float) -> Image:
    """Apply the sensor's effects: blur, vignette, exposure, noise."""
    light = scene.light
    seen: Any = picture
    if light.blur:
        seen = cv2.GaussianBlur(seen, (0, 0), light.blur * picture.shape[1] / 640)
    if stage.vignette is not None:
        seen = cv2.multiply(seen, stage.vignette, scale=1 / 255)
    seen = cv2.LUT(seen, stage.curve)
    rng = np.random.default_rng([scene.seed, round(seconds * 1000)])
    y, x = rng.integers(0, 32, 2)
    rough = stage.grain[y : y + picture.shape[0], x : x + picture.shape[1]]
    return np.asarray(cv2.addWeighted(seen, 1, rough, 1, -128), np.uint8)
