"""Draws what is between lens and road: rain, glare and reflections, the dashboard, black bars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.synthetic.ground import noise
from lanes.synthetic.world import Glass, Scene
from lanes.types import Image, LabelMap, Size

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
SUNLIGHT = np.array((205, 236, 255), np.float32)


@dataclass(frozen=True)
class Pane:
    """What is on the glass in all frames of a scene at one size.

    `veil` (H, W, 3) is light added to the image, `drops` are (x, y, radius) in pixels. `dashboard`
    (h, W, 3) covers the bottom rows where its `mask` (h, W) is 255.
    """

    veil: Image | None
    drops: tuple[tuple[int, int, int], ...]
    dashboard: Image | None
    mask: Bytes | None


def look_through(scene: Scene, picture: Image, hidden: Bytes, seconds: float) -> None:
    """Draw what is on the glass and in the car; adds its coverage to `hidden` (H, W), 0..255."""
    if scene.glass == Glass():
        return
    rows, columns = picture.shape[:2]
    pane = _pane(scene, (rows, columns))
    if scene.glass.rain:
        _rain(scene, pane, picture, seconds)
    if pane.veil is not None:
        cv2.add(picture, pane.veil, picture)
    if pane.dashboard is not None and pane.mask is not None:
        low = picture[-len(pane.mask) :]
        cv2.copyTo(pane.dashboard, pane.mask, low)
        hidden[-len(pane.mask) :] = np.maximum(hidden[-len(pane.mask) :], pane.mask)


def cut_bars(glass: Glass, image: Image, labels: LabelMap) -> None:
    """Draw the black bars on the finished image; their label is background."""
    above, beside = (round(share * n) for share, n in zip(glass.bars, labels.shape, strict=True))
    for array in (image, labels):
        if above:
            array[:above] = array[-above:] = 0
        if beside:
            array[:, :beside] = array[:, -beside:] = 0


@lru_cache(maxsize=4)
def _pane(scene: Scene, size: Size) -> Pane:
    rng = np.random.default_rng([scene.seed, 4])
    glass, (rows, columns) = scene.glass, size
    light = np.zeros((-(-rows // 4), -(-columns // 4), 3), np.float32)
    if glass.glare:
        light += _glare(rng, glass, scene.camera.horizon, light.shape[:2])
    if glass.reflection:
        light += _reflection(rng, light.shape[:2])[..., None] * (
            glass.reflection * min(scene.light.ambient, 1)
        )
    veil = None
    if light.any():
        large = cv2.resize(np.clip(light, 0, 255).astype(np.uint8), (columns, rows))
        veil = np.asarray(large, np.uint8)
    drops = []
    if glass.rain:
        for _ in range(int(20 + 90 * glass.rain)):
            radius = max(round(columns * 0.0028 * float(rng.lognormal(0, 0.5))), 1)
            x, y = int(rng.integers(0, columns)), int(rng.integers(0, rows))
            drops.append((x, y, min(radius, columns // 40 + 1)))
    dashboard, mask = _dashboard(rng, scene, size)
    return Pane(veil, tuple(drops), dashboard, mask)


def _glare(rng: np.random.Generator, glass: Glass, horizon: float, size: Size) -> Floats:
    """The sun's disc, halo and rays, lens ghosts, and its reflection on the road."""
    rows, columns = size
    y = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) / columns
    x = (np.arange(columns, dtype=np.float32)[None] + 0.5) / columns
    sun_x, sun_y = glass.sun[0], glass.sun[1] * rows / columns
    away = np.hypot(x - sun_x, y - sun_y)
    turn = np.arctan2(y - sun_y, x - sun_x)
    rays = 1 + 0.25 * np.cos(int(rng.integers(5, 9)) * turn) * np.cos(3 * turn + 1)
    light = 1.3 * np.exp(-((away / 0.028) ** 2)) + 0.5 * rays * np.exp(-away / 0.09)
    light += 0.26 * np.exp(-away / 0.45)
    below = y - horizon * rows / columns
    on_road = np.exp(-(((x - sun_x) / (0.03 + 0.25 * np.maximum(below, 0))) ** 2))
    light += 0.3 * on_road * np.clip(below / 0.01, 0, 1) * np.exp(-np.maximum(below, 0) / 0.2)
    made = light[..., None] * SUNLIGHT * glass.glare
    for _ in range(int(rng.integers(0, 4))):
        along = float(rng.uniform(0.5, 1.9))
        centre = sun_x + along * (0.5 - sun_x), sun_y + along * (0.5 * rows / columns - sun_y)
        ghost = np.hypot(x - centre[0], y - centre[1]) < rng.uniform(0.01, 0.05)
        colour = rng.uniform(8, 34, 3).astype(np.float32) * glass.glare
        made += cv2.blur(ghost.astype(np.float32), (3, 3))[..., None] * colour
    return np.asarray(made, np.float32)


