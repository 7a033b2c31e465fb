"""Draws the ground from above: a ribbon of texture that repeats along the road."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.synthetic.world import REACH, Light, Prop, Road, Scene
from lanes.types import Image

LENGTH = 96.0
"""Metres after which the ribbon repeats."""
HALF = 38.0
"""The ribbon extends this far to both sides of the ego lane, in metres."""
LONG, WIDE = 960, 1216
"""The ribbon's size in pixels, along and across the road."""
BANK = 2_000_000
ALONG, ACROSS = LONG / LENGTH, WIDE / (2 * HALF)


@dataclass(frozen=True)
class Ribbon:
    """The ground at one level of detail, for depths from `near` to `far` metres.

    `colour` (rows, WIDE, 3) is BGR; `paint` (rows, WIDE, 2) is the paint left on lines, and the
    light (128 is full). `scale` is rows and columns per metre; the rows repeat after `LENGTH`
    metres.
    """

    near: float
    far: float
    scale: tuple[float, float]
    colour: Image
    paint: NDArray[np.uint8]


def noise(
    rng: np.random.Generator, rows: int, columns: int, cells: tuple[int, int]
) -> NDArray[np.float32]:
    """Make smooth noise (rows, columns) of about unit variance that repeats along the rows."""
    count = cells[0] * cells[1]
    start = int(rng.integers(0, BANK - count))
    grid = _bank()[start : start + count].reshape(cells)
    pad = 2
    grid = np.vstack([grid[-pad:], grid, grid[:pad]])
    edge = round(rows * pad / cells[0])
    large = cv2.resize(grid, (columns, rows + 2 * edge), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large[edge : edge + rows])


