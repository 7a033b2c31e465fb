"""Records that describe a synthetic road scene.

Road coordinates are in metres: `s` along the road, `t` across it (0 is the centre of the ego lane,
right is positive), and height above the asphalt. Colours are BGR, 0..255.
"""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]

WHITE: Colour = (225.0, 230.0, 232.0)
YELLOW: Colour = (60.0, 170.0, 225.0)
REACH = 300.0
"""How far ahead the road is drawn, in metres."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera behind the windscreen, moving along its lane at `speed` (m/s).

    Angles are in radians; `fov` is horizontal. `horizon` is the share of the image's height above
    the horizon; `bonnet` the share that the ego car covers at the bottom.
    """

    height: float
    horizon: float
    yaw: float
    roll: float
    fov: float
    offset: float
    speed: float
    bonnet: float
    bonnet_colour: Colour


@dataclass(frozen=True)
class Line:
    """A painted longitudinal line; solid if `gap` is 0.

    `wear` is the share of paint that is lost everywhere, `away` the share of the length without any
    paint left.
    """

    t: float
    width: float
    dash: float
    gap: float
    phase: float
    colour: Colour
    wear: float
    away: float = 0.0


@dataclass(frozen=True)
class Road:
    """The cross-section and the course of the road.

    `left`..`right` are the lanes in the ego direction; `paved` all asphalt strips as (from, to),
    with the one under the ego lanes first. `bends` are sines, (amplitude in m, 1/m, phase), whose
    sum is the road's lateral offset. `slope_change` is the vertical curvature in 1/m (> 0 a dip,
    < 0 a crest).
    """

    left: float
    right: float
    lanes: int
    lane_width: float
    paved: tuple[tuple[float, float], ...]
    bends: tuple[tuple[float, float, float], ...]
    slope_change: float
    lines: tuple[Line, ...]
    verge: str
    rails: tuple[tuple[float, str], ...]
    asphalt: Colour
    damage: float
    crossings: bool
    arrows: bool


@dataclass(frozen=True)
class Car:
    """A vehicle at `s` at time 0; `speed` is relative to the ego car. Sizes are in metres."""

    s: float
    t: float
    speed: float
    width: float
    length: float
    height: float
    colour: Colour
    oncoming: bool
    kind: str


@dataclass(frozen=True)
class Prop:
    """A roadside object: "tree", "bush", "lamp", "sign" or "house"."""

    s: float
    t: float
    height: float
    kind: str
    look: int


@dataclass(frozen=True)
class Light:
    """Illumination, weather, and the camera's response.

    `ambient` and `tint` scale colours, `haze` is in 1/m, `headlight` is > 0 at night, `wet` is
    0..1. `shadows`, 0..1, is the share of light that a shadow removes; trees, a bridge, or a row of
    houses or trees (reaching `shadow_edge` metres onto the road) cast them from `shadow_side`.
    `exposure`, `balance` (BGR gains), `gamma`, `noise` (levels), `blur` (pixels) and `vignette` are
    the camera's.
    """

    time: str
    ambient: float
    tint: Colour
    sky_top: Colour
    sky_low: Colour
    clouds: float
    haze: float
    shadows: float
    shadow_side: int
    shadow_trees: int
    shadow_bridge: bool
    shadow_edge: float | None
    headlight: float
    wet: float
    exposure: float
    balance: Colour
    gamma: float
    noise: float
    blur: float
    vignette: float


@dataclass(frozen=True)
class Hatch:
    """Slanted stripes of paint that keep traffic off a strip of the road; lengths in metres.

    The strip extends from `outer` (a `t`) by `width` to the left (< 0: to the right), and tapers
    over `taper` at both ends. It starts at `start`, is `length` long and has the period `every`.
    Its stripes are `stripe` wide with `gap` between them, and advance by `slant` along the road per
    metre across. `takes` is true if it covers a lane, which is then not drivable.
    """

    outer: float
    width: float
    start: float
    length: float
    every: float
    taper: float
    stripe: float
    gap: float
    slant: float
    colour: Colour
    takes: bool


@dataclass(frozen=True)
class Tunnel:
    """A tunnel over the whole ego carriageway; `height` and the lamps' spacing `every` in metres.

    It has `rows` of lamps on the ceiling; `exit` is true if daylight is visible at its far end.
    """

    left: float
    right: float
    height: float
    every: float
    rows: int
    lamp: Colour
    wall: Colour
    exit: bool


@dataclass(frozen=True)
class Glass:
    """Effects of the windscreen, the car's interior and the video frame.

    `rain`, `glare` and `reflection` are strengths, 0 (none) to 1. `sun` is the sun's position
    (x, y) in shares of the image. `dashboard` is the share of the height that it covers, `tone` its
    grey level. `bars` are black bars: shares of the height at top and bottom, and of the width left
    and right.
    """

    rain: float = 0.0
    glare: float = 0.0
    sun: tuple[float, float] = (0.5, 0.3)
    reflection: float = 0.0
    dashboard: float = 0.0
    tone: float = 30.0
    bars: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Move:
    """A planned move of the own car across the road, such as a lane change.

    It begins at `start` (s), lasts `seconds`, and shifts the car by `across` metres (> 0: right).
    """

    start: float
    seconds: float
    across: float


@dataclass(frozen=True)
class Scene:
    """A drive on one road; `seed` also seeds its textures."""

    seed: int
    kind: str
    camera: Camera
    road: Road
    light: Light
    cars: tuple[Car, ...]
    props: tuple[Prop, ...]
    backdrop: str
    hatch: Hatch | None = None
    tunnel: Tunnel | None = None
    glass: Glass = Glass()
    moves: tuple[Move, ...] = ()

    def offset(self, seconds: float) -> float:
        """The camera's `t` at a time: its own offset, and what the moves have added.

        The car shifts without turning: its yaw stays as it is.
        """
        t = self.camera.offset
        for move in self.moves:
            share = min(max((seconds - move.start) / move.seconds, 0.0), 1.0)
            t += move.across * share * share * (3 - 2 * share)
        return t
