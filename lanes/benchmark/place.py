"""Files for results: refused before the work if they cannot be, written in one step after it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lanes.errors import BadOutput
from lanes.outputs import check_new


def check_place(path: Path | None, overwrite: bool, suffix: str = "") -> None:
    """Raise `BadOutput` if no file can be made at `path`, or must not; None is no file."""
    if path is None:
        return
    check_new(path, overwrite)
    if suffix and path.suffix.lower() != suffix:
        raise BadOutput(f"{path} must end in {suffix}, such as {path.stem}{suffix}")
    write(path, lambda part: part.touch(), only_try=True)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write `values`; raises `BadOutput`."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write(path, lambda part: part.write_text(text, encoding="utf-8"))


def write(path: Path, make: Callable[[Path], object], only_try: bool = False) -> None:
    """Have `make` write a file beside `path`, then name it so; raises `BadOutput`."""
    part = path.with_name(f".{path.stem[:50]}.part-{os.getpid()}{path.suffix}")
    try:
        make(part)
        if not only_try:
            os.replace(part, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadOutput(f"{path} cannot be written ({reason}): choose another place") from error
    finally:
        part.unlink(missing_ok=True)
