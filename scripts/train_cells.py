"""Train the cell-counting model: `lanes train` with its configuration, unless you pass another."""

from __future__ import annotations

import sys

from lanes.cli.main import run

CONFIG = "cells_count"


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    given = sys.argv[1:] if argv is None else argv
    return run("train", given if "--config" in given else ["--config", CONFIG, *given])


if __name__ == "__main__":
    sys.exit(main())
