"""Files of lane lines: TuSimple's JSON lines and CULane's `.lines.txt`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lanes.errors import BadInput
from lanes.types import LaneLine

TUSIMPLE_ROWS = np.arange(160.0, 720.0, 10.0)
"""The rows of the benchmark's labels, for pictures of 1280x720."""
ABSENT = -2
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TuSimpleFrame:
    """One line of a TuSimple file.

    `lanes` (L, R) is each lane's x in the pixel rows `rows` (R,), < 0 where it is absent; `rows` is
    None in predictions. `milliseconds` is the time a prediction took.
    """

    lanes: Floats
    rows: Floats | None
    milliseconds: float = 0.0


def tusimple_json(
    lines: Sequence[LaneLine],
    raw_file: str,
    rows: Floats = TUSIMPLE_ROWS,
    milliseconds: float = 0.0,
) -> str:
    """The lines of a frame as one line of a TuSimple file, without its end; whole pixels."""
    lanes = [_in_rows(line, rows) for line in lines]
    lanes = [xs for xs in lanes if max(xs) >= 0]
    return json.dumps(
        {
            "lanes": lanes,
            "h_samples": rows.astype(int).tolist(),
            "raw_file": raw_file,
            "run_time": round(milliseconds, 2),
        }
    )


def culane_text(lines: Sequence[LaneLine]) -> str:
    """The lines of a frame as CULane's `.lines.txt`: x y pairs, a lane a line, bottom to top."""
    rows = [" ".join(f"{x:.2f} {y:.2f}" for x, y in line.points.tolist()) for line in lines]
    return "".join(f"{row}\n" for row in rows)


def read_tusimple(path: Path, truth: bool) -> dict[str, TuSimpleFrame]:
    """The frames of a TuSimple file by `raw_file`; `truth` requires `h_samples`.

    Raises:
        BadInput: no such file, or a line that is no TuSimple frame, or two for one frame.
    """
    frames: dict[str, TuSimpleFrame] = {}
    for number, text in enumerate(_text_of(path).splitlines(), 1):
        if not text.strip():
            continue
        try:
            name, frame = _tusimple_frame(json.loads(text), truth)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(
                f"{path}, line {number}, is no TuSimple frame ({error}): wanted a JSON object with "
                "raw_file, lanes (x in every row, -2 where absent) and, for truth, h_samples"
            ) from error
        if name in frames:
            raise BadInput(f"{path}, line {number}: {name} comes twice; remove one")
        frames[name] = frame
    return frames


def read_culane(path: Path) -> list[Floats]:
    """The lanes of a `.lines.txt`: points (N, 2) each, x and y in pixels.

    Raises:
        BadInput: the file cannot be read, or a line of it is no list of x y pairs.
    """
    lanes = []
    for number, text in enumerate(_text_of(path).splitlines(), 1):
        try:
            values = np.array(text.split(), float).reshape(-1, 2)
            if not np.isfinite(values).all():
                raise ValueError("a value is not finite")
        except ValueError as error:
            raise BadInput(
                f"{path}, line {number}, is no CULane lane ({error}): wanted x y pairs in pixels"
            ) from error
        if len(values):
            lanes.append(values)
    return lanes


def _in_rows(line: LaneLine, rows: Floats) -> list[int]:
    x = np.rint(np.nan_to_num(line.x_at(rows), nan=ABSENT))
    return [int(value) for value in x]


def _tusimple_frame(values: dict[str, Any], truth: bool) -> tuple[str, TuSimpleFrame]:
    rows = np.array(values["h_samples"], float) if truth else None
    lanes = [np.array(xs, float) for xs in values["lanes"]]
    lengths = {len(xs) for xs in lanes} | ({len(rows)} if rows is not None else set())
    if len(lengths) > 1:
        raise ValueError(f"lanes and rows have {sorted(lengths)} values")
    array = np.array(lanes, float).reshape(len(lanes), -1) if lanes else np.zeros((0, 0))
    return str(values["raw_file"]), TuSimpleFrame(array, rows, float(values.get("run_time", 0)))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read as text ({error}): name a file") from error
