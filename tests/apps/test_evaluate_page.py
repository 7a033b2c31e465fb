"""The Evaluate page."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("streamlit")

from app_pages import button, said
from model_folders import SIZE, grey


def png(array):
    return cv2.imencode(".png", array)[1].tobytes()


def send(page, images, masks):
    page.file_uploader(key="evaluate-images").set_value(
        [(name, png(image), "image/png") for name, image in images.items()]
    )
    page.file_uploader(key="evaluate-masks").set_value(
        [(name, png(mask), "image/png") for name, mask in masks.items()]
    )
    return button(page.run(), "Evaluate").click().run()


RIGHT = np.zeros(SIZE, np.uint8)
WRONG = np.ones(SIZE, np.uint8)
BLACK = grey([0])


def test_figures_matrix_and_worst_images(open_page):
    page = open_page("evaluate")
    assert button(page, "Evaluate").disabled
    page = send(page, {"good.jpg": BLACK, "bad.png": BLACK}, {"good.png": RIGHT, "bad.png": WRONG})
    assert not page.exception
    assert not page.error
    figures = {metric.label: metric.value for metric in page.metric}
    # Half of the pixels are background and correct; the other half is drivable and missed.
    assert figures["pixel accuracy"] == "0.500"
    assert figures["mIoU"] == "0.250"
    (table,) = page.dataframe
    assert table.value["measure"].tolist()[0] == "drivable"
    assert table.value["IoU"].tolist()[0] == 0
    scored = page.session_state["evaluate-found"]
    assert [worst.name for worst in scored.worst] == ["bad.png"] or scored.worst[
        0
    ].name == "bad.png"
    assert {"truth": "drivable", "predicted": "background", "share": 1.0} in scored.shares()
    assert json.loads(scored.found.to_json())["images"] == 2


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({}, "good.jpg has no mask: add good.png"),
        ({"good.png": np.full(SIZE, 77, np.uint8)}, "good.png holds the label 77"),
        ({"good.png": RIGHT[:-2]}, "good.png"),
    ],
)
def test_an_error_names_the_bad_mask(open_page, masks, message):
    page = send(open_page("evaluate"), {"good.jpg": BLACK}, masks)
    assert said(page.error[0]).startswith(message)
    assert "lanes-evaluate" not in said(page.error[0])
    assert not page.dataframe


def test_nothing_is_left_on_the_disk(open_page, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    send(open_page("evaluate"), {"a.png": BLACK}, {"a.png": RIGHT})
    assert not list(tmp_path.glob("lanes-evaluate-*"))
