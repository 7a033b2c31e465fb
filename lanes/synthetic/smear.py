"""Renders a stained blood smear under a microscope, with exact labels and instances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lanes.synthetic.blood import (
    KINDS,
    SHARES,
    SIZES,
    Outline,
    Place,
    Window,
    cover,
    noise,
    nucleus,
    outline,
    red_cell,
    white_cell,
)
from lanes.synthetic.optics import (
    FOREIGN,
    GREY,
    STAINS,
    Dyed,
    Optics,
    Stain,
    optics,
    seen,
    through,
    varied,
)
from lanes.types import Image, LabelMap, Size

BACKGROUND, CYTOPLASM, NUCLEUS = 0, 1, 2
"""Label ids of the task `blood_cells`."""
LEAST = 15
"""A cell at the edge with fewer visible pixels does not count."""
TRIES = 60
"""Attempts to place a cell before it is skipped."""
CLOSE = 0.97
"""Smallest distance to a white cell, relative to the sum of the radii."""
BESIDE, STACK = (0.72, 1.0), (0.45, 0.8)
"""Distance of touching cells, and of cells in a stack, relative to the sum of the radii."""
GHOST = 0.3
"""Haemoglobin of a ghost, relative to other red cells."""
ROUND = 10
"""Period of the stage's vertical motion, in seconds."""
Instances: TypeAlias = NDArray[np.uint16]


@dataclass(frozen=True)
class Smear:
    """A field of view on a slide; `seed` also seeds its textures.

    `diameter` of red cells is in pixels. `crowd` is the share of the area that red cells would
    cover, `touching` the share of them that touch another, `spiky` the share of echinocytes.
    `white` cells, `platelets` and `debris` are counts per area of 10 x 10 diameters; there is at
    least one white cell if `white` > 0. `rouleaux` is the share of red cells that continue a stack,
    `faint` the share of ghosts, which have lost most of their haemoglobin; `plasma` the absorbance
    of uneven plasma between the cells.
    """

    seed: int
    diameter: float
    stain: Stain
    optics: Optics
    crowd: float
    touching: float
    spiky: float
    pallor: float
    white: float
    platelets: float
    rouleaux: float = 0.0
    faint: float = 0.0
    debris: float = 0.0
    plasma: float = 0.0


@dataclass(frozen=True)
class Slide:
    """A rendered image (H, W, 3) with its ground truth.

    `labels` (H, W): 0 background and red cells, 1 cytoplasm and 2 nucleus of white cells. `white`
    and `cells`, uint16 (H, W): the id of the white cell, or of any cell, from 1; 0 is no cell.
    Where cells overlap, a pixel belongs to the upper one. Platelets do not count as cells.
    """

    image: Image
    labels: LabelMap
    white: Instances
    cells: Instances


def smear(seed: int, diameter: float | None = None, white: float | None = None) -> Smear:
    """Choose a random field of view; the same seed gives the same one.

    `diameter` (of red cells, in pixels) and `white` (see `Smear`) are random if None.
    """
    rng = np.random.default_rng([seed, 1])
    stain = STAINS[rng.choice(4, p=(0.45, 0.3, 0.13, 0.12))]
    chosen = rng.uniform(34, 92)
    return Smear(
        seed=seed,
        diameter=chosen if diameter is None else diameter,
        stain=varied(rng, stain),
        optics=optics(rng),
        crowd=rng.uniform(0.15, 0.45),
        touching=rng.uniform(0.1, 0.5),
        spiky=rng.choice((0.0, 0.0, 0.5, 0.9)) if stain is GREY else 0.05,
        pallor=rng.uniform(0.15, 0.95),
        white=rng.uniform(0.5, 1.6) if white is None else white,
        platelets=rng.uniform(0, 5),
    )


def foreign(seed: int, diameter: float | None = None, white: float | None = None) -> Smear:
    """A random field of view of any laboratory: other stains and light, stacks, ghosts and dirt."""
    rng = np.random.default_rng([seed, 3])
    lens = optics(rng)
    return replace(
        smear(seed, diameter, white),
        stain=varied(rng, FOREIGN[rng.integers(len(FOREIGN))], 0.3),
        optics=replace(
            lens,
            vignette=rng.uniform(0, 0.5),
            fall=rng.uniform(0, 0.4),
            blur=rng.uniform(0.5, 2.2),
            gain=tuple(rng.uniform(0.75, 1.02, 3)),
        ),
        crowd=rng.uniform(0.1, 0.75),
        touching=rng.uniform(0.1, 0.7),
        spiky=rng.choice((0.0, 0.05, 0.5)),
        pallor=rng.uniform(0.0, 1.3),
        rouleaux=rng.choice((0.0, 0.2, 0.5)),
        faint=rng.uniform(0, 0.1),
        debris=rng.uniform(0, 4),
        plasma=rng.uniform(0, 0.05),
    )


