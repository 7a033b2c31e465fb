"""The four upsampling methods on worked examples; max unpooling against torch's, also exported."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lanes import backends
from lanes.errors import UnknownName
from lanes.models._upsample import (
    WAYS,
    BedOfNails,
    Bilinear,
    MaxUnpool,
    Transposed,
    first_maximum,
    pool,
    way_up,
)

SIZE = (16, 24)


def maps(rows):
    return torch.tensor(rows, dtype=torch.float32)[None, None]


BEFORE = maps([[5, 1, 11, 3], [2, 3, 10, 3], [0, 4, 9, 15], [7, 10, 8, 8]])
POOLED = maps([[5, 11], [10, 15]])


def test_pooling():
    assert torch.equal(pool(BEFORE), POOLED)


def test_bed_of_nails():
    wanted = [[5, 0, 11, 0], [0, 0, 0, 0], [10, 0, 15, 0], [0, 0, 0, 0]]
    assert torch.equal(BedOfNails()(POOLED, BEFORE), maps(wanted))


def test_max_unpooling():
    wanted = [[5, 0, 11, 0], [0, 0, 0, 0], [0, 0, 0, 15], [0, 10, 0, 0]]
    assert torch.equal(MaxUnpool()(POOLED, BEFORE), maps(wanted))


def test_bilinear():
    wanted = [[5, 6, 9, 11], [6, 8, 10, 12], [9, 10, 12, 14], [10, 11, 14, 15]]
    torch.testing.assert_close(Bilinear()(POOLED, BEFORE), maps(wanted), atol=1, rtol=0)


def test_transposed_convolution():
    up = Transposed(1, kernel=3)
    up.conv.weight.data = maps([[0, 0, 0], [1, 1, 1], [0, 0, 0]])
    wanted = [[1, 3, 2, 5, 3], [0] * 5, [4, 9, 5, 11, 6], [0] * 5, [7, 15, 8, 17, 9]]
    assert torch.equal(up(maps([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), BEFORE), maps(wanted))


@pytest.mark.parametrize("name", WAYS)
def test_each_way_doubles_the_size_and_has_a_gradient(name):
    x = torch.rand(2, 4, 3, 5, requires_grad=True)
    enlarged = way_up(name, 4)(x, torch.rand(2, 4, 6, 10))
    enlarged.sum().backward()
    assert enlarged.shape == (2, 4, 6, 10)
    assert (x.grad > 0).all()


def test_an_unknown_way_is_reported():
    with pytest.raises(UnknownName, match="did you mean 'max_unpooling'"):
        way_up("max_unpool", 4)


def noise(kind, dtype):
    """Maps (2, 3, 16, 24) as a network makes them, ties included."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, *SIZE)
    made = {
        "noise": x,
        "relu": F.relu(x - 1),  # three of eight windows are all zeros
        "ties": x.mul(2).round(),
        "zeros": torch.zeros_like(x),
        "infinite": torch.where(x > 1, torch.inf, x),
    }[kind]
    return made.to(dtype).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["noise", "relu", "ties", "zeros", "infinite"])
def test_max_unpooling_is_torchs_and_so_is_its_gradient(kind, dtype):
    before = noise(kind, dtype)
    x = torch.randn(2, 3, SIZE[0] // 2, SIZE[1] // 2).to(dtype)
    seen = torch.randn(2, 3, *SIZE).to(dtype)

    def run(unpool):
        given = x.clone().requires_grad_()
        unpooled = unpool(given)
        return unpooled.detach(), *torch.autograd.grad(unpooled, given, seen)

    indices = F.max_pool2d(before, 2, return_indices=True)[1]
    wanted = run(lambda given: F.max_unpool2d(given, indices, 2))
    got = run(lambda given: MaxUnpool()(given, before))
    assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))


def test_the_places_of_the_maxima_carry_no_gradient():
    before = torch.randn(1, 1, 4, 4, requires_grad=True)
    assert not first_maximum(before).requires_grad


class Hourglass(nn.Module):
    """Down and up once; what the pooling got and the unpooled, each through a 1x1 convolution.

    It changes nothing, but OpenVINO computes what follows the last convolution in fp32.
    """

    def __init__(self, unpool):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.unpool = nn.Conv2d(3, 16, 3, padding=1), unpool
        self.last = nn.Conv2d(16, 16, 1, bias=False)
        nn.init.dirac_(self.last.weight)

    def forward(self, x):
        before = F.relu(self.conv(x) - 0.3)
        # Never 0, so that a 0 in the result marks an empty place.
        unpooled = self.unpool(pool(before) + 1, before)
        return self.last(before), self.last(unpooled)


class Torchs(nn.Module):
    def forward(self, x, before):
        return F.max_unpool2d(x, F.max_pool2d(before, 2, return_indices=True)[1], 2)


def exported(unpool, path, dtype=torch.float32):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Hourglass(unpool).to(dtype).eval(),
            (torch.zeros(1, 3, *SIZE, dtype=dtype),),
            opset_version=18,
            dynamo=True,
            verbose=False,
            external_data=False,
        )
    onnx.save(program.model_proto, path)
    return path


def picture(dtype=np.float32):
    return np.random.default_rng(0).normal(size=(1, 3, *SIZE)).astype(dtype)


def in_onnxruntime(path, given):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(y) for y in session.run(None, {session.get_inputs()[0].name: given})]


def in_openvino(path, given, precision):
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    found = compiled(given)
    return [torch.from_numpy(found[output]) for output in compiled.outputs]


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return exported(MaxUnpool(), tmp_path_factory.mktemp("ours") / "model.onnx")


def test_the_exported_max_unpooling_needs_no_scatter(ours, tmp_path):
    theirs = exported(Torchs(), tmp_path / "model.onnx")
    assert "ScatterND" in {node.op_type for node in onnx.load(theirs).graph.node}
    nodes = onnx.load(ours).graph.node
    assert {n.op_type for n in nodes} <= {
        "Add", "Cast", "Conv", "Equal", "MaxPool", "Mul", "Relu", "Resize", "Sub"
    }  # fmt: skip
    assert all(len(n.output) == 1 for n in nodes)  # TensorRT lacks MaxPool indices


@pytest.mark.parametrize("run", [in_onnxruntime, lambda *given: in_openvino(*given, "f32")])
def test_the_exported_max_unpooling_is_torchs(ours, run):
    before, unpooled = run(ours, picture())
    assert (before == 0).float().mean() > 0.2
    assert torch.equal(unpooled, Torchs()(pool(before) + 1, before))


def test_it_is_exported_in_float16(tmp_path):
    path = exported(MaxUnpool(), tmp_path / "model.onnx", torch.float16)
    before, unpooled = in_onnxruntime(path, picture(np.float16))
    assert unpooled.dtype == torch.float16
    assert torch.equal(unpooled, Torchs()(pool(before) + 1, before))


def test_in_bf16_each_window_has_one_place_and_it_holds_the_maximum(ours):
    if "bf16" not in backends.precisions("openvino"):
        pytest.skip("this processor has no bf16")
    before, unpooled = in_openvino(ours, picture(), "bf16")
    places = unpooled != 0
    assert (F.avg_pool2d(places.float(), 2) * 4 == 1).all()
    assert torch.equal(pool(before * places), pool(before))
