"""Blood cells in a smear: their outlines, and the distribution of dyes in them.

Lengths are in pixels, positions are (y, x). Fields are float32 (h, w) over a window of the image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Pixel = TypeVar("Pixel", bound=np.generic)
Floats: TypeAlias = NDArray[np.float32]
Place: TypeAlias = tuple[float, float]

NEUTROPHIL, EOSINOPHIL, BASOPHIL, LYMPHOCYTE, MONOCYTE = KINDS = (
    "neutrophil",
    "eosinophil",
    "basophil",
    "lymphocyte",
    "monocyte",
)
SHARES = (0.5, 0.12, 0.06, 0.2, 0.12)
"""Frequency of each kind; rare kinds are more frequent than in blood."""
SIZES = {NEUTROPHIL: 1.65, EOSINOPHIL: 1.75, BASOPHIL: 1.5, LYMPHOCYTE: 1.3, MONOCYTE: 2.0}
"""Diameters, relative to a red cell's."""


@dataclass(frozen=True)
class Outline:
    """A closed curve around `centre`: an ellipse with the mean `radius`, modulated by waves.

    `aspect` is the square root of the ratio of its axes, `angle` the angle of the longer one.
    `waves` are (periods around the curve, share of the radius, phase).
    """

    centre: Place
    radius: float
    aspect: float
    angle: float
    waves: tuple[tuple[int, float, float], ...]

    def depth(self, window: Window) -> Floats:
        """The depth of each pixel: 1 at the centre, 0 on the outline, negative outside."""
        y, x = window.rows - self.centre[0], window.columns - self.centre[1]
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        along, across = (x * cos + y * sin) / self.aspect, (y * cos - x * sin) * self.aspect
        theta = np.arctan2(across, along)
        reach = 1 + sum(share * np.cos(n * theta + phase) for n, share, phase in self.waves)
        return np.asarray(1 - np.hypot(along, across) / (self.radius * reach), np.float32)


@dataclass(frozen=True)
class Window:
    """A part of an image, from (`top`, `left`), of `rows` x `columns`."""

    top: int
    left: int
    rows: NDArray[np.float32]
    columns: NDArray[np.float32]

    @classmethod
    def around(cls, centre: Place, reach: float, size: tuple[int, int]) -> Window | None:
        """The square of `reach` around `centre`, clipped to an image of `size`; None if outside."""
        top, left = (max(int(at - reach), 0) for at in centre)
        bottom, right = (min(int(at + reach) + 2, n) for at, n in zip(centre, size, strict=True))
        if bottom <= top or right <= left:
            return None
        rows = np.arange(top, bottom, dtype=np.float32)[:, None]
        return cls(top, left, rows, np.arange(left, right, dtype=np.float32)[None])

    def of(self, picture: NDArray[Pixel]) -> NDArray[Pixel]:
        """The part of `picture` in the window, as a view."""
        height, width = len(self.rows), self.columns.shape[1]
        return picture[self.top : self.top + height, self.left : self.left + width]


def cover(depth: Floats, radius: float) -> Floats:
    """The share of each pixel inside an outline, 0..1; `depth` is relative to `radius`."""
    return np.asarray(np.clip(depth * radius + 0.5, 0, 1), np.float32)


def outline(
    rng: np.random.Generator, centre: Place, radius: float, wobble: float, spikes: float = 0.0
) -> Outline:
    """A random outline; `wobble` is its deviation from an ellipse, as a share of the radius.

    `spikes` > 0 is the height of an echinocyte's spikes, as a share of the radius.
    """
    waves = [(n, wobble * rng.uniform(0.2, 1) / n, rng.uniform(0, 7)) for n in (2, 3, 4, 5)]
    if spikes:
        waves.append((int(rng.integers(9, 15)), spikes, rng.uniform(0, 7)))
    stretch = 1 + abs(rng.normal(0, 0.05 + wobble))
    return Outline(centre, radius, float(np.sqrt(stretch)), rng.uniform(0, np.pi), tuple(waves))


