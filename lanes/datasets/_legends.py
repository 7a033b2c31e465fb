"""The files that labelling tools put beside masks: which value or colour has which name.

- `_classes.csv` of Roboflow: a pixel value and a name in each row.
- `labelmap.txt` of CVAT: `name:red,green,blue::`.
- `class_dict.csv`: name, red, green, blue.
- `label_colors.txt` of CamVid: red, green, blue and the name, separated by spaces.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lanes.datasets import _files
from lanes.errors import BadDataset
from lanes.types import IGNORE


@dataclass(frozen=True)
class Legend:
    """Names by mask value: an id, or a colour 0xRRGGBB if `coloured`."""

    path: Path
    coloured: bool
    names: Mapping[int, str]


def find(root: Path) -> Legend | None:
    """The legend in `root` or in a folder of it, if there is one; raises `BadDataset`."""
    for name, (coloured, parse) in KINDS.items():
        for path in (root / name, *sorted(root.glob(f"*/{name}"))):
            if path.is_file():
                return Legend(path, coloured, _read(path, parse))
    return None


def _read(path: Path, parse: Callable[[str], dict[int, str]]) -> dict[int, str]:
    try:
        found = parse(_files.read_text(path))
    except (ValueError, IndexError) as error:
        raise BadDataset(f"{path} cannot be read ({error}): export it again") from error
    if not found:
        raise BadDataset(f"{path} names no class: export it again")
    return found


def _of_roboflow(text: str) -> dict[int, str]:
    return {_value(row[0]): row[1].strip() for row in _rows(text)}


def _of_cvat(text: str) -> dict[int, str]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    parts = [line.split(":") for line in lines]
    return {_code(part[1].split(",")): part[0].strip() for part in parts}


def _of_class_dict(text: str) -> dict[int, str]:
    return {_code(row[1:4]): row[0].strip() for row in _rows(text)}


def _of_camvid(text: str) -> dict[int, str]:
    rows = [re.split(r"\s+", line.strip(), maxsplit=3) for line in text.splitlines()]
    return {_code(row[:3]): row[3] for row in rows if len(row) == 4}


def _code(channels: list[str]) -> int:
    red, green, blue = map(_value, channels)
    return red << 16 | green << 8 | blue


def _rows(text: str) -> list[list[str]]:
    """The rows of a CSV file below its heading; some spreadsheets separate by semicolons."""
    lines = text.splitlines()
    mark = ";" if lines and "," not in lines[0] else ","
    return [row for row in csv.reader(lines[1:], delimiter=mark, skipinitialspace=True) if row]


def _value(text: str) -> int:
    value = int(text)
    if not 0 <= value <= IGNORE:
        raise ValueError(f"{value} is not a value of 8 bits")
    return value


KINDS: Mapping[str, tuple[bool, Callable[[str], dict[int, str]]]] = {
    "_classes.csv": (False, _of_roboflow),
    "labelmap.txt": (True, _of_cvat),
    "class_dict.csv": (True, _of_class_dict),
    "label_colors.txt": (True, _of_camvid),
}
"""By file name: whether it lists colours, and its parser."""
