"""Makes random scenes; all random choices derive from one seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lanes.synthetic.extras import with_extras
from lanes.synthetic.world import (
    REACH,
    WHITE,
    YELLOW,
    Camera,
    Car,
    Colour,
    Light,
    Line,
    Prop,
    Road,
    Scene,
)


def scene(seed: int) -> Scene:
    """Make the scene of a seed; the same seed gives the same scene."""
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(["highway", "rural", "city"], p=[0.45, 0.25, 0.3]))
    light = _light(rng)
    camera = _camera(rng, kind)
    road, lane_middles = _road(rng, kind)
    road = _worn(np.random.default_rng([seed, 11]), road)
    made = Scene(
        seed=seed,
        kind=kind,
        camera=camera,
        road=road,
        light=light,
        cars=_cars(rng, kind, road, camera.speed, lane_middles),
        props=stand_beside(rng, kind, road),
        backdrop=str(
            rng.choice(["trees", "hills", "town"] if kind != "city" else ["town", "trees"])
        ),
    )
    return with_extras(made)


def _camera(rng: np.random.Generator, kind: str) -> Camera:
    speed = {"highway": (20.0, 34.0), "rural": (13.0, 27.0), "city": (5.0, 16.0)}[kind]
    bonnet = float(rng.uniform(0.03, 0.17)) if rng.random() < 0.45 else 0.0
    grey = float(rng.choice([25.0, 45.0, 90.0, 170.0]))
    return Camera(
        height=float(rng.uniform(1.2, 2.2) if rng.random() < 0.3 else rng.uniform(1.2, 1.65)),
        horizon=float(np.clip(rng.normal(0.47, 0.06), 0.35, 0.6)),
        yaw=float(np.clip(rng.normal(0, 0.025), -0.07, 0.07)),
        roll=float(np.clip(rng.normal(0, 0.012), -0.035, 0.035)),
        fov=float(np.deg2rad(rng.uniform(45, 90))),
        offset=float(np.clip(rng.normal(0, 0.3), -0.9, 0.9)),
        speed=float(rng.uniform(*speed)),
        bonnet=bonnet,
        bonnet_colour=(grey + float(rng.uniform(0, 20)), grey, grey + float(rng.uniform(0, 20))),
    )


def _road(rng: np.random.Generator, kind: str) -> tuple[Road, list[tuple[float, bool]]]:
    """Make the road; also returns the centre of each lane, and whether it is oncoming."""
    w = float(rng.uniform(3.0, 3.5) if kind == "city" else rng.uniform(3.3, 3.9))
    own = {"highway": int(rng.integers(2, 5)), "rural": 1, "city": int(rng.integers(1, 4))}[kind]
    if kind == "rural" and rng.random() < 0.2:
        own = 2
    divided = kind == "highway"
    against = 0 if divided else (max(1, own - int(rng.integers(0, 2))) if own < 3 else 1)
    if kind == "city" and own > 1 and rng.random() < 0.35:
        against = 0
    place = int(rng.integers(0, own))
    left = -(place + 0.5) * w
    right = left + own * w
    margin_l = float(rng.uniform(0.3, 3.0)) if divided else float(rng.uniform(0.1, 0.8))
    margin_r = {
        "highway": float(rng.uniform(0.8, 3.5)),
        "rural": float(rng.uniform(0.1, 1.2)),
        "city": float(rng.choice([0.15, 0.4, 2.4])),
    }[kind]
    if not divided and against:
        margin_l = margin_r
    paved = [(left - against * w - margin_l, right + margin_r)]
    middles = [(left + (i + 0.5) * w, False) for i in range(own)]
    middles += [(left - (i + 0.5) * w, True) for i in range(against)]
    lines = _lines(rng, kind, left, right, own, against, w)
    rails: list[tuple[float, str]] = []
    if divided:
        median = float(rng.uniform(0.4, 14.0))
        other_right = left - margin_l - median
        paved.append((other_right - own * w - 3.5, other_right))
        edge = other_right - 0.8
        lines += [_line(rng, edge, YELLOW if rng.random() < 0.5 else WHITE)]
        lines += [_line(rng, edge - i * w, WHITE, 3.0, 9.0) for i in range(1, own)]
        lines += [_line(rng, edge - own * w, WHITE)]
        middles += [(edge - (i + 0.5) * w, True) for i in range(own)]
        if median < 4 or rng.random() < 0.5:
            rails.append((left - margin_l - 0.25, str(rng.choice(["barrier", "rail"]))))
    if kind != "city" and rng.random() < 0.5:
        rails.append((right + margin_r + 0.3, str(rng.choice(["barrier", "rail", "rail"]))))
    grey = float(rng.uniform(58, 135))
    warm = float(rng.uniform(-4, 7))
    bend = float(rng.choice([0.0004, 0.0015, 0.004], p=[0.3, 0.45, 0.25]))
    road = Road(
        left,
        right,
        own,
        w,
        tuple(paved),
        bends=_bends(rng, bend),
        slope_change=float(np.clip(rng.normal(0, 0.00008), -0.0002, 0.0002)),
        lines=tuple(lines),
        verge="kerb" if kind == "city" else str(rng.choice(["grass", "grass", "dirt", "dry"])),
        rails=tuple(rails),
        asphalt=(grey - warm, grey, grey + warm),
        damage=float(rng.uniform(0, 1)) ** 1.5,
        crossings=kind == "city" and rng.random() < 0.6,
        arrows=rng.random() < (0.5 if kind == "city" else 0.12),
    )
    return road, middles


def _bends(rng: np.random.Generator, bend: float) -> tuple[tuple[float, float, float], ...]:
    terms = []
    for wave, share in ((float(rng.uniform(900, 2000)), 0.7), (float(rng.uniform(250, 600)), 0.3)):
        omega = 2 * np.pi / wave
        amplitude = bend * share * float(rng.uniform(0.2, 1)) / omega**2
        terms.append((amplitude, omega, float(rng.uniform(0, 2 * np.pi))))
    return tuple(terms)


def _line(
    rng: np.random.Generator, t: float, colour: Colour, dash: float = 0.0, gap: float = 0.0
) -> Line:
    wear = float(rng.uniform(0, 1)) ** 2 * 0.55
    return Line(t, float(rng.uniform(0.1, 0.2)), dash, gap, float(rng.uniform(0, 20)), colour, wear)


def _worn(rng: np.random.Generator, road: Road) -> Road:
    """On some roads, remove the paint of lines along parts of their length."""
    if rng.random() > 0.35:
        return road
    most = float(rng.choice([0.25, 0.5, 0.8]))
    lines = [replace(line, away=float(rng.uniform(0.05, most))) for line in road.lines]
    return replace(road, lines=tuple(lines))


def _lines(
    rng: np.random.Generator, kind: str, left: float, right: float, own: int, against: int, w: float
) -> list[Line]:
    # Edge lines are just inside the lanes, so that the drivable area ends with their paint.
    inset = float(rng.uniform(0.05, 0.1))
    dash, gap = [
        (3.0, 9.0),
        (3.0, 9.14),
        (3.0, 6.0),
        (2.0, 4.0),
        (6.0, 12.0),
        (4.0, 8.0),
        (3.0, 3.0),
    ][int(rng.integers(0, 7))]
    american = rng.random() < 0.65
    lines = []
    if kind != "city" or rng.random() < 0.5:
        lines.append(_line(rng, right - inset, WHITE))
    lines += [_line(rng, left + i * w, WHITE, dash, gap) for i in range(1, own)]
    if own > 1 and rng.random() < 0.15:
        lines[-1] = replace(lines[-1], dash=0.0, gap=0.0)
    if not against:
        lines.append(_line(rng, left + inset, YELLOW if american else WHITE))
        return lines
    centre = YELLOW if american else WHITE
    one = _line(rng, left, centre)
    style = rng.choice(["solid", "double", "dashed", "mixed"], p=[0.2, 0.4, 0.25, 0.15])
    if style in ("double", "mixed"):
        lines += [replace(one, t=left - 0.14), replace(one, t=left + 0.14)]
        if style == "mixed":
            lines[-1] = replace(lines[-1], dash=dash, gap=gap)
    else:
        lines.append(replace(one, dash=dash, gap=gap) if style == "dashed" else one)
    lines += [_line(rng, left - i * w, WHITE, dash, gap) for i in range(1, against)]
    if kind != "city" or rng.random() < 0.5:
        lines.append(_line(rng, left - against * w + inset, WHITE))
    return lines


PAINTS: tuple[Colour, ...] = (
    (215, 215, 215), (235, 235, 235), (40, 40, 42), (25, 25, 28), (120, 122, 125), (160, 162, 165),
    (40, 35, 140), (110, 60, 30), (30, 30, 90), (90, 110, 120), (35, 170, 225), (60, 80, 50),
)  # fmt: skip


def _cars(
    rng: np.random.Generator, kind: str, road: Road, speed: float, lanes: list[tuple[float, bool]]
) -> tuple[Car, ...]:
    """Make the traffic; each lane has one speed, so that cars do not collide."""
    cars = []
    busy = float(rng.choice([0.3, 0.7, 1.0, 1.6]))
    for middle, oncoming in lanes:
        pace = float(rng.uniform(-0.2, 0.2)) * speed if abs(middle) > 1 else 0.0
        pace = -float(rng.uniform(1.7, 2.2)) * speed if oncoming else pace
        s = float(rng.uniform(9, 25)) if abs(middle) < 1 else float(rng.uniform(-20, 30))
        while s < 230:
            if rng.random() < 0.45 * min(busy, 1.6):
                cars.append(_car(rng, s, middle + float(rng.normal(0, 0.15)), pace, oncoming))
            s += float(rng.uniform(16, 60))
    if kind == "city" and rng.random() < 0.6:
        s = float(rng.uniform(3, 12))
        while s < 200:
            if rng.random() < 0.75:
                cars.append(_car(rng, s, road.paved[0][1] - 0.95 + 0.9, -speed, False))
            s += float(rng.uniform(5.8, 9))
    return tuple(cars)


def _car(rng: np.random.Generator, s: float, t: float, pace: float, oncoming: bool) -> Car:
    kind = str(rng.choice(["car", "suv", "van", "truck"], p=[0.55, 0.25, 0.1, 0.1]))
    width, length, height = {
        "car": (1.8, 4.5, 1.45), "suv": (1.9, 4.7, 1.75), "van": (2.0, 5.3, 2.2),
        "truck": (2.5, 9.0, 3.5),
    }[kind]  # fmt: skip
    scale = float(rng.uniform(0.94, 1.06))
    paint = PAINTS[int(rng.integers(0, len(PAINTS)))]
    return Car(s, t, pace, width, length * scale, height * scale, paint, oncoming, kind)


def stand_beside(rng: np.random.Generator, kind: str, road: Road) -> tuple[Prop, ...]:
    """Make the roadside objects over `REACH` metres, which then repeat."""
    props = []
    left, right = min(p[0] for p in road.paved), max(p[1] for p in road.paved)
    density = float(rng.choice([0.15, 0.5, 1.0]))
    for side, edge in ((-1, left), (1, right)):
        s = 0.0
        while s < REACH:
            away = float(rng.uniform(3.0, 14.0) if kind != "city" else rng.uniform(2.5, 5.0))
            look = int(rng.integers(0, 1 << 16))
            if rng.random() < density:
                bush = rng.random() < 0.3
                height = float(rng.uniform(0.8, 2.5) if bush else rng.uniform(4, 11))
                props.append(Prop(s, edge + side * away, height, "bush" if bush else "tree", look))
            s += float(rng.uniform(4, 16))
        if rng.random() < 0.6:
            step = float(rng.uniform(28, 50))
            props += [
                Prop(i * step, edge + side * 1.2, 8.5, "lamp", side)
                for i in range(int(REACH / step))
            ]
        if rng.random() < 0.6:
            props.append(Prop(float(rng.uniform(0, REACH)), edge + side * 2.0, 3.0, "sign", 0))
        if kind == "city":
            s = float(rng.uniform(0, 20))
            while s < REACH - 30:
                look = int(rng.integers(0, 1 << 16))
                height = float(rng.uniform(5, 24))
                props.append(Prop(s, edge + side * float(rng.uniform(5, 8)), height, "house", look))
                s += float(rng.uniform(16, 40))
    return tuple(props)


def _light(rng: np.random.Generator) -> Light:
    time = str(rng.choice(["day", "overcast", "dusk", "night"], p=[0.42, 0.23, 0.12, 0.23]))
    warm = float(rng.uniform(-0.06, 0.06))
    jitter = float(rng.uniform(0.9, 1.1))
    tops: dict[str, tuple[Colour, Colour]] = {
        "day": ((215, 150, 90), (240, 228, 212)),
        "overcast": ((190, 184, 178), (222, 218, 214)),
        "dusk": ((125, 90, 70), (110, 160, 225)),
        "night": ((22, 12, 8), (38, 24, 20)),
    }
    top, low = tops[time]
    night = time == "night"
    wet = float(rng.uniform(0.3, 1)) if rng.random() < (0.12 if time == "day" else 0.3) else 0.0
    return Light(
        time=time,
        ambient={"day": 1.0, "overcast": 0.85, "dusk": 0.5, "night": 0.1}[time] * jitter,
        tint={"dusk": (0.9, 0.95, 1.1), "night": (0.85, 0.95, 1.1)}.get(time, (1.0, 1.0, 1.0)),
        sky_top=(top[0] * jitter, top[1] * jitter, top[2] * jitter),
        sky_low=low,
        clouds=float(rng.uniform(0, 1)),
        haze=float(rng.choice([0.001, 0.003, 0.01], p=[0.5, 0.35, 0.15])),
        shadows=float(rng.uniform(0.3, 0.65)) if time == "day" and rng.random() < 0.75 else 0.0,
        shadow_side=int(rng.choice([-1, 1])),
        shadow_trees=int(rng.choice([0, 3, 7, 14])),
        shadow_bridge=rng.random() < 0.2,
        shadow_edge=float(rng.uniform(0, 6)) if rng.random() < 0.3 else None,
        headlight=float(rng.uniform(0.5, 1.0)) if night else 0.0,
        wet=wet,
        exposure=float(rng.uniform(0.75, 1.3)),
        balance=(1 - warm, 1.0, 1 + warm),
        gamma=float(rng.uniform(0.85, 1.2)),
        noise=float(rng.uniform(3, 9) if night else rng.uniform(0.5, 4)),
        blur=float(rng.choice([0.0, 0.5, 0.9])),
        vignette=float(rng.uniform(0, 0.35)),
    )