def noise(rng: np.random.Generator, size: tuple[int, int], sigma: float) -> Floats:
    """Smooth noise (h, w) with mean 0, deviation 1 and grains of about `sigma` pixels."""
    step = max(int(sigma), 1)
    small = [-(-n // step) + 2 for n in size]
    grains = cv2.GaussianBlur(
        rng.standard_normal(small, np.float32), (0, 0), max(sigma / step, 0.4)
    )
    grains = (grains - grains.mean()) / max(float(grains.std()), 1e-6)
    large = cv2.resize(grains, (small[1] * step, small[0] * step), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large[: size[0], : size[1]], np.float32)


def red_cell(depth: Floats, radius: float, pallor: float) -> Floats:
    """The thickness of a red cell, a biconcave disc: 1 at its ring, thinner in the middle."""
    from_middle = 1 - depth
    dent = pallor * np.exp(-((from_middle / 0.4) ** 2))
    ring = 0.15 * np.exp(-(((from_middle - 0.76) / 0.17) ** 2))
    return np.asarray(cover(depth, radius) * np.maximum(0.85 + ring - dent, 0.08), np.float32)


def lobes(rng: np.random.Generator, kind: str) -> tuple[list[tuple[float, float, float]], float]:
    """The lobes (y, x, radius) of a nucleus, and half the width of the bridges between them.

    All are relative to the cell's radius and centre.
    """
    turn = rng.uniform(0, 2 * np.pi)
    if kind == LYMPHOCYTE:
        off = rng.uniform(0.02, 0.16)
        return [(off * np.sin(turn), off * np.cos(turn), rng.uniform(0.68, 0.8))], 0.0
    count, arc, reach, radius, join = {
        NEUTROPHIL: (int(rng.integers(3, 6)), rng.uniform(3.4, 5.2), 0.44, 0.245, 0.08),
        EOSINOPHIL: (2, rng.uniform(2.0, 2.6), 0.42, 0.34, 0.1),
        BASOPHIL: (3, rng.uniform(2.4, 3.4), 0.34, 0.33, 0.2),
        MONOCYTE: (6, rng.uniform(2.2, 3.6), 0.36, 0.34, 0.3),
    }[kind]
    if kind == NEUTROPHIL and rng.random() < 0.25:  # a band cell: young, not yet lobed
        count, radius, join = 7, 0.2, 0.18
    angles = turn + np.linspace(-arc / 2, arc / 2, count)
    made = []
    for angle in angles:
        far = reach * rng.uniform(0.88, 1.1)
        made.append((far * np.sin(angle), far * np.cos(angle), radius * rng.uniform(0.88, 1.14)))
    return made, join


def nucleus(rng: np.random.Generator, kind: str, cell: Outline, window: Window) -> Floats:
    """The depth of each pixel in the nucleus, in radii of the cell; 0 on its outline."""
    circles, join = lobes(rng, kind)
    y = (window.rows - cell.centre[0]) / cell.radius
    x = (window.columns - cell.centre[1]) / cell.radius
    parts = [radius - np.hypot(y - at_y, x - at_x) for at_y, at_x, radius in circles]
    parts += [
        join * rng.uniform(0.7, 1.2) - _distance(y, x, one, other)
        for one, other in zip(circles, circles[1:], strict=False)
    ]
    # A smooth maximum merges lobes without a notch.
    sharp = 22.0
    joined = np.log(sum(np.exp(np.clip(sharp * part, -60, 60)) for part in parts)) / sharp
    joined += 0.025 * noise(rng, joined.shape, cell.radius * 0.2)
    return np.asarray(np.minimum(joined, cell.depth(window) - 0.05), np.float32)


def _distance(
    y: Floats, x: Floats, one: tuple[float, ...], other: tuple[float, ...]
) -> NDArray[np.floating]:
    """The distance of each pixel to the line between two points."""
    dy, dx = other[0] - one[0], other[1] - one[1]
    along = ((y - one[0]) * dy + (x - one[1]) * dx) / max(dy**2 + dx**2, 1e-9)
    along = np.clip(along, 0, 1)
    return np.asarray(np.hypot(y - one[0] - along * dy, x - one[1] - along * dx))


@dataclass(frozen=True)
class Dyes:
    """The amount of each dye in the pixels of a white cell; 1 is strong."""

    chromatin: Floats
    blue: Floats
    granules: Floats


def white_cell(
    rng: np.random.Generator, kind: str, cell: Outline, window: Window, inner: Floats
) -> Dyes:
    """The dyes of a white cell; `inner` is the depth in its nucleus."""
    size, radius = inner.shape, cell.radius
    depth = cell.depth(window)
    inside, core = cover(depth, radius), cover(inner, radius)
    clumps = 0.7 * noise(rng, size, radius * 0.05) + 0.6 * noise(rng, size, radius * 0.12)
    edge = np.exp(-((inner / 0.05) ** 2))
    chromatin = core * np.clip(0.9 + 0.15 * clumps + 0.12 * edge, 0.45, 1.4)
    blue, granules = _CYTOPLASM[kind](rng, size, radius)
    rim = 0.1 * np.exp(-((depth / 0.06) ** 2))
    # Basophils also have granules over the nucleus.
    free = inside * (1 - (0.5 if kind == BASOPHIL else 0.9) * core)
    return Dyes(
        np.asarray(chromatin, np.float32),
        np.asarray(free * np.clip(blue + rim, 0, 1), np.float32),
        np.asarray(free * np.clip(granules, 0, 1.3), np.float32),
    )


def _dots(rng: np.random.Generator, size: tuple[int, int], grain: float, share: float) -> Floats:
    """Round spots with a radius of about `grain` pixels that cover `share` of the window."""
    spots = np.zeros(size, np.float32)
    count = round(share * size[0] * size[1] / (np.pi * max(grain, 0.7) ** 2))
    places = rng.uniform(0, 16 * np.array(size[::-1]), (count, 2)).astype(int)  # 1/16 pixels
    reaches = np.maximum(16 * grain * rng.uniform(0.7, 1.3, count), 9).astype(int)
    for (x, y), reach, strength in zip(
        places.tolist(), reaches.tolist(), rng.uniform(0.5, 1, count).tolist(), strict=True
    ):
        cv2.circle(spots, (x, y), reach, strength, cv2.FILLED, cv2.LINE_8, 4)
    return np.asarray(cv2.GaussianBlur(spots, (0, 0), max(0.3 * grain, 0.5)), np.float32)


_Made: TypeAlias = tuple[Floats, Floats]


def _neutrophil(rng: np.random.Generator, size: tuple[int, int], radius: float) -> _Made:
    fine = 0.3 * _dots(rng, size, radius * 0.018, 0.3)
    cloud = 0.04 * noise(rng, size, radius * 0.3)
    return np.float32(0.14) + cloud, fine + np.float32(0.12)


def _eosinophil(rng: np.random.Generator, size: tuple[int, int], radius: float) -> _Made:
    return np.full(size, 0.1, np.float32), 0.3 + 0.9 * _dots(rng, size, radius * 0.06, 0.9)


def _basophil(rng: np.random.Generator, size: tuple[int, int], radius: float) -> _Made:
    dots = _dots(rng, size, radius * 0.07, 0.5)
    return np.float32(0.2) + np.float32(1.4) * dots, 0.1 + 0.9 * dots


def _lymphocyte(rng: np.random.Generator, size: tuple[int, int], radius: float) -> _Made:
    strength = rng.uniform(0.45, 0.8)
    cloud = 0.07 * noise(rng, size, radius * 0.15)
    return np.float32(strength) + cloud, np.full(size, 0.03, np.float32)


def _monocyte(rng: np.random.Generator, size: tuple[int, int], radius: float) -> _Made:
    holes = 0.3 * _dots(rng, size, radius * 0.06, 0.07)
    cloud = 0.06 * noise(rng, size, radius * 0.1)
    return np.float32(0.42) + cloud - holes, 0.1 + 0.14 * _dots(rng, size, radius * 0.018, 0.3)


_CYTOPLASM: dict[str, Callable[[np.random.Generator, tuple[int, int], float], _Made]] = {
    NEUTROPHIL: _neutrophil,
    EOSINOPHIL: _eosinophil,
    BASOPHIL: _basophil,
    LYMPHOCYTE: _lymphocyte,
    MONOCYTE: _monocyte,
}
"""Functions for the blue dye and the granules (h, w) in each kind's cytoplasm."""
