"""ONNX Runtime: providers by name, and an error if the CPU would silently do the work."""

from __future__ import annotations

import numpy as np
import pytest

from lanes import backends, plugins
from lanes.errors import BackendError, BadModel, UnknownName
from model_folders import grey, labels_of, make_model

onnxruntime = pytest.importorskip("onnxruntime")
module = plugins.load("backends", "onnxruntime")
IMAGES = grey([10, 100, 200])[None]


@pytest.mark.parametrize("device", ["cpu", "CPU", "CPUExecutionProvider"])
def test_a_provider_has_a_long_and_a_short_name(model_folder, device):
    backend = backends.load("onnxruntime", model_folder, device=device)
    np.testing.assert_array_equal(backend(IMAGES), labels_of(IMAGES))
    assert backend.device == "cpu"
    backend.close()


def test_any_provider_of_the_build_has_a_name(monkeypatch):
    have = ["CUDAExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: have)
    assert module._provider("cuda") == have[0]
    assert module._provider("coremlexecutionprovider") == have[1]
    assert backends.precisions("onnxruntime", "coreml") == ("fp32",)
    with pytest.raises(UnknownName, match="'tensorrt'; it has coreml, cpu, cuda"):
        backends.precisions("onnxruntime", "tensorrt")


def test_a_provider_that_takes_no_part_is_refused(model_folder):
    """Every build has Azure's provider, which runs no layers: the CPU would run them all."""
    if "AzureExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this build has no such provider")
    with pytest.raises(BackendError, match="Azure.* supports no part .* use --device cpu"):
        backends.load("onnxruntime", model_folder, device="azure")


class Session:
    """A session as ONNX Runtime creates it without CUDA's libraries."""

    def __init__(self, *used, providers=("CPUExecutionProvider",)):
        self.used, self.providers = used, providers

    def get_providers(self):
        return list(self.providers)

    def get_provider_graph_assignment_info(self):
        return [type("Part", (), {"ep_name": name}) for name in self.used]


def test_a_provider_that_does_not_start_is_refused():
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    with pytest.raises(BackendError, match="could not start CUDA.*--device cpu"):
        module._check_use(Session(cpu), cuda)
    both = (cuda, cpu)
    with pytest.raises(BackendError, match="supports no part"):
        module._check_use(Session(cpu, providers=both), cuda)
    # The CPU may run the layers that the provider does not support.
    module._check_use(Session(cpu, cuda, providers=both), cuda)
    module._check_use(Session(cpu), cpu)


def test_threads_and_optimisations_reach_the_session(model_folder):
    backend = backends.load("onnxruntime", model_folder, threads=1)
    options = backend.session.get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    backend.close()


def test_int8_runs_the_quantised_network(tmp_path):
    folder = make_model(tmp_path / "model")
    assert backends.precisions("onnxruntime", folder=folder) == ("fp32",)
    with pytest.raises(BadModel, match=r"no model\.int8\.onnx .*run lanes quantize"):
        backends.load("onnxruntime", folder, "int8")
    (folder / "model.onnx").rename(folder / "model.int8.onnx")
    (folder / "model.onnx").write_text("not this one")
    assert backends.precisions("onnxruntime", folder=folder) == ("fp32", "int8")
    backend = backends.load("onnxruntime", folder, "int8")
    np.testing.assert_array_equal(backend(IMAGES), labels_of(IMAGES))
    assert backend.precision == "int8"
    backend.close()
