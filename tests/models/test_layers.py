"""The cost of layers, against a count by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lanes.models import _layers


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.enlarge = nn.ConvTranspose2d(8, 2, 4, stride=2, padding=1)

    def forward(self, images):
        x = images.float().permute(0, 3, 1, 2)
        return self.enlarge(torch.relu(self.grouped(self.first(x))))


def test_layers_come_in_order_with_shapes_parameters_and_cost():
    found = _layers.layers(Small(), (32, 48))
    assert [(layer.name, layer.kind, layer.shape) for layer in found] == [
        ("first", "Conv2d", (8, 16, 24)),
        ("grouped", "Conv2d", (8, 16, 24)),
        ("enlarge", "ConvTranspose2d", (2, 32, 48)),
    ]
    assert [layer.parameters for layer in found] == [3 * 8 * 9 + 8, 8 * 9 + 8, 8 * 2 * 16 + 2]
    # A convolution's weights are used once per output pixel, a transposed one's per input pixel.
    by_hand = [2 * 3 * 8 * 9 * 16 * 24, 2 * 8 * 9 * 16 * 24, 2 * 8 * 2 * 16 * 16 * 24]
    assert [layer.gflop * 1e9 for layer in found] == pytest.approx(by_hand)


def test_gflop_is_their_sum_and_leaves_no_hook():
    network = Small()
    assert _layers.gflop(network, (32, 48)) == pytest.approx(
        sum(layer.gflop for layer in _layers.layers(network, (32, 48)))
    )
    assert not any(module._forward_hooks for module in network.modules())
