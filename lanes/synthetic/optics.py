"""Simulates light through a stained slide, the microscope and the camera.

Dyes absorb light by the Beer-Lambert law: each dye has an absorbance (optical density) for blue,
green and red light, and the absorbances of overlapping cells add up (Ruifrok & Johnston,
"Quantification of histochemical staining by color deconvolution", 2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np

from lanes.synthetic.blood import Floats, noise
from lanes.types import Image

Colour: TypeAlias = tuple[float, float, float]
FOCUSED = 60
"""The diameter of red cells, in pixels, to which `Optics.blur` refers."""


@dataclass(frozen=True)
class Stain:
    """The light through the empty slide (BGR, 0..255), and each dye's absorbance (BGR)."""

    light: Colour
    haemoglobin: Colour
    chromatin: Colour
    blue: Colour
    granules: Colour


PINK = Stain(
    (205, 220, 236), (0.14, 0.15, 0.03), (0.2, 0.68, 0.4), (0.03, 0.22, 0.23), (0.2, 0.36, 0.06)
)
GREY = Stain(
    (236, 233, 227), (0.26, 0.37, 0.42), (0.34, 0.9, 0.75), (0.1, 0.3, 0.36), (0.3, 0.5, 0.3)
)
YELLOW = Stain(
    (135, 247, 251), (0.11, 0.075, 0.05), (0.2, 0.75, 0.32), (0.08, 0.16, 0.26), (0.14, 0.24, 0.1)
)
WHITE = Stain(
    (250, 250, 250), (0.03, 0.06, 0.02), (0.18, 0.85, 0.5), (0.06, 0.24, 0.16), (0.16, 0.36, 0.08)
)
STAINS = (PINK, GREY, YELLOW, WHITE)
"""Variants of the Giemsa stain, which differs between laboratories."""
WRIGHT = Stain(
    (214, 222, 214), (0.2, 0.17, 0.06), (0.12, 0.6, 0.5), (0.05, 0.2, 0.26), (0.16, 0.34, 0.14)
)
LEISHMAN = Stain(
    (238, 226, 232), (0.1, 0.24, 0.05), (0.16, 0.8, 0.5), (0.04, 0.3, 0.16), (0.12, 0.45, 0.06)
)
UNSTAINED = Stain(
    (206, 212, 210), (0.26, 0.12, 0.07), (0.16, 0.14, 0.12), (0.05, 0.05, 0.04), (0.1, 0.1, 0.08)
)
FOREIGN = (*STAINS, WRIGHT, LEISHMAN, UNSTAINED)
"""Stains of other laboratories too."""


@dataclass(frozen=True)
class Optics:
    """The microscope: `light` falls off by this share towards a side (radians) and the corners.

    `blur` (pixels) is the blur in focus; `tilt` adds blur on one side. `noise` is the camera's, in
    levels.
    """

    fall: float
    side: float
    vignette: float
    blur: float
    tilt: float
    noise: float
    gain: Colour


@dataclass(frozen=True)
class Dyed:
    """The amount of each dye on the slide: four planes (H, W)."""

    haemoglobin: Floats
    chromatin: Floats
    blue: Floats
    granules: Floats


def varied(rng: np.random.Generator, stain: Stain, spread: float = 0.13) -> Stain:
    """A random variation of the stain, as between days; a `spread` of 0.3 is another laboratory."""

    def other(colour: Colour, spread: float) -> Any:
        strength = max(rng.normal(1, spread), 0.4)
        return tuple(float(c * strength * rng.normal(1, spread / 2)) for c in colour)

    lamp = rng.uniform(0.94, 1.02)
    light = tuple(min(c * lamp * rng.uniform(0.98, 1.02), 253.0) for c in stain.light)
    dyes = (stain.haemoglobin, stain.chromatin, stain.blue, stain.granules)
    return Stain(light, *(other(dye, spread) for dye in dyes))  # type: ignore[arg-type]


def optics(rng: np.random.Generator) -> Optics:
    """A random microscope and camera."""
    return Optics(
        fall=rng.uniform(0, 0.14),
        side=rng.uniform(0, 2 * np.pi),
        vignette=rng.uniform(0, 0.12),
        blur=rng.uniform(0.5, 1.1),
        tilt=max(rng.uniform(-1.5, 1.6), 0),
        noise=rng.uniform(0.8, 3),
        gain=tuple(rng.uniform(0.98, 1.01, 3)),
    )


def through(stain: Stain, dyed: Dyed) -> Floats:
    """The light (H, W, 3), BGR, that the slide transmits."""
    planes = []
    for channel in range(3):
        density = (
            dyed.haemoglobin * np.float32(stain.haemoglobin[channel])
            + dyed.chromatin * np.float32(stain.chromatin[channel])
            + dyed.blue * np.float32(stain.blue[channel])
            + dyed.granules * np.float32(stain.granules[channel])
        )
        planes.append(np.float32(stain.light[channel]) * np.power(np.float32(10), -density))
    return np.asarray(cv2.merge(planes), np.float32)


def seen(
    rng: np.random.Generator, optics: Optics, light: Floats, diameter: float, off: float = 0.0
) -> Image:
    """The camera's image of the light, with uneven illumination, blur and noise.

    The `diameter` of red cells sets the magnification; `off` is the overall defocus.
    """
    height, width = light.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    across = (np.float32(np.cos(optics.side)) * x + np.float32(np.sin(optics.side)) * y) / 2
    scale = diameter / FOCUSED
    sharp = cv2.GaussianBlur(light, (0, 0), max((optics.blur + off) * scale, 0.4))
    if optics.tilt:
        soft = cv2.GaussianBlur(light, (0, 0), (optics.blur + off + optics.tilt) * scale)
        sharp = sharp + (soft - sharp) * np.clip(across + 0.3, 0, 1)[..., None]
    lamp = 1 - optics.fall * (across + 0.5) - optics.vignette * (x**2 + y**2) / 2
    cloud = 1 + np.float32(0.006) * noise(rng, (height, width), diameter / 3)
    picture = sharp * (lamp * cloud)[..., None] * np.array(optics.gain, np.float32)
    grain = rng.standard_normal(picture.shape, np.float32)
    picture = picture + np.float32(optics.noise) * grain
    return np.asarray(np.clip(np.rint(picture), 0, 255), np.uint8)
