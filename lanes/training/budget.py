"""How long a run is, and its learning rate over that length."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lanes.errors import BadConfig
from lanes.training.config import TrainConfig


@dataclass(frozen=True)
class Budget:
    """How long to train, including validation: a number of steps or of minutes."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise BadConfig("give either --steps or --minutes")
        if (self.steps if self.steps is not None else self.minutes or 0) <= 0:
            raise BadConfig(f"got --steps {self.steps}, --minutes {self.minutes}; wanted above 0")

    def spent(self, step: int, seconds: float) -> float:
        """The share of the budget that a run has used, 0..1 and beyond."""
        return step / self.steps if self.steps else seconds / 60 / (self.minutes or 1)


def learning_rate(config: TrainConfig, step: int, spent: float) -> float:
    """The rate of the next step: linear warm-up times a cosine that ends at zero.

    `spent` is the used share of the budget. In a run shorter than twice the warm-up, the rate rises
    over the first half.
    """
    rise = max((step + 1) / max(config.warmup_steps, 1), 2 * spent)
    fall = 0.5 * (1 + math.cos(math.pi * min(spent, 1.0)))
    return config.learning_rate * min(rise, 1.0) * fall
