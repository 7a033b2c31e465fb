"""Fit planes to a video file: letterbox them to its size, make odd sizes even."""

from __future__ import annotations

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.colour import Planes, empty_planes
from lanes.types import Size
from lanes.video.decoded import plane_view


def even(size: Size) -> Size:
    """The size with odd sides increased by one."""
    return size[0] + size[0] % 2, size[1] + size[1] % 2


def to_picture(planes: Planes, picture: av.VideoFrame | None = None) -> av.VideoFrame:
    """The planes as an FFmpeg frame; odd sides are made even by repeating the last line or column.

    Copies, because `VideoFrame.from_numpy_buffer` of PyAV 18 gets heights such as 98 wrong.
    `picture` is one that this function made for planes of the same size and that is filled again,
    which spares the system clearing new memory.
    """
    height, width = planes[0].shape
    rows, columns = even((height, width))
    picture = picture or av.VideoFrame(columns, rows, "yuv420p")
    picture.make_writable()
    luma, *chroma = (plane_view(plane) for plane in picture.planes)
    luma[:height, :width] = planes[0]
    luma[height:, :width] = planes[0][-1]
    luma[:, width:] = luma[:, width - 1 : width]
    for mine, theirs in zip(chroma, planes[1:], strict=True):
        mine[:] = theirs
    return picture


def letterboxed(planes: Planes, size: Size, full_range: bool) -> Planes:
    """The picture scaled to fit `size` (both sides even), with black bars."""
    height, width = planes[0].shape
    scale = min(size[0] / height, size[1] / width)
    # Even sides and offsets, so that the half-size planes fall on whole samples.
    inner = (_even(height * scale), _even(width * scale))
    top, left = (size[0] - inner[0]) // 4 * 2, (size[1] - inner[1]) // 4 * 2
    boxed = empty_planes(size)
    _place(boxed[0], planes[0], (top, left), inner, black=0 if full_range else 16)
    for canvas, plane in zip(boxed[1:], planes[1:], strict=True):
        _place(canvas, plane, (top // 2, left // 2), (inner[0] // 2, inner[1] // 2), black=128)
    return boxed


def _even(number: float) -> int:
    return 2 * round(number / 2)


def _place(
    canvas: NDArray[np.uint8], plane: NDArray[np.uint8], place: Size, inner: Size, black: int
) -> None:
    """Draw `plane` resized to `inner` at `place` (top, left), with black around it."""
    canvas[:] = black
    smaller = inner[0] < plane.shape[0]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    rows = slice(place[0], place[0] + inner[0])
    columns = slice(place[1], place[1] + inner[1])
    if inner[0] and inner[1]:
        canvas[rows, columns] = cv2.resize(plane, inner[::-1], interpolation=method)
