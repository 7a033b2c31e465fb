"""Draws vehicles and roadside objects, from far to near."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.synthetic import shapes
from lanes.synthetic.shapes import Faces, Points
from lanes.synthetic.tunnel import tube
from lanes.synthetic.view import NEAR, View, path
from lanes.synthetic.world import REACH, Car, Colour, Prop, Scene
from lanes.types import Image

FAR = 240.0
"""Objects farther away, in metres, are not drawn."""
ROUND = 270.0
"""Cars reappear after this many metres, ahead or behind."""


@dataclass(frozen=True)
class Canvas:
    """A frame being drawn.

    `vehicles` and `hidden` (H, W), 0..255, are the coverage by vehicles and by other objects.
    """

    scene: Scene
    view: View
    s: float
    seconds: float
    picture: Image
    hidden: NDArray[np.uint8]
    vehicles: NDArray[np.uint8]

    @property
    def offset(self) -> float:
        """The camera's `t`."""
        return self.scene.offset(self.seconds)

    def pixels(self, points: Points) -> Points:
        """Project points (N, 3), (t, height, metres ahead), to pixels (N, 2)."""
        ahead = np.maximum(points[:, 2], NEAR)
        right = points[:, 0] - self.offset + path(self.scene.road, self.s, ahead)
        return self.view.project(np.stack([right, points[:, 1], ahead], axis=1))

    def shade(self, ahead: Points) -> tuple[Points, Points]:
        """The lighting at distances (K,), as (gain, air), each (K, 3): colour * gain + air."""
        light, ahead = self.scene.light, np.maximum(ahead, NEAR)[:, None]
        clear = np.exp(-light.haze * ahead)
        lit = light.ambient + light.headlight * 0.9 * np.minimum(1, (9 / (ahead + 3)) ** 1.3)
        return np.array(light.tint) * (lit * clear), np.array(haze(self.scene)) * (1 - clear)

    def put(self, faces: Faces, t: float, ahead: float, vehicle: bool = False) -> None:
        """Draw faces with their origin at (`t`, 0, `ahead`)."""
        mask = self.vehicles if vehicle else self.hidden
        pixels = self.pixels(faces.points + (t, 0.0, ahead))
        corners = np.clip(pixels * 16, -3e5, 3e5).astype(np.int32)
        gain, air = self.shade(faces.points[faces.ends - 1, 2] + ahead)
        own = faces.colours * faces.glow[:, None] * (1 - air / 255)
        colours = np.maximum(faces.colours * gain, own) + air
        start = 0
        for end, colour, hides in zip(
            faces.ends.tolist(), colours.tolist(), faces.hides.tolist(), strict=True
        ):
            face = [corners[start:end]]
            cv2.fillPoly(self.picture, face, colour, cv2.LINE_AA, 4)
            if hides:
                cv2.fillPoly(mask, face, (255,), cv2.LINE_AA, 4)
            start = end

    def part(self, pixels: Points, margin: int = 2) -> tuple[slice, slice] | None:
        """The rows and columns of the image around pixels (N, 2); None if outside."""
        rows, columns = self.hidden.shape
        x0, y0 = np.clip(pixels.min(axis=0) - margin, 0, (columns, rows)).astype(int).tolist()
        x1, y1 = np.clip(pixels.max(axis=0) + margin, 0, (columns, rows)).astype(int).tolist()
        return None if x0 >= x1 or y0 >= y1 else (slice(y0, y1), slice(x0, x1))


def haze(scene: Scene) -> Colour:
    """The colour of distant haze."""
    share = 0.75 if scene.light.time == "dusk" else 0.95
    b, g, r = (c * share for c in scene.light.sky_low)
    return b, g, r


def draw(canvas: Canvas) -> None:
    """Draw all objects: first those beyond a rail, then the rail, then the rest."""
    scene = canvas.scene
    placed: list[tuple[float, Car | Prop]] = [
        ((car.s + car.speed * canvas.seconds + 30) % ROUND - 30, car) for car in scene.cars
    ]
    placed += [((p.s + 20 - canvas.s) % REACH - 20, p) for p in scene.props]
    placed = [(s, thing) for s, thing in placed if s + _length(thing) > 1 and s < FAR]
    placed.sort(key=lambda pair: -pair[0])
    low = max((t for t, _ in scene.road.rails if t < 0), default=-1e9)
    high = min((t for t, _ in scene.road.rails if t > 0), default=1e9)
    for s, thing in placed:
        if not low < thing.t < high:
            _thing(canvas, s, thing)
    if scene.tunnel is not None:
        canvas.put(tube(scene.tunnel), 0.0, -(canvas.s % scene.tunnel.every))
    for t, kind in scene.road.rails:
        canvas.put(shapes.rail(kind, t), 0.0, 0.0)
        if kind == "rail":
            canvas.put(shapes.posts(t), 0.0, -(canvas.s % 3.0))
    for s, thing in placed:
        if low < thing.t < high:
            _thing(canvas, s, thing)


