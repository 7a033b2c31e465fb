"""Failures of torch during a run as errors of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lanes.errors import BadInput
from lanes.training.config import TrainConfig

NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate")
NO_SHARED_MEMORY = ("/dev/shm", "shared memory", "bus error")
LOST_WORKER = ("dataloader worker",)


@contextmanager
def in_words(config: TrainConfig) -> Iterator[None]:
    """Raise a lack of memory and a lost worker as `BadInput`, with the cure."""
    try:
        yield
    except (RuntimeError, MemoryError, torch.OutOfMemoryError) as error:
        if message := _message(error, config):
            raise BadInput(message) from error
        raise


def _message(error: BaseException, config: TrainConfig) -> str:
    text = str(error).lower()
    kept = "the last checkpoint is kept"
    if any(words in text for words in NO_SHARED_MEMORY):
        return f"the workers lack shared memory: --set workers=0, or enlarge /dev/shm; {kept}"
    if any(words in text for words in LOST_WORKER):
        return (
            "a worker that reads images has died, usually for lack of memory: --set workers=0 "
            f"reads them without workers; {kept}"
        )
    if isinstance(error, MemoryError) or any(words in text for words in NO_MEMORY):
        height, width = config.size
        return (
            f"not enough memory for {config.batch // config.accumulate} images of {width}x{height} "
            f"at once: --set accumulate={2 * config.accumulate} halves them at the same result; "
            f"{kept}"
        )
    return ""
