"""Export a checkpoint: `scripts/export.py runs/x/best.pt weights/NAME`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lanes.errors import LanesError


def main(argv: list[str] | None = None) -> int:
    """Parse, export, print the parity of every backend; exit code 2 for an error of ours."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("checkpoint", type=Path)
    options.add_argument("folder", type=Path)
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
    given = options.parse_args(argv)
    try:
        # torch takes seconds to import: --help need not wait for it.
        from lanes import export
        from lanes.training import checkpoint as checkpoints
        from lanes.training.bias import fit_bias

        checkpoint = checkpoints.load(given.checkpoint)
        fitted = fit_bias(checkpoint) if given.fit_bias else given.logit_bias
        if fitted:
            checkpoint = checkpoints.with_logit_bias(checkpoint, tuple(fitted))
        card = export.export(checkpoint, given.folder, given.command)
        shares = export.compare(given.folder, checkpoint, export.check_frames(checkpoint))
    except LanesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{given.folder}: {card.architecture}, {card.parameters / 1e6:.2f} M parameters")
    if given.fit_bias:
        print("  logit bias:", *fitted)
    for (backend, precision), share in shares.items():
        print(f"  {backend} {precision}: {share:.3%} of pixels as the checkpoint's")
    return 0


if __name__ == "__main__":
    sys.exit(main())
