"""The commands `lanes export` and `lanes half`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.guard import guarded
from lanes.errors import BadConfig

KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LAYER", help="A layer of model.onnx to keep in fp32; may be given repeatedly."
    ),
]


def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A run's best.pt.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The model folder to write.")],
    command: Annotated[
        str, typer.Option(help="The training command, for the card; default: from the run.")
    ] = "",
    logit_bias: Annotated[
        str, typer.Option(metavar="B,B,...", help="Numbers to add to the logits, one per class.")
    ] = "",
    fit_bias: Annotated[
        bool,
        typer.Option("--fit-bias", help="Fit that bias on the 'choose' splits; takes minutes."),
    ] = False,
    keep: KeepOption = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="fp32: check and allow only this precision, for a network that a short run left "
            "unsure."
        ),
    ] = None,
) -> None:
    """Export a checkpoint, and compare the labels of every backend with the checkpoint's."""

    def run() -> int:
        if fit_bias and logit_bias:
            raise BadConfig("got --fit-bias and --logit-bias: give one of them")
        if precision not in (None, "fp32"):
            raise BadConfig(f"--precision {precision!r}: wanted fp32, or leave it out for all")
        given = _numbers(logit_bias)
        from lanes.export import to_onnx
        from lanes.training import checkpoint as checkpoints
        from lanes.training.bias import fit_bias as fit

        trained = checkpoints.load(checkpoint)
        bias = fit(trained) if fit_bias else given
        if bias:
            trained = checkpoints.with_logit_bias(trained, bias)
        card = to_onnx.export(trained, folder, command, keep or (), precision)
        shares = to_onnx.compare(folder, trained, to_onnx.check_frames(trained))
        print(f"{folder}: {card.architecture}, {card.parameters / 1e6:.2f} M parameters")
        if fit_bias:
            print("  logit bias:", *bias)
        for (backend, ran), share in shares.items():
            print(f"  {backend} {ran}: {share:.3%} of pixels equal the checkpoint's")
        return 0

    raise typer.Exit(guarded(run))


def half(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Model folders.")],
    keep: KeepOption = None,
) -> None:
    """Compare a model's labels in half precision with those in fp32.

    The layers that stay in fp32 are recorded in the card.
    """

    def run() -> int:
        from lanes import card as cards
        from lanes.backends import _float16_accuracy
        from lanes.datasets import _samples

        for folder in folders:
            frames = _samples.images(cards.read(folder))
            changed = _float16_accuracy.keep_layers(folder, frames, keep or ())
            print(f"{folder}: {1 - changed:.3%} of the labels equal those in fp32")
        return 0

    raise typer.Exit(guarded(run))


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise BadConfig(f"--logit-bias {text!r}: wanted numbers such as 0,0.5,-0.5") from error
