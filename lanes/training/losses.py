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
    log_p: Tensor, targets: Tensor, table: Tensor, class_weights: Tensor
) -> Tensor:
    """Mean over pixels of -log sum of p(class) over the classes that the pixel may be.

    `targets` (N, H, W) are ids into `table` (K, C) bool. A set of one class is plain cross-entropy;
    the full set costs nothing and is not counted. A set has the weight of its lightest class, so a
    mere possibility of a rare class does not make a pixel heavy. Every row of `table` must allow a
    class; `mix.table_of` ensures this.
    """
    weights = torch.where(table, class_weights, torch.inf).amin(1)
    weights = torch.where(table.all(1), 0.0, weights)
    # F.embedding is several times faster than indexing on a CPU.
    barred = F.embedding(targets, torch.where(table, 0.0, -torch.inf)).permute(0, 3, 1, 2)
    cost = -torch.logsumexp(log_p + barred, 1)
    weight = F.embedding(targets, weights[:, None])[..., 0]
    return (cost * weight).sum() / weight.sum().clamp_min(EPSILON)


def distillation(log_p: Tensor, soft: Tensor) -> Tensor:
    """Cross-entropy with a teacher's distribution (Hinton et al. 2015, arXiv:1503.02531).

    `soft` uint8 (N, C, H, W) is 255 times the teacher's probabilities. The mean is over the pixels
    where the teacher speaks: where they sum to more than a half. This threshold tolerates rounding
    and resizing at the edge of silent areas. The probabilities are normalised to sum to 1.
    """
    shares = soft.to(log_p.dtype)
    total = shares.sum(1)
    speaks = (total > SPEAKS).to(log_p.dtype)
    cost = -(shares * log_p).sum(1) / total.clamp_min(1) * speaks
    return cost.sum() / speaks.sum().clamp_min(EPSILON)
