"""The geometry of vehicles, houses, rails and poles: flat coloured faces, in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lanes.synthetic.world import REACH, Car, Colour, Prop

Points = NDArray[np.float64]

GLASS: Colour = (66.0, 58.0, 50.0)
TYRE: Colour = (20.0, 20.0, 21.0)


@dataclass(frozen=True)
class Faces:
    """Flat faces in drawing order.

    `points` (N, 3) are (t, height, metres ahead) of all corners; `ends` (K,) is the end index of
    each face's corners; `colours` (K, 3) are BGR. `glow` (K,) is the share of its colour that a
    face emits; `hides` (K,) is false for a face inside others.
    """

    points: Points
    ends: NDArray[np.intp]
    colours: Points
    glow: Points
    hides: NDArray[np.bool_]


@dataclass
class Builder:
    """Collects faces."""

    corners: list[Points] = field(default_factory=list)
    colours: list[Colour] = field(default_factory=list)
    glow: list[float] = field(default_factory=list)
    hides: list[bool] = field(default_factory=list)

    def add(
        self, corners: Points, colour: Colour, gain: float = 1, glow: float = 0, hides: bool = True
    ) -> None:
        """Add a face (N, 3) with a colour, multiplied by a gain."""
        self.corners.append(corners)
        self.colours.append((colour[0] * gain, colour[1] * gain, colour[2] * gain))
        self.glow.append(glow)
        self.hides.append(hides)

    def faces(self) -> Faces:
        """Everything added so far."""
        ends = np.cumsum([len(c) for c in self.corners])
        return Faces(
            np.concatenate(self.corners), ends, np.array(self.colours), np.array(self.glow),
            np.array(self.hides),
        )  # fmt: skip


def box(left: float, right: float, low: float, high: float, ahead: float = 0.0) -> Points:
    """The corners of a vertical rectangle that faces the camera."""
    return np.array(
        [[left, low, ahead], [right, low, ahead], [right, high, ahead], [left, high, ahead]]
    )


def wall(t: float, near: float, far: float, low: float, high: float) -> Points:
    """The corners of a vertical rectangle along the road."""
    return np.array([[t, low, near], [t, low, far], [t, high, far], [t, high, near]])


def _shrunk(corners: Points, share: Sequence[float]) -> Points:
    middle = corners.mean(axis=0)
    return np.asarray(middle + (corners - middle) * share)


@dataclass(frozen=True)
class _Profile:
    """A vehicle's side view, in shares of its length and height, from the rear to the front.

    The cabin is on the body at height `waist`, from `base` to `end`; its roof is from `roof` to
    `slope`. `nose` is the body's height at the front, `lean` how much narrower the roof is.
    """

    waist: float
    base: float
    roof: float
    slope: float
    end: float
    nose: float
    lean: float


_PROFILES = {
    "car": _Profile(0.62, 0.10, 0.27, 0.56, 0.76, 0.5, 0.78),
    "suv": _Profile(0.6, 0.01, 0.09, 0.6, 0.76, 0.52, 0.84),
    "van": _Profile(0.55, 0.0, 0.03, 0.78, 0.93, 0.5, 0.92),
    "truck": _Profile(0.97, 0.0, 0.0, 0.99, 1.0, 0.97, 1.0),
}


@lru_cache(maxsize=512)
def vehicle(car: Car, side: int, high_sun: bool, above: bool, dark: bool) -> Faces:
    """A vehicle with its near end at (0, 0): the flank on `side`, the cabin, the near end.

    `high_sun` lights that flank, `above` shows the roof, `dark` switches on the lamps.
    """
    made = Builder()
    shape = _PROFILES[car.kind]
    along = [0.0, shape.base, shape.roof, shape.slope, shape.end, 1.0]
    if car.oncoming:
        along = [1 - share for share in along]
    long = [share * car.length for share in along]
    _flank(made, car, shape, long, side * car.width / 2, 0.95 if high_sun else 0.6)
    near = long[::-1] if car.oncoming else long
    _cabin_end(made, car, shape, near, above)
    _near_end(made, car, shape, near, dark)
    return made.faces()


def _flank(
    made: Builder, car: Car, shape: _Profile, long: list[float], t: float, light: float
) -> None:
    """The side of a vehicle: body, cabin, windows, wheels."""
    rear, base, roof, slope, end, front = long
    waist, high = shape.waist * car.height, car.height
    nose = shape.nose * car.height
    tip = front + 0.03 * (rear - front)
    along = [rear, rear, end, tip, front, front]
    heights = [0.28, waist, waist, nose, nose * 0.8, 0.28]
    made.add(np.stack([np.full(6, t), heights, along], axis=1), car.colour, light)
    made.add(wall(t, rear, front, 0.2, 0.36), (48.0, 48.0, 50.0), light)
    for share in (0.18, 0.8):
        middle = rear + share * (front - rear)
        made.add(_disc(t, middle, 0.4), TYRE, 0.7)
        made.add(_disc(t, middle, 0.33), TYRE, 1.2)
        made.add(_disc(t, middle, 0.19), (105.0, 105.0, 105.0), light, hides=False)
    if car.kind == "truck":
        return
    top = t * shape.lean
    cabin = np.array([[t, waist, base], [t, waist, end], [top, high, slope], [top, high, roof]])
    made.add(cabin, car.colour, light * 0.92)
    panes = _shrunk(cabin, (1, 0.7, 0.84))
    made.add(panes, GLASS, 0.85, hides=False)
    for share in (0.36, 0.66):
        low, up = panes[0] + share * (panes[1] - panes[0]), panes[3] + share * (panes[2] - panes[3])
        thick = np.array([0, 0, 0.045 * car.length / 4.5])
        made.add(np.array([low - thick, low + thick, up + thick, up - thick]), car.colour,
                 light * 0.8, hides=False)  # fmt: skip


def _disc(t: float, ahead: float, radius: float) -> Points:
    turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    high = np.maximum(0.33 + radius * np.sin(turn), 0.0)
    return np.stack([np.full(14, t), high, ahead + radius * np.cos(turn)], 1)


def _cabin_end(made: Builder, car: Car, shape: _Profile, near: list[float], above: bool) -> None:
    """The windscreen or rear window, and the roof if the camera sees it."""
    _, base, roof, slope, _, _ = near
    half = car.width / 2
    waist, high = shape.waist * car.height, car.height
    wide, narrow = half * 0.95, half * shape.lean
    end = np.array([[-wide, waist, base], [wide, waist, base], [narrow, high * 0.985, roof],
                    [narrow * 0.85, high, roof], [-narrow * 0.85, high, roof],
                    [-narrow, high * 0.985, roof]])  # fmt: skip
    if above:
        cover = [[-narrow, high, roof], [narrow, high, roof], [narrow, high, slope],
                 [-narrow, high, slope]]  # fmt: skip
        made.add(np.array(cover), car.colour, 1.08)
    made.add(end, car.colour, 0.93)
    if car.kind == "truck" and not car.oncoming:
        return
    low, up = waist + 0.06 * (high - waist), high - 0.17 * (high - waist)
    deep = base + 0.83 * (roof - base)
    pane = np.array([[-wide * 0.9, low, base], [wide * 0.9, low, base], [narrow * 0.9, up, deep],
                     [-narrow * 0.9, up, deep]])  # fmt: skip
    if car.kind == "truck":
        pane = box(-half * 0.9, half * 0.9, 0.5 * high, 0.78 * high)
    made.add(pane, GLASS, 0.9, hides=False)
    # The lower part of a window reflects the road, the upper part the sky.
    band = pane.copy()
    band[:2] += 0.55 * (pane[[3, 2]] - pane[:2])
    made.add(band, (112.0, 100.0, 88.0), 0.9, hides=False)


def _near_end(made: Builder, car: Car, shape: _Profile, near: list[float], dark: bool) -> None:
    """Boot lid or bonnet, bumper, tyres, plate and lamps of the end that faces the camera."""
    half, high = car.width / 2, car.height
    waist = shape.waist * high
    edge = shape.nose * high if car.oncoming else waist - 0.02
    base = near[1]
    lid = [[-half * 0.94, edge, 0], [half * 0.94, edge, 0], [half * 0.95, waist, base],
           [-half * 0.95, waist, base]]  # fmt: skip
    for x in (-half + 0.04, half - 0.28):
        made.add(box(x, x + 0.24, 0.0, 0.32), TYRE)
    made.add(box(-half * 0.96, half * 0.96, 0.17, 0.4), (30.0, 30.0, 31.0))
    made.add(np.array(lid), car.colour, 1.12)
    y = np.array([0.34, 0.34, 0.6 * edge, edge - 0.05, edge, edge, edge - 0.05, 0.6 * edge])
    shares = np.array([-0.95, 0.95, 1.0, 0.98, 0.92, -0.92, -0.98, -1.0])
    made.add(np.stack([shares * half, y, np.zeros(8)], 1), car.colour, 0.9)
    made.add(box(-half * 0.93, half * 0.93, 0.3, 0.46), car.colour, 0.6, hides=False)
    if car.kind == "truck" and not car.oncoming:
        made.add(box(-0.02, 0.02, 0.8, high - 0.1), car.colour, 0.6, hides=False)
        made.add(box(-half, half, 0.45, 0.75), (50.0, 50.0, 52.0), hides=False)
    if car.oncoming:
        made.add(box(-half * 0.5, half * 0.5, 0.5 * edge, 0.8 * edge), (28.0, 28.0, 28.0),
                 hides=False)  # fmt: skip
    made.add(box(-0.26, 0.26, 0.5, 0.61), (200.0, 206.0, 206.0), hides=False)
    _lamps(made, car, min(edge, 1.15) - 0.06, dark)


def _lamps(made: Builder, car: Car, high: float, dark: bool) -> None:
    braking = not car.oncoming and int(car.s * 7) % 3 == 0
    colour: Colour = (225.0, 235.0, 240.0) if car.oncoming else (38.0, 30.0, 150.0)
    glow = (1.2 if dark else 0.0) + (0.5 if braking else 0.0)
    colour = (60.0, 50.0, 235.0) if braking else colour
    half = car.width / 2
    for x in (-half + 0.23, half - 0.23):
        made.add(box(x - 0.19, x + 0.19, high - 0.17, high), colour, 1, glow, hides=False)


@lru_cache(maxsize=256)
def house(prop: Prop, night: bool) -> Faces:
    """A block of flats along the road, with rows of windows; its near corner is at (0, 0)."""
    rng = np.random.default_rng(prop.look)
    paint = np.array([112, 122, 136]) * rng.uniform(0.45, 1.4) + rng.uniform(-14, 14, 3)
    colour: Colour = (float(paint[0]), float(paint[1]), float(paint[2]))
    side = 1 if prop.t > 0 else -1
    long, deep = 15.0, 9.0
    made = Builder()
    made.add(wall(0, 0, long, 0, prop.height), colour, 0.78)
    made.add(wall(0, 0, long, 0, 3.2), colour, 0.55, hides=False)
    made.add(wall(0, 0, long, prop.height - 0.5, prop.height), colour, 1.0, hides=False)
    front = sorted((0.0, side * deep))
    made.add(box(front[0], front[1], 0, prop.height), colour)
    pane, gap = float(rng.uniform(1.0, 1.9)), float(rng.uniform(2.2, 3.2))
    for low in np.arange(0.6, prop.height - 1.8, 3.1):
        tall = 2.2 if low < 1 else 1.6
        for step in np.arange(0.8, long - pane, gap):
            lit = night and rng.random() < (0.6 if low < 1 else 0.25)
            tone: Colour = (105.0, 185.0, 230.0) if lit else (70.0, 62.0, 54.0)
            tone = tone if lit or rng.random() < 0.7 else (135.0, 120.0, 105.0)
            made.add(wall(0, step, step + pane, low, low + tall), tone, 1, 0.7 * lit, False)
        for step in np.arange(1.0, deep - 1.2, gap):
            made.add(box(side * step, side * (step + pane), low + 0.4, low + tall),
                     (75.0, 66.0, 58.0), hides=False)  # fmt: skip
    return made.faces()


@lru_cache(maxsize=16)
def rail(kind: str, t: float) -> Faces:
    """A guard rail or a concrete wall along the whole road, from far to near."""
    made = Builder()
    ahead = np.geomspace(1.0, REACH, 36)
    bands: tuple[tuple[float, float, Colour, float], ...]
    if kind == "barrier":
        bands = ((0.0, 0.85, (148, 154, 157), 0.9), (0.0, 0.25, (148, 154, 157), 0.75),
                 (0.79, 0.85, (180, 184, 186), 1.0))  # fmt: skip
    else:
        bands = ((0.42, 0.74, (148, 151, 151), 1.0), (0.54, 0.62, (148, 151, 151), 0.62),
                 (0.69, 0.74, (148, 151, 151), 1.25))  # fmt: skip
    for near, far in zip(ahead[-2::-1], ahead[:0:-1], strict=True):
        for i, (low, high, colour, gain) in enumerate(bands):
            made.add(wall(t, near, far, low, high), colour, gain, hides=i == 0)
    return made.faces()


@lru_cache(maxsize=16)
def posts(t: float) -> Faces:
    """The posts of a guard rail, every 3 m."""
    made = Builder()
    for s in np.arange(45.0, 0.0, -3.0):
        made.add(wall(t, s, s + 0.14, 0.0, 0.7), (108.0, 110.0, 110.0))
    return made.faces()


@lru_cache(maxsize=256)
def pole(prop: Prop) -> Faces:
    """A street lamp with an arm over the road, or a sign."""
    side = 1 if prop.t > 0 else -1
    made = Builder()
    grey: Colour = (100.0, 103.0, 104.0)
    if prop.kind == "sign":
        made.add(box(-0.05, 0.05, 0, prop.height), grey)
        tone: Colour = ((75, 135, 40), (160, 90, 35), (45, 175, 225))[prop.look % 3]
        wide = 0.4 + 0.25 * (prop.look % 4)
        made.add(box(-wide, wide, prop.height - 0.9, prop.height), (215, 215, 215))
        made.add(box(-wide + 0.06, wide - 0.06, prop.height - 0.84, prop.height - 0.06), tone)
        return made.faces()
    high = prop.height
    trunk = [[-0.1, 0, 0], [0.1, 0, 0], [0.05, high, 0], [-0.05, high, 0]]
    made.add(np.array(trunk), grey)
    arm = [[0, high - 0.12, 0], [-side * 2.2, high + 0.28, 0], [-side * 2.2, high + 0.4, 0],
           [0, high, 0]]  # fmt: skip
    made.add(np.array(arm), grey)
    head = sorted((-side * 1.8, -side * 2.6))
    made.add(box(head[0], head[1], high + 0.24, high + 0.42), grey, 0.8)
    return made.faces()
