"""Estimate the typical diameter of the cells in a picture, without a network.

A network counts well only near the scale that it learned, so `lanes image` brings each picture to
that scale first (as Cellpose does: Stringer et al. 2021, doi:10.1038/s41592-020-01018-x).
Here cells are what absorbs more light than the slide around them (Otsu 1979). Their diameter is the
median local thickness: half of their area is covered by discs of that diameter that fit into them
(Hildebrand & Rüegsegger 1997, doi:10.1046/j.1365-2818.1997.1340694.x). Specks have little area, and
a clump is no thicker than its cells.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.types import Image

Plane = NDArray[np.float32]
Mask = NDArray[np.uint8]
FLAT = 5
"""Levels of 256: what differs by less is noise of an empty slide."""
RED_CELL = 7.5
"""Diameter of a red blood cell on a dry smear, in micrometres."""
SIDES = (400, 800)
"""Longer sides are reduced to this many pixels; the second for cells too small in the first."""
SMALL, SMALLEST = 14.0, 5.0
"""Diameters in reduced pixels: measured again at the larger side, and taken for noise."""
COARSE = 96
"""Pixels of the longer side on which the light of the empty slide is estimated."""
DIM = 0.03
"""Absorbance of the palest cells, in log10; less is noise of an empty slide."""
HOLE = 0.03
"""Share of the picture below which a convex hole is a pale centre."""
ROUNDNESS = 1.1
"""Diameter of the disc of a cell's area, relative to its local thickness: outlines are uneven."""
STEPS = 8
"""Halvings of the search for the thickness: its ratio is found within 2 %."""


def is_flat(image: Image) -> bool:
    """Whether `image` (H, W, 3) shows nothing: no colour is further than `FLAT` from the first."""
    first = image[0, 0].astype(float)
    alike = cv2.inRange(image, first - FLAT, first + FLAT)
    return cv2.countNonZero(alike) == alike.size


def estimate(image: Image) -> float | None:
    """The typical diameter of cells in `image` (H, W, 3) BGR, in pixels; None if none are seen."""
    found = None
    for side in SIDES:
        factor = min(side / max(image.shape[:2]), 1.0)
        thickness = _thickness(foreground(_reduced(image, factor)))
        found = found if thickness is None else ROUNDNESS * thickness / factor
        if factor == 1 or (thickness is not None and thickness >= SMALL):
            break
    return found


def _reduced(image: Image, factor: float) -> Image:
    if factor == 1:
        return image
    size = [max(round(side * factor), 1) for side in image.shape[1::-1]]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def foreground(image: Image) -> Mask:
    """1 where `image` (H, W, 3) absorbs clearly more light than the slide around, else 0 (H, W).

    Pale centres of cells are filled. Of the colour channels, the one that separates best counts.
    """
    planes = [_absorbance(np.ascontiguousarray(image[..., channel])) for channel in range(3)]
    cuts = [_cut(plane) for plane in planes]
    best = int(np.argmax([separation for _, separation in cuts]))
    return _filled((planes[best] > max(cuts[best][0], DIM)).astype(np.uint8))


def _absorbance(channel: NDArray[np.uint8]) -> Plane:
    """The absorbance (H, W) in log10, relative to the brightest slide around each pixel."""
    height, width = channel.shape
    ratio = COARSE / max(height, width)
    small = max(round(width * ratio), 1), max(round(height * ratio), 1)
    coarse = cv2.resize(channel, small, interpolation=cv2.INTER_AREA)
    light = cv2.dilate(coarse, np.ones((COARSE // 3, COARSE // 3), np.uint8))
    light = cv2.GaussianBlur(light.astype(np.float32), (0, 0), COARSE / 6)
    light = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)
    smooth = cv2.GaussianBlur(channel, (0, 0), 1.0).astype(np.float32)
    return np.asarray(np.log10((light + 1) / (smooth + 1)), np.float32)


def _cut(plane: Plane) -> tuple[float, float]:
    """Otsu's threshold of `plane`, and how well it separates: the share of variance explained.

    A second round clips at the median of the cells, so that dark nuclei make no class of their own.
    """
    top = float(np.percentile(plane, 99.5))
    for _ in range(2):
        scale = 255 / max(top, 1e-3)
        grey = np.clip(plane * scale, 0, 255).astype(np.uint8)
        level, mask = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        above = plane[mask > 0]
        top = float(np.median(above)) if len(above) else top
    share = float(mask.mean())
    means = (float(grey[mask == k].mean()) if (mask == k).any() else 0.0 for k in (0, 1))
    between = share * (1 - share) * float(np.diff(list(means))[0]) ** 2
    return float(level) / scale, between / max(float(grey.var()), 1e-6)


def _filled(mask: Mask) -> Mask:
    """`mask` with small convex holes filled: gaps between cells are concave."""
    outlines, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    for outline, (*_, parent) in zip(outlines, tree[0] if outlines else (), strict=True):
        area = cv2.contourArea(outline)
        if parent >= 0 and area < HOLE * mask.size:
            hull = cv2.contourArea(cv2.convexHull(outline))
            if area >= 0.85 * hull:
                cv2.drawContours(mask, [outline], -1, 1, cv2.FILLED)
    return mask


def _thickness(mask: Mask) -> float | None:
    """The median local thickness of `mask` (H, W) in pixels; None if it is below `SMALLEST`."""
    padded = cv2.distanceTransform(np.pad(mask, 1, mode="edge"), cv2.DIST_L2, 5)
    depth = np.asarray(padded[1:-1, 1:-1], np.float32)
    half = float(np.count_nonzero(mask)) / 2
    low, high = SMALLEST / 2, float(depth.max())
    if high <= low or _opened(depth, low) < half:
        return None
    for _ in range(STEPS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if _opened(depth, middle) >= half else (low, middle)
    return 2 * low


def _opened(depth: Plane, radius: float) -> int:
    """How many pixels discs of `radius` cover that fit into the shape of distances `depth`."""
    outside = (depth < radius).astype(np.uint8)
    return int(np.count_nonzero(cv2.distanceTransform(outside, cv2.DIST_L2, 5) < radius))
