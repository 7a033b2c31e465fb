"""The hand-made scene of the demo clip."""

from __future__ import annotations

import numpy as np

from lanes.synthetic.scene import stand_beside
from lanes.synthetic.world import WHITE, YELLOW, Camera, Car, Light, Line, Road, Scene

WIDTH = 3.6
LEFT, RIGHT = -1.5 * WIDTH, 1.5 * WIDTH


def demo_scene() -> Scene:
    """Make the demo's scene: a three-lane motorway on a clear late afternoon."""
    camera = Camera(1.45, 0.44, 0.0, 0.0, np.deg2rad(62), 0.0, 27.0, 0.0, (40.0, 40.0, 45.0))
    light = Light(
        time="day",
        ambient=1.0,
        tint=(0.95, 1.0, 1.04),
        sky_top=(208.0, 142.0, 82.0),
        sky_low=(238.0, 226.0, 210.0),
        clouds=0.55,
        haze=0.0018,
        shadows=0.5,
        shadow_side=1,
        shadow_trees=3,
        shadow_bridge=False,
        shadow_edge=None,
        headlight=0.0,
        wet=0.0,
        exposure=1.08,
        balance=(0.98, 1.0, 1.01),
        gamma=0.95,
        noise=1.5,
        blur=0.0,
        vignette=0.1,
    )
    road = _road()
    props = stand_beside(np.random.default_rng(5), "highway", road)
    return Scene(3, "highway", camera, road, light, _cars(), props, "hills")


def _road() -> Road:
    return Road(
        left=LEFT,
        right=RIGHT,
        lanes=3,
        lane_width=WIDTH,
        paved=((LEFT - 1.4, RIGHT + 3.0), (LEFT - 18.5, LEFT - 8.5)),
        bends=((75.0, 2 * np.pi / 1500, 4.35), (2.0, 2 * np.pi / 420, 1.0)),
        slope_change=0.0,
        lines=(
            Line(LEFT + 0.1, 0.16, 0, 0, 0, YELLOW, 0.05),
            Line(-0.5 * WIDTH, 0.14, 3.0, 9.0, 0.0, WHITE, 0.05),
            Line(0.5 * WIDTH, 0.14, 3.0, 9.0, 0.0, WHITE, 0.05),
            Line(RIGHT - 0.1, 0.16, 0, 0, 0, WHITE, 0.05),
            Line(LEFT - 17.0, 0.16, 0, 0, 0, WHITE, 0.05),
            Line(LEFT - 13.0, 0.16, 3.0, 9.0, 4.0, WHITE, 0.05),
            Line(LEFT - 9.5, 0.16, 0, 0, 0, YELLOW, 0.05),
        ),
        verge="grass",
        rails=((LEFT - 2.0, "barrier"), (RIGHT + 3.6, "rail")),
        asphalt=(106.0, 105.0, 104.0),
        damage=0.15,
        crossings=False,
        arrows=False,
    )


def _cars() -> tuple[Car, ...]:
    along = (
        Car(34.0, 0.0, 0.0, 1.85, 4.6, 1.46, (60.0, 55.0, 165.0), False, "car"),
        Car(19.0, WIDTH, -1.1, 1.82, 4.4, 1.48, (205.0, 205.0, 200.0), False, "car"),
        Car(78.0, WIDTH, -1.1, 2.5, 9.5, 3.6, (215.0, 215.0, 210.0), False, "truck"),
        Car(26.0, -WIDTH, 1.6, 1.85, 4.6, 1.45, (120.0, 70.0, 35.0), False, "car"),
        Car(70.0, -WIDTH, 1.6, 1.9, 4.7, 1.7, (45.0, 45.0, 45.0), False, "suv"),
        Car(110.0, 0.0, 0.0, 1.9, 4.7, 1.7, (170.0, 172.0, 175.0), False, "suv"),
    )
    towards = (
        (60.0, 15.0, (200.0, 200.0, 200.0)),
        (120.0, 11.2, (40.0, 40.0, 150.0)),
        (190.0, 15.0, (60.0, 60.0, 60.0)),
        (230.0, 11.2, (150.0, 120.0, 90.0)),
    )
    return along + tuple(
        Car(s, LEFT - t, -55.0, 1.85, 4.5, 1.5, paint, True, "car") for s, t, paint in towards
    )
