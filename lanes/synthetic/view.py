"""Projects the ground to the image: the pinhole camera, and the road's path ahead of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lanes.synthetic.world import REACH, Camera, Road
from lanes.types import Size

Floats = NDArray[np.float32]

NEAR = 0.8
STEPS = 8192


@dataclass(frozen=True)
class View:
    """The geometry that stays the same while the camera moves.

    `depth` and `across` (H - top, W) are the metres ahead and to the right of the camera at which
    each pixel's ray meets the ground; `step` is the number of entries of `path` before that depth.
    `seen` is false where the ray meets the sky, or the ground beyond `REACH`.
    """

    size: Size
    focal: float
    rotation: NDArray[np.float64]
    height: float
    slope_change: float
    horizon: float
    top: int
    depth: Floats
    across: Floats
    row_spread: Floats
    step: NDArray[np.intp]
    seen: NDArray[np.bool_]

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Project points (N, 3) (right of the camera, above the road, ahead) to pixels (N, 2)."""
        right, up, ahead = points.T
        down = self.height - up - 0.5 * self.slope_change * ahead**2
        x, y, z = self.rotation @ np.stack([right, down, ahead])
        z = np.maximum(z, 0.05)
        rows, columns = self.size
        return np.stack(
            [self.focal * x / z + columns / 2 - 0.5, self.focal * y / z + rows / 2 - 0.5], axis=1
        )


def view(camera: Camera, slope_change: float, size: Size) -> View:
    """Intersect each pixel's ray with the ground, a parabola of curvature `slope_change`."""
    rows, columns = size
    focal = columns / 2 / np.tan(camera.fov / 2)
    horizon = camera.horizon * rows
    rotation = _rotation(camera.yaw, float(np.arctan((horizon - rows / 2) / focal)), camera.roll)
    u, v = np.meshgrid(np.arange(columns) + 0.5 - columns / 2, np.arange(rows) + 0.5 - rows / 2)
    rays = np.stack([u / focal, v / focal, np.ones_like(u)], axis=-1) @ rotation
    down, right = rays[..., 1] / rays[..., 2], rays[..., 0] / rays[..., 2]
    root = down**2 - 2 * -slope_change * camera.height
    reach = down + np.sqrt(np.maximum(root, 0))
    depth = 2 * camera.height / np.maximum(reach, 1e-6)
    seen = (root >= 0) & (reach > 0) & (depth < REACH)
    top = int(np.argmax(seen.any(axis=1)))
    depth = np.clip(depth, NEAR, REACH)[top:]
    scale = (STEPS - 1) / np.log(REACH / NEAR)
    return View(
        size, float(focal), rotation, camera.height, slope_change, horizon, top,
        depth=depth.astype(np.float32),
        across=(right[top:] * depth).astype(np.float32),
        row_spread=np.abs(np.gradient(depth, axis=0)).astype(np.float32),
        step=(np.log(depth / NEAR) * scale).astype(np.intp),
        seen=seen[top:],
    )  # fmt: skip


def depths() -> NDArray[np.float64]:
    """Depths in metres of the entries of a path: dense near the camera, sparse far away."""
    return NEAR * (REACH / NEAR) ** (np.arange(STEPS) / (STEPS - 1))


def path(road: Road, s: float, ahead: NDArray[np.float64]) -> NDArray[np.float64]:
    """The road's offset to the right, `ahead` metres ahead, relative to its tangent at `s`."""
    shift = np.zeros_like(ahead)
    for amplitude, omega, phase in road.bends:
        here = omega * s + phase
        shift += amplitude * (np.sin(here + omega * ahead) - np.sin(here))
        shift -= amplitude * omega * np.cos(here) * ahead
    return shift


def heading(road: Road, s: float) -> float:
    """The direction of the road's tangent at `s`, in radians."""
    return sum(a * omega * float(np.cos(omega * s + phase)) for a, omega, phase in road.bends)


def _rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """The rotation from world axes (right, down, ahead) to camera axes."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    tilt = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    lean = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(lean @ tilt @ turn)
