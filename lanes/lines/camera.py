"""The camera over the road: its vanishing point from the lines, and metres from a calibration.

Without a calibration the ground is known up to a scale: across the road in camera heights, along it
not even that, because both the focal length and the height are unknown.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadConfig
from lanes.lines.bundle import Bundle, usual_bundle
from lanes.types import Size

Floats = NDArray[np.floating]

KEYS = {"height", "fov", "focal_length", "image_width", "pitch"}
BOUNCE = 3.0
"""How far a car's pitching and yawing moves the vanishing point, in pixels at width 640."""
WANDER = 0.5
"""How far the mean vanishing point moves in a second, in the same pixels."""
PITCH_ERROR = math.radians(0.5)
"""How far a calibrated pitch may be off."""


@dataclass(frozen=True)
class Calibration:
    """A camera `height` metres above the road; horizontal `fov` and downward `pitch` in radians.

    Without a `pitch`, the horizon comes from the lines.
    """

    height: float
    fov: float
    pitch: float | None = None

    def focal(self, size: Size) -> float:
        """The focal length in pixels, for frames of `size`."""
        return size[1] / 2 / math.tan(self.fov / 2)

    def horizon(self, size: Size) -> float | None:
        """The row of the horizon; None without a pitch."""
        if self.pitch is None:
            return None
        return size[0] / 2 - 0.5 - self.focal(size) * math.tan(self.pitch)


def read_calibration(path: str | Path) -> Calibration:
    """Read the TOML file that describes a camera.

    It gives `height` in metres; `fov` in degrees, or `focal_length` and `image_width` in pixels;
    and, if known, `pitch` in degrees, > 0 downwards.

    Raises:
        BadConfig: the file cannot be read, or a value is missing, unknown or out of range.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{path} cannot be read as TOML ({error})") from error
    return checked(path, values)


def checked(path: Path, values: dict[str, Any]) -> Calibration:
    """The calibration with the values of a file; raises `BadConfig` as `read_calibration` does."""
    unknown = sorted(set(values) - KEYS)
    if unknown:
        raise BadConfig(f"{path} has {unknown[0]!r}; wanted only {', '.join(sorted(KEYS))}")
    pitch = _number(path, values, "pitch", -45, 45) if "pitch" in values else None
    return Calibration(
        height=_number(path, values, "height", 0.2, 10),
        fov=_fov(path, values),
        pitch=None if pitch is None else math.radians(pitch),
    )


def toml_of(focal_length: float, size: Size, height: float, pitch: float | None = None) -> str:
    """The text of a file that `read_calibration` reads; `focal_length` in pixels for `size`."""
    lines = [
        f"height = {height:g}  # metres above the road",
        f"focal_length = {focal_length:.1f}  # pixels",
        f"image_width = {size[1]}",
    ]
    lines += [] if pitch is None else [f"pitch = {pitch:g}  # degrees downwards"]
    return "\n".join(lines) + "\n"


def calibrated_bundle(calibration: Calibration | None, size: Size) -> Bundle:
    """What is known of a camera before its first frame."""
    usual = usual_bundle(size)
    horizon = calibration.horizon(size) if calibration else None
    if calibration is None or horizon is None:
        return usual
    spread = usual.spread.copy()
    spread[1, 1] = (calibration.focal(size) * math.tan(PITCH_ERROR)) ** 2
    return replace(usual, horizon=horizon, spread=spread)


class VanishingPoint:
    """Where the road's lines meet, averaged over time: `x` and `y` in pixels; `y` is the horizon.

    `spread` (2, 2) is the covariance of the estimate.
    """

    def __init__(self, size: Size) -> None:
        usual = usual_bundle(size)
        self._unit = size[1] / 640
        self.x, self.y = usual.x, usual.horizon
        self.spread: Floats = usual.spread[:2, :2]

    def update(self, bundle: Bundle, seconds: float) -> None:
        """Take in the bundle of a frame, `seconds` after the last one."""
        predicted = self.spread + np.eye(2) * (WANDER * self._unit) ** 2 * seconds
        noise = bundle.spread[:2, :2] + np.eye(2) * (BOUNCE * self._unit) ** 2
        gain = predicted @ np.linalg.inv(predicted + noise)
        x, y = gain @ (bundle.x - self.x, bundle.horizon - self.y)
        self.x, self.y = self.x + float(x), self.y + float(y)
        self.spread = predicted - gain @ predicted


def ground_matrix(x: float, y: float, focal: float = 1.0, height: float = 1.0) -> Floats:
    """The homography (3, 3) from pixels to the ground: (right, ahead) of the camera.

    `x`, `y` is the vanishing point. With `focal` in pixels and `height` in metres the result is in
    metres; else `right` is in camera heights and `ahead` in unknown units.
    """
    return np.array([[height, 0, -height * x], [0, 0, focal * height], [0, 1, -y]])


def birds_eye(
    image: NDArray[np.uint8],
    matrix: Floats,
    size: Size,
    half_width: float,
    ahead: tuple[float, float],
    outside: int = 0,
) -> NDArray[np.uint8]:
    """The ground from above, `size` (height, width) pixels, the far end at the top.

    `matrix` comes from `ground_matrix`. The view reaches `half_width` to both sides and from the
    first to the second distance `ahead`, in the matrix's units. `image` (H, W, 3), or one plane
    (H, W); places beyond its edges get the value `outside`.
    """
    rows, columns = size
    near, far = ahead
    down = (rows - 1) / (far - near)
    across = (columns - 1) / (2 * half_width)
    to_view = np.array([[across, 0, (columns - 1) / 2], [0, -down, down * far], [0, 0, 1]])
    view = cv2.warpPerspective(image, to_view @ matrix, (columns, rows), borderValue=[outside] * 3)
    return np.asarray(view, np.uint8)


def _fov(path: Path, values: dict[str, Any]) -> float:
    if ("fov" in values) == ("focal_length" in values):
        raise BadConfig(f"{path}: wanted either fov (degrees) or focal_length (pixels), not both")
    if "fov" in values:
        return math.radians(_number(path, values, "fov", 5, 170))
    width = _number(path, values, "image_width", 16, 1e5)
    return 2 * math.atan(width / 2 / _number(path, values, "focal_length", 16, 1e6))


def _number(path: Path, values: dict[str, Any], key: str, least: float, most: float) -> float:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadConfig(f"{path}: {key} is {value!r}; wanted a number from {least} to {most}")
    return float(value)
