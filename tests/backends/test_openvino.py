"""OpenVINO: devices, true precisions, and a second start without compiling."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from lanes import assets, backends, plugins
from lanes.errors import BackendError, BadModel, UnknownName
from model_folders import card_of, grey, labels_of, make_model

openvino = pytest.importorskip("openvino")
module = plugins.load("backends", "openvino")
IMAGES = grey([10, 100, 200])[None]
ABLE = set(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return assets.cache_folder("openvino")


@pytest.fixture
def compiled(monkeypatch):
    """Every compiled model that a backend was created from, in order."""
    made = []
    real = module.OpenVinoBackend.__init__

    def init(self, compiled, precision):
        made.append(compiled)
        real(self, compiled, precision)

    monkeypatch.setattr(module.OpenVinoBackend, "__init__", init)
    return made


@pytest.fixture
def no_network(monkeypatch):
    """Call it to make reading a network fail."""

    def fail(path):
        raise AssertionError(f"{path} was read")

    return lambda: monkeypatch.setattr(module, "_read", fail)


def right(folder, **options):
    """Whether the labels of a backend for `folder` are right."""
    backend = backends.load("openvino", folder, **options)
    labels = backend(IMAGES)
    backend.close()
    return np.array_equal(labels, labels_of(IMAGES))


# ------------------------------------------------------------------ the second start


@pytest.mark.parametrize("hint", backends.HINTS)
def test_the_second_start_reads_and_compiles_no_network(model_folder, cache, no_network, hint):
    assert right(model_folder, hint=hint)
    assert len(list(cache.iterdir())) == 1
    no_network()
    assert right(model_folder, hint=hint)
    assert len(list(cache.iterdir())) == 1


def test_the_same_network_elsewhere_is_not_compiled_again(model_folder, tmp_path, no_network):
    assert right(model_folder)
    no_network()
    assert right(shutil.copytree(model_folder, tmp_path / "copy"))


def test_each_wish_has_its_own_file(model_folder, cache):
    wishes = [{"precision": "fp32"}, {"precision": "fp32", "threads": 1}]
    wishes.append({**wishes[1], "hint": "throughput"})
    for count, wish in enumerate(wishes, start=1):
        assert right(model_folder, **wish)
        assert len(list(cache.iterdir())) == count


def test_another_network_under_the_same_name_is_compiled(tmp_path, cache):
    folder = make_model(tmp_path / "model")
    assert right(folder)
    network = folder / "model.onnx"
    state = network.stat()
    changed = network.read_bytes().replace(b"thresholds", b"THRESHOLDS")
    network.write_bytes(changed)
    os.utime(network, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert right(folder)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut off", "of another version"])
def test_a_cache_file_that_does_not_load_is_replaced(model_folder, cache, damage, no_network):
    assert right(model_folder)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    if damage == "cut off":
        path.write_bytes(whole[:-10])
    else:  # intact, as far as we know
        module._cache.write("openvino", path.name, b"x" * 100)
    assert right(model_folder)
    assert len(path.read_bytes()) == len(whole)
    no_network()
    assert right(model_folder)


def test_a_card_that_contradicts_a_network_from_the_cache(tmp_path):
    folder = make_model(tmp_path / "model")
    assert right(folder)
    card_of((32, 96)).write(folder)
    with pytest.raises(BadModel, match=r"wanted uint8 \(1, 32, 96, 3\) in"):
        backends.load("openvino", folder)


def test_it_runs_without_a_cache_folder(model_folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert right(model_folder)
    assert right(model_folder, device="AUTO")


# ------------------------------------------------------------------ devices


@pytest.mark.parametrize("device", ["CPU", "cpu.0", "AUTO", "auto:cpu", "HETERO:CPU"])
def test_every_device_that_openvino_knows(model_folder, device, compiled):
    for _ in range(2):
        backend = backends.load("openvino", model_folder, "fp32", device, threads=1)
        np.testing.assert_array_equal(backend(IMAGES), labels_of(IMAGES))
        # The device that computes, not AUTO.
        assert (backend.device, backend.precision) == ("cpu", "fp32")
        backend.close()
    if device.startswith("AUTO"):
        assert [model.get_property("LOADED_FROM_CACHE") for model in compiled] == [False, True]


def test_several_devices_at_once(model_folder):
    backend = backends.load("openvino", model_folder, device="MULTI:CPU", hint="throughput")
    flying = [backend.submit(IMAGES) for _ in range(backend.depth)]
    for pending in flying:
        np.testing.assert_array_equal(backend.result(pending), labels_of(IMAGES))
    backend.close()


@pytest.mark.parametrize("device", ["gpu.7", "AUTO:TPU", "MULTI:CPU,TPU", "CPU.1", "AUTO:-CPU"])
def test_a_device_that_this_machine_does_not_have(model_folder, device):
    with pytest.raises(UnknownName, match=r"this machine has no '.*'; it has cpu.*auto, multi"):
        backends.load("openvino", model_folder, device=device)


class ManyDevices:
    """A machine with two GPUs, one of which is older, as OpenVINO describes it."""

    available_devices = ("CPU", "GPU.0", "GPU.1", "NPU")

    def get_property(self, device, name):
        assert name == "OPTIMIZATION_CAPABILITIES"
        able = {"CPU": ["FP32", "BF16", "INT8"], "GPU.1": ["FP32", "INT8"], "NPU": ["FP16"]}
        return [*able.get(device, ["FP32", "FP16", "INT8"]), "EXPORT_IMPORT"]


@pytest.mark.parametrize(
    ("device", "name", "precisions"),
    [
        ("cpu", "CPU", ("fp32", "bf16")),
        ("gpu", "GPU", ("fp32", "fp16")),
        ("gpu.1", "GPU.1", ("fp32",)),
        ("npu.0", "NPU", ("fp32", "fp16")),
        ("auto", "AUTO", ("fp32",)),
        ("multi:gpu.0,npu", "MULTI:GPU.0,NPU", ("fp32", "fp16")),
        ("multi:gpu(4),cpu(2)", "MULTI:GPU(4),CPU(2)", ("fp32",)),
        ("auto:-cpu,-gpu.1", "AUTO:-CPU,-GPU.1", ("fp32", "fp16")),
    ],
)
def test_a_device_of_many_has_what_all_of_them_have(device, name, precisions):
    core = ManyDevices()
    assert module._known(core, device) == name
    able = module._capabilities(core, name)
    assert module._precisions(able) == precisions
    # A model on several devices cannot be exported to a file.
    assert ("EXPORT_IMPORT" in able) == (name.partition(":")[0] not in module.COMPOSITE)


# ------------------------------------------------------------------ precision, threads, requests


def test_only_what_the_processor_has_is_offered(model_folder):
    known = backends.precisions("openvino")
    assert ("bf16" in known) == ("BF16" in ABLE)
    assert ("fp16" in known) == ("FP16" in ABLE)
    if "FP16" not in ABLE:
        with pytest.raises(UnknownName, match="'fp16'; it has auto, fp32"):
            backends.load("openvino", model_folder, "fp16")


def test_the_precision_is_what_runs(model_folder, compiled):
    for precision in backends.precisions("openvino"):
        for _ in range(2):  # compiled, and from the cache
            assert right(model_folder, precision=precision)
            precision_type = compiled[-1].get_property("INFERENCE_PRECISION_HINT").get_type_name()
            assert precision_type == module.HINTS[precision]


@pytest.mark.skipif("FP16" in ABLE, reason="this processor computes in half")
def test_another_precision_than_was_asked_for_is_no_success(model_folder, monkeypatch):
    monkeypatch.setattr(module, "_precisions", lambda able: ("fp32", "fp16"))
    with pytest.raises(BackendError, match=r"computes in (f32|bf16) on CPU, wanted f16"):
        backends.load("openvino", model_folder, "fp16")


def test_threads_and_hint_reach_the_engine(model_folder, compiled):
    for _ in range(2):  # compiled, and from the cache
        backends.load("openvino", model_folder, threads=1).close()
        assert compiled[-1].get_property("INFERENCE_NUM_THREADS") == 1
        assert compiled[-1].get_property("PERFORMANCE_HINT") == "LATENCY"
        backend = backends.load("openvino", model_folder, threads=2, hint="throughput")
        backend.close()
        assert compiled[-1].get_property("PERFORMANCE_HINT") == "THROUGHPUT"
        streams = compiled[-1].get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        assert backend.depth == streams + 1
    assert backends.load("openvino", model_folder).depth == 2


def test_int8_runs_the_quantised_network(tmp_path, compiled):
    folder = make_model(tmp_path / "model")
    assert "int8" not in backends.precisions("openvino", folder=folder)
    with pytest.raises(BadModel, match=r"no model\.int8\.onnx .*run lanes quantize"):
        backends.load("openvino", folder, "int8")
    (folder / "model.onnx").rename(folder / "model.int8.onnx")
    (folder / "model.onnx").write_text("not this one")
    assert backends.precisions("openvino", folder=folder)[-1] == "int8"
    backend = backends.load("openvino", folder, "int8")
    np.testing.assert_array_equal(backend(IMAGES), labels_of(IMAGES))
    assert backend.precision == "int8"
    backend.close()
    fastest = next(name for name in module.FASTEST if name in backends.precisions("openvino"))
    precision_type = compiled[-1].get_property("INFERENCE_PRECISION_HINT").get_type_name()
    assert precision_type == module.HINTS[fastest]


# ------------------------------------------------------------------ the process around it


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_leaving_with_images_in_flight_does_not_crash(model_folder):
    done = run(f"""
import numpy as np
from pathlib import Path
from lanes import backends
backend = backends.load("openvino", Path({str(model_folder)!r}), hint="throughput")
images = np.zeros((1, 64, 96, 3), np.uint8)
flying = [backend.submit(images) for _ in range(backend.depth)]
""")
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_openvino_sends_no_telemetry(tmp_path):
    done = run(
        "from lanes import plugins; plugins.load('backends', 'openvino'); import sys; "
        "print('openvino.tools.ovc' in sys.modules, 'openvino_telemetry' in sys.modules); "
        "from openvino.tools import ovc",  # for those who want it
        HOME=str(tmp_path / "home"),
        CI="1",
    )
    assert (done.stdout.split(), done.returncode) == (["False", "False"], 0), done.stderr


# ------------------------------------------------------------------ threads and signals

CLOSED_ELSEWHERE = """
import os, signal, sys, threading
from pathlib import Path
from lanes import backends

engines = [backends.load("openvino", Path(sys.argv[1]))]
thread = threading.Thread(target=lambda: engines.pop().close())
thread.start()
thread.join()
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_after_a_close_in_another_thread_does_no_harm(model_folder):
    command = [sys.executable, "-X", "faulthandler", "-c", CLOSED_ELSEWHERE, str(model_folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
