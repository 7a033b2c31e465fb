"""The loss of partial truth: a pixel costs -log of the summed probability of what it may be.

Both take log-probabilities `log_p` (N, C, H, W), float32, of `torch.log_softmax(logits, 1)`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-6


def partial_cross_entropy(
    log_p: Tensor, targets: Tensor, table: Tensor, class_weights: Tensor
) -> Tensor:
    """Mean over pixels of -log sum of p(class) over the classes that the pixel may be.

    `targets` (N, H, W) are ids into `table` (K, C) bool. A set of one is plain cross-entropy, the
    full set costs nothing and is not counted. A set weighs as its lightest class, so that a mere
    possibility of a rare class does not make a pixel heavy. Every row of `table` allows a class:
    `mix.table_of` sees to it.
    """
    weights = torch.where(table, class_weights, torch.inf).amin(1)
    weights = torch.where(table.all(1), 0.0, weights)
    # F.embedding is several times faster than indexing on a CPU.
    barred = F.embedding(targets, torch.where(table, 0.0, -torch.inf)).permute(0, 3, 1, 2)
    cost = -torch.logsumexp(log_p + barred, 1)
    weight = F.embedding(targets, weights[:, None])[..., 0]
    return (cost * weight).sum() / weight.sum().clamp_min(EPSILON)


def soft_binary_cross_entropy(
    log_p: Tensor, soft: Tensor, class_id: int, weight: float, ignore: tuple[float, float]
) -> Tensor:
    """Binary cross-entropy of p(`class_id`) with a teacher's probability `soft` (N, H, W), 0..1.

    Where the teacher is between the `ignore` bounds its pixel is not counted. `weight` is that of
    the class's own pixels. "Not this class" is any of the others, so nothing is said of which.
    """
    yes = log_p[:, class_id]
    # Summing the others is exact where p(class_id) rounds to 1 and log(1 - p) has no gradient.
    others = [k for k in range(log_p.shape[1]) if k != class_id]
    no = torch.logsumexp(log_p[:, others], 1)
    sure = (soft <= ignore[0]) | (soft >= ignore[1])
    weights = (1 + (weight - 1) * soft) * sure
    cost = -(soft * yes + (1 - soft) * no)
    return (cost * weights).sum() / weights.sum().clamp_min(EPSILON)
