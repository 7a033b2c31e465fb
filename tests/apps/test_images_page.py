"""The Images page: results shown and downloaded for uploaded images."""

from __future__ import annotations

import csv
import io
import zipfile

import cv2
import numpy as np
import pytest

from app_pages import button, labels, said
from lanes import segmenter, tasks
from lanes.errors import BadInput
from lanes.images.resize import Resize
from lanes.pipeline import wrong_pictures
from lanes.pipeline.label_images import ImageOptions
from model_folders import card_of, grey, write_network

pytest.importorskip("streamlit")

from dashboard_pages.images import rows
from dashboard_pages.labelled import Picture, label, unique

TILE = (64, 96)


def png(image):
    return cv2.imencode(".png", image)[1].tobytes()


def smear(*places):
    """Cells of radius 20 at `places` (x, y), each with a nucleus of radius 8."""
    image = np.full((150, 220, 3), 20, np.uint8)
    for place in places:
        cv2.circle(image, place, 20, (128,) * 3, cv2.FILLED)
        cv2.circle(image, place, 8, (200,) * 3, cv2.FILLED)
    return image


@pytest.fixture(scope="module")
def cells_folder(tmp_path_factory):
    """A model of the task blood_cells that labels by grey value, in tiles."""
    folder = tmp_path_factory.mktemp("models") / "cells"
    folder.mkdir()
    classes, resize = tasks.load("blood_cells").class_names, Resize(TILE, mode="tile")
    card = card_of(TILE, name="cells", task="blood_cells", classes=classes, resize=resize)
    card.write(folder)
    write_network(folder / "model.onnx", TILE)
    return folder


def test_sent_images_are_labelled_as_lanes_image_does(model_folder):
    sent = [Picture("../../a.png", png(grey([0, 100, 250]))), Picture("b.png", b"broken")]
    with segmenter.load(str(model_folder), "onnxruntime") as loaded:
        found = label(sent, loaded, ImageOptions())
    assert list(found.shown) == ["../../a.png"]
    assert [row["image"] for row in rows(found.summary)] == ["../../a.png"]
    assert rows(found.summary)[0]["lane_line_share"] == pytest.approx(1 / 3, abs=0.02)
    assert found.skipped[0].startswith("b.png is damaged")
    with zipfile.ZipFile(io.BytesIO(found.archive)) as archive:
        names = archive.namelist()
        ids = cv2.imdecode(
            np.frombuffer(archive.read("001_a_labels.png"), np.uint8), cv2.IMREAD_UNCHANGED
        )
    assert names == ["summary.csv", "001_a_overlay.png", "001_a_labels.png"]
    assert np.unique(ids).tolist() == [0, 1, 2]


def test_nothing_of_them_stays_on_the_disk(model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with segmenter.load(str(model_folder), "onnxruntime") as loaded:
        label([Picture("a.png", png(grey([0])))], loaded, ImageOptions())
        with pytest.raises(BadInput, match="^a.png is empty"):
            label([Picture("a.png", b"")], loaded, ImageOptions())
    assert list(tmp_path.iterdir()) == []


def test_images_with_the_same_name_get_unique_names():
    named = unique([Picture("a.png", b"1"), Picture("b.png", b"2"), Picture("a.png", b"3")])
    assert [picture.name for picture in named] == ["a.png", "b.png", "a.png (2)"]


def test_an_empty_page_asks_for_images(open_page):
    page = open_page("images")
    assert page.title[0].value == "Images"
    assert not page.dataframe
    assert not page.exception


def test_several_images_at_once(open_page):
    page = open_page("images")
    sent = [(f"{n}.png", png(grey([0, 10 * n])), "image/png") for n in range(1, 4)]
    page.file_uploader[0].set_value(sent).run()
    assert not page.exception
    assert not page.error
    assert page.selectbox(key="images-chosen").options == ["1.png", "2.png", "3.png"]
    assert page.metric[0].value == "3"
    assert page.dataframe[0].value["image"].tolist() == ["1.png", "2.png", "3.png"]
    assert labels(page.download_button) == ["Table of images", "All files"]
    page.selectbox(key="images-chosen").select("3.png").run()
    assert page.selectbox(key="images-chosen").value == "3.png"


def test_one_broken_image_is_named_and_left_out(open_page):
    page = open_page("images")
    sent = [("a.png", png(grey([0])), "image/png"), ("broken.png", b"no", "image/png")]
    page.file_uploader[0].set_value(sent).run()
    assert said(page.warning[0]).startswith("broken.png is damaged")
    assert page.metric[0].value == "1"


def test_no_image_that_can_be_read_is_an_error_with_its_name(open_page):
    page = open_page("images")
    page.file_uploader[0].set_value([("holiday.png", b"no", "image/png")]).run()
    assert said(page.error[0]).startswith("holiday.png is damaged")
    assert "image_0001" not in said(page.error[0])


def test_drawn_images_need_no_upload(open_page):
    page = button(open_page("images"), "Try synthetic images").click().run()
    assert not page.exception
    assert page.selectbox(key="images-chosen").options[0] == "demo_1.png"


def test_cells_are_counted_and_measured(open_page, arguments, cells_folder):
    arguments[1:] = [f"--model={cells_folder}"]
    page = open_page("images")
    page.number_input(key="images-scale").set_value(0.5)
    sent = [
        ("two.png", png(smear((60, 60), (150, 80))), "image/png"),
        ("cut.png", png(smear((0, 60), (100, 60), (180, 100))), "image/png"),
    ]
    page.file_uploader[0].set_value(sent).run()
    assert not page.exception
    assert {m.label: m.value for m in page.metric}["Cells"] == "5"
    assert {m.label: m.value for m in page.metric}["At the edge"] == "1"
    cells = page.dataframe[0].value
    assert cells["image"].tolist() == ["two.png"] * 2
    assert cells["diameter_um"].tolist() == pytest.approx([20, 20], abs=1)
    assert "Table of cells" in labels(page.download_button)
    found = page.session_state["images-found"]
    table = list(csv.DictReader(io.StringIO(found.cells)))
    assert [row["image"] for row in table] == ["two.png"] * 2 + ["cut.png"] * 3


def test_a_model_says_what_it_is_for_and_another_is_one_click_away(
    open_page, arguments, cell_models
):
    arguments.append(f"--model={cell_models['cell_count']}")
    page = open_page("images")
    assert any("is for pictures from a car" in said(caption) for caption in page.caption)
    page.button(key="images-switch-cell_count").click().run()
    assert not page.exception
    assert page.selectbox(key="images-model").value == "cell_count"
    assert any("is for micrographs of blood smears" in said(caption) for caption in page.caption)


def test_a_wrong_kind_of_picture_is_named_and_the_right_model_is_one_click_away(
    open_page, arguments, cell_models, monkeypatch
):
    monkeypatch.setitem(wrong_pictures.OFFERED, "slide", "cell_count")
    arguments.append(f"--model={cell_models['cell_count']}")
    page = open_page("images")
    slide = np.full((90, 160, 3), 240, np.uint8)
    page.file_uploader[0].set_value([("s.png", png(slide), "image/png")]).run()
    assert said(page.warning[0]).startswith("s.png looks like a slide under a microscope")
    page.button(key="images-use-cell_count").click().run()
    assert not page.exception
    assert page.selectbox(key="images-model").value == "cell_count"
    assert not page.warning