def _length(thing: Car | Prop) -> float:
    return thing.length if isinstance(thing, Car) else (15.0 if thing.kind == "house" else 0.0)


def _thing(canvas: Canvas, s: float, thing: Car | Prop) -> None:
    night = canvas.scene.light.time in ("dusk", "night")
    if isinstance(thing, Car):
        _car(canvas, s, thing, night)
    elif thing.kind in ("tree", "bush"):
        _tree(canvas, s, thing)
    elif thing.kind == "house":
        canvas.put(shapes.house(thing, night), thing.t, s)
    else:
        canvas.put(shapes.pole(thing), thing.t, s)
        if night and thing.kind == "lamp":
            side = 1 if thing.t > 0 else -1
            lamp = np.array([[thing.t - side * 2.2, thing.height + 0.25, s]])
            size = max(canvas.view.focal / s * 1.2, canvas.view.size[1] / 90)
            _light_up(canvas, canvas.pixels(lamp)[0], size, (150, 215, 255))


def _car(canvas: Canvas, s: float, car: Car, dark: bool) -> None:
    _shadow(canvas, s, car)
    camera, light = canvas.scene.camera, canvas.scene.light
    side = -1 if car.t > canvas.offset else 1
    sunny = not light.shadows or light.shadow_side == -side
    canvas.put(shapes.vehicle(car, side, sunny, camera.height > car.height, dark), car.t, s, True)
    if not dark or s < 1.5:
        return
    unit = canvas.view.focal / s
    size = max(unit * (0.9 if car.oncoming else 0.4), canvas.view.size[1] / 110)
    colour: Colour = (225, 240, 255) if car.oncoming else (40, 40, 230)
    x, y = car.width / 2 - 0.2, min(0.9, 0.55 * car.height)
    for lamp in canvas.pixels(np.array([[car.t - x, y, s], [car.t + x, y, s]])):
        _light_up(canvas, lamp, size, colour)


