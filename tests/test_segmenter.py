"""A segmenter labels images of any size, and explains a bad model or image."""

from __future__ import annotations

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lanes
from lanes import assets, segmenter
from lanes.errors import BackendError, BadInput, BadModel, UnknownName
from lanes.images.resize import resize_image, resize_labels
from lanes.segmenter import Segmenter
from model_folders import card_of, grey, labels_of, make_model


@pytest.fixture(scope="module")
def loaded(model_folder):
    with segmenter.load(str(model_folder), threads=1) as found:
        yield found


@pytest.mark.parametrize("size", [(64, 96), (1, 1), (720, 1280), (65, 97), (10, 3000)])
def test_labels_have_the_images_size(loaded, size):
    labels = loaded.label(np.full((*size, 3), 200, np.uint8))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, np.full(size, 2))


def test_labels_are_where_the_image_says(loaded):
    image = grey([20, 120, 220], (720, 1440))
    labels = loaded.label(image)
    assert (labels == labels_of(image)).mean() > 0.97
    np.testing.assert_array_equal(labels[:, 100::480], labels_of(image)[:, 100::480])


def test_the_resize_is_the_cards(loaded):
    image = np.random.default_rng(0).integers(0, 256, (333, 555, 3)).astype(np.uint8)
    small = resize_image(image, loaded.card.resize)
    labels = loaded.backend(small[None])[0]
    np.testing.assert_array_equal(loaded.label(image), resize_labels(labels, (333, 555)))


def test_submit_and_result_give_labels_at_the_networks_size(loaded):
    dark, light = np.zeros((100, 100, 3), np.uint8), np.full((50, 70, 3), 255, np.uint8)
    first, second = loaded.submit(dark), loaded.submit(light)
    np.testing.assert_array_equal(loaded.result(first), np.zeros((64, 96)))
    np.testing.assert_array_equal(loaded.result(second), np.full((64, 96), 2))


def test_it_knows_its_task(loaded):
    assert loaded.task.name == "lanes"
    assert loaded.task.class_names == loaded.card.classes


def test_leaving_the_block_closes(model_folder):
    with segmenter.load(str(model_folder)) as found:
        pass
    with pytest.raises(BackendError, match="closed"):
        found.label(np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "cv2.imread"),
        ([[0]], "got list"),
        (np.zeros((4, 4, 3)), "got float64"),
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"shape \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
    ],
)
def test_what_is_no_image(loaded, image, message):
    with pytest.raises(BadInput, match=message):
        loaded.label(image)
    loaded.label(np.zeros((4, 4, 3), np.uint8))


# ------------------------------------------------------------------ models


@pytest.fixture
def weights(model_folder, tmp_path, monkeypatch):
    """A folder weights/ with one model, in place of the included ones."""
    shutil.copytree(model_folder, tmp_path / "lanes-fcn-lite")
    (tmp_path / "README.md").write_text("")
    monkeypatch.setattr(assets, "folder", lambda name: tmp_path)
    return tmp_path


def test_a_model_that_comes_along_is_the_default(weights):
    with lanes.load() as found:
        assert found.card.name == "thresholds"


def test_a_model_is_a_name_or_a_path(weights):
    assert assets.model_names() == ["lanes-fcn-lite"]
    folder = make_model(weights / "elsewhere" / "mine")
    assert assets.model_folder("lanes-fcn-lite") == weights / "lanes-fcn-lite"
    assert assets.model_folder(str(folder)) == folder


@pytest.mark.parametrize("name", ["lanes-fcn-light", ""])
def test_unknown_model(weights, name):
    with pytest.raises(UnknownName, match=r"it has lanes-fcn-lite.*path of a model folder"):
        segmenter.load(name)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_threads_without_shared_are_right_or_told_what_they_need(model_folder, backend):
    picture = grey([20, 120, 220])
    wanted, errors = labels_of(picture), []

    def label(loaded):
        for _ in range(30):
            try:
                np.testing.assert_array_equal(loaded.label(picture), wanted)
            except BackendError as error:
                errors.append(str(error))

    with segmenter.load(str(model_folder), backend) as loaded, ThreadPoolExecutor(5) as threads:
        for done in [threads.submit(label, loaded) for _ in range(5)]:
            done.result()
        np.testing.assert_array_equal(loaded.label(picture), wanted)
    assert all("segmenter.shared()" in error for error in errors)


def test_unknown_model_names_the_nearest(weights):
    with pytest.raises(UnknownName, match="did you mean 'lanes-fcn-lite'"):
        segmenter.load("lanes-fcn-light")


def test_a_file_is_no_model(model_folder):
    with pytest.raises(BadModel, match="is a file; wanted a model folder"):
        segmenter.load(str(model_folder / "model.onnx"))


def test_folder_without_a_network(tmp_path):
    card_of().write(tmp_path)
    with pytest.raises(BadModel, match=r"no model\.onnx"):
        segmenter.load(str(tmp_path))


def test_card_of_an_unknown_task(tmp_path):
    path = make_model(tmp_path) / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "task": "lane"}))
    with pytest.raises(UnknownName, match="did you mean 'lanes'"):
        segmenter.load(str(tmp_path))


def test_card_with_other_classes_than_its_task(loaded):
    card = dataclasses.replace(loaded.card, classes=("background", "road", "line"))
    with pytest.raises(BadModel, match=r"road.*drivable"):
        Segmenter(card, loaded.backend)


def test_a_model_of_three_classes_runs_and_reports_three(tmp_path):
    three = ("background", "drivable", "lane line")
    with segmenter.load(str(make_model(tmp_path / "old", classes=three)), threads=1) as old:
        labels = old.label(grey([20, 120, 220]))
        assert labels.max() == 2
        assert set(old.task.measure(labels)) >= {"drivable share", "lane line share"}
    wrong = make_model(tmp_path / "wrong", classes=("background", "lane line"))
    with pytest.raises(BadModel, match="export the model again"):
        segmenter.load(str(wrong))


@pytest.mark.parametrize("size", [(64, 96), (200, 301)])
def test_scores_have_the_images_size(trained_folder, size):
    image = grey([20, 120, 220], size)
    with segmenter.load(str(trained_folder), "onnxruntime") as found:
        scores, labels = found.scores(image), found.label(image)
        assert (scores.shape, scores.dtype) == ((3, *size), np.float16)
        inside = np.s_[:, size[1] // 6 :: size[1] // 3]
        np.testing.assert_array_equal(scores.argmax(0)[inside], labels[inside])
        assert found.scored() is found.scored()
        engine = found.scored().backend
        with pytest.raises(BadInput, match="got no image"):
            found.scores(None)
    assert engine.closed


def test_a_segmenter_made_by_hand_has_no_scores(loaded):
    with pytest.raises(BackendError, match="make it with lanes.load"):
        Segmenter(loaded.card, loaded.backend).scores(grey([20]))
