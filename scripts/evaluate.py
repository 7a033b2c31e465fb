"""Score an exported model: `scripts/evaluate.py MODEL DATASET ROOT --split val`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import track

from lanes import assets, segmenter
from lanes.errors import LanesError
from lanes.metrics import evaluate


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("model", metavar="MODEL", help="a model's name, or its folder")
    options.add_argument("dataset", metavar="DATASET", help="a data set: bdd100k, tusimple, ...")
    options.add_argument("root", metavar="ROOT", nargs="?", default="", help="its folder")
    options.add_argument("--split", default="val", help="train, choose, val (default), ...")
    options.add_argument("--backend", default="auto")
    options.add_argument("--precision", default="auto")
    options.add_argument("--device", help="one of the backend's; default: its own")
    options.add_argument("--threads", type=int, help="of the processor (default: all)")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options.add_argument(
        "--pictures", type=Path, metavar="DIR", help="draw confusion.png and worst_best.png there"
    )
    options.add_argument("--card", action="store_true", help="note them in the model's card")
    return options


def main(argv: list[str] | None = None) -> int:
    """Parse, score, print; exit code 2 for an error of ours."""
    given = parser().parse_args(argv)
    try:
        dataset = evaluate.open_dataset(given.dataset, given.root, given.split)
        with segmenter.load(
            given.model, given.backend, given.precision, given.device, given.threads
        ) as model:
            if given.pictures:
                evaluate.make_folder(given.pictures)  # told before the work, not after
            found = evaluate.evaluate(model, dataset, given.dataset, given.split, _shown)
            if given.pictures:
                evaluate.draw(found, model, dataset, given.pictures)
        if given.json:
            found.write(given.json)
        if given.card:
            found.note_in_card(assets.model_folder(given.model))
    except LanesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    Console().print(found.table())
    return 0


def _shown(indices: range) -> Iterable[int]:
    return track(indices, "labelling", console=Console(stderr=True), transient=True)


if __name__ == "__main__":
    sys.exit(main())
