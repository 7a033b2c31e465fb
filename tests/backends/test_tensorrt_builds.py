"""TensorRT-RTX builds every network ahead of time, with neither a GPU nor a driver.

It has TensorRT's parser, types, shapes and serialisation, so what it takes and what it refuses is
shown here; numbers and speed are not. Engines are for one compute capability.
"""

from __future__ import annotations

import pytest

from lanes import assets, card, plugins
from lanes.backends import _float16_graph as half
from lanes.card import ONNX
from lanes.errors import BackendError
from model_folders import card_of

pytest_plugins = ["rtx_backend"]
SMALL = {
    "fcn": {"width": 0.25, "channels": 64},
    "naive": {"channels": 16, "layers": 4},
    "segnet": {"width": 0.25},
    "segnet_basic": {"channels": 16},
}
CASES = [(name, SMALL.get(name, {})) for name in plugins.names("models")] + [
    ("segnet_lite", {"upsample": way}) for way in ("bed_of_nails", "bilinear", "transposed")
]
LEAST_BYTES = 100_000
"""Minimum size of any engine: it contains kernels."""


def build(ours, folder, precision="fp16"):
    """The engine of a model folder, built by our own code."""
    path = folder / ONNX
    network = path.read_bytes() if precision == "fp32" else ours.plugin._in_half(folder)
    return ours.build.build(path, network)


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("name", assets.model_names())
def test_every_model_that_comes_along_is_built(ours, name, precision):
    folder = assets.model_folder(name)
    built = build(ours, folder, precision)
    assert len(built.engine) > LEAST_BYTES
    weighted = {
        node.name
        for node in half.read(folder / ONNX).graph.node
        if node.op_type in ("Conv", "ConvTranspose")
    }
    kept = set(card.read(folder).half_keep)
    assert built.float_layers == len(weighted & kept if precision == "fp16" else weighted)


def exported(module, folder, size=(64, 96)):
    """Export a module from uint8 images to uint8 labels to a model folder."""
    import torch

    from lanes.export import to_onnx

    folder.mkdir()
    card_of(size, name=folder.name).write(folder)
    torch.manual_seed(0)
    to_onnx.write_onnx(module, size, folder / ONNX)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), CASES)
def test_one_of_each_architecture_is_built(ours, tmp_path, name, options):
    pytest.importorskip("torch")
    from lanes.models import _network

    network = _network.build(name, 3, (103.5, 116.3, 123.7), (57.4, 57.1, 58.4), options)
    folder = exported(network, tmp_path / "model")
    built = build(ours, folder)
    assert len(built.engine) > LEAST_BYTES
    assert built.float_layers == 0


def test_max_unpooling_as_torch_exports_it_is_refused(ours, tmp_path):
    """The reason for `lanes.models._upsample.MaxUnpool`, which does build, see above."""
    torch = pytest.importorskip("torch")
    from torch import nn

    class Naive(nn.Module):
        def __init__(self):
            super().__init__()
            self.before = nn.Conv2d(3, 8, 3, padding=1)
            self.pool = nn.MaxPool2d(2, return_indices=True)
            self.unpool = nn.MaxUnpool2d(2)
            self.classify = nn.Conv2d(8, 3, 3, padding=1)

        def forward(self, images):
            x = self.before(images.to(torch.float32).permute(0, 3, 1, 2))
            return self.classify(self.unpool(*self.pool(x)))

    folder = exported(Naive(), tmp_path / "naive", (16, 24))
    for precision in ("fp32", "fp16"):
        with pytest.raises(BackendError) as error:
            build(ours, folder, precision)
        message = str(error.value)
        assert "does not support the node" in message
        assert "(MaxPool)" in message
        assert "1 outputs for MaxPool" in message
        assert "export the model without it, or run the model on the CPU" in message
        assert card.CURE not in message  # exporting again would not help
