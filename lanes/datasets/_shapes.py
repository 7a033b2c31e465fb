"""Labelled shapes, the common form of all formats that draw outlines, and how they become pixels.

Coordinates are x, y in pixels; pixel (row, column) covers column..column + 1 and row..row + 1, so
its centre is at + 0.5 (as in COCO). A pixel belongs to an area if its centre does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.types import LabelMap, Size

Points: TypeAlias = NDArray[np.float64]
"""(P, 2): x, y."""
Pixels: TypeAlias = NDArray[np.int32]
"""(P, 2): x, y in whole pixels."""
Mask: TypeAlias = NDArray[np.bool_]
LINE_WIDTH = 10
"""Width of a drawn polyline in pixels at picture width 1280, as TuSimple's benchmark draws them."""
CIRCLE = 64
"""Corners of a polygon that stands for an ellipse."""
FAR = 1e6
"""No picture has a larger coordinate; OpenCV's lines need less than 2**31."""


@dataclass(frozen=True)
class Area:
    """Polygons of one object: parts, and holes, which are rings inside other rings."""

    name: str
    rings: tuple[Points, ...]

    def draw(self, labels: LabelMap, value: int) -> None:
        """Set the pixels inside to `value`."""
        for group in _groups(self.rings, labels.shape):
            _fill(labels, group, value)

    def scaled(self, factors: tuple[float, float]) -> Area:
        """The area with x and y multiplied by `factors`."""
        return Area(self.name, tuple(ring * factors for ring in self.rings))


@dataclass(frozen=True)
class Line:
    """A polyline, drawn `LINE_WIDTH` wide."""

    name: str
    points: Points

    def draw(self, labels: LabelMap, value: int) -> None:
        """Set the pixels on the line to `value`; parts outside the picture are clipped."""
        draw_lines(labels, [self.points.round().astype(np.int32)], value)

    def scaled(self, factors: tuple[float, float]) -> Line:
        """The line with x and y multiplied by `factors`."""
        return Line(self.name, self.points * factors)


@dataclass(frozen=True)
class Region:
    """A bitmap (h, w) whose upper left pixel is at column `left`, row `top`."""

    name: str
    mask: Mask
    left: int = 0
    top: int = 0

    def draw(self, labels: LabelMap, value: int) -> None:
        """Set the pixels of the bitmap to `value`; parts outside the picture are clipped."""
        top, left = max(self.top, 0), max(self.left, 0)
        mask = self.mask[top - self.top :, left - self.left :]
        part = labels[top : top + mask.shape[0], left : left + mask.shape[1]]
        part[mask[: part.shape[0], : part.shape[1]]] = value

    def scaled(self, factors: tuple[float, float]) -> Region:
        """The region itself: bitmaps are in pixels."""
        return self


Shape: TypeAlias = Area | Line | Region


def points_of(numbers: Any) -> Points:
    """Points (P, 2) from a flat or nested list of pairs of numbers; raises `ValueError`."""
    points = np.asarray(numbers, np.float64)
    if points.size % 2 or (points.ndim > 1 and points.shape[-1] != 2):
        raise ValueError(f"{points.size} coordinates are not pairs of x and y")
    if not (np.abs(points) <= FAR).all():
        raise ValueError(f"a coordinate is not a number between -{FAR:.0f} and {FAR:.0f}")
    return points.reshape(-1, 2)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """The corners of a box."""
    return points_of([left, top, right, top, right, bottom, left, bottom])


def turned(points: Points, degrees: float, centre: Sequence[float]) -> Points:
    """`points` turned clockwise around `centre` (x, y)."""
    turn = np.deg2rad(degrees)
    across, down = (np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))
    return np.asarray((points - centre) @ (across, down) + centre, np.float64)


def ellipse(x: float, y: float, across: float, down: float) -> Points:
    """A polygon around (x, y) with the radii `across` and `down`."""
    angles = np.linspace(0, 2 * np.pi, CIRCLE, endpoint=False)
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1)


def draw_lines(labels: LabelMap, lines: Iterable[Pixels], value: int) -> None:
    """Draw polylines (P, 2) into `labels` (H, W), 10 px wide at picture width 1280."""
    width = max(round(LINE_WIDTH * labels.shape[1] / 1280), 1)
    cv2.polylines(labels, tuple(lines), isClosed=False, color=value, thickness=width)


