"""Make a model's int8 network: `scripts/quantize.py FOLDER --data bdd100k=DATA/bdd100k`.

It is calibrated on frames of the data sets' `train`, scored on their `val`, and written beside the
other network in the model's folder, unless it costs too much; the card notes what it costs. From
then on "auto" takes it where it is the fastest. It takes some minutes.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from lanes import assets, backends
from lanes.benchmark.plan import data_of
from lanes.card import INT8_ONNX, ONNX
from lanes.errors import LanesError
from lanes.export import int8 as quantize


def main(argv: list[str] | None = None) -> int:
    """Parse, quantise, print what it costs and brings; exit code 2 for an error of ours."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("model", metavar="MODEL", help="a model's name, or its folder")
    options.add_argument("--data", nargs="+", required=True, metavar="NAME=ROOT")
    options.add_argument("--calibrate", default="train", metavar="SPLIT", help="default: train")
    options.add_argument("--split", default="val", help="to score it on (default: val)")
    options.add_argument(
        "--frames", type=int, default=quantize.CALIBRATION_FRAMES, help="to calibrate on"
    )
    given = options.parse_args(argv)
    try:
        folder = assets.model_folder(given.model)
        data = [data_of(pair, given.split) for pair in given.data]
        found = quantize.quantize(
            folder,
            [replace(one, split=given.calibrate).open() for one in data],
            {f"{one.name} {one.split}": one.open() for one in data},
            given.frames,
        )
        choices = backends.choices(folder)
    except LanesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name in (ONNX, INT8_ONNX):
        print(f"{folder / name}: {(folder / name).stat().st_size / 1e6:.1f} MB")
    for backend, share in found.shares.items():
        print(f"  {backend} int8: {share:.2%} of pixels as at fp32")
    for name, cost in found.costs.items():
        print(f"  {name}: {cost['int8']:.4f} in int8, {cost['fp32']:.4f} in fp32")
    for one in choices:
        if one.milliseconds is not None:
            chosen = ", chosen by auto" if one.chosen else ""
            print(f"  {one.name} {one.precision}: {one.milliseconds:.1f} ms an image{chosen}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