def grain(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Normal noise (mean 0, deviation 1) of any shape; a view, so do not modify it."""
    count = int(np.prod(shape))
    if count >= BANK:
        return np.resize(_bank(), shape)
    start = int(rng.integers(0, BANK - count))
    return _bank()[start : start + count].reshape(shape)


@lru_cache(maxsize=1)
def _bank() -> NDArray[np.float32]:
    """Random numbers, generated once; slicing them is ten times faster than generating new ones."""
    return np.random.default_rng(0).standard_normal(BANK, dtype=np.float32)


def ribbons(scene: Scene) -> tuple[Ribbon, ...]:
    """Draw the ground of a scene at decreasing levels of detail, from near to far."""
    rng = np.random.default_rng([scene.seed, 1])
    colour = np.asarray(cv2.add(_surface(rng, scene), np.zeros(4), dtype=cv2.CV_8U), np.uint8)
    _marks(rng, scene.road, colour)
    wear = _wear(rng)
    light = _light(rng, scene.light, scene.road, scene.props)
    paint = np.dstack([wear, light])
    levels: list[Ribbon] = []
    near, far = 0.0, 11.0
    while near < REACH:
        last = len(levels) == 6
        rows, columns = colour.shape[:2]
        scales = rows / LENGTH, columns / (2 * HALF)
        levels.append(Ribbon(near, 1e9 if last else far, scales, _wrap(colour), _wrap(paint)))
        if last:
            break
        small = columns // 2 if len(levels) > 2 and columns > 300 else columns, rows // 2
        colour, paint = _shrink(colour, small), _shrink(paint, small)
        near, far = far, far * 1.5
    return tuple(levels)


def _shrink(texture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if size[0] == texture.shape[1]:
        # Averaging pairs of rows is ten times faster than a resize along one axis.
        return np.asarray(cv2.addWeighted(texture[::2], 0.5, texture[1::2], 0.5, 0), np.uint8)
    return np.asarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _wrap(texture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Extend a texture by repetition, so that it can be read from any start."""
    times = 2 if texture.shape[0] > LONG // 4 else 6
    return np.ascontiguousarray(np.concatenate([texture] * times))


def _column(t: float) -> int:
    return round((t + HALF) * ACROSS)


def _surface(rng: np.random.Generator, scene: Scene) -> NDArray[np.float32]:
    """Asphalt between its edges, verge beyond; float BGR (LONG, WIDE, 3)."""
    road = scene.road
    ground = _verge(rng, road.verge)
    stones = (
        3.5 * noise(rng, LONG, WIDE, (LONG, WIDE))
        + 2.5 * noise(rng, LONG, WIDE, (240, 300))
        + 3.0 * noise(rng, LONG, WIDE, (16, 60))
    )
    t = np.arange(WIDE) / ACROSS - HALF
    lane = (t / road.lane_width + 0.5) % 1 - 0.5
    tracks = np.exp(-((np.abs(lane) - 0.25) ** 2) / 0.006) * rng.uniform(-6, 5)
    tracks = tracks - np.exp(-(lane**2) / 0.004) * rng.uniform(0, 9)
    for i, (left, right) in enumerate(road.paved):
        a, b = max(_column(left), 0), min(_column(right), WIDE)
        if a >= b:
            continue
        level = np.asarray(road.asphalt) + (0 if i == 0 else rng.uniform(-12, 12))
        # One plane at a time, because numpy is slow if the last axis is short.
        rough = (stones[:, a:b] + tracks[a:b]).astype(np.float32)
        asphalt = np.asarray(cv2.merge([rough + tone for tone in level.astype(np.float32)]))
        if road.verge != "kerb":
            _fray(rng, asphalt, ground[:, a:b])
        ground[:, a:b] = asphalt
        if road.verge != "kerb" and i == 0:
            shade = rng.uniform(-14, 18)
            ground[:, _column(road.right + 0.3) : b] += shade
    _damage(rng, road, ground)
    if road.verge == "kerb":
        _kerbs(rng, road, ground)
    if scene.light.wet:
        ground *= 1 - 0.45 * scene.light.wet
    return ground


def _fray(
    rng: np.random.Generator, asphalt: NDArray[np.float32], verge: NDArray[np.float32]
) -> None:
    """Fray the asphalt's edges with the verge."""
    wide = min(int(rng.integers(2, 7)), asphalt.shape[1] // 2)
    depth = np.linspace(1.2, -1.2, wide)
    for strip, inward in ((slice(0, wide), depth), (slice(-wide, None), depth[::-1])):
        grown = noise(rng, LONG, wide, (LONG // 4, max(wide // 2, 1))) * 0.6 + inward > 0.2
        asphalt[:, strip][grown] = verge[:, strip][grown]


def _verge(rng: np.random.Generator, verge: str) -> NDArray[np.float32]:
    base = {
        "grass": (52, 108, 88), "dry": (105, 150, 165), "dirt": (95, 120, 140),
        "kerb": (140, 146, 150),
    }[verge]  # fmt: skip
    colour = np.asarray(base, np.float32) * rng.uniform(0.75, 1.15)
    mottle = 0.09 * noise(rng, LONG, WIDE, (LONG // 2, WIDE // 2))
    mottle += 0.1 * noise(rng, LONG, WIDE, (60, 120)) + 0.1 * noise(rng, LONG, WIDE, (12, 14))
    mottle = 1 + mottle * (0.4 if verge == "kerb" else 1)
    ground = cv2.merge([mottle * tone for tone in colour])
    if verge == "kerb":
        ground[:: round(1.5 * ACROSS)] *= 0.88
    return np.asarray(ground, np.float32)


def _kerbs(rng: np.random.Generator, road: Road, ground: NDArray[np.float32]) -> None:
    """Draw kerbs along a street, and sometimes grass behind the pavement."""
    bright = float(rng.uniform(120, 190))
    for edge, side in ((road.paved[0][0], -1), (road.paved[0][1], 1)):
        a, b = sorted((_column(edge), _column(edge + side * 0.3)))
        ground[:, max(a, 0) : max(b, 0)] = bright
        gutter = sorted((_column(edge), _column(edge - side * 0.25)))
        ground[:, max(gutter[0], 0) : max(gutter[1], 0)] *= 0.8


def _damage(rng: np.random.Generator, road: Road, ground: NDArray[np.float32]) -> None:
    """Draw patches, tar seams and cracks: dark or pale shapes that are not lines."""
    left, right = road.paved[0]
    many = road.damage
    for _ in range(rng.poisson(7 * many)):
        x, y = _column(rng.uniform(left, right)), int(rng.uniform(0, LONG))
        w, h = int(rng.uniform(0.5, 3) * ACROSS), int(rng.uniform(1, 12) * ALONG)
        a, b = max(x, _column(left)), min(x + w, _column(right))
        ground[y : y + h, a:b] += rng.uniform(-28, 16)
    for _ in range(rng.poisson(5 * many)):
        x = _column(rng.uniform(left, right))
        start = int(rng.uniform(0, LONG * 0.6))
        stop = LONG if rng.random() < 0.4 else start + int(rng.uniform(50, LONG * 0.4))
        wobble = np.cumsum(rng.normal(0, 0.25, (stop - start) // 8 + 2))
        wobble -= np.linspace(0, wobble[-1], len(wobble))
        points = np.stack([x + wobble, start + 8 * np.arange(len(wobble))], axis=1)
        dark = float(rng.uniform(0.4, 0.8))
        tone = tuple(c * dark for c in road.asphalt)
        cv2.polylines(ground, [points.astype(np.int32)], False, tone, int(rng.integers(1, 3)))
    for _ in range(rng.poisson(6 * many)):
        y = int(rng.uniform(0, LONG))
        ends = (_column(left), y), (_column(right), y + int(rng.normal(0, 4)))
        cv2.line(ground, *ends, tuple(c * 0.7 for c in road.asphalt), 1)
    for _ in range(rng.poisson(10 * many)):
        x, y = _column(rng.uniform(left, right)), int(rng.uniform(0, LONG))
        axes = int(rng.uniform(2, 12)), int(rng.uniform(2, 12))
        cv2.ellipse(ground, (x, y), axes, 0, 0, 360, tuple(c * 0.85 for c in road.asphalt), -1)


def _marks(rng: np.random.Generator, road: Road, colour: Image) -> None:
    """Draw arrows and crossings: paint that is drivable, not lane line."""
    white = (205, 210, 212)
    if road.arrows:
        y = int(rng.uniform(100, LONG - 200))
        for i in range(road.lanes):
            middle = road.left + (i + 0.5) * road.lane_width
            tip = np.array([[-0.1, 0], [0.1, 0], [0.1, 2.6], [0.45, 2.6], [0, 4.6], [-0.45, 2.6],
                            [-0.1, 2.6]])  # fmt: skip
            points = np.stack([(middle + tip[:, 0] + HALF) * ACROSS, y + tip[:, 1] * ALONG], 1)
            cv2.fillPoly(colour, [points.astype(np.int32)], white)
    if road.crossings:
        y, deep = int(rng.uniform(100, LONG - 100)), int(rng.uniform(2.5, 4) * ALONG)
        left, right = road.paved[0]
        t = left + 0.4
        while t < right - 0.5:
            colour[y : y + deep, max(_column(t), 0) : max(_column(t + 0.5), 0)] = white
            t += 1.0
        stop = y - int(1.5 * ALONG)
        colour[stop - 4 : stop, max(_column(road.left), 0) : _column(road.right)] = white


def _wear(rng: np.random.Generator) -> NDArray[np.uint8]:
    """The order in which paint wears off: 0 first, 255 last."""
    field = noise(rng, LONG, WIDE, (LONG, WIDE // 2)) + noise(rng, LONG, WIDE, (80, 200))
    return np.asarray(np.clip(128 + 50 * field, 0, 255), np.uint8)


def _light(
    rng: np.random.Generator, light: Light, road: Road, props: tuple[Prop, ...]
) -> NDArray[np.uint8]:
    """Shadows by day, light of street lamps at night; 128 is full light."""
    field = np.full((LONG, WIDE), 128, np.float32)
    if light.shadows:
        field -= 128 * light.shadows * _shadows(rng, light, road)
    if light.time in ("night", "dusk") and any(p.kind == "lamp" for p in props):
        y = (np.arange(LONG) / ALONG + 16) % 32 - 16
        t = np.arange(WIDE) / ACROSS - HALF
        pool = np.exp(-(y[:, None] ** 2) / 60) * np.exp(-((t - road.right) ** 2) / 70)
        field *= 0.7 + 1.25 * pool.astype(np.float32)
    return np.clip(field, 0, 255).astype(np.uint8)


def _shadows(rng: np.random.Generator, light: Light, road: Road) -> NDArray[np.float32]:
    """Shadows of trees and poles, 0..1 (LONG, WIDE)."""
    shade = np.zeros((LONG, WIDE), np.uint8)
    side = light.shadow_side
    edge = road.paved[0][0] if side < 0 else road.paved[0][1]
    for _ in range(light.shadow_trees):
        y, reach = int(rng.uniform(60, LONG - 60)), rng.uniform(-2, 8)
        x = _column(edge - side * reach)
        cv2.line(shade, (_column(edge + side * 4), y), (x, y + 12), 255, 4)
        for _ in range(70):
            blob = x + int(rng.normal(0, 28)), y + int(rng.normal(0, 18))
            axes = int(rng.uniform(2, 16)), int(rng.uniform(2, 10))
            cv2.ellipse(shade, blob, axes, 0, 0, 360, 255, -1)
    if light.shadow_bridge:
        y = int(rng.uniform(0, LONG - 100))
        shade[y : y + int(rng.uniform(40, 90))] = 255
    if light.shadow_edge is not None:
        rough = float(rng.choice([0, 8, 20]))
        middle = _column(edge - side * light.shadow_edge)
        ragged = middle + rough * noise(rng, LONG, 1, (60, 2))[:, 0]
        columns = np.arange(WIDE)
        inside = columns < ragged[:, None] if side < 0 else columns > ragged[:, None]
        shade[inside] = 255
    return np.asarray(cv2.GaussianBlur(shade, (0, 0), rng.uniform(0.8, 3)) / 255, np.float32)
