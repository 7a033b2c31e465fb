"""The focal length of a camera from pictures of a chessboard.

Zhang, "A Flexible New Technique for Camera Calibration", PAMI 2000, as OpenCV implements it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput
from lanes.types import Image, Size

LEAST = 4
"""Pictures with a chessboard that a calibration needs."""
WORST = 2.0
"""Mean error, in pixels at width 640, above which the corners contradict each other."""
WINDOW, STEPS = (5, 5), (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.01)
FLAGS = cv2.CALIB_FIX_ASPECT_RATIO | cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_K3

Corners = NDArray[np.float32]


@dataclass(frozen=True)
class Chessboards:
    """The result: `focal_length` in pixels for pictures of `size`, and the mean `error` in pixels.

    `distortion` is how far the lens bends the picture's corner inwards, as a share of its distance
    from the middle (< 0: barrel), by the first two terms. `missed` are pictures without a board.
    """

    focal_length: float
    size: Size
    error: float
    distortion: float
    used: int
    missed: tuple[str, ...]


def calibrate(pictures: Iterable[tuple[str, Image]], inside: tuple[int, int]) -> Chessboards:
    """Calibrate from named pictures (H, W, 3) of one camera.

    `inside` is the number of inner corners of the chessboard, (across, down).

    Raises:
        BadInput: too few boards are found, the pictures differ in size, or they contradict each
            other.
    """
    found, missed, size = [], [], None
    for name, picture in pictures:
        here = picture.shape[0], picture.shape[1]
        size = size or here
        if here != size:
            raise BadInput(
                f"{name} is {here[1]}x{here[0]}, the pictures before {size[1]}x{size[0]}: give "
                "pictures of one camera at one size"
            )
        corners = _corners(picture, inside)
        found += [] if corners is None else [corners]
        missed += [name] if corners is None else []
    if size is None or len(found) < LEAST:
        across, down = inside
        raise BadInput(
            f"a chessboard with {across}x{down} inner corners is in {len(found)} of "
            f"{len(found) + len(missed)} pictures; wanted {LEAST} or more: count the corners "
            "between the squares (--corners), and show the whole board, sharp, from several sides"
        )
    return _solve(found, inside, size, tuple(missed))


def _corners(picture: Image, inside: tuple[int, int]) -> Corners | None:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
    complete, corners = cv2.findChessboardCorners(grey, inside, flags=flags)
    if not complete:
        return None
    return np.asarray(cv2.cornerSubPix(grey, corners, WINDOW, (-1, -1), STEPS), np.float32)


def _solve(
    found: list[Corners], inside: tuple[int, int], size: Size, missed: tuple[str, ...]
) -> Chessboards:
    board = np.zeros((inside[0] * inside[1], 3), np.float32)
    board[:, :2] = np.mgrid[: inside[0], : inside[1]].T.reshape(-1, 2)
    start = np.array([[size[1], 0, size[1] / 2], [0, size[1], size[0] / 2], [0, 0, 1.0]])
    error, matrix, bends, *_ = cv2.calibrateCamera(
        [board] * len(found), found, size[::-1], start, np.zeros(5), flags=FLAGS
    )
    focal = float(matrix[0, 0])
    if not np.isfinite(focal) or error > WORST * size[1] / 640:
        raise BadInput(
            f"the chessboards contradict each other by {error:.1f} pixels: use a flat board, sharp "
            "pictures, and the right --corners"
        )
    square = (size[0] ** 2 + size[1] ** 2) / 4 / focal**2
    k1, k2 = np.ravel(bends)[:2].tolist()
    distortion = k1 * square + k2 * square**2
    return Chessboards(focal, size, float(error), distortion, len(found), missed)
