"""Class probabilities: the softmax of the logits whose ArgMax the labels are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import onnx
import pytest
from onnx import helper

from lanes import assets, backends, plugins, segmenter
from lanes import card as cards
from lanes.backends._scores_graph import SCORES, with_scores
from lanes.datasets import _samples
from lanes.errors import BackendError, BadModel, MissingDependency
from lanes.images.resize import Resize
from model_folders import SIZE, card_of, grey, labels_of, make_trained, write_network

WITH_SCORES = ("onnxruntime", "openvino", "torch")
IMAGES = grey([0, 84, 85, 86, 169, 170, 171, 255])[None]
ROUNDING = 2**-11
"""Half a unit in the last place of float16 numbers up to 1, twice."""


def scores_of(images):
    """The probabilities (N, 3, H, W) of the network of `make_trained`, from its logits."""
    green = images[..., 1].astype(np.float64)
    logits = np.stack([np.zeros_like(green), green - 84.5, 2 * green - 254], 1)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def scored(backend, images):
    pending = backend.submit(images)
    return backend.result(pending), pending.scores


def check(scores, labels):
    """The label of each pixel has the highest score; they are shares of 1."""
    assert scores.dtype == np.float16
    assert scores.min() >= 0
    exact = scores.astype(np.float32)
    own = np.take_along_axis(exact, labels[:, None].astype(int), 1)[:, 0]
    np.testing.assert_array_equal(own, exact.max(1))
    np.testing.assert_allclose(exact.sum(1), 1, atol=scores.shape[1] * ROUNDING / 2)
    differ = exact.argmax(1) != labels
    # Only where two classes are alike after rounding.
    assert (np.sort(exact, 1)[:, -2] == own)[differ].all()
    assert differ.mean() < 1e-3


@pytest.fixture(params=WITH_SCORES)
def name(request):
    try:
        backends.precisions(request.param)
    except MissingDependency as error:
        pytest.skip(str(error))
    return request.param


def test_scores_are_the_softmax_of_the_logits(name, trained_folder):
    for precision in backends.precisions(name):
        for _ in range(2):  # OpenVINO's second load comes from the cache
            with closing(
                backends.load(name, trained_folder, precision, threads=1, scores=True)
            ) as backend:
                labels, scores = scored(backend, IMAGES)
            np.testing.assert_array_equal(labels, labels_of(IMAGES))
            assert scores.shape == (1, 3, *SIZE)
            np.testing.assert_allclose(scores, scores_of(IMAGES), atol=ROUNDING)
            check(scores, labels)


def test_without_them_the_network_is_as_it_was(name, trained_folder):
    with closing(backends.load(name, trained_folder, threads=1)) as backend:
        labels, scores = scored(backend, IMAGES)
        assert scores is None
        np.testing.assert_array_equal(labels, labels_of(IMAGES))
    with closing(backends.load("onnxruntime", trained_folder)) as backend:
        assert [output.name for output in backend.session.get_outputs()] == ["labels"]


def test_scores_outlive_the_next_batch(name, trained_folder):
    with closing(backends.load(name, trained_folder, scores=True)) as backend:
        flying = [backend.submit(images) for images in (IMAGES, IMAGES[:, :, ::-1].copy())]
        for pending in flying:
            backend.result(pending)
        backend(np.zeros_like(IMAGES))
        for pending, images in zip(flying, (IMAGES, IMAGES[:, :, ::-1]), strict=True):
            np.testing.assert_allclose(pending.scores, scores_of(images), atol=ROUNDING)


def test_the_fastest_backend_has_them_too(trained_folder):
    with closing(backends.load("auto", trained_folder, scores=True)) as backend:
        check(scored(backend, IMAGES)[1], labels_of(IMAGES))


@pytest.mark.parametrize("model", assets.model_names())
def test_shipped_models(name, model):
    folder = assets.model_folder(model)
    (images,) = _samples.images(cards.read(folder), 1)
    with (
        closing(backends.load(name, folder, scores=True)) as backend,
        closing(backends.load(name, folder, backend.precision)) as plain,
    ):
        labels, scores = scored(backend, images)
        np.testing.assert_array_equal(labels, plain(images))
    check(scores, labels)


def test_threads_share_them(trained_folder):
    with segmenter.load(str(trained_folder), "onnxruntime") as loaded:
        shared = loaded.shared()
        images = [grey([level, 128], SIZE) for level in range(0, 250, 25)]
        with ThreadPoolExecutor(4) as threads:
            for image, scores in zip(images, threads.map(shared.scores, images), strict=True):
                np.testing.assert_allclose(scores, scores_of(image[None])[0], atol=ROUNDING)
        engine = shared.scored().backend.backend
        assert not engine.closed
    assert engine.closed


@pytest.mark.parametrize("size", [(64, 96), (100, 300), (30, 20)])
def test_tiles_are_joined(tmp_path, size):
    folder = make_trained(tmp_path / "tiled", resize=Resize(SIZE, mode="tile"))
    image = np.random.default_rng(0).integers(0, 256, (*size, 1), np.uint8).repeat(3, 2)
    with segmenter.load(str(folder), "onnxruntime") as loaded:
        np.testing.assert_allclose(loaded.scores(image), scores_of(image[None])[0], atol=ROUNDING)


def test_a_backend_without_a_network_has_none(tmp_path):
    card_of().write(tmp_path)
    with pytest.raises(BackendError, match="classical has no class probabilities.*openvino"):
        backends.load("classical", tmp_path, scores=True)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_labels_that_are_no_argmax(model_folder, backend):
    path = model_folder / "model.onnx"
    with pytest.raises(BadModel, match=f"^{path} has no class prob.*a model of lanes export"):
        backends.load(backend, model_folder, scores=True)


def changed(folder, change):
    """The folder of a trained model whose network `change` has altered."""
    path = make_trained(folder) / "model.onnx"
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    return path


def test_an_argmax_of_something_else(tmp_path):
    def rows(model):
        (argmax,) = (node for node in model.graph.node if node.op_type == "ArgMax")
        del argmax.attribute[:]
        argmax.attribute.append(helper.make_attribute("axis", 2))

    with pytest.raises(BadModel, match=r"^/\S+ has no class prob.*not the ArgMax of logits"):
        with_scores(changed(tmp_path, rows))


def test_a_graph_that_bites_its_tail(tmp_path):
    def cycle(model):
        (argmax,) = (node for node in model.graph.node if node.op_type == "ArgMax")
        argmax.op_type, argmax.input[0] = "Cast", "labels"

    with pytest.raises(BadModel, match="has no class probabilities"):
        with_scores(changed(tmp_path, cycle))


def test_an_opset_whose_softmax_joins_axes(tmp_path):
    def old(model):
        model.opset_import[0].version = 12

    with pytest.raises(BadModel, match=r"^/\S+ has no class prob.*opset 13 or newer"):
        with_scores(changed(tmp_path, old))


def test_other_fields_are_passed_over(tmp_path):
    def more(model):
        model.opset_import.append(helper.make_opsetid("com.example", 1))
        helper.set_model_props(model, {"made": "by a test"})
        model.graph.node[0].attribute.append(helper.make_attribute("unused", 1.5))
        model.graph.initializer[0].float_data.append(0.5)

    found = onnx.load_from_string(with_scores(changed(tmp_path, more)))
    assert [output.name for output in found.graph.output] == ["labels", SCORES]
    assert [node.op_type for node in found.graph.node[-2:]] == ["Softmax", "Cast"]
    assert found.graph.node[-2].input == ["logits"]


def test_a_card_with_more_classes_than_channels(tmp_path):
    names = card_of().classes
    assert len(names) == 4
    folder = make_trained(tmp_path, classes=names)
    for backend in ("onnxruntime", "openvino"):
        with pytest.raises(BadModel, match=r"float16 \(1, 3, .*wanted float16 \(1, 4, "):
            backends.load(backend, folder, scores=True)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.7, 0.99, "text"])
def test_a_damaged_file(tmp_path, backend, kept):
    path = make_trained(tmp_path) / "model.onnx"
    whole = path.read_bytes()
    path.write_bytes(b"hello\n" if kept == "text" else whole[: int(len(whole) * kept)])
    with pytest.raises(BadModel, match=r"model\.onnx.*export the checkpoint again"):
        backends.load(backend, tmp_path, scores=True)


def test_two_outputs_of_its_own(tmp_path):
    card_of().write(tmp_path)
    write_network(tmp_path / "model.onnx", outputs=2)
    with pytest.raises(BadModel):
        backends.load("onnxruntime", tmp_path, scores=True)


def test_a_plug_in_that_knows_no_scores(model_folder, monkeypatch):
    class Plain:
        @staticmethod
        def load(folder, precision, device, threads):
            raise AssertionError

    monkeypatch.setattr(plugins, "load", lambda room, name: Plain)
    with pytest.raises(BackendError, match="backend plain has no class probabilities"):
        backends.load("plain", model_folder, scores=True)
