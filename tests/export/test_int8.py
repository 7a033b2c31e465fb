"""Quantisation to int8: the file is written completely with similar labels, or not at all."""

from __future__ import annotations

import os
import sys
from functools import partial
from types import ModuleType, SimpleNamespace

import numpy as np
import onnx
import pytest

from lanes import backends, plugins
from lanes import card as cards
from lanes.cli.main import run as run_command
from lanes.errors import BackendError, BadDataset, BadInput, BadModel, BadOutput, MissingDependency
from lanes.export import int8 as quantize
from lanes.types import Measure, Sample
from model_folders import grey, labels_of, make_trained

FILES = ["card.json", "model.int8.onnx", "model.onnx"]


class Greys:
    """Frames of every grey, larger than the network's input, with the expected labels."""

    TASK, TARGETS = "lanes", np.eye(3, dtype=bool)
    MEASURES = {"drivable": Measure(targets=(1,), classes=(1,))}

    def __init__(self, count=8):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        image = grey(range(index, 256, 2), (128, 256))
        return Sample(image, labels_of(image))


class Bands(Greys):
    """Frames of a few greys, none near a threshold."""

    def __getitem__(self, index):
        image = grey([10 + index, 60, 110, 140, 200, 240], (128, 256))
        return Sample(image, labels_of(image))


@pytest.fixture
def folder(tmp_path):
    return make_trained(tmp_path / "model")


def in_whole_numbers(path):
    return {"QuantizeLinear", "DequantizeLinear"} <= {n.op_type for n in onnx.load(path).graph.node}


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """ONNX Runtime's quantisation instead of NNCF's, which pulls in 0.2 GB."""
    from onnxruntime import quantization

    def quantized(network, dataset, preset, subset_size, advanced_parameters):
        assert preset == "mixed"
        assert advanced_parameters == {"overflow_fix": "enable"}
        frames = [dataset.prepare(image) for image in dataset.images]
        assert len(frames) == subset_size
        reader = SimpleNamespace(get_next=iter([*frames, None]).__next__)
        quantization.quantize_static(network, tmp_path / "made", reader)
        return onnx.load(tmp_path / "made")

    module = ModuleType("nncf")
    module.Dataset = lambda images, prepare: SimpleNamespace(images=images, prepare=prepare)
    module.QuantizationPreset = SimpleNamespace(MIXED="mixed")
    module.OverflowFix = SimpleNamespace(ENABLE="enable")
    module.AdvancedQuantizationParameters = dict
    module.quantize = quantized
    monkeypatch.setitem(sys.modules, "nncf", module)
    return module


def run(folder, frames=8):
    """Quantise and score on greys."""
    return quantize.quantize(folder, [Greys(), Greys(2)], {"greys val": Bands(3)}, frames)


def check(folder, found):
    """The folder has an int8 network that every backend runs."""
    shares = found.shares
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert in_whole_numbers(folder / "model.int8.onnx")
    images = grey([10, 60, 110, 140, 200, 240])[None]
    assert shares.keys() == set(backends.PREFERENCE)
    for name, share in shares.items():
        assert quantize.LEAST <= share <= 1
        assert "int8" in backends.precisions(name, folder=folder)
        backend = backends.load(name, folder, "int8")
        np.testing.assert_array_equal(backend(images), labels_of(images))
        backend.close()
    cost = found.costs["greys val: drivable iou"]
    assert cost["fp32"] > 0.95
    assert cost["fp32"] - cost["int8"] < quantize.LARGEST_LOSS
    assert cards.read(folder).int8 == found.costs


def test_the_network_is_written_next_to_the_others(folder, stand_in):
    before = (folder / "model.onnx").read_bytes()
    check(folder, run(folder))
    assert (folder / "model.onnx").read_bytes() == before
    check(folder, run(folder, frames=3))  # again, over the first


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nncf(folder):
    if not plugins.installed("nncf"):
        pytest.skip("nncf is not installed")
    check(folder, run(folder))
    assert "openvino_telemetry" not in sys.modules


