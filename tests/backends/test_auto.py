"""The choice "auto": the fastest that works, timed once and cached; these tests fake the timing."""

from __future__ import annotations

import itertools
import shutil
from contextlib import closing
from dataclasses import replace

import numpy as np
import onnx
import pytest

from lanes import assets, backends, plugins
from lanes import card as cards
from lanes.backends import _auto, _cache
from lanes.errors import BackendError, BadModel, MissingDependency, UnknownName
from model_folders import card_of, grey, labels_of, make_model

pytest.importorskip("openvino")
IMAGES = grey([10, 100, 200])[None]
CANDIDATES = set(_auto.CANDIDATES)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    # The same candidates on all machines, even with a GPU.
    monkeypatch.setattr(_auto, "CANDIDATES", _auto.PREFERENCE)
    return assets.cache_folder("auto")


@pytest.fixture
def times(monkeypatch):
    """Fake seconds per image by backend; `asked` lists the backends that were timed."""

    class Times(dict):
        asked: list

    found = Times(openvino=0.010, onnxruntime=0.020, int8=0.005)
    found.asked = []

    def seconds(backend, size):
        found.asked.append(backend.name)
        return found["int8" if backend.precision == "int8" else backend.name]

    monkeypatch.setattr(_auto, "seconds", seconds)
    return found


def test_the_fastest_is_chosen(model_folder, times):
    by_name = {choice.name: choice for choice in backends.choices(model_folder)}
    assert by_name["openvino"].chosen
    assert by_name["openvino"].milliseconds == pytest.approx(10)
    assert by_name["onnxruntime"] == backends.Choice("onnxruntime", "fp32", 20.0)
    backend = backends.load("auto", model_folder)
    assert backend.name == "openvino"
    np.testing.assert_array_equal(backend(IMAGES), labels_of(IMAGES))
    backend.close()


def test_another_machine_another_choice(model_folder, times):
    times["openvino"] = 0.030
    backend = backends.load("auto", model_folder)
    assert backend.name == "onnxruntime"
    backend.close()


@pytest.fixture
def quantised(tmp_path):
    """A model with an "int8" network and a card that gives its accuracy cost."""
    folder = make_model(tmp_path / "quantised")
    shutil.copy(folder / "model.onnx", folder / "model.int8.onnx")
    replace(cards.read(folder), int8={"roads: iou": {"fp32": 0.9, "int8": 0.8}}).write(folder)
    return folder


@pytest.mark.parametrize("asked", ["auto", "openvino"])
def test_int8_is_chosen_where_it_is_the_fastest(quantised, times, asked):
    with closing(backends.load(asked, quantised)) as backend:
        assert (backend.name, backend.precision) == ("openvino", "int8")
    times["int8"] = 0.0095  # not enough gain for the cost
    with closing(backends.load(asked, quantised, threads=2)) as backend:
        assert backend.name == "openvino"
        assert backend.precision != "int8"
    with closing(backends.load(asked, quantised, "fp32")) as backend:
        assert backend.precision == "fp32"


def test_int8_is_a_candidate_beside_the_others(quantised, times):
    found = backends.choices(quantised)
    assert [choice.name for choice in found] == ["openvino", "openvino", "onnxruntime"]
    assert found[1] == backends.Choice("openvino", "int8", 5.0, chosen=True)
    with closing(backends.load("onnxruntime", quantised)) as backend:
        assert backend.precision == "fp32"


def test_int8_whose_cost_is_not_known_is_never_chosen(quantised, times):
    replace(cards.read(quantised), int8={}).write(quantised)
    for asked in ("auto", "openvino"):
        with closing(backends.load(asked, quantised)) as backend:
            assert backend.precision != "int8"
    with closing(backends.load("openvino", quantised, "int8")) as backend:
        assert backend.precision == "int8"


def test_another_int8_network_is_timed_again(quantised, times):
    backends.choices(quantised)
    model = onnx.load(quantised / "model.int8.onnx")
    model.doc_string = "calibrated on more"
    onnx.save(model, quantised / "model.int8.onnx")
    backends.choices(quantised)
    assert len(times.asked) == 6


def test_the_choice_is_remembered(model_folder, times):
    first = backends.choices(model_folder)
    assert times.asked == ["openvino", "onnxruntime"]
    times["onnxruntime"] = 0.001
    assert backends.choices(model_folder) == first
    backends.load("auto", model_folder).close()
    assert times.asked == ["openvino", "onnxruntime"]


def test_the_choice_is_for_one_model_and_one_wish(model_folder, times, tmp_path):
    backends.choices(model_folder)
    wishes = [{"precision": "fp32"}, {"threads": 1}, {"hint": "throughput"}, {"device": "cpu"}]
    for count, wish in enumerate(wishes, start=2):
        backends.choices(model_folder, **wish)
        assert len(times.asked) == 2 * count
    other = make_model(tmp_path / "other", (32, 96))
    backends.choices(other)
    assert len(times.asked) == 2 * (len(wishes) + 2)
    # The same network in another place counts as the same.
    shutil.copytree(model_folder, tmp_path / "copy")
    backends.choices(tmp_path / "copy")
    assert len(times.asked) == 2 * (len(wishes) + 2)