def render(smear: Smear, size: Size) -> Slide:
    """Render a smear at `size` (height, width)."""
    rng = np.random.default_rng([smear.seed, 2])
    canvas = _laid(rng, smear, size)
    image = seen(rng, smear.optics, through(smear.stain, canvas.dyed), smear.diameter)
    return Slide(image, canvas.labels, canvas.white, canvas.cells)


def drift(smear: Smear, size: Size, count: int, rate: Fraction) -> Iterator[Slide]:
    """Render `count` frames, `rate` per second, with a moving stage and varying focus.

    The ids of the cells stay the same from frame to frame.
    """
    rng = np.random.default_rng([smear.seed, 2])
    height, width = size
    whole = (height + height // 2, width + width // 2)
    canvas = _laid(rng, smear, whole)
    light = through(smear.stain, canvas.dyed)
    for number in range(count):
        turn = 2 * np.pi * float(number / rate) / ROUND
        top = round((1 - np.cos(turn)) / 2 * (whole[0] - height))
        left = round((1 - np.cos(1.7 * turn)) / 2 * (whole[1] - width))
        part = np.s_[top : top + height, left : left + width]
        off = 1.2 * max(np.sin(3 * turn), 0) ** 8
        image = seen(rng, smear.optics, light[part], smear.diameter, off)
        yield Slide(image, canvas.labels[part], canvas.white[part], canvas.cells[part])


def _laid(rng: np.random.Generator, smear: Smear, size: Size) -> _Canvas:
    """Everything on a slide of `size`."""
    canvas = _Canvas(size)
    whites = _place_white(rng, smear, size)
    for red in _place_red(rng, smear, size, [cell for _, cell in whites]):
        ghost = smear.faint > 0 and rng.random() < smear.faint
        canvas.draw_red(rng, red, smear.pallor, GHOST if ghost else 1.0)
    for kind, cell in whites:
        canvas.draw_white(rng, kind, cell)
    for _ in range(_count(rng, smear.platelets, smear, size)):
        canvas.draw_platelet(rng, (rng.uniform(0, size[0]), rng.uniform(0, size[1])), smear)
    if smear.debris:
        for _ in range(_count(rng, smear.debris, smear, size)):
            canvas.draw_debris(rng, (rng.uniform(0, size[0]), rng.uniform(0, size[1])), smear)
    if smear.plasma:
        canvas.draw_plasma(rng, smear)
    canvas.forget_slivers()
    return canvas


def _count(rng: np.random.Generator, density: float, smear: Smear, size: Size) -> int:
    return int(rng.poisson(density * size[0] * size[1] / (10 * smear.diameter) ** 2))


def _place_white(rng: np.random.Generator, smear: Smear, size: Size) -> list[tuple[str, Outline]]:
    count = max(_count(rng, smear.white, smear, size), 1) if smear.white else 0
    placed: list[tuple[str, Outline]] = []
    for number in range(count):
        kind = KINDS[rng.choice(len(KINDS), p=SHARES)]
        radius = smear.diameter / 2 * SIZES[kind] * rng.uniform(0.9, 1.12)
        # The first cell is completely inside the image, if the image is large enough.
        inset = 1.1 * radius if number == 0 else -radius / 2
        for _ in range(TRIES):
            centre = _somewhere(rng, size, inset)
            if all(_apart(centre, other.centre) > CLOSE * (radius + other.radius)
                   for _, other in placed):  # fmt: skip
                placed.append((kind, outline(rng, centre, radius, rng.uniform(0.03, 0.12))))
                break
    return placed


def _place_red(
    rng: np.random.Generator, smear: Smear, size: Size, whites: list[Outline]
) -> list[Outline]:
    """Place red cells; some touch or overlap another."""
    radius = smear.diameter / 2
    margin = 0.8 * radius
    area = (size[0] + 2 * margin) * (size[1] + 2 * margin)
    wanted = round(smear.crowd * area / (np.pi * radius**2))
    placed: list[Outline] = []
    for _ in range(wanted):
        own = radius * float(np.clip(rng.normal(1, 0.07), 0.75, 1.25))
        for _ in range(TRIES):
            stacked = bool(placed) and smear.rouleaux > 0 and rng.random() < smear.rouleaux
            near = stacked or (bool(placed) and rng.random() < smear.touching)
            closeness = rng.uniform(*(STACK if stacked else BESIDE)) if near else 1.06
            if near:
                beside = placed[-1 if stacked else rng.integers(len(placed))]
                angle = beside.angle if stacked else rng.uniform(0, 2 * np.pi)
                far = closeness * (own + beside.radius)
                centre = (beside.centre[0] + far * np.sin(angle),
                          beside.centre[1] + far * np.cos(angle))  # fmt: skip
            else:
                centre = _somewhere(rng, size, -margin)
            rest = all(_apart(centre, o.centre) >= 0.999 * closeness * (own + o.radius)
                       for o in placed)  # fmt: skip
            if rest and all(_apart(centre, o.centre) > CLOSE * (own + o.radius) for o in whites):
                spikes = rng.uniform(0.03, 0.07) if rng.random() < smear.spiky else 0.0
                placed.append(outline(rng, centre, own, rng.uniform(0.02, 0.14), spikes))
                break
    return placed


def _somewhere(rng: np.random.Generator, size: Size, inset: float) -> Place:
    """A random position at least `inset` inside an image of `size`, or its centre."""
    y, x = (rng.uniform(min(inset, n / 2), max(n - inset, n / 2)) for n in size)
    return y, x


def _apart(one: Place, other: Place) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))


