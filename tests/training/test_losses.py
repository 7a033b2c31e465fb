"""The losses by hand: the cost of a pixel with partial truth."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from lanes.training.losses import distillation, partial_cross_entropy

TABLE = torch.tensor(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [1, 1, 1]], dtype=torch.bool
)
ONES = torch.ones(3)


def log_p(*probabilities):
    """(1, 3, 1, W) from one triple per pixel."""
    return torch.tensor(probabilities, dtype=torch.float32).log().T[None, :, None]


def random_logits(seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((2, 3, 4, 5), generator=generator, dtype=dtype) * 3


def random_targets(rows, seed=1):
    return torch.randint(0, rows, (2, 4, 5), generator=torch.Generator().manual_seed(seed))


def test_a_set_of_one_is_cross_entropy():
    weights = torch.tensor([1.0, 2.0, 4.0])
    logits, targets = random_logits(), random_targets(3)
    got = partial_cross_entropy(logits.log_softmax(1), targets, TABLE, weights)
    torch.testing.assert_close(got, F.cross_entropy(logits, targets, weights))


def test_a_set_of_two_costs_the_sum_of_their_probabilities():
    got = partial_cross_entropy(log_p((0.5, 0.3, 0.2)), torch.tensor([[[3]]]), TABLE, ONES)
    assert got.item() == pytest.approx(-math.log(0.8))


def test_unknown_costs_nothing_and_is_not_counted():
    pixels = log_p((0.5, 0.3, 0.2), (0.1, 0.1, 0.8))
    alone = partial_cross_entropy(pixels[..., :1], torch.tensor([[[1]]]), TABLE, ONES)
    both = partial_cross_entropy(pixels, torch.tensor([[[1, 5]]]), TABLE, ONES)
    assert both.item() == pytest.approx(alone.item())
    nothing = partial_cross_entropy(pixels, torch.tensor([[[5, 5]]]), TABLE, ONES)
    assert nothing.item() == pytest.approx(0, abs=1e-5)


def test_a_set_weighs_as_its_lightest_class():
    weights = torch.tensor([1.0, 1.0, 9.0])
    pixels = log_p((0.5, 0.3, 0.2), (0.2, 0.2, 0.6))
    got = partial_cross_entropy(pixels, torch.tensor([[[4, 2]]]), TABLE, weights)
    assert got.item() == pytest.approx((-math.log(0.7) - 9 * math.log(0.6)) / 10)


def soft_map(*shares):
    """uint8 (1, 3, 1, W) from one triple of 255ths per pixel."""
    return torch.tensor(shares, dtype=torch.uint8).T[None, :, None]


def test_the_teacher_by_hand():
    pixels = log_p((0.5, 0.3, 0.2), (0.2, 0.2, 0.6))
    got = distillation(pixels, soft_map((255, 0, 0), (51, 51, 153)))
    second = 0.4 * math.log(0.2) + 0.6 * math.log(0.6)
    assert got.item() == pytest.approx((-math.log(0.5) - second) / 2, rel=1e-5)


def test_a_silent_teacher_is_not_counted_and_a_rounded_one_is_whole():
    pixels = log_p((0.5, 0.3, 0.2), (0.2, 0.2, 0.6), (0.2, 0.2, 0.6))
    # Silent; rounded down to a sum of 252; the faint edge of a silent area.
    got = distillation(pixels, soft_map((0, 0, 0), (84, 84, 84), (40, 40, 40)))
    assert got.item() == pytest.approx(-math.log(0.2 * 0.2 * 0.6) / 3, rel=1e-5)
    assert distillation(pixels, soft_map(*[(0, 0, 0)] * 3)).item() == 0


def test_the_teachers_own_distribution_costs_least():
    logits = random_logits()
    soft = (logits.softmax(1) * 255).round().byte()
    own = distillation(logits.log_softmax(1), soft)
    assert own < distillation((1.2 * logits).log_softmax(1), soft)
    assert own < distillation((0.8 * logits).log_softmax(1), soft)


@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
def test_gradients_stay_finite_however_sure_the_network_is(scale):
    logits = (random_logits() * scale).requires_grad_()
    shares = logits.log_softmax(1)
    soft = torch.randint(0, 256, (2, 3, 4, 5), generator=torch.Generator().manual_seed(2)).byte()
    loss = partial_cross_entropy(shares, random_targets(6), TABLE, ONES)
    (loss + distillation(shares, soft)).backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_a_sure_mistake_still_has_a_gradient():
    logits = torch.tensor([0.0, 0.0, 40.0]).reshape(1, 3, 1, 1).requires_grad_()
    loss = distillation(logits.log_softmax(1), soft_map((255, 0, 0)))
    loss.backward()
    assert loss.item() == pytest.approx(40, rel=1e-4)
    assert logits.grad[0, 2].item() == pytest.approx(1, rel=1e-4)


def test_gradients_are_those_of_finite_differences():
    logits = random_logits(dtype=torch.float64).requires_grad_()
    targets, soft = random_targets(6), torch.randint(0, 256, (2, 3, 4, 5))
    weights = torch.tensor([1.0, 1.0, 4.0], dtype=torch.float64)

    def loss(x):
        shares = x.log_softmax(1)
        teacher = distillation(shares, soft)
        return teacher + partial_cross_entropy(shares, targets, TABLE, weights)

    assert torch.autograd.gradcheck(loss, (logits,))
