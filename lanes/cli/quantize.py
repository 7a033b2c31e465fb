"""The command `lanes quantize`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from lanes.cli.guard import guarded
from lanes.cli.options import DataOption

CALIBRATION_FRAMES = 300


def quantize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name or folder.")],
    data: DataOption,
    calibrate: Annotated[str, typer.Option(help="Split to calibrate on.")] = "train",
    split: Annotated[str, typer.Option(help="Split to score on.")] = "val",
    frames: Annotated[int, typer.Option(help="Frames to calibrate on.")] = CALIBRATION_FRAMES,
) -> None:
    """Quantise a model to int8, into its own folder; takes minutes.

    The int8 network is written only if it costs little accuracy; the card records the cost. "auto"
    then uses it where it is the fastest.
    """

    def run() -> int:
        from lanes import assets, backends
        from lanes.benchmark.plan import data_of
        from lanes.card import INT8_ONNX, ONNX
        from lanes.export import int8

        folder = assets.model_folder(model)
        sets = [data_of(pair, split) for pair in data]
        found = int8.quantize(
            folder,
            [replace(one, split=calibrate).open() for one in sets],
            {f"{one.name} {one.split}": one.open() for one in sets},
            frames,
        )
        for name in (ONNX, INT8_ONNX):
            print(f"{folder / name}: {(folder / name).stat().st_size / 1e6:.1f} MB")
        for backend, share in found.shares.items():
            print(f"  {backend} int8: {share:.2%} of pixels equal those in fp32")
        for name, cost in found.costs.items():
            print(f"  {name}: {cost['int8']:.4f} in int8, {cost['fp32']:.4f} in fp32")
        for one in backends.choices(folder):
            if one.milliseconds is not None:
                chosen = ", chosen by auto" if one.chosen else ""
                print(f"  {one.name} {one.precision}: {one.milliseconds:.1f} ms per image{chosen}")
        return 0

    raise typer.Exit(guarded(run))
