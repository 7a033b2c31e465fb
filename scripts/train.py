"""Train a model of any task on the data sets of NAME=ROOT, by the numbers of a TOML file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lanes.errors import BadConfig, LanesError


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--config", type=Path, required=True, help="a TOML file of configs/")
    options.add_argument(
        "--data", nargs="+", required=True, metavar="NAME=ROOT", help="synthetic needs no root"
    )
    length = options.add_mutually_exclusive_group(required=True)
    length.add_argument("--steps", type=int)
    length.add_argument("--minutes", type=float)
    options.add_argument("--resume", action="store_true", help="continue the run in --folder")
    options.add_argument(
        "--init", type=Path, metavar="FILE.pt", help="begin with the weights of this checkpoint"
    )
    options.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another value than the file's, as TOML: --set seed=3",
    )
    options.add_argument("--folder", type=Path, help="default: runs/<name of the config>")
    return options


def main(argv: list[str] | None = None) -> int:
    """Parse, train, tell; exit code 2 for an error of ours."""
    options = parser().parse_args(argv)
    try:
        # torch takes seconds to import: --help and a wrong option need not wait for it.
        from lanes.training import config as configs
        from lanes.training import loop, report

        config = configs.read(options.config, options.set)
        folder = options.folder or Path("runs") / options.config.stem
        budget = loop.Budget(options.steps, options.minutes)
        data = roots(options.data)
        best = loop.train(config, data, budget, folder, options.resume, options.init)
        for picture in report.write(folder, best):
            print(picture)
    except LanesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"best checkpoint: {folder / 'best.pt'} (step {best.step} of {best.steps})")
    return 0


def roots(pairs: list[str]) -> dict[str, str]:
    """`NAME=ROOT` pairs as a mapping; the root may be empty."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, _, root = pair.partition("=")
        if not name or name in found:
            raise BadConfig(f"--data {pair!r}: wanted NAME=ROOT, each name once")
        found[name] = root
    return found


if __name__ == "__main__":
    sys.exit(main())
