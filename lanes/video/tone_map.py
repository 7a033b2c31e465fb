"""Convert high dynamic range (HLG, PQ) to standard range by a 3D table.

The tables are made here, and applied by FFmpeg's lut3d filter: its tonemap filter has no PQ and HLG
without zscale, which PyAV's wheels lack. Sources: ITU-R BT.2100-2 (transfer functions, OOTF),
BT.2408-7 (reference white), BT.2390-11 section 5.4.1 (EETF), BT.1886 (gamma of standard displays).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias, cast

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

_Array: TypeAlias = NDArray[np.float64]

_POINTS = 49
"""Points of the table along each axis."""
_WHITE = 203.0
"""Luminance of reference white in cd/m2 (BT.2408); it becomes the standard range's white level."""
_PEAK = 1000.0
"""Peak luminance in cd/m2: that of HLG's nominal display; of PQ's, where the file states none."""
_NAMES = {16: "PQ", 18: "HLG"}
# Chromaticities of red, green, blue and white, by their numbers of ITU-T H.273.
_D65 = (0.3127, 0.3290)
_PRIMARIES = {
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
_BT709, _BT2020 = 1, 9


def hdr_transfer(frame: av.VideoFrame) -> str | None:
    """The name of the frame's high dynamic range transfer function, None for standard range."""
    return _NAMES.get(frame.color_trc)


class ToneMap:
    """Converts frames like `first` to 8-bit 4:2:0, BT.709, limited range; passes others through.

    `time_base` is that of the frames.
    """

    def __init__(self, first: av.VideoFrame, time_base: Fraction) -> None:
        self._time_base = time_base
        primaries = first.color_primaries if first.color_primaries in _PRIMARIES else _BT2020
        self._table = cube(hdr_transfer(first) or "HLG", peak_of(first), primaries)
        self._graph: Graph | None = None
        self._format: tuple[str, int, int] | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The converted frame, with the time and orientation of `frame`."""
        if hdr_transfer(frame) is None:
            return frame
        kind = (frame.format.name, frame.width, frame.height)
        if self._graph is None or kind != self._format:
            self._graph, self._format = self._new_graph(frame), kind
        self._graph.vpush(frame)
        mapped = self._graph.vpull()
        mapped.pts, mapped.time_base = frame.pts, self._time_base
        mapped.colorspace = mapped.color_primaries = mapped.color_trc = _BT709
        mapped.color_range = ColorRange.MPEG
        return mapped

    def _new_graph(self, frame: av.VideoFrame) -> Graph:
        graph = Graph()
        matrix = "bt709" if frame.colorspace == _BT709 else "bt2020"
        source = "pc" if frame.color_range == ColorRange.JPEG else "tv"
        exact = "flags=bicubic+accurate_rnd+full_chroma_int"
        with _Named(self._table) as path:
            graph.link_nodes(
                graph.add_buffer(
                    width=frame.width,
                    height=frame.height,
                    format=frame.format,
                    time_base=self._time_base,
                ),
                graph.add("scale", f"in_color_matrix={matrix}:in_range={source}:{exact}"),
                # lut3d takes half the time for 16 bits as for 10 or 12.
                graph.add("format", "gbrp16le"),
                graph.add("lut3d", f"file={path}:interp=tetrahedral"),
                graph.add("scale", f"out_color_matrix=bt709:out_range=tv:{exact}"),
                graph.add("format", "yuv420p"),
                graph.add("buffersink"),
            ).configure()
        return graph


class _Named:
    """A temporary .cube file with a table, for the time of a `with` block."""

    def __init__(self, table: _Array) -> None:
        self._table = table

    def __enter__(self) -> str:
        handle, self._path = tempfile.mkstemp(suffix=".cube", prefix="lanes-")
        with os.fdopen(handle, "w") as file:
            file.write(f"LUT_3D_SIZE {len(self._table)}\n")
            # Red changes fastest.
            np.savetxt(file, self._table.transpose(2, 1, 0, 3).reshape(-1, 3), "%.5f")
        return self._path.replace("\\", "/").replace(":", "\\:")

    def __exit__(self, *error: object) -> None:
        Path(self._path).unlink()


def peak_of(frame: av.VideoFrame) -> float:
    """The peak luminance of the video in cd/m2: its brightest pixel, or the mastering display's.

    Layouts: AVContentLightMetadata and AVMasteringDisplayMetadata of FFmpeg.
    """
    if hdr_transfer(frame) == "HLG":
        return _PEAK
    side_data = cast(Any, frame.side_data)  # see `Orientation.of`
    peak = 0.0
    if (light := side_data.get(Type.CONTENT_LIGHT_LEVEL)) is not None:
        peak = float(np.frombuffer(light, np.uint32)[0])
    if not peak and (display := side_data.get(Type.MASTERING_DISPLAY_METADATA)) is not None:
        numbers = np.frombuffer(display, np.int32)[:22].tolist()
        peak = numbers[18] / max(1, numbers[19])
    return float(np.clip(peak or _PEAK, _WHITE, 10_000))


def cube(transfer: str, peak: float, primaries: int) -> _Array:
    """The table (R, G, B, 3): nonlinear RGB of standard range for nonlinear RGB, all 0..1."""
    axis = np.linspace(0, 1, _POINTS)
    signal = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    return standard_range(signal, transfer, peak, primaries)


def standard_range(signal: _Array, transfer: str, peak: float, primaries: int) -> _Array:
    """RGB (..., 3) of BT.709, 0..1, for nonlinear RGB of `transfer` and `primaries`, 0..1.

    `peak` is in cd/m2. BT.2390's EETF is applied to the greatest of R, G and B, which keeps hues:
    of BT.709's, or else bright saturated colours, such as brake lights, would leave its gamut.
    """
    to_xyz = _to_xyz(primaries)
    decode = pq_to_light if transfer == "PQ" else _hlg_decoder(to_xyz[1])
    light = decode(signal) @ (np.linalg.inv(_to_xyz(_BT709)) @ to_xyz).T
    greatest = np.maximum(light.max(-1, keepdims=True), 1e-9)
    linear = light * (_eetf(greatest, peak) / greatest) / _WHITE
    return np.asarray(_into_gamut(linear) ** (1 / 2.4))


def pq_to_light(signal: _Array) -> _Array:
    """Luminance in cd/m2 of a PQ signal, 0..1: the EOTF of BT.2100, table 4."""
    root = signal ** (1 / _M2)
    return np.asarray(10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))


def light_to_pq(light: _Array | float) -> _Array:
    """The PQ signal of a luminance in cd/m2; the inverse of `pq_to_light`."""
    root = (np.asarray(light) / 10_000) ** _M1
    return np.asarray(((_C1 + _C2 * root) / (1 + _C3 * root)) ** _M2)


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def _hlg_decoder(luminance: _Array) -> Callable[[_Array], _Array]:
    """Light in cd/m2 on a display of 1000 cd/m2 for an HLG signal: BT.2100, table 5.

    `luminance` are the weights of R, G and B. The display's gamma is 1.2.
    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073

    def decode(signal: _Array) -> _Array:
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        return np.asarray(_PEAK * (scene @ luminance)[..., None] ** 0.2 * scene)

    return decode


def _eetf(light: _Array, peak: float) -> _Array:
    """Compress luminances of 0..`peak` to 0..203 cd/m2; the dark part stays as it is."""
    top = light_to_pq(peak)
    value = np.minimum(light_to_pq(light) / top, 1)
    limit = float(light_to_pq(_WHITE) / top)
    knee = 1.5 * limit - 0.5
    if limit >= 1:
        return np.minimum(light, _WHITE)
    t = (value - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * limit
    )
    return pq_to_light(np.where(value < knee, value, spline) * top)


def _into_gamut(linear: _Array) -> _Array:
    """Move colours outside 0..1 towards the grey of their luminance, up to the border."""
    grey = np.clip(linear @ _to_xyz(_BT709)[1], 0, 1)[..., None]
    offset = linear - grey
    room = np.where(offset > 0, 1 - grey, grey)
    share = np.min(np.minimum(1, room / np.maximum(abs(offset), 1e-9)), -1, keepdims=True)
    return np.asarray(np.clip(grey + share * offset, 0, 1))


def _to_xyz(primaries: int) -> _Array:
    """(3, 3): linear RGB to XYZ, from the chromaticities (SMPTE RP 177)."""
    x, y = np.array(_PRIMARIES[primaries]).T
    columns = np.stack([x / y, np.ones(4), (1 - x - y) / y])
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3]))
