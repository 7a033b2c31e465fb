"""The records of a synthetic road scene: what is in the world, and where.

Road coordinates in metres: `s` along the road, `t` across it (0 is the middle of the own lane,
right is positive), height above the asphalt. Colours are BGR, 0..255.
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
    """A pinhole behind the windscreen, moving along its lane at `speed` (m/s).

    Angles in radians; `fov` is the horizontal one; `horizon` is the share of the picture's height
    above the horizon; `bonnet` the share that the own car covers at the bottom.
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
    """A painted longitudinal line; `gap` 0 is a solid one.

    `wear` is the share of paint lost everywhere, `away` the share of the length that lost all.
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
    """The cross-section, and how the road bends.

    `left`..`right` are the own direction's lanes, `paved` all asphalt strips as (from, to), the one
    under the own lanes first, `bends` are
    (amplitude m, 1/m, phase) of sines that sum to the road's sideways path, `slope_change` is the
    vertical curvature in 1/m (> 0 a dip, < 0 a crest).
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
    """A vehicle at `s` ahead at time 0; `speed` is relative to the own one. Sizes in metres."""

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
    """Something that stands beside the road: "tree", "bush", "lamp", "sign" or "house"."""

    s: float
    t: float
    height: float
    kind: str
    look: int


@dataclass(frozen=True)
class Light:
    """What falls on the world and what the sensor makes of it.

    `ambient` and `tint` scale colours, `haze` is 1/m, `headlight` > 0 at night, `wet` 0..1.
    `shadows` 0..1 is how much light a shadow takes; trees, a bridge, or a row of houses or trees
    (`shadow_edge` metres onto the road) cast them from `shadow_side`. `exposure`, `balance`
    (BGR gains), `gamma`, `noise` (levels), `blur` (pixels) and `vignette` are the camera's.
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
    """Slanted stripes of paint that keep traffic off a strip of the road, in metres.

    It reaches from `outer` (a `t`) over `width` to the left (< 0: to the right) and is narrower
    over `taper` at both its ends. It begins at `start`, is `length` long and comes again `every`.
    Its stripes are `stripe` wide with `gap` between them; they run on by `slant` along the road for
    each metre across. `takes` is True where it covers a lane: that is not drivable there.
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
    """A tunnel around the own carriageway, all along it; `height` and lamps `every` in metres.

    `rows` of lamps hang from its ceiling; `exit` is True if daylight is seen at its far end.
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
    """What lies between the world and the picture: the windscreen, and what is within the car.

    `rain`, `glare` and `reflection` are strengths, 0 (none) to 1. `sun` is its place (x, y) in
    shares of the picture. `dashboard` is the share of the height that it covers, `tone` its grey.
    `bars` are black: shares of the height above and below, and of the width left and right.
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
