"""Export a checkpoint: `scripts/export.py runs/x/best.pt weights/NAME`.

What half precision costs a model, and which layers it leaves in fp32 (noted in the card), needs no
checkpoint: `scripts/export.py --half weights/*/ [--keep LAYER ...]`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lanes.errors import LanesError


def main(argv: list[str] | None = None) -> int:
    """Parse, export, print the parity of every backend; exit code 2 for an error of ours."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("checkpoint", type=Path, nargs="?")
    options.add_argument("folder", type=Path, nargs="?")
    options.add_argument(
        "--command", default="", help="the training's command, for the card (default: its config)"
    )
    bias = options.add_mutually_exclusive_group()
    bias.add_argument(
        "--logit-bias",
        type=float,
        nargs="+",
        metavar="B",
        help="added to the classes' logits, one number a class (default: the config's)",
    )
    bias.add_argument(
        "--fit-bias", action="store_true", help="fit that bias on the choosing splits; minutes"
    )
    options.add_argument(
        "--half",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="check the labels of these model folders in half; their cards note what --keep names",
    )
    options.add_argument(
        "--keep", nargs="+", default=[], metavar="LAYER", help="layers of model.onnx kept in fp32"
    )
    given = options.parse_args(argv)
    if bool(given.half) == bool(given.folder):
        options.error("give a checkpoint and a folder, or --half and model folders")
    try:
        if given.half:
            _half(given.half, given.keep)
        else:
            _export(given)
    except LanesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _export(given: argparse.Namespace) -> None:
    # torch takes seconds to import: --help and --half need not wait for it.
    from lanes.export import to_onnx
    from lanes.training import checkpoint as checkpoints
    from lanes.training.bias import fit_bias

    checkpoint = checkpoints.load(given.checkpoint)
    fitted = fit_bias(checkpoint) if given.fit_bias else given.logit_bias
    if fitted:
        checkpoint = checkpoints.with_logit_bias(checkpoint, tuple(fitted))
    card = to_onnx.export(checkpoint, given.folder, given.command, given.keep)
    shares = to_onnx.compare(given.folder, checkpoint, to_onnx.check_frames(checkpoint))
    print(f"{given.folder}: {card.architecture}, {card.parameters / 1e6:.2f} M parameters")
    if given.fit_bias:
        print("  logit bias:", *fitted)
    for (backend, precision), share in shares.items():
        print(f"  {backend} {precision}: {share:.3%} of pixels as the checkpoint's")


def _half(folders: Sequence[Path], keep: Sequence[str]) -> None:
    from lanes import card as cards
    from lanes.backends import _float16_accuracy as half_accuracy
    from lanes.datasets import _samples as drawn

    for folder in folders:
        changed = half_accuracy.keep_layers(folder, drawn.images(cards.read(folder)), keep)
        print(f"{folder}: {1 - changed:.3%} of the labels as in fp32")


if __name__ == "__main__":
    sys.exit(main())