def test_a_network_that_labels_otherwise_is_refused(folder, stand_in, monkeypatch):
    def spoilt(network, *_, **__):
        for tensor in network.graph.initializer:
            if tensor.name == "network.model.classify.bias":
                bias = np.array([0, 300, 0], np.float32)
                tensor.CopyFrom(onnx.numpy_helper.from_array(bias, tensor.name))
        return network

    monkeypatch.setattr(stand_in, "quantize", spoilt)
    with pytest.raises(BackendError, match=r"int8 agrees with fp32 on .*% of the pixels"):
        run(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.onnx"]


def test_a_network_that_costs_too_much_is_refused(folder, stand_in, monkeypatch):
    monkeypatch.setattr(quantize, "LARGEST_LOSS", -1.0)  # any loss is above it
    before = (folder / "card.json").read_bytes()
    message = (
        r"int8 loses .* points of greys val: drivable iou \(9.*% in fp32\).*nothing was written"
    )
    with pytest.raises(BackendError, match=message):
        run(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.onnx"]
    assert (folder / "card.json").read_bytes() == before


def test_errors_of_nncf(folder, stand_in, monkeypatch):
    def fail(*_, **__):
        raise KeyError("no such operation")

    monkeypatch.setattr(stand_in, "quantize", fail)
    with pytest.raises(BackendError, match="NNCF cannot quantise .*no such operation"):
        run(folder)
    (folder / "model.onnx").write_bytes(b"hello\n")
    with pytest.raises(BackendError, match="NNCF cannot quantise"):
        run(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.onnx"]


def test_frames_that_do_not_suit(folder):
    other = Greys()
    other.TASK = "road_scene"
    for calibration, judged in ((other, Greys()), (Greys(), other)):
        with pytest.raises(BadInput, match="'lanes'.*'road_scene'"):
            quantize.quantize(folder, [calibration], {"val": judged})
    with pytest.raises(BadInput, match="got 0 frames"):
        run(folder, frames=0)
    with pytest.raises(BadDataset, match="no frames to calibrate on"):
        quantize.quantize(folder, [Greys(0)], {})


@pytest.mark.parametrize(
    ("count", "wanted", "indices"), [(10, 3, [0, 4, 9]), (3, 10, [0, 1, 2]), (5, 1, [0])]
)
def test_frames_are_spread_over_the_split(count, wanted, indices):
    assert quantize.spread(count, wanted) == indices


def test_a_folder_that_cannot_be_used(folder, stand_in, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(BadOutput, match="cannot be written .*No space left"):
            run(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.onnx"]
    (folder / "model.onnx").unlink()
    with pytest.raises(BadModel, match=r"no model\.onnx"):
        run(folder)


def test_without_nncf(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingDependency, match=r"quantization needs 'nncf'.*pip install"):
        run(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.onnx"]


def test_the_script(tmp_path, stand_in, monkeypatch, capsys):
    folder = make_trained(tmp_path / "model")
    opened = []

    def load(room, name):
        if room != "datasets":
            return real(room, name)
        return SimpleNamespace(open=lambda *given: opened.append((name, *given)) or Bands())

    real = plugins.load
    monkeypatch.setattr(plugins, "load", load)
    main = partial(run_command, "quantize")
    assert main([str(folder), "--data", "greys=/data", "--frames", "4"]) == 0
    assert opened == [("greys", "/data", "train"), ("greys", "/data", "val")]
    printed = capsys.readouterr().out
    assert "model.int8.onnx: 0.0 MB" in printed
    assert "onnxruntime int8: " in printed
    assert "greys val: drivable iou: " in printed
    assert "openvino int8: " in printed.partition("drivable iou")[2]
    assert "ms per image, chosen by auto" in printed
    assert main([str(tmp_path / "none"), "--data", "greys"]) == 2
    assert "error: weights/ has no" in capsys.readouterr().err
    assert main([str(folder), "--data", "=/data"]) == 2
    assert "wanted NAME=ROOT" in capsys.readouterr().err
