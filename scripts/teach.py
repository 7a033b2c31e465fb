"""Write what two published networks say of a data set's frames into a cache, for training.

The cache is given to training by `--set teachers='"CACHE"'`. A broken run goes on where it ended.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lanes.errors import BadConfig, BadInput, LanesError

ROOT = Path(__file__).resolve().parents[1]


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--data", nargs="+", required=True, metavar="NAME=ROOT", help="data sets of task lanes"
    )
    options.add_argument("--networks", type=Path, required=True, help="the teachers' folder")
    options.add_argument("--cache", type=Path, required=True, help="a folder outside the project")
    options.add_argument("--split", default="train", help="default: train, the one that they teach")
    options.add_argument("--threads", type=int, help="default: OpenVINO's choice")
    return options


def main(argv: list[str] | None = None) -> int:
    """Parse, run, tell; exit code 2 for an error of ours."""
    options = parser().parse_args(argv)
    try:
        from rich.console import Console

        from lanes import plugins
        from lanes.system.progress import progress
        from lanes.training import teachers

        if options.cache.resolve().is_relative_to(ROOT):
            raise BadInput(
                f"{options.cache} lies in the project: the cache is made of others' frames, name a "
                "folder outside"
            )
        networks = teachers.Teachers(options.networks, options.threads)
        for pair in options.data:
            name, _, root = pair.partition("=")
            dataset = plugins.load("datasets", name).open(root, options.split)
            if not hasattr(dataset, "frames_by_stem"):
                raise BadConfig(f"data set {name} learns from no teacher")
            with progress(Console(stderr=True), name) as tick:
                frames = dataset.frames_by_stem()
                new = teachers.fill(options.cache, name, frames, networks, tick)
            print(f"{name}: {len(dataset)} frames, {new} new", flush=True)
    except LanesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
