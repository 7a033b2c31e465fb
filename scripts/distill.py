"""Write what a trained teacher says of every training picture, for students to learn from.

    scripts/distill.py runs/teacher/best.pt --data bdd100k=DATA/bdd100k --folder ~/maps
    scripts/train.py ... --set distilled='"/home/me/maps"'

The folder must be outside of the repository; it takes about 60 kB a picture. An interrupted call is
continued by the next.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import track

from lanes.errors import BadConfig, BadOutput, LanesError

REPOSITORY = Path(__file__).resolve().parents[1]


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("teacher", type=Path, metavar="TEACHER.pt", help="a checkpoint")
    options.add_argument("--data", nargs="+", required=True, metavar="NAME=ROOT")
    options.add_argument("--folder", type=Path, required=True, help="where the maps go")
    options.add_argument("--split", default="train", help="default: train")
    options.add_argument(
        "--mirror", action="store_true", help="mean with the mirror image's: better, twice the time"
    )
    return options


def main(argv: list[str] | None = None) -> int:
    """Parse, write, tell; exit code 2 for an error of ours."""
    given = parser().parse_args(argv)
    try:
        folder = given.folder.expanduser().resolve()
        if folder.is_relative_to(REPOSITORY):
            raise BadOutput(f"{folder} is inside the repository: name a folder outside of it")
        pairs = [pair.partition("=") for pair in given.data]
        roots = {name: root for name, _, root in pairs}
        if "" in roots or len(roots) < len(pairs):
            raise BadConfig(f"--data {' '.join(given.data)}: wanted NAME=ROOT, each name once")
        # torch takes seconds to import: --help need not wait for it.
        from lanes.training import checkpoint, distil, mix

        teacher = checkpoint.load(given.teacher)
        datasets = mix.open_all(roots, given.split, teacher.config.task)
        written = distil.write(teacher, datasets, folder, given.mirror, _shown)
    except LanesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{written} new maps in {folder}")
    return 0


def _shown(indices: range, name: str) -> Iterable[int]:
    return track(indices, name, console=Console(stderr=True), transient=True)


if __name__ == "__main__":
    sys.exit(main())