def run_lengths(counts: Sequence[int], size: Size, by_column: bool) -> Mask:
    """A bitmap of `size` from run lengths that begin with background (COCO's: by column).

    Raises:
        ValueError: the runs do not cover `size`.
    """
    runs = np.asarray(counts, np.int64)
    if runs.min(initial=0) < 0 or runs.sum() != size[0] * size[1]:
        raise ValueError(f"run lengths cover {runs.sum()} pixels, not {size[1]}x{size[0]}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(size[::-1]).T if by_column else flat.reshape(size)


def coco_counts(text: str) -> list[int]:
    """The run lengths in COCO's compressed form.

    Each is a little-endian number of 5-bit digits in characters from 48 up, bit 6 = more follow;
    from the fourth run on, the difference to the run before the last is stored (the format of
    pycocotools' `maskApi.c`). Raises `ValueError` if the text ends early.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        digit = ord(character) - 48
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("the run lengths end early")
    return counts


def bitmap(text: str, unpack: Any = bytes) -> Mask:
    """A bitmap from the base64 text of a PNG; `unpack` decompresses it first.

    Of a picture with alpha the opaque pixels count, else those that are not black. Raises
    `ValueError`.
    """
    try:
        content = np.frombuffer(unpack(base64.b64decode(text)), np.uint8)
    except binascii.Error as error:
        raise ValueError(f"a bitmap is not base64: {error}") from error
    try:
        stored = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    except cv2.error as error:
        raise ValueError("a bitmap has too many pixels") from error
    if stored is None:
        raise ValueError("a bitmap is not a PNG")
    if stored.ndim == 3:
        stored = stored[..., 3] if stored.shape[2] == 4 else stored.max(axis=2)
    return np.asarray(stored) > 0


def _groups(rings: Sequence[Points], size: tuple[int, ...]) -> Iterator[list[Points]]:
    """Each outer ring with the rings inside it, which are its holes (and islands in them)."""
    rings = [ring for ring in rings if len(ring) > 2]
    low, high = (np.array([edge(ring, axis=0) for ring in rings]) for edge in (np.min, np.max))
    inside = [
        [i for i in _around(k, low, high) if _within(ring, rings[i], size)]
        for k, ring in enumerate(rings)
    ]
    for k, ring in enumerate(rings):
        if not inside[k]:
            yield [ring, *(rings[i] for i in range(len(rings)) if k in inside[i])]


def _around(k: int, low: Points, high: Points) -> list[int]:
    """The rings whose bounding box contains that of ring `k` and is larger."""
    around = (low <= low[k]).all(1) & (high >= high[k]).all(1)
    larger = (low < low[k]).any(1) | (high > high[k]).any(1)
    return np.flatnonzero(around & larger).tolist()


def _within(ring: Points, outer: Points, size: tuple[int, ...]) -> bool:
    """Whether no pixel of `ring` is outside `outer`: as a part it would change nothing."""
    low, high = (np.clip(edge(ring, axis=0), 0, size[1::-1]) for edge in (np.min, np.max))
    corner = np.floor(low).astype(int)
    width, height = np.ceil(high).astype(int) - corner
    masks = np.zeros((2, height, width), np.uint8)
    for mask, one in zip(masks, (ring, outer), strict=True):
        _fill(mask, [one - corner], 1)
    return not (masks[0] > masks[1]).any()


def _fill(labels: LabelMap, rings: Sequence[Points], value: int) -> None:
    """Fill `rings` by the even-odd rule: each row toggles where an edge crosses its centre."""
    corners = np.concatenate(rings)
    top, bottom = np.clip([corners[:, 1].min() - 1, corners[:, 1].max() + 1], 0, labels.shape[0])
    left, right = np.clip([corners[:, 0].min() - 1, corners[:, 0].max() + 1], 0, labels.shape[1])
    part = labels[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
    starts = np.concatenate([ring - (int(left), int(top)) for ring in rings])
    ends = np.concatenate([np.roll(ring, -1, axis=0) - (int(left), int(top)) for ring in rings])
    rows, columns = _crossings(starts, ends, part.shape[0])
    toggles = np.zeros((part.shape[0], part.shape[1] + 1), np.uint8)
    np.add.at(toggles, (rows, np.clip(columns, 0, part.shape[1])), 1)
    inside = np.bitwise_xor.accumulate(toggles[:, :-1] & 1, axis=1)
    part[inside > 0] = value


def _crossings(
    starts: Points, ends: Points, height: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and first column right of it, for each crossing of an edge with a row of centres."""
    # From low to high, so that an edge there and back crosses at exactly the same place.
    falls = (starts[:, 1] > ends[:, 1])[:, None]
    starts, ends = np.where(falls, ends, starts), np.where(falls, starts, ends)
    first = np.clip(np.ceil(starts[:, 1] - 0.5), 0, height).astype(np.int64)
    count = np.clip(np.ceil(ends[:, 1] - 0.5), 0, height).astype(np.int64) - first
    edges = np.repeat(np.arange(len(starts)), count)
    rows = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edges]
    (x0, y0), (x1, y1) = starts[edges].T, ends[edges].T
    x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    return rows, np.ceil(x - 0.5).astype(np.int64)
