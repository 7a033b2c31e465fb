"""The loss for partial truth: a pixel costs -log of the total probability of its allowed classes.

Both losses take log-probabilities `log_p` (N, C, H, W), float32, of `torch.log_softmax(logits, 1)`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-6
SPEAKS = 127
"""A teacher speaks where its 8-bit probabilities sum to more than this."""


def partial_cross_entropy(
    log_p: Tensor,
    targets: Tensor,
    table: Tensor,
    class_weights: Tensor,
    total: Tensor | None = None,
) -> Tensor:
    """Mean over pixels of -log sum of p(class) over the classes that the pixel may be.

    `targets` (N, H, W) are ids into `table` (K, C) bool. A set of one class is plain cross-entropy;
    the full set costs nothing and is not counted. A set has the weight of its lightest class, so a
    mere possibility of a rare class does not make a pixel heavy. Every row of `table` must allow a
    class; `mix.table_of` ensures this. `total` is the weight of a whole batch (`weight_of`), of
    which these are a part; None: these are all of it.
    """
    # F.embedding is several times faster than indexing on a CPU.
    barred = F.embedding(targets, torch.where(table, 0.0, -torch.inf)).permute(0, 3, 1, 2)
    cost = -torch.logsumexp(log_p + barred, 1)
    weight = _weights(targets, table, class_weights)
    total = weight.sum() if total is None else total
    return (cost * weight).sum() / total.clamp_min(EPSILON)


def weight_of(targets: Tensor, table: Tensor, class_weights: Tensor) -> Tensor:
    """The total weight () of the pixels of `targets`, as `partial_cross_entropy` counts them."""
    return _weights(targets, table, class_weights).sum()


def _weights(targets: Tensor, table: Tensor, class_weights: Tensor) -> Tensor:
    """The weight of each pixel (N, H, W)."""
    weights = torch.where(table, class_weights, torch.inf).amin(1)
    weights = torch.where(table.all(1), 0.0, weights)
    return F.embedding(targets, weights[:, None])[..., 0]


def distillation(log_p: Tensor, soft: Tensor, total: Tensor | None = None) -> Tensor:
    """Cross-entropy with a teacher's distribution (Hinton et al. 2015, arXiv:1503.02531).

    `soft` uint8 (N, C, H, W) is 255 times the teacher's probabilities. The mean is over the pixels
    where the teacher speaks: where they sum to more than a half. This threshold tolerates rounding
    and resizing at the edge of silent areas. The probabilities are normalised to sum to 1. `total`
    is the number of such pixels in a whole batch (`spoken`); None: these are all of it.
    """
    shares = soft.to(log_p.dtype)
    speaks = _speaks(soft).to(log_p.dtype)
    cost = -(shares * log_p).sum(1) / shares.sum(1).clamp_min(1) * speaks
    total = speaks.sum() if total is None else total
    return cost.sum() / total.clamp_min(EPSILON)


def spoken(soft: Tensor) -> Tensor:
    """The number () of the pixels where the teacher of `soft` speaks."""
    return _speaks(soft).float().sum()


def _speaks(soft: Tensor) -> Tensor:
    return soft.float().sum(1) > SPEAKS
