"""The warning that `lanes-video` prints the first time it runs a model of restricted use."""

from __future__ import annotations

import hashlib
import sys

from lanes import assets
from lanes import card as cards
from lanes.card import ModelCard


def warn_once(card: ModelCard) -> None:
    """Print to stderr which data sets restrict the model's use, once per user and terms.

    A marker file in the cache folder remembers it; without one, the warning is printed every time.
    """
    if not card.restricted or not _first_time(card.terms):
        return
    cure = f"; free for any use: --model {' or '.join(free)}" if (free := _free(card.task)) else ""
    names = ", ".join(card.restricted)
    print(
        f"warning: the terms of {card.name} restrict its use ({names}; {_where(card)}){cure}",
        file=sys.stderr,
    )


def _first_time(terms: str) -> bool:
    name = hashlib.sha256(terms.encode()).hexdigest()[:16]
    try:
        (assets.cache_folder("terms") / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:  # includes BadOutput
        return True
    return True


def _where(card: ModelCard) -> str:
    return "see lanes models --terms" if card.name in assets.model_names() else "see its card.json"


def _free(task: str) -> list[str]:
    """The included models for `task` that are free for any use."""
    found = (cards.read(assets.model_folder(name)) for name in assets.model_names())
    return [card.name for card in found if card.task == task and not card.restricted]
