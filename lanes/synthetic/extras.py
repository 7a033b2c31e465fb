"""Adds features that only some scenes have: hatching, tunnels, rain, glare, dashboards, black bars.

Each feature has its own random generator, so that it does not change the rest of the scene. About
half of the scenes get none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lanes.synthetic.world import WHITE, YELLOW, Colour, Glass, Hatch, Light, Scene, Tunnel


def with_extras(scene: Scene) -> Scene:
    """Add the features that the scene's seed selects."""
    tunnel = _tunnel(_chance(scene, 12), scene)
    if tunnel is not None:
        scene = _within(tunnel, scene)
    hatch = _hatch(_chance(scene, 13), scene)
    if hatch is not None and hatch.takes:
        low, high = sorted((hatch.outer, hatch.outer - hatch.width))
        cars = tuple(car for car in scene.cars if not low < car.t < high)
        scene = replace(scene, cars=cars)
    glass = _glass(scene, tunnel is None)
    if glass.rain:
        scene = replace(scene, light=_rainy(scene.light, glass.rain))
    return replace(scene, hatch=hatch, tunnel=tunnel, glass=glass)


def _chance(scene: Scene, which: int) -> np.random.Generator:
    return np.random.default_rng([scene.seed, which])


def _hatch(rng: np.random.Generator, scene: Scene) -> Hatch | None:
    """Stripes on a shoulder, or over the outermost lane where it ends."""
    if rng.random() > 0.13 or scene.kind == "city":
        return None
    road = scene.road
    free_left, free_right = road.left - road.paved[0][0], road.paved[0][1] - road.right
    lane = road.lanes > 1 and not (road.arrows or road.crossings) and rng.random() < 0.4
    if lane:
        outer, width = road.right, road.lane_width - 0.15
        if scene.kind == "highway" and rng.random() < 0.4:
            outer, width = road.left, -width
        # No hatching on the ego lane.
        if min(outer, outer - width) < 0 < max(outer, outer - width):
            return None
    elif free_right > 1.2:
        outer, width = road.paved[0][1] - 0.15, free_right - 0.35
    elif scene.kind == "highway" and free_left > 1.2:
        outer, width = road.paved[0][0] + 0.15, 0.35 - free_left
    else:
        return None
    length = float(rng.uniform(40, 110))
    stripe = float(rng.uniform(0.3, 0.7))
    yellow = outer < 0 and rng.random() < 0.5
    return Hatch(
        outer=outer,
        width=width,
        start=float(rng.uniform(-10, 40)),
        length=length,
        every=length + float(rng.uniform(15, 90)),
        taper=float(rng.uniform(0.2, 0.5)) * length,
        stripe=stripe,
        gap=stripe * float(rng.uniform(1.2, 3.5)),
        slant=float(rng.uniform(0.6, 1.6)),
        colour=YELLOW if yellow else WHITE,
        takes=lane,
    )


def _tunnel(rng: np.random.Generator, scene: Scene) -> Tunnel | None:
    if rng.random() > 0.08 or scene.kind == "city":
        return None
    left, right = scene.road.paved[0]
    wall = float(rng.uniform(80, 165))
    lamps: tuple[Colour, ...] = ((235, 250, 250), (120, 205, 255), (90, 170, 255))
    return Tunnel(
        left=left - 0.8,
        right=right + 0.8,
        height=float(rng.uniform(4.8, 7)),
        every=float(rng.uniform(6, 14)),
        rows=int(rng.integers(1, 3)),
        lamp=lamps[int(rng.integers(0, 3))],
        wall=(wall * 0.95, wall, wall * 1.02),
        exit=rng.random() < 0.5,
    )


def _within(tunnel: Tunnel, scene: Scene) -> Scene:
    """The scene with the tunnel's light, and without objects outside its walls."""
    road, old = scene.road, scene.light
    inside = tuple(line for line in road.lines if tunnel.left < line.t < tunnel.right)
    road = replace(road, lines=inside, rails=(), verge="kerb", paved=road.paved[:1])
    cars = tuple(car for car in scene.cars if tunnel.left < car.t < tunnel.right)
    b, g, r = (0.6 + 0.4 * c / 255 for c in tunnel.lamp)
    light = replace(
        old,
        time="dusk",
        ambient=0.3 + 0.3 * old.ambient,
        tint=(b, g, r),
        sky_top=(20.0, 24.0, 28.0),
        sky_low=(70.0 * b, 70.0 * g, 70.0 * r),
        clouds=0.0,
        shadows=0.0,
        headlight=0.15,
        wet=0.0,
        noise=old.noise + 1.5,
    )
    return replace(scene, road=road, cars=cars, props=(), light=light)


def _rainy(light: Light, rain: float) -> Light:
    """The light of a wet road under low clouds."""
    light = replace(light, wet=max(light.wet, 0.4 + 0.5 * rain), shadows=0.0)
    if light.time == "night":
        return light
    return replace(
        light,
        time="overcast" if light.time == "day" else light.time,
        ambient=light.ambient * 0.78,
        tint=(1.02, 1.0, 0.98),
        sky_top=(168.0, 160.0, 152.0),
        sky_low=(196.0, 190.0, 184.0),
        haze=max(light.haze, 0.003 + 0.006 * rain),
    )


def _glass(scene: Scene, outside: bool) -> Glass:
    rain, glare, dash, mirror, bars = (_chance(scene, which) for which in range(14, 19))
    glass = Glass()
    bright = outside and scene.light.time in ("day", "dusk")
    if outside and rain.random() < 0.12:
        glass = replace(glass, rain=float(rain.uniform(0.15, 1)))
    elif bright and glare.random() < 0.16:
        above = scene.camera.horizon - float(glare.uniform(0.06, 0.35))
        # Between houses, the sky is visible only above the street.
        least = 0.42 if scene.kind == "city" else 0.1
        sun = float(glare.uniform(least, 1 - least)), max(above, 0.03)
        glass = replace(glass, glare=float(glare.uniform(0.35, 1)), sun=sun)
    if not scene.camera.bonnet and dash.random() < 0.22:
        share, tone = float(dash.uniform(0.05, 0.2)), float(dash.uniform(14, 60))
        glass = replace(glass, dashboard=share, tone=tone)
    if scene.light.time != "night" and outside and mirror.random() < 0.14:
        glass = replace(glass, reflection=float(mirror.uniform(0.3, 1)))
    if bars.random() < 0.09:
        share = float(bars.choice([0.125, bars.uniform(0.04, 0.16)]))
        glass = replace(glass, bars=(0.0, share) if bars.random() < 0.6 else (share, 0.0))
    return glass
