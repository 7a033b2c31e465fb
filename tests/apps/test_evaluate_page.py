"""The Evaluate page."""

from __future__ import annotations

import io
import json
import zipfile

import cv2
import numpy as np
import pytest

pytest.importorskip("streamlit")

from dashboard_pages import masks
from dashboard_pages.labelled import Picture

from app_pages import button, said
from lanes import tasks
from lanes.errors import BadInput
from model_folders import SIZE, grey, make_model


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


def test_values_of_masks_are_mapped_on_the_page(open_page):
    page = open_page("evaluate")
    page = send(page, {"a.png": BLACK}, {"a.png": np.full(SIZE, 77, np.uint8)})
    assert not page.exception
    assert page.selectbox(key="evaluate-value-77").value == "unknown"
    page.selectbox(key="evaluate-value-77").set_value("background")
    page = button(page, "Evaluate").click().run()
    assert not page.error
    assert {m.label: m.value for m in page.metric}["pixel accuracy"] == "1.000"


def test_masks_of_colours_are_mapped_on_the_page(open_page):
    red = np.zeros((*SIZE, 3), np.uint8)
    red[..., 2] = 255
    page = send(open_page("evaluate"), {"a.png": BLACK}, {"a.png": red})
    page.selectbox(key="evaluate-value-#ff0000").set_value("drivable")
    page = button(page, "Evaluate").click().run()
    assert not page.error
    (table,) = page.dataframe
    assert table.value["measure"].tolist() == ["drivable"]
    assert table.value["IoU"].tolist() == [0]


def zipped(files, how=zipfile.ZIP_STORED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def test_a_zip_is_as_good_as_many_files():
    content = zipped(
        {"a/one.png": b"1", "a/two.JPG": b"2", "__MACOSX/one.png": b"x", "notes.txt": b"x"}
    )
    sent = [Picture("a.zip", content), Picture("three.png", b"3")]
    found = masks.unpacked(sent, (".png", ".jpg"))
    assert [(p.name, p.content) for p in found] == [
        ("one.png", b"1"),
        ("two.JPG", b"2"),
        ("three.png", b"3"),
    ]


def test_a_zip_that_is_damaged_or_a_bomb_is_refused(monkeypatch):
    with pytest.raises(BadInput, match=r"a.zip cannot be unpacked"):
        masks.unpacked([Picture("a.zip", b"PK\x03\x04")], (".png",))
    whole = bytearray(zipped({"a.png": bytes(range(256)) * 40}, zipfile.ZIP_DEFLATED))
    whole[40:60] = b"\xff" * 20  # the deflated content
    with pytest.raises(BadInput, match=r"a.zip cannot be unpacked"):
        masks.unpacked([Picture("a.zip", bytes(whole))], (".png",))
    monkeypatch.setattr(masks, "MOST_BYTES", 1 << 20)
    bomb = zipped({"a.png": bytes(2 << 20)})
    with pytest.raises(BadInput, match=r"a.zip unpacks to over 1 MB"):
        masks.unpacked([Picture("a.zip", bomb)], (".png",))


def test_a_model_without_a_class_does_not_list_it(open_page, arguments, tmp_path):
    three = tasks.load("lanes").class_names[:3]
    arguments.append(f"--model={make_model(tmp_path / 'old', classes=three)}")
    page = open_page("evaluate")
    page.selectbox(key="evaluate-model").set_value("old").run()
    assert not any("implied line" in caption.value for caption in page.caption)
    page = send(page, {"a.png": BLACK}, {"a.png": np.where(np.eye(*SIZE) > 0, 3, 0).astype("u1")})
    assert not page.error
    assert {m.label: m.value for m in page.metric}["mIoU"] == "1.000"
    names = {row["predicted"] for row in page.session_state["evaluate-found"].shares()}
    assert names == set(three)
