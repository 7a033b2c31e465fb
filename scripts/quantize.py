"""Make a model's int8 network, calibrated on real frames: `scripts/quantize.py MODEL DATASET ROOT`.

It is written beside the others in the model's folder; `--precision int8` runs it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lanes import assets, evaluate, quantize
from lanes.card import INT8_ONNX, ONNX
from lanes.errors import LanesError


def main(argv: list[str] | None = None) -> int:
    """Parse, quantise, print what became of the labels; exit code 2 for an error of ours."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("model", metavar="MODEL", help="a model's name, or its folder")
    options.add_argument("dataset", metavar="DATASET", help="a data set: bdd100k, tusimple, ...")
    options.add_argument("root", metavar="ROOT", nargs="?", default="", help="its folder")
    options.add_argument("--split", default="train", help="of which frames are taken")
    options.add_argument("--frames", type=int, default=quantize.CALIBRATION_FRAMES)
    given = options.parse_args(argv)
    try:
        folder = assets.model_folder(given.model)
        dataset = evaluate.open_dataset(given.dataset, given.root, given.split)
        shares = quantize.quantize(folder, dataset, given.frames)
    except LanesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name in (ONNX, INT8_ONNX):
        print(f"{folder / name}: {_megabytes(folder / name):.1f} MB")
    for backend, share in shares.items():
        print(f"  {backend} int8: {share:.2%} of pixels as at fp32")
    return 0


def _megabytes(path: Path) -> float:
    return path.stat().st_size / 1e6


if __name__ == "__main__":
    sys.exit(main())
