"""Building blocks shared by several architectures."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lanes.errors import BadConfig, UnknownName
from lanes.models._blocks import bilinear_kernel_, pad_to_multiple
from lanes.models._network import Network, build


def test_the_transposed_convolution_begins_as_bilinear_enlarging():
    layer = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1, bias=False)
    bilinear_kernel_(layer.weight)
    x = torch.arange(24.0).reshape(1, 2, 3, 4)
    wanted = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    # At the edge the convolution sees zeros.
    torch.testing.assert_close(layer(x)[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])


def test_an_odd_kernel_is_bilinear_too():
    weight = torch.empty(1, 1, 3, 3)
    bilinear_kernel_(weight)
    assert weight[0, 0, 1].tolist() == [0.5, 1.0, 0.5]


def test_padding_repeats_the_edge_and_leaves_multiples_alone():
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = pad_to_multiple(x, 4)
    assert padded.shape == (1, 1, 4, 4)
    assert padded[0, 0, -1].tolist() == [3, 4, 5, 5]
    assert pad_to_multiple(padded, 4) is padded


def test_the_network_subtracts_the_mean_and_divides_by_the_deviation():
    net = Network(nn.Identity(), (10.0, 20.0, 30.0), (1.0, 2.0, 5.0))
    images = torch.tensor([[[[11, 24, 40]]]], dtype=torch.uint8)
    assert net(images).flatten().tolist() == [1, 2, 2]
    assert {"mean", "std"} <= net.state_dict().keys()


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("fcn_light", {}, UnknownName, "did you mean 'fcn_lite'"),
        ("fcn_lite", {"chanels": [8]}, BadConfig, "fcn_lite.py: .*'chanels'"),
        ("fcn_lite", {"channels": [8]}, BadConfig, "fcn_lite.py: not enough values"),
    ],
)
def test_a_wrong_architecture_is_reported(name, options, error, words):
    with pytest.raises(error, match=words):
        build(name, 3, (0.0,) * 3, (1.0,) * 3, options)
