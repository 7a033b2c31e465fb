"""The contract of every architecture; a new file in lanes/models is tested automatically."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional as F

from lanes import plugins
from lanes.errors import BadConfig
from lanes.export import to_onnx
from lanes.models import _network
from lanes.models._network import Network

SMALL = {
    "fcn": {"width": 0.25, "channels": 64},
    "naive": {"channels": 16, "layers": 4},
    "segnet": {"width": 0.25},
    "segnet_basic": {"channels": 16},
}
"""Options that keep large architectures fast; test_architectures.py covers their full size."""
VARIANTS = (
    ("segnet_lite", {"upsample": "bed_of_nails"}),
    ("segnet_lite", {"upsample": "transposed"}),
    ("fcn_efficientnet_lite0", {"finest": 8}),
)
CASES = {name: (name, SMALL.get(name, {})) for name in plugins.names("models")} | {
    f"{name} {' '.join(map(str, options.values()))}": (name, SMALL.get(name, {}) | options)
    for name, options in VARIANTS
}
CLASSES = 3
MEAN, STD = (103.5, 116.3, 123.7), (57.4, 57.1, 58.4)


def network(case, seed=0):
    torch.manual_seed(seed)
    name, options = CASES[case]
    return _network.build(name, CLASSES, MEAN, STD, options)


def images(count=2, height=64, width=96, seed=0):
    """Noise, dark on one side and bright on the other."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 100, (count, height, width, 3))
    pictures[:, :, width // 2 :] += 150
    return torch.from_numpy(pictures.astype(np.uint8))


def trained(case, steps=6):
    """An architecture after a few steps of learning dark against bright, and its losses."""
    net = network(case).train()
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    losses = []
    for seed in range(steps):
        batch = images(seed=seed)
        loss = F.cross_entropy(net(batch), (batch[..., 0] > 125).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return net, losses


@pytest.fixture(scope="module", params=CASES)
def built(request):
    net, losses = trained(request.param)
    # The running means follow the weights slowly; a few passes let them catch up.
    with torch.no_grad():
        for seed in range(20):
            net(images(1, 32, 64, seed=seed))
    return request.param, net.eval(), losses


class TestModel:
    @pytest.mark.parametrize("size", [(32, 32), (64, 96), (96, 64), (50, 71), (33, 32)])
    def test_logits_have_the_images_size(self, built, size):
        with torch.inference_mode():
            logits = built[1](images(1, *size))
        assert logits.shape == (1, CLASSES, *size)
        assert logits.isfinite().all()

    def test_the_state_dict_makes_the_same_network(self, built):
        name, net, _ = built
        other = network(name, seed=9).eval()
        other.load_state_dict(net.state_dict())
        with torch.inference_mode():
            assert torch.equal(net(images()), other(images()))

    def test_it_is_deterministic(self, built):
        with torch.inference_mode():
            assert torch.equal(built[1](images()), built[1](images()))

    def test_an_image_does_not_depend_on_its_neighbours_in_the_batch(self, built):
        with torch.inference_mode():
            together, alone = built[1](images()), built[1](images()[:1])
        torch.testing.assert_close(together[:1], alone, rtol=1e-3, atol=1e-3)

    def test_training_steps_lower_the_loss(self, built):
        losses = built[2]
        assert losses[-1] < 0.9 * losses[0]

    def test_every_parameter_gets_a_gradient(self, built):
        net = network(built[0]).train()
        net(images()).square().mean().backward()
        without = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
        assert not without

    def test_the_exported_file_gives_torchs_labels(self, built, tmp_path):
        _, net, _ = built
        to_onnx.write_onnx(net, (64, 96), tmp_path / "model.onnx")
        session = onnxruntime.InferenceSession(
            tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
        )
        picture = images(1).numpy()
        (labels,) = session.run(None, {session.get_inputs()[0].name: picture})
        with torch.inference_mode():
            wanted = to_onnx.Deployed(net)(torch.from_numpy(picture)).numpy()
        assert labels.dtype == np.uint8
        assert labels.shape == (1, 64, 96)
        assert len(np.unique(wanted)) > 1
        assert (labels == wanted).mean() > 0.999

    def test_a_bias_added_to_the_logits_appears_in_them(self, built):
        name, net, _ = built
        if not hasattr(net.model, "add_to_logits"):
            pytest.skip("takes no bias")
        other, given = network(name).eval(), images(height=50, width=70)
        other.load_state_dict(net.state_dict())
        with torch.inference_mode():
            other.add_to_logits((0.5, 0.0, -2.0))
            added = other(given) - net(given)
        wanted = torch.tensor([0.5, 0.0, -2.0])[:, None, None].expand_as(added)
        torch.testing.assert_close(added, wanted, atol=1e-4, rtol=0)

    def test_lite_means_at_most_a_million_parameters(self, built):
        name, net, _ = built
        if not CASES[name][0].endswith("_lite"):
            pytest.skip("not a lite architecture")
        assert sum(p.numel() for p in net.parameters()) <= 1_000_000

    def test_gradients_in_bf16_are_those_of_fp32(self, built):
        """torch 2.14 on the CPU gets some layers wrong in bf16 and channels_last (DESIGN, 8)."""
        exact, rough = (gradients(built[1], bf16) for bf16 in (False, True))
        for name, wanted in exact.items():
            got = rough[name]
            assert got.isfinite().all(), name
            if wanted.norm() < 1e-5:
                continue  # a bias before a normalisation: its gradient is only rounding error
            cosine = F.cosine_similarity(got.flatten(), wanted.flatten(), dim=0)
            assert cosine > 0.9, f"{name}: direction {cosine:.3f}"
            assert 0.8 < got.norm() / wanted.norm() < 1.25, name


def gradients(net, bf16):
    """Gradients by parameter name in the training layout, with evaluation's running means."""
    net = net.to(memory_format=torch.channels_last)
    net.zero_grad()
    given = images(height=96)  # fcn needs at least this, see its docstring
    targets = (given[..., 0] > 125).long()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = net(given)
    F.cross_entropy(logits.float(), targets).backward()
    return {name: p.grad.clone() for name, p in net.named_parameters()}


def test_an_architecture_that_takes_no_bias_is_reported():
    net = Network(torch.nn.Conv2d(3, 3, 1), (0.0,) * 3, (1.0,) * 3)
    with pytest.raises(BadConfig, match="no add_to_logits"):
        net.add_to_logits((0.0, 0.0, 1.0))
