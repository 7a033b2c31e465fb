"""Running mean of a network's weights: smoother than the last step's; used for export."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from lanes.models._network import Network


class Averaged:
    """Exponential mean of weights and buffers (Polyak & Juditsky 1992; Tarvainen & Valpola 2017).

    The decay grows up to `decay`, so that early steps do not dominate a short run.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.decay = decay
        self.averaged = AveragedModel(network, multi_avg_fn=self._mean, use_buffers=True)

    @property
    def network(self) -> Network:
        """The network with the averaged weights."""
        return cast(Network, self.averaged.module)

    def to(self, device: torch.device) -> Averaged:
        """Move to `device`; returns itself."""
        self.averaged.to(device)
        return self

    def update(self, network: nn.Module) -> None:
        """Add the weights after a step."""
        self.averaged.update_parameters(network)

    def restore(self, state: dict[str, Tensor], updates: int) -> None:
        """Continue from a checkpoint's averaged weights after `updates` steps."""
        self.network.load_state_dict(state)
        self.averaged.n_averaged.fill_(updates)

    def _mean(
        self,
        kept: tuple[Tensor, ...] | list[Tensor],
        new: tuple[Tensor, ...] | list[Tensor],
        count: Tensor | int,
    ) -> None:
        """Update one group of tensors of the same type; batch counters are copied."""
        share = min(self.decay, (1 + int(count)) / (10 + int(count)))
        for mine, theirs in zip(kept, new, strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - share)
            else:
                mine.copy_(theirs)
