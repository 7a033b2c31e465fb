"""The torch backend rebuilds the trained network strictly from a card and an ONNX file."""

from __future__ import annotations

import copy
import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from lanes import assets, backends, plugins
from lanes import card as cards
from lanes.datasets import _samples as drawn
from lanes.errors import BadModel, MissingDependency, UnknownName
from lanes.metrics.dataset_scores import share_equal
from model_folders import SIZE, TRAINING, grey, labels_of, make_trained, write_network

torch = pytest.importorskip("torch")
module = plugins.load("backends", "torch")
IMAGES = grey([10, 100, 200])[None]
FP32, LOW = 0.999, 0.98
"""Minimum share of equal labels. Models that never saw synthetic roads are unsure, so rounding
decides more pixels than on their own frames, where the export requires more."""


def change(folder, changes):
    """Put tensors into the network of `folder`; None removes one."""
    path = folder / "model.onnx"
    model = onnx.load(path)
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in changes]
    kept += [numpy_helper.from_array(v, k) for k, v in changes.items() if v is not None]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    onnx.save(model, path)


def test_what_was_folded_into_a_convolution_is_added(tmp_path):
    folder = make_trained(tmp_path / "trained")
    # 100 grey levels more than in `make_trained`, which the classifier's thresholds ignore.
    change(folder, {"network.model.body.0.0.weight_bias": np.array([102], np.float32)})
    backend = backends.load("torch", folder)
    images = grey([0, 69, 70, 71, 100])[None]
    np.testing.assert_array_equal(backend(images), labels_of(images.astype(int) + 100))
    backend.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network.model.classify.bias": None}, r"lacks network\.model\.classify\.bias, which"),
        ({"network.mean": None}, r"lacks network\.mean"),
        ({"network.model.body.0.0.weight_bias": None}, r"lacks network\.model\.body\.0\.1\.weight"),
        ({"network.model.up.weight": np.ones(2)}, r"has network\.model\.up\.weight, which .* not"),
        (
            {"network.model.classify.weight": np.ones((3, 2, 1, 1), np.float32)},
            r"classify\.weight of shape \(3, 2, 1, 1\), models/naive\.py wants \(3, 1, 1, 1\)",
        ),
        (
            {"network.model.body.0.0.weight_bias": np.ones(2, np.float32)},
            r"of shape \(2,\), models/naive\.py wants \(1,\)",
        ),
    ],
)
def test_parameters_of_another_network(tmp_path, changes, message):
    folder = make_trained(tmp_path / "trained")
    change(folder, changes)
    with pytest.raises(BadModel, match=rf"model\.onnx.*{message}.*export the checkpoint again"):
        backends.load("torch", folder)


def config(**changes):
    training = copy.deepcopy(TRAINING)
    training["config"].update(changes)
    return {"training": training}


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"training": {}}, r"card\.json has no training\.config"),
        ({"training": {"config": {"mean": [0, 0, 0]}}}, "torch cannot build .*'std'"),
        ({"architecture": "nave"}, "torch cannot build .*'nave'.*did you mean 'naive'"),
        (config(model_options={"wide": 1}), r"torch cannot build .*models/naive\.py"),
        (config(model_options={"channels": 1, "layers": 2}), r"lacks network\.model\.body\.1"),
        (config(logit_bias=[0.0, 1.0]), "torch cannot build"),
    ],
)
def test_a_card_of_another_network(tmp_path, card, message):
    folder = make_trained(tmp_path / "trained", **card)
    with pytest.raises(BadModel, match=message):
        backends.load("torch", folder)


def test_a_network_that_no_architecture_describes(model_folder):
    with pytest.raises(BadModel, match=r"no training\.config"):
        backends.load("torch", model_folder)


def test_threads_are_those_of_torch(trained_folder):
    before = torch.get_num_threads()
    try:
        backends.load("torch", trained_folder, threads=1).close()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_devices(trained_folder, monkeypatch):
    with pytest.raises(UnknownName, match="torch on this machine has no 'gpu'; it has cpu"):
        backends.precisions("torch", "gpu")
    monkeypatch.setattr(
        torch.accelerator, "current_accelerator", lambda check_available: torch.device("cuda")
    )
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert str(module._known("CUDA:1")) == "cuda:1"
    with pytest.raises(UnknownName, match="'cuda:2'; it has cpu, cuda, cuda:0, cuda:1"):
        module._known("cuda:2")


def test_without_torch(trained_folder, monkeypatch):
    for library in ("torch", "onnx"):
        monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, "lanes.backends.torch")
    # torch is imported first: its extra has both.
    with pytest.raises(MissingDependency, match="backends/torch needs 'torch'"):
        backends.load("torch", trained_folder)


def labels(name, folder, precision, images):
    backend = backends.load(name, folder, precision)
    found = np.stack([backend(image)[0] for image in images])
    backend.close()
    return found


@pytest.mark.parametrize("model", assets.model_names())
def test_engines_label_as_torch_does(model):
    """The included models, on four synthetic frames."""
    folder = assets.model_folder(model)
    images = drawn.images(cards.read(folder), 4)
    wanted = labels("torch", folder, "fp32", images)
    assert len(np.unique(wanted)) > 1
    runs = [(name, p) for name in backends.PREFERENCE for p in backends.precisions(name)]
    for name, precision in [*runs, ("torch", "bf16")]:
        share = share_equal(labels(name, folder, precision, images), wanted)
        assert share >= (FP32 if precision == "fp32" else LOW), (name, precision)


OPTIONS = {
    "fcn": {"width": 0.1, "channels": 16},
    "segnet": {"width": 0.1},
    "segnet_basic": {"channels": 16},
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("architecture", plugins.names("models"))
def test_every_architecture_survives_its_export(architecture, tmp_path):
    """Networks with random weights and statistics, as if trained, exported and rebuilt."""
    from lanes.export import to_onnx
    from lanes.models import _network

    torch.manual_seed(0)
    options, bias = OPTIONS.get(architecture, {}), (0.0, 0.5, -0.5)
    mean, std = (100.0, 110.0, 120.0), (57.0, 58.0, 59.0)
    network = _network.build(architecture, 3, mean, std, options).eval()
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            part.weight.data.uniform_(0.5, 2)
            part.bias.data.normal_()
    network.add_to_logits(bias)
    training = {"mean": list(mean), "std": list(std), "model_options": options}
    training["logit_bias"] = list(bias)
    folder = make_trained(tmp_path / "m", architecture=architecture, training={"config": training})
    to_onnx.write_onnx(network, SIZE, folder / "model.onnx")
    backend = backends.load("torch", folder)
    images = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3)).astype(np.uint8)
    with torch.inference_mode():
        wanted, got = (net(torch.tensor(images)) for net in (network, backend.network))
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(backend(images), wanted.argmax(1))
    backend.close()


def test_a_network_without_weights_of_ours(tmp_path):
    folder = make_trained(tmp_path / "trained")
    write_network(folder / "model.onnx")
    with pytest.raises(BadModel, match=r"lacks network\.mean"):
        backends.load("torch", folder)
