"""Temporal consistency of models on clips: `scripts/stability.py CLIP... --model A B`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from lanes import segmenter
from lanes.assets import DEFAULT_MODEL
from lanes.errors import LanesError
from lanes.pipeline.consistency import stability
from lanes.video import VideoSource


def main(argv: list[str] | None = None) -> int:
    """Parse, label, print a row a clip and model; exit code 2 for an error of ours."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    options.add_argument("--model", nargs="+", default=[DEFAULT_MODEL])
    options.add_argument("--backend", default="auto")
    options.add_argument("--precision", default="auto")
    given = options.parse_args(argv)
    rows = []
    try:
        for name in given.model:
            with segmenter.load(name, given.backend, given.precision) as model:
                for clip in given.clips:
                    with VideoSource(clip) as source:
                        rows.append((name, clip.name, stability(source, model)))
    except LanesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    classes = list(dict.fromkeys(name for *_, found in rows for name in found))
    table = Table("model", "clip", *classes, "mean")
    for model_name, clip_name, found in rows:
        values = [found.get(name, np.nan) for name in classes]
        shown = ["" if np.isnan(value) else f"{value:.3f}" for value in values]
        table.add_row(model_name, clip_name, *shown, f"{np.nanmean(values):.3f}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
