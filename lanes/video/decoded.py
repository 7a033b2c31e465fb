"""Convert FFmpeg's decoded frames to upright 8-bit 4:2:0 planes."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import cv2
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from lanes.colour import Matrix, Planes, YuvColour, default_colour
from lanes.types import Size

# ITU-T H.273 numbers, which FFmpeg also uses. SMPTE 240M (7) is closest to BT.709.
_MATRICES: dict[int, Matrix] = {
    1: "bt709",
    4: "bt601",
    5: "bt601",
    6: "bt601",
    7: "bt709",
    9: "bt2020",
    10: "bt2020",
}
_SWSCALE: dict[Matrix, Colorspace] = {
    "bt601": Colorspace.ITU601,
    "bt709": Colorspace.ITU709,
    "bt2020": Colorspace.BT2020,
}

_MOST_KEPT = 16
"""Unused pictures that a `PlanePool` keeps."""


def colour_of(frame: av.VideoFrame) -> YuvColour:
    """The colour of the frame's planes after conversion to 4:2:0.

    An untagged matrix is that of `default_colour`. An untagged range is limited, except for yuvj
    formats, which are full by definition, and gray formats, which FFmpeg treats as full.
    """
    kind = frame.format.name
    matrix = _MATRICES.get(frame.colorspace, default_colour(frame.height).matrix)
    if _is_rgb(frame):
        return YuvColour(matrix, full_range=False)
    untagged = frame.color_range == ColorRange.UNSPECIFIED
    full = kind.startswith("yuvj") or (kind.startswith("gray") and untagged)
    return YuvColour(matrix, full or frame.color_range == ColorRange.JPEG)


def _is_rgb(frame: av.VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.has_palette


@dataclass(frozen=True)
class Orientation:
    """How to make a stored picture upright: transpose it, then flip it."""

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """From the frame's display matrix x' = ax + cy, y' = bx + dy, to the nearest 90°."""
        container = cast(Any, frame.side_data)  # PyAV 18 types it as a TypedDict of one other key
        side_data = container.get(Type.DISPLAYMATRIX)
        if side_data is None:
            return cls()
        a, b, _, c, d = np.frombuffer(side_data, np.int32)[:5].tolist()
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, flip_rows=d < 0, flip_columns=a < 0)
        return cls(True, flip_rows=b < 0, flip_columns=c < 0)

    def __call__(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The upright plane; the same array if it is already upright."""
        upright = cv2.transpose(plane) if self.transpose else plane
        if self.flip_rows and self.flip_columns:
            upright = cv2.flip(upright, -1)
        elif self.flip_rows or self.flip_columns:
            upright = cv2.flip(upright, 0 if self.flip_rows else 1)
        return cast(NDArray[np.uint8], upright)


def plane_view(plane: VideoPlane) -> NDArray[np.uint8]:
    """The memory of the plane as (H, W), without line padding."""
    buffer = cast(memoryview, plane)  # missing in PyAV's stubs
    lines = np.frombuffer(buffer, np.uint8).reshape(plane.height, abs(plane.line_size))
    # A negative line size means that the lowest line comes first.
    return lines[:: -1 if plane.line_size < 0 else 1, : plane.width]


class PlanePool:
    """Planes in memory that is used again once no plane refers to it.

    Otherwise the system clears new memory for each frame, which takes longer than filling it.
    """

    def __init__(self) -> None:
        self._size: Size = (0, 0)
        self._free: deque[NDArray[np.uint8]] = deque()

    def planes(self, size: Size) -> Planes:
        """Uninitialised planes for an image of `size` (height, width)."""
        half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
        luma, chroma = size[0] * size[1], half[0] * half[1]
        if size != self._size:
            self._size, self._free = size, deque(maxlen=_MOST_KEPT)
        memory = self._free.pop() if self._free else np.empty(luma + 2 * chroma, np.uint8)
        # NumPy would let the planes refer to `memory` itself, if it were not for its memoryview.
        lent = np.frombuffer(memory.data, np.uint8)
        weakref.finalize(lent, self._free.append, memory)
        y, u, v = np.split(lent, [luma, luma + chroma])
        return y.reshape(size), u.reshape(half), v.reshape(half)


class PlaneReader:
    """Copies decoded frames into upright planes in one pixel format.

    A copy, because the decoder still predicts from its picture while an overlay is drawn on ours.
    """

    def __init__(self, orientation: Orientation, threads: int) -> None:
        self._orientation = orientation
        self._threads = threads
        self._reformatter = VideoReformatter()
        self._pool = PlanePool()

    def __call__(self, frame: av.VideoFrame) -> tuple[Planes, YuvColour]:
        """The frame's planes and their colour."""
        colour = colour_of(frame)
        if frame.format.name not in ("yuv420p", "yuvj420p"):
            frame = self._reformat(frame, colour)
        upright = [self._orientation(plane_view(plane)) for plane in frame.planes[:3]]
        height, width = upright[0].shape
        planes = self._pool.planes((height, width))
        for mine, theirs in zip(planes, upright, strict=True):
            mine[:] = theirs
        return planes, colour

    def _reformat(self, frame: av.VideoFrame, colour: YuvColour) -> av.VideoFrame:
        """Convert to 8-bit 4:2:0 by swscale; keeps matrix and range, RGB gets those of `colour`."""
        colour_range = ColorRange.JPEG if colour.full_range else ColorRange.MPEG
        return self._reformatter.reformat(
            frame,
            format="yuv420p",
            src_colorspace=_SWSCALE[colour.matrix],
            dst_colorspace=_SWSCALE[colour.matrix],
            src_color_range=ColorRange.JPEG if _is_rgb(frame) else colour_range,
            dst_color_range=colour_range,
            threads=self._threads,
        )


class Deinterlacer:
    """Deinterlaces interlaced frames (bwdif, one output frame each), passes others through.

    Starts at the first interlaced frame; from then on, output lags by one call.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._graph: Graph | None = None
        self._format: tuple[str, int, int] | None = None

    @property
    def used(self) -> bool:
        """Whether any frame was interlaced."""
        return self._graph is not None

    def __call__(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """The frames that are ready after adding `frame`."""
        if self._graph is None and not frame.interlaced_frame:
            yield frame
            return
        format_ = (frame.format.name, frame.width, frame.height)
        if self._graph is None or format_ != self._format:
            yield from self.flush()
            self._graph, self._format = self._new_graph(frame), format_
        self._graph.vpush(frame)
        yield from self._ready(self._graph)

    def flush(self) -> Iterator[av.VideoFrame]:
        """The remaining frames."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready(self._graph)

    def _new_graph(self, frame: av.VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=self._time_base
        )
        deinterlace = graph.add("bwdif", "mode=send_frame:deint=interlaced")
        graph.link_nodes(source, deinterlace, graph.add("buffersink")).configure()
        return graph

    def _ready(self, graph: Graph) -> Iterator[av.VideoFrame]:
        while True:
            try:
                frame = graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            # The filter halves the time base, because it could make two frames per picture.
            if frame.pts is not None and frame.time_base is not None:
                frame.pts = round(frame.pts * Fraction(frame.time_base) / self._time_base)
            frame.time_base = self._time_base
            yield frame
