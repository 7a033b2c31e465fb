"""Each architecture at its full size, its options, and VGG's ImageNet weights without a network."""

from __future__ import annotations

import urllib.error

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import vgg

from lanes import plugins
from lanes.errors import BadConfig, BadInput, UnknownName
from lanes.models import _network
from lanes.models._upsample import WAYS
from lanes.models._vgg import Vgg16

CLASSES = 3


def build(name, **options):
    torch.manual_seed(0)
    return plugins.load("models", name).build(CLASSES, **options)


def price(name, size, **options):
    """Parameters in millions, and GFLOP per image (twice the multiply-adds of convolutions)."""
    with torch.device("meta"):
        net = build(name, **options).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, 3, *size))
    return sum(p.numel() for p in net.parameters()) / 1e6, counter.get_total_flops() / 1e9


@pytest.mark.parametrize(
    ("name", "options", "parameters", "flops"),
    [
        ("naive", {}, 0.05, 16.3),
        ("fcn", {}, 27.8, 117),
        ("fcn", {"channels": 4096}, 134.3, 156),
        ("segnet", {}, 29.4, 225),
        ("segnet_basic", {}, 1.4, 121),
        ("segnet_lite", {}, 0.67, 2.9),
        ("segnet_lite", {"upsample": "transposed"}, 0.75, 3.1),
    ],
)
def test_costs_match_the_docstrings_at_480x360(name, options, parameters, flops):
    assert price(name, (360, 480), **options) == (
        pytest.approx(parameters, abs=0.05),
        pytest.approx(flops, rel=0.02),
    )


@pytest.mark.parametrize("upsample", WAYS)
def test_segnet_lite_is_light_with_every_way_up(upsample):
    parameters, flops = price("segnet_lite", (352, 640), upsample=upsample)
    assert parameters <= 1
    assert flops <= 4


def test_segnet_lite_differs_by_the_ways_up_alone():
    states = [build("segnet_lite", upsample=way).state_dict() for way in WAYS]
    shapes = [{k: v.shape for k, v in s.items() if not k.startswith("up_")} for s in states]
    assert all(found == shapes[0] for found in shapes)
    added = set(states[WAYS.index("transposed")]) - set(states[0])
    assert added == {f"up_{scale}.conv.weight" for scale in ("half", "quarter", "eighth")}


def test_segnet_lite_can_be_smaller():
    small = {"channels": (16, 16, 32, 64), "blocks": (0, 1), "dilations": (1, 2)}
    assert price("segnet_lite", (352, 640), **small)[1] < 1.5


def test_segnet_basic_has_no_relu_in_its_decoders():
    decoders = build("segnet_basic").decoders
    assert not [m for m in decoders.modules() if isinstance(m, nn.ReLU)]


@pytest.mark.parametrize(
    ("name", "options"), [("segnet", {"width": 0.125}), ("segnet_basic", {"channels": 8})]
)
@pytest.mark.parametrize("upsample", WAYS)
def test_segnets_take_every_way_up(name, options, upsample):
    net = build(name, upsample=upsample, **options).eval()
    with torch.inference_mode():
        assert net(torch.randn(1, 3, 33, 40)).isfinite().all()


@pytest.mark.parametrize("upsample", ["bilinear", "transposed"])
@pytest.mark.parametrize(("stride", "scores"), [(32, 1), (16, 2), (8, 3)])
def test_fcn_adds_finer_scores_for_a_finer_stride(stride, scores, upsample):
    net = build("fcn", stride=stride, upsample=upsample, width=0.125, channels=16).eval()
    assert len(net.ups) == len(net.finer) + 1 == scores
    with torch.inference_mode():
        logits = net(torch.randn(1, 3, 50, 70))
        net.add_to_logits(torch.tensor([0.0, 1.0, 2.0]))
        added = net(torch.randn(1, 3, 50, 70)).shape
    assert logits.shape == added == (1, CLASSES, 50, 70)


def test_fcns_transposed_convolutions_begin_as_bilinear():
    options = {"width": 0.125, "channels": 16}
    bilinear = build("fcn", **options).eval()
    transposed = build("fcn", upsample="transposed", **options).eval()
    transposed.load_state_dict(bilinear.state_dict(), strict=False)
    x = torch.randn(1, 3, 256, 256)
    with torch.inference_mode():
        # At the edge they see zeros.
        a, b = (net(x)[..., 96:-96, 96:-96] for net in (bilinear, transposed))
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("fcn", {"stride": 4}, BadConfig, "stride 4, wanted one of 32, 16, 8"),
        ("fcn", {"upsample": "bilinea"}, UnknownName, "did you mean 'bilinear'"),
        ("segnet", {"width": 0.001}, BadConfig, "0.001 leaves VGG16 no channels"),
        ("segnet_lite", {"upsample": "nails"}, UnknownName, "has no 'nails'; it has bed_of_nails"),
    ],
)
def test_a_wrong_option_is_reported(name, options, error, words):
    with pytest.raises(error, match=words):
        _network.build(name, CLASSES, (0.0,) * 3, (1.0,) * 3, options)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The path of VGG16-BN's weights in an empty torch.hub cache, without network access."""

    def offline(*_):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: offline())
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder / "vgg16_bn-6c64b313.pth"


class TestImageNetWeights:
    def test_the_encoder_computes_the_same_as_torchvision(self, hub):
        torch.manual_seed(0)
        theirs = vgg.make_layers(vgg.cfgs["D"], batch_norm=True)
        with torch.no_grad():
            for name, value in theirs.named_buffers():
                if name.endswith(("mean", "var")):
                    value.uniform_(0.5, 1.5)
        state = {f"features.{name}": value for name, value in theirs.state_dict().items()}
        torch.save(state | {"classifier.0.bias": torch.zeros(4)}, hub)
        encoder = Vgg16().eval()
        encoder.load_imagenet()
        rgb = torch.randn(1, 3, 32, 64)
        with torch.inference_mode():
            _, pooled = encoder(rgb.flip(1))
            torch.testing.assert_close(pooled[-1], theirs.eval()(rgb), rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("name", ["fcn", "segnet"])
    def test_without_a_network_the_cure_is_reported(self, hub, name):
        with torch.device("meta"):
            net = build(name)
        with pytest.raises(BadInput) as caught:
            net.load_pretrained()
        words = (str(hub.parent), hub.name, "https://download.pytorch.org", "pretrained = false")
        assert all(word in str(caught.value) for word in ("no route to host", *words))

    @pytest.mark.parametrize("damage", ["not a file", "of another network"])
    def test_a_damaged_file_is_reported(self, hub, damage):
        if damage == "not a file":
            hub.write_bytes(b"<html>")
        else:
            torch.save({"features.0.weight": torch.zeros(1)}, hub)
        with torch.device("meta"):
            net = build("segnet")
        with pytest.raises(BadInput, match="does not hold VGG16-BN's weights .*delete it"):
            net.load_pretrained()

    @pytest.mark.parametrize("name", ["fcn", "segnet"])
    def test_they_fit_no_other_width(self, name):
        with pytest.raises(BadConfig, match=r"width 1, got 0\.25"):
            build(name, width=0.25).load_pretrained()