@pytest.mark.parametrize("of", ["_engines", "_machine"])
def test_other_engines_or_another_machine_are_timed_again(model_folder, times, monkeypatch, of):
    backends.choices(model_folder)
    monkeypatch.setattr(_auto, of, lambda: ("another",))
    backends.choices(model_folder)
    assert len(times.asked) == 4


def test_engines_are_known_by_their_files():
    found = dict(_auto._engines())
    assert any("onnxruntime" in place for place in found)
    assert min(found.values()) > 0
    processor, _, cores = _auto._machine()
    assert cores >= 1
    assert "MHz" not in processor  # which changes all the time


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_damaged_cache_file_is_rewritten(model_folder, times, cache, content):
    first = backends.choices(model_folder)
    (memory,) = cache.iterdir()
    if content is None:  # intact, but from another version of lanes
        _cache.write("auto", memory.name, b'[{"speed": 3}]')
    else:
        memory.write_bytes(content)
    assert backends.choices(model_folder) == first
    assert len(times.asked) == 4
    backends.choices(model_folder)
    assert len(times.asked) == 4


def test_a_home_that_cannot_be_written(model_folder, times, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for count in (2, 4):
        backend = backends.load("auto", model_folder)
        np.testing.assert_array_equal(backend(IMAGES), labels_of(IMAGES))
        backend.close()
        assert len(times.asked) == count


@pytest.fixture
def broken(monkeypatch):
    """Backends that fail to load: {name: error}; changes take effect at once."""
    errors = {}
    real = backends._Loader.load

    def load(loader, name, precision):
        if name in errors:
            raise errors[name]
        return real(loader, name, precision)

    monkeypatch.setattr(backends._Loader, "load", load)
    return errors


def test_failures_are_left_out_with_their_reason(model_folder, times, broken):
    broken["openvino"] = BackendError("out of memory")
    first = {choice.name: choice for choice in backends.choices(model_folder)}
    assert first["openvino"] == backends.Choice("openvino", reason="out of memory")
    assert first["onnxruntime"].chosen
    assert {choice.name: choice for choice in backends.choices(model_folder)} == first
    assert times.asked == ["onnxruntime"]


def test_what_was_remembered_and_no_longer_runs(model_folder, times, broken):
    assert backends.choices(model_folder)
    broken["openvino"] = MissingDependency("libtbb is gone")
    backend = backends.load("auto", model_folder)
    assert backend.name == "onnxruntime"
    backend.close()
    # The new choice is cached, too.
    timed = len(times.asked)
    backends.load("auto", model_folder).close()
    assert len(times.asked) == timed


def test_none_is_installed(model_folder, times, broken):
    for name in _auto.CANDIDATES:
        broken[name] = MissingDependency(f"backends/{name} needs something")
    with pytest.raises(MissingDependency, match=r"no backend.*openvino.*onnxruntime"):
        backends.load("auto", model_folder)
    assert not any(choice.chosen for choice in backends.choices(model_folder))
    broken.clear()
    backends.load("auto", model_folder).close()  # a failure is not cached


def test_the_models_own_faults(tmp_path, model_folder, times):
    card_of().write(tmp_path)
    with pytest.raises(BadModel, match=r"no model\.onnx"):
        backends.load("auto", tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"hello\n")
    with pytest.raises(BadModel, match="export the checkpoint again"):
        backends.load("auto", tmp_path)
    with pytest.raises(UnknownName, match="'fp23'"):
        backends.load("auto", model_folder, precision="fp23")
    assert times.asked == []


def test_neither_the_reference_nor_the_baseline_is_chosen():
    assert {"torch", "classical"} <= set(plugins.names("backends"))
    assert not {"torch", "classical"} & CANDIDATES


@pytest.mark.parametrize("depth", [1, 3])
def test_seconds_are_of_an_image_with_all_in_flight(monkeypatch, depth):
    class Backend:
        """Takes a second per image, on a clock that it advances itself."""

        flying, done, most = 0, 0, 0

        def submit(self, images):
            assert images.shape == (1, 64, 96, 3)
            self.flying += 1
            self.most = max(self.most, self.flying)
            return next(numbers)

        def result(self, number):
            assert number == self.done + 1  # in order of submission
            self.done, self.flying = number, self.flying - 1
            clock[0] += 1

        def __call__(self, images):
            self.result(self.submit(images))

    clock, numbers = [0.0], itertools.count(1)
    monkeypatch.setattr(_auto.time, "perf_counter", lambda: clock[0])
    backend = Backend()
    backend.depth = depth
    assert _auto.seconds(backend, (64, 96)) == 1
    assert backend.most == depth
    assert backend.flying == 0


def test_a_real_timing(model_folder, monkeypatch):
    monkeypatch.setattr(_auto, "SECONDS", 0.01)
    found = backends.choices(model_folder, threads=1)
    timed = [choice for choice in found if choice.milliseconds]
    assert {"openvino", "onnxruntime"} >= {choice.name for choice in timed} != set()
    assert min(timed, key=lambda choice: choice.milliseconds).chosen