def _shadow(canvas: Canvas, s: float, car: Car) -> None:
    """Darken the ground under a car; soft towards the edge."""
    slip = 0.9 * canvas.scene.light.shadow_side * (canvas.scene.light.shadows > 0)
    half = car.width / 2
    left, right = car.t - half - 0.05 - max(slip, 0), car.t + half + 0.05 - min(slip, 0)
    far = s + car.length
    flat = np.array([[left, 0, s - 0.2], [right, 0, s - 0.2], [right, 0, far], [left, 0, far]])
    pixels = canvas.pixels(flat)
    place = canvas.part(pixels, 3)
    if place is None:
        return
    roi = canvas.picture[place]
    mask: NDArray[np.uint8] = np.full(roi.shape[:2], 255, np.uint8)
    corners = np.clip((pixels - (place[1].start, place[0].start)) * 16, -3e5, 3e5).astype(np.int32)
    cv2.fillPoly(mask, [corners], (75,), cv2.LINE_AA, 4)
    width = 3 + 2 * (mask.shape[1] // 60)
    soft = cv2.blur(mask, (width, 3))
    cv2.multiply(roi, cv2.merge([soft] * 3), roi, 1 / 255)


@lru_cache(maxsize=1)
def _glow() -> NDArray[np.uint8]:
    """The glow of a lamp: a bright core with a wide halo."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    distance = np.hypot(x, y)
    light = 0.35 * np.clip(1 - distance, 0, 1) ** 2 + 0.65 * np.exp(-((distance / 0.2) ** 2))
    return np.asarray(255 * light * (distance < 1), np.uint8)


def _light_up(canvas: Canvas, centre: Points, radius: float, colour: Colour) -> None:
    """Add the glow of a lamp around a pixel."""
    half = int(np.clip(radius, 1, canvas.view.size[1] / 9))
    x, y = (int(v) for v in np.clip(centre, -9999, 9999))
    place = canvas.part(np.array([[x, y]]), half)
    if place is None:
        return
    glow = cv2.resize(_glow(), (2 * half, 2 * half), interpolation=cv2.INTER_LINEAR)
    top, left = y - half, x - half
    rows, columns = place
    part = glow[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    roi = canvas.picture[place]
    cv2.add(roi, cv2.transform(part, np.array(colour)[:, None] / 255), roi)


@lru_cache(maxsize=48)
def _leaves(look: int) -> tuple[NDArray[np.uint8], ...]:
    """Tree sprites of decreasing size: BGRA, with the colour multiplied by alpha."""
    rng = np.random.default_rng(look)
    sprite = np.zeros((320, 256, 4), np.uint8)
    bark = tuple(float(v) for v in np.array([42, 54, 62]) * rng.uniform(0.6, 1.2)) + (255.0,)
    trunk = np.array([[120, 320], [136, 320], [132, 180], [124, 180]])
    cv2.fillConvexPoly(sprite, trunk, bark, cv2.LINE_AA)
    tone = np.array([38, 74, 62]) * rng.uniform(0.6, 1.25) + rng.uniform(-10, 12, 3)
    lobes = int(rng.integers(5, 11))
    wide, high = rng.uniform(32, 72), rng.uniform(44, 76)
    for i in range(lobes):
        turn = 2 * np.pi * (i + rng.uniform(-0.3, 0.3)) / lobes
        x, y = 128 + wide * np.cos(turn), 128 + high * np.sin(turn)
        cv2.line(sprite, (128, 220), (int(x), int(y)), bark, 4, cv2.LINE_AA)
    clumps = []
    for _ in range(1100):
        turn, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1) ** 0.5
        swing = 1 + 0.22 * np.sin(lobes * turn + look)
        x = 128 + wide * 1.45 * reach * swing * np.cos(turn)
        y = 124 + high * 1.4 * reach * np.sin(turn)
        clumps.append((y + rng.uniform(-40, 40), x, y))
    # From the shaded underside to the lit crown.
    for order, x, y in sorted(clumps, reverse=True):
        gain = 1.4 - 0.0045 * order + rng.uniform(-0.15, 0.15)
        colour = (*(float(c) for c in np.clip(tone * gain, 6, 210)), 255.0)
        axes = int(rng.integers(3, 8)), int(rng.integers(2, 6))
        cv2.ellipse(sprite, (int(x), int(y)), axes, rng.uniform(0, 180), 0, 360, colour, -1)
    levels: list[NDArray[np.uint8]] = [sprite]
    while levels[-1].shape[0] > 12:
        h, w = levels[-1].shape[:2]
        small = cv2.resize(levels[-1], (w // 2, h // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(small, np.uint8))
    return tuple(levels)


def _tree(canvas: Canvas, s: float, prop: Prop) -> None:
    """Blend a tree's sprite; a bush is only the crown."""
    bush = prop.kind == "bush"
    half = prop.height * (0.6 if bush else 0.42)
    if s < 1:
        return
    corners = canvas.pixels(shapes.box(prop.t - half, prop.t + half, 0.0, prop.height, s))
    levels = _leaves(prop.look % 24)
    tall = abs(corners[0, 1] - corners[3, 1])
    level = int(np.clip(np.log2(320 / max(tall, 1)), 0, len(levels) - 1))
    sprite = levels[level]
    _blend(canvas, sprite[: len(sprite) // 2] if bush else sprite, corners, s)


def _blend(canvas: Canvas, sprite: NDArray[np.uint8], corners: Points, s: float) -> None:
    """Blend a BGRA sprite (colour times alpha) onto the parallelogram of `corners`."""
    place = canvas.part(corners, 1)
    if place is None:
        return
    roi, hidden = canvas.picture[place], canvas.hidden[place]
    h, w = sprite.shape[:2]
    source = np.array([[0, h], [w, h], [w, 0]], np.float32)
    target = (corners[:3] - (place[1].start, place[0].start)).astype(np.float32)
    matrix = cv2.getAffineTransform(source, target)
    patch = cv2.warpAffine(sprite, matrix, roi.shape[1::-1], flags=cv2.INTER_LINEAR)
    gain, air = (v[0] for v in canvas.shade(np.array([s])))
    # One matrix product applies the gain, and adds the air where the sprite is.
    front = cv2.transform(patch, np.hstack([np.diag(gain), air[:, None] / 255]))
    through = cv2.transform(patch, np.array([[0, 0, 0, -1, 255]] * 3, float))
    cv2.add(cv2.multiply(roi, through, scale=1 / 255), front, roi)
    np.maximum(hidden, patch[..., 3], out=hidden)
