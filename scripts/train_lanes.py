"""Train the default lanes model: `lanes train` with its configuration, unless you pass another."""

from __future__ import annotations

import sys
from pathlib import Path

from lanes.cli.main import run

CONFIG = Path(__file__).parents[1] / "configs" / "lanes_fcn_efficientnet_lite0.toml"


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    given = sys.argv[1:] if argv is None else argv
    return run("train", given if "--config" in given else ["--config", str(CONFIG), *given])


if __name__ == "__main__":
    sys.exit(main())
