"""Clips that come with the package, so that the first click needs no rendering.

`scripts/draw_examples.py` draws them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dashboard_pages.player import DEMO, Clip
from dashboard_pages.settings import Settings

FOLDER = Path(__file__).parent / "examples"


@dataclass(frozen=True)
class Example:
    """A clip of this `name`; `model` is the one that its picture was labelled with."""

    name: str
    title: str
    model: str
    task: str
    what: str

    @property
    def picture(self) -> bytes:
        """A frame with its labels, as a WebP file."""
        return (FOLDER / f"{self.name}.webp").read_bytes()

    def clip(self, folder: Path) -> Clip:
        """The clip in a loop; `folder` is not used."""
        truth = FOLDER / f"{self.name}.mkv"
        path = str(FOLDER / f"{self.name}.mp4")
        return Clip(path, self.name, DEMO, truth if truth.exists() else None, loop=True)


EXAMPLES = (
    Example(
        "motorway",
        "Run the demo",
        "lanes-fcn-lite",
        "lanes",
        "A motorway, with the IoU against exact ground truth",
    ),
    Example("rain", "Rain at night", "lanes-fcn-lite", "lanes", "The same model where it is hard"),
    Example("smear", "Blood smear", "cells-count", "cell_count", "Another model counts cells"),
)


def offered(settings: Settings) -> Iterator[tuple[Example, str]]:
    """The examples that this server has a model for, each with the model's name."""
    cards = settings.cards()
    for example in EXAMPLES:
        fitting = [name for name, card in cards.items() if card.task == example.task]
        if fitting:
            yield example, example.model if example.model in fitting else fitting[0]
