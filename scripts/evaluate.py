"""Score an exported model: the same as `lanes evaluate`."""

from __future__ import annotations

import sys

from lanes.cli.main import run


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run("evaluate", argv)


if __name__ == "__main__":
    sys.exit(main())