def _reflection(rng: np.random.Generator, size: Size) -> NDArray[np.float32]:
    """The dashboard's reflection in the windscreen: pale, blurred shapes and a veil."""
    rows, columns = size
    made: Floats = np.zeros(size, np.float32)
    for _ in range(int(rng.integers(2, 7))):
        middle = rng.uniform((0, 0.35 * rows), (columns, rows))
        half = rng.uniform((0.03 * columns, 0.02 * rows), (0.2 * columns, 0.14 * rows))
        corners = np.array([[-1, -1], [1, -1], [1.2, 1], [-1.2, 1]]) * half + middle
        corners[:, 0] += rng.normal(0, 0.02 * columns, 4)
        cv2.fillPoly(made, [corners.astype(np.int32)], float(rng.uniform(12, 48)))
    made = np.asarray(cv2.GaussianBlur(made, (0, 0), columns * float(rng.uniform(0.004, 0.02))))
    share = np.linspace(0.15, 1, rows, dtype=np.float32)[:, None]
    return np.asarray(share * (made + 14 * noise(rng, rows, columns, (4, 6)).clip(0, 2)))


def _dashboard(
    rng: np.random.Generator, scene: Scene, size: Size
) -> tuple[Image | None, Bytes | None]:
    """The dark edge of the dashboard over the bottom rows, with a hump at the steering wheel."""
    glass, columns = scene.glass, size[1]
    high = round(glass.dashboard * size[0])
    if high < 2:
        return None, None
    x = np.linspace(-1, 1, columns)
    edge = 0.45 - rng.uniform(-0.1, 0.2) * x**2 + rng.uniform(-0.15, 0.15) * x
    wheel, wide = rng.uniform(-0.75, -0.35), rng.uniform(0.18, 0.35)
    edge -= rng.uniform(0, 0.35) * np.exp(-(((x - wheel) / wide) ** 4))
    if rng.random() < 0.3:  # an object on the dashboard
        thing = np.abs(x - rng.uniform(-0.8, 0.8)) < rng.uniform(0.03, 0.12)
        edge -= rng.uniform(0.1, 0.3) * thing
    y = (np.arange(high)[:, None] + 0.5) / high
    mask = np.clip((y - edge) * high * 255, 0, 255).astype(np.uint8)
    ambient = min(scene.light.ambient, 1) * 0.85 + 0.08
    rough = 1 + 0.06 * noise(rng, high, columns, (high, columns // 2))
    sheen = 1 + 0.9 * np.exp(-np.maximum(y - edge, 0) / 0.07) * rng.uniform(0, 1)
    grey = glass.tone * ambient * rough * sheen * (1.1 - 0.4 * y)
    colour = grey[..., None] * (1 + rng.uniform(-0.06, 0.06, 3))
    return np.clip(colour, 0, 255).astype(np.uint8), mask


def _rain(scene: Scene, pane: Pane, picture: Image, seconds: float) -> None:
    """Draw falling rain, then drops on the glass, which show the scene upside down."""
    rows, columns = picture.shape[:2]
    rng = np.random.default_rng([scene.seed, 5, round(seconds * 1000)])
    streaks = np.zeros((rows, columns), np.uint8)
    count = int(130 * scene.glass.rain)
    starts = rng.uniform((0, 0), (columns, rows), (count, 2))
    long = rng.uniform(0.01, 0.05, count) * rows
    lean = rng.normal(0, 0.12) + (starts[:, 0] / columns - 0.5) * 0.5
    ends = starts + np.stack([lean * long, long], axis=1)
    bright = rng.uniform(14, 50, count) * (0.3 + 0.7 * min(scene.light.ambient, 1))
    for one, other, level in zip(
        starts.astype(int).tolist(), ends.astype(int).tolist(), bright.tolist(), strict=True
    ):
        cv2.line(streaks, one, other, level, 1, cv2.LINE_AA)
    cv2.add(picture, cv2.merge([streaks] * 3), picture)
    small = cv2.resize(picture, (columns // 4, rows // 4), interpolation=cv2.INTER_AREA)
    for x, y, radius in pane.drops:
        if radius <= x < columns - radius and radius <= y < rows - radius:
            reach = max(radius, 3)
            top, left = max(y // 4 - reach, 0), max(x // 4 - reach, 0)
            patch = small[top : y // 4 + reach, left : x // 4 + reach][::-1, ::-1]
            lens = cv2.resize(patch, (2 * radius, 2 * radius), interpolation=cv2.INTER_LINEAR)
            part = picture[y - radius : y + radius, x - radius : x + radius]
            share, shade = _disc(radius)
            part[:] = part + (lens * shade - part) * share


@lru_cache(maxsize=64)
def _disc(radius: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The coverage of each pixel (2 r, 2 r, 1) by a drop, and the drop's brightness."""
    at = (np.arange(2 * radius, dtype=np.float32) + 0.5) / radius - 1
    away = np.hypot(at[:, None] * 0.92, at[None])
    share = 0.9 * np.clip((1 - away) * radius, 0, 1)
    shade = 1.06 - 0.35 * np.clip((away - 0.55) / 0.45, 0, 1) * (0.6 - 0.4 * at[:, None])
    return share[..., None].astype(np.float32), shade[..., None].astype(np.float32)