class _Canvas:
    """The dyes on the slide (H, W), and the labels."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.dyed = Dyed(*np.zeros((4, *size), np.float32))
        self.labels = np.zeros(size, np.uint8)
        self.white, self.cells = np.zeros((2, *size), np.uint16)

    def draw_red(
        self, rng: np.random.Generator, cell: Outline, pallor: float, amount: float = 1.0
    ) -> None:
        """Draw a red cell with an `amount` of haemoglobin; it adds to cells below it."""
        window = Window.around(cell.centre, 1.4 * cell.radius, self.size)
        if window is None:
            return
        depth = cell.depth(window)
        pale = max(pallor * rng.uniform(0.4, 1.3), 0.02)
        density = amount * rng.normal(1, 0.08) * red_cell(depth, cell.radius, pale)
        window.of(self.dyed.haemoglobin)[:] += density
        cells = window.of(self.cells)
        cells[depth > 0] = self.cells.max() + 1

    def draw_white(self, rng: np.random.Generator, kind: str, cell: Outline) -> None:
        """Draw a white cell, which displaces red cells."""
        window = Window.around(cell.centre, 1.4 * cell.radius, self.size)
        if window is None:
            return
        depth, inner = cell.depth(window), nucleus(rng, kind, cell, window)
        dyes = white_cell(rng, kind, cell, window, inner)
        window.of(self.dyed.haemoglobin)[:] *= 1 - cover(depth, cell.radius)
        window.of(self.dyed.chromatin)[:] += dyes.chromatin
        window.of(self.dyed.blue)[:] += dyes.blue
        window.of(self.dyed.granules)[:] += dyes.granules
        labels = window.of(self.labels)
        labels[depth > 0] = CYTOPLASM
        labels[(inner > 0) & (depth > 0)] = NUCLEUS
        for instances in (self.white, self.cells):
            window.of(instances)[depth > 0] = instances.max() + 1

    def draw_platelet(self, rng: np.random.Generator, centre: Place, smear: Smear) -> None:
        """Draw a platelet; its label is background."""
        shape = outline(rng, centre, smear.diameter * rng.uniform(0.1, 0.18), 0.35)
        window = Window.around(centre, 1.6 * shape.radius, self.size)
        if window is None or window.of(self.white).any():
            return
        depth = shape.depth(window)
        inside = cover(depth, shape.radius)
        speckled = np.clip(0.4 + 0.2 * noise(rng, depth.shape, shape.radius * 0.25), 0.1, 1)
        window.of(self.dyed.chromatin)[:] += 0.55 * inside * speckled * np.clip(depth * 2, 0, 1)
        window.of(self.dyed.blue)[:] += 0.5 * inside

    def draw_debris(self, rng: np.random.Generator, centre: Place, smear: Smear) -> None:
        """Draw a grain of dirt or stain; its label is that of what lies below."""
        shape = outline(rng, centre, smear.diameter * rng.uniform(0.02, 0.12), 0.5)
        window = Window.around(centre, 1.8 * shape.radius, self.size)
        if window is None:
            return
        inside = cover(shape.depth(window), shape.radius)
        for dye in (self.dyed.chromatin, self.dyed.granules):
            window.of(dye)[:] += np.float32(rng.uniform(0.1, 1)) * inside

    def draw_plasma(self, rng: np.random.Generator, smear: Smear) -> None:
        """Spread uneven plasma over the slide, which takes up a little of each dye."""
        for dye in (self.dyed.haemoglobin, self.dyed.blue):
            clouds = 1 + noise(rng, self.size, smear.diameter * rng.uniform(0.5, 2))
            dye += np.float32(3 * smear.plasma) * np.clip(clouds, 0, None)

    def forget_slivers(self) -> None:
        """Renumber the cells, without those that are hardly visible."""
        for instances in (self.white, self.cells):
            counts = np.bincount(instances.ravel())
            seen = counts >= LEAST
            seen[0] = False
            numbers = np.where(seen, np.cumsum(seen), 0).astype(np.uint16)
            instances[:] = numbers[instances]
        self.labels[self.white == 0] = BACKGROUND
