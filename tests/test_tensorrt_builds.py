"""TensorRT-RTX builds every network ahead of time, with neither a GPU nor a driver.

It has TensorRT's parser, types, shapes and serialisation, so what it takes and what it refuses is
shown here; numbers and speed are not. Engines are for one compute capability.
"""

from __future__ import annotations

import pytest

from lanes import assets, card, half, plugins
from lanes.card import FP16_ONNX, ONNX
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
"""No engine is smaller than this, whatever the network: it brings kernels along."""


@pytest.mark.parametrize("file", [FP16_ONNX, ONNX])
@pytest.mark.parametrize("name", assets.model_names())
def test_every_model_that_comes_along_is_built(ours, name, file):
    folder = assets.model_folder(name)
    built = ours.build.build(folder / file)
    assert len(built.engine) > LEAST_BYTES
    weighted = {
        node.name
        for node in half.read(folder / ONNX).graph.node
        if node.op_type in ("Conv", "ConvTranspose")
    }
    left = weighted - set(half.half_nodes(half.read(folder / file)))
    assert built.float_layers == len(left)
    assert (built.float_layers == 0) is (file == FP16_ONNX)


def exported(module, folder, size=(64, 96)):
    """A model folder of a module from uint8 images to uint8 labels, as our export writes it."""
    import torch

    from lanes import export

    folder.mkdir()
    card_of(size, name=folder.name).write(folder)
    torch.manual_seed(0)
    export.write_onnx(module, size, folder / ONNX)
    half.write(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), CASES)
def test_one_of_each_architecture_is_built(ours, tmp_path, name, options):
    pytest.importorskip("torch")
    from lanes.models import _network

    network = _network.build(name, 3, (103.5, 116.3, 123.7), (57.4, 57.1, 58.4), options)
    folder = exported(network, tmp_path / "model")
    built = ours.build.build(folder / FP16_ONNX)
    assert len(built.engine) > LEAST_BYTES
    assert built.float_layers == 0


def test_max_unpooling_as_torch_exports_it_is_refused(ours, tmp_path):
    """What `lanes.models._upsample.MaxUnpool` is for: it is built, see above."""
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
    for file in (ONNX, FP16_ONNX):
        with pytest.raises(BackendError) as error:
            ours.build.build(folder / file)
        message = str(error.value)
        assert "does not support the node" in message
        assert "(MaxPool)" in message
        assert "1 outputs for MaxPool" in message
        assert "export the model without it, or run the model on the processor" in message
        assert card.CURE not in message  # exporting once more would not help
