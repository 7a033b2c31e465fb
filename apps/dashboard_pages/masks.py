"""Uploaded images and masks: what comes in a ZIP file, and what the values of masks mean."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import streamlit as st

from dashboard_pages import words
from dashboard_pages.labelled import Picture
from lanes.errors import BadInput
from lanes.images.read import read_mask
from lanes.types import IGNORE

MOST_BYTES = 1 << 30
"""Of all files in a ZIP, unpacked."""
MOST_VALUES = 16
"""More values than this are not mapped on the page: the file is no mask."""
UNKNOWN = "unknown"
DAMAGED = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError)
"""What `zipfile` raises for a damaged or encrypted file; OSError and zlib.error: its contents."""


def unpacked(sent: Sequence[Picture], suffixes: Sequence[str]) -> list[Picture]:
    """The uploaded pictures, with the files of these suffixes in place of a ZIP.

    Raises:
        BadInput: a ZIP file is damaged, encrypted or too large.
    """
    found = []
    for picture in sent:
        if picture.name.lower().endswith(".zip"):
            found += _files(picture, suffixes)
        else:
            found.append(picture)
    return found


def _files(archive: Picture, suffixes: Sequence[str]) -> list[Picture]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
            entries = [each for each in opened.infolist() if _is_picture(each.filename, suffixes)]
            if sum(each.file_size for each in entries) > MOST_BYTES:
                raise BadInput(
                    f"{archive.name} unpacks to over {MOST_BYTES >> 20} MB: send it in parts"
                )
            names = (PurePosixPath(each.filename).name for each in entries)
            return [Picture(n, opened.read(e)) for n, e in zip(names, entries, strict=True)]
    except DAMAGED as error:
        raise BadInput(
            f"{archive.name} cannot be unpacked: pack it again, without a password"
        ) from error


def _is_picture(name: str, suffixes: Sequence[str]) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return path.suffix.lower() in suffixes and not hidden


@st.cache_data(show_spinner="Reading the masks …", max_entries=4)
def values(contents: Sequence[bytes]) -> list[str]:
    """The values in masks, as keys of labels.toml: "7", or "#ff0000" in masks of colours.

    Raises:
        BadInput: a mask cannot be read.
    """
    found: set[int | str] = set()
    with tempfile.TemporaryDirectory(prefix="lanes-masks-") as folder:
        path = Path(folder) / "mask.png"
        for content in contents:
            path.write_bytes(content)
            found.update(_values(path))
    ids = sorted(value for value in found if isinstance(value, int))
    return [str(value) for value in ids] + sorted(v for v in found if isinstance(v, str))


def _values(path: Path) -> Iterator[int | str]:
    mask = read_mask(path)
    if mask.ndim == 2:
        yield from np.unique(mask).tolist()
    else:
        for blue, green, red in np.unique(mask.reshape(-1, 3), axis=0)[: MOST_VALUES + 1].tolist():
            yield f"#{red:02x}{green:02x}{blue:02x}"


def choose_meanings(found: Sequence[str], classes: Sequence[str], key: str) -> Mapping[str, str]:
    """Show what each value of the masks means, and let the user change it; by value."""
    if not 0 < len(found) <= MOST_VALUES:
        return {}
    usual = {value: _usual(value, classes) for value in found}
    clear = all(name != UNKNOWN or value == str(IGNORE) for value, name in usual.items())
    binary = set(found) == {"0", str(IGNORE)}
    names = [*classes, UNKNOWN]
    with st.expander("What the values of the masks mean", expanded=binary or not clear):
        columns = st.columns(2)
        return {
            value: columns[number % 2].selectbox(
                words.plain(f"Value {value}"),
                names,
                names.index(usual[value]),
                key=f"{key}-value-{value}",
            )
            for number, value in enumerate(found)
        }


def _usual(value: str, classes: Sequence[str]) -> str:
    return classes[int(value)] if value.isdigit() and int(value) < len(classes) else UNKNOWN


def labels_toml(task: str, classes: Sequence[str], meanings: Mapping[str, str]) -> str:
    """The labels.toml of a data set whose mask values have these `meanings`, if any.

    Other values are ids of the `classes`, so that their figures are there, too.
    """
    lines = [f"task = {json.dumps(task)}"]
    if meanings:
        coloured = any(value.startswith("#") for value in meanings)
        ids = {} if coloured else {str(number): name for number, name in enumerate(classes)}
        lines.append("[colours]" if coloured else "[ids]")
        lines += [f"{json.dumps(v)} = {json.dumps(n)}" for v, n in {**ids, **meanings}.items()]
    return "\n".join(lines) + "\n"
