"""Implements `lanes image`: find the images, label them, print a summary."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from lanes.assets import DEMO
from lanes.errors import INCOMPLETE, ended_by
from lanes.pipeline.label_images import (
    Done,
    ImageOptions,
    check_options,
    find_items,
    label_images,
)
from lanes.segmenter import Segmenter
from lanes.system.progress import progress
from lanes.video.images import is_glob

DEMO_OUTPUT = Path("demo_lanes")


def run_images(
    inputs: Sequence[str],
    output: Path | None,
    options: ImageOptions,
    load: Callable[[], Segmenter],
    quiet: bool,
    strict: bool = False,
) -> int:
    """Label the images of `inputs` and write the results to `output`; returns the exit code.

    `output` defaults to `NAME_lanes` next to the first input. `load` loads the model. `strict`: a
    doubtful count is an error.
    """
    console = Console(quiet=quiet, emoji=False)
    find_items([given for given in inputs if given != DEMO])  # fail before the model is loaded
    if output is None and DEMO in inputs:
        output, options = DEMO_OUTPUT, replace(options, overwrite=True)
    folder = output or default_folder(inputs[0])
    with load() as loaded:
        items = find_items([_drawn(loaded, console) if n == DEMO else n for n in inputs])
        check_options(items, loaded.card, folder, options)
        with progress(console, "labelling") as tick:
            done = label_images(
                items,
                loaded,
                folder,
                options,
                lambda done, total: tick(done.seen + done.part, total, done.note),
            )
    _print_summary(console, done, folder, loaded)
    skipped = (f"skipped: {message}" for message in done.skipped)
    for message in (*done.warnings, *done.doubtful, *done.damaged, *skipped):
        print(f"warning: {message}", file=sys.stderr)
    if done.signal:
        return ended_by(done.signal)
    lost = done.skipped or done.damaged
    return INCOMPLETE if lost or (strict and done.doubtful) else 0


def default_folder(given: str) -> Path:
    """`NAME_lanes` next to the file or folder, or next to the folder that a glob searches."""
    path = Path(given).expanduser()
    if is_glob(given):
        path = find_items([given])[0].path.absolute().parent
    path = path.resolve() if path.name in ("", "..") else path
    return path.with_name(f"{path.name if path.is_dir() else path.stem}_lanes")


def _drawn(loaded: Segmenter, console: Console) -> str:
    # Imported here, because only the demo needs the renderer.
    from lanes.pipeline.demo_clip import demo_pictures

    with progress(console, "rendering the demo, once"):
        return str(demo_pictures(loaded.card.task))


def _print_summary(console: Console, done: Done, folder: Path, loaded: Segmenter) -> None:
    backend = loaded.backend
    counted = f", {_many(done.cells, 'cell')}" if loaded.task.things else ""
    each = f", {done.seconds / done.images * 1e3:.0f} ms each" if done.images else ""
    console.print(
        f"{folder}: {_many(done.images, 'image')}{counted} in {done.seconds:.1f} s{each}, "
        f"{loaded.card.name} on {backend.name} {backend.precision}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
