"""The page of the browser's camera: what is done with a picture, and with what is none."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

pytest.importorskip("streamlit")

from dashboard_pages.camera import LARGEST, Figures, decoded, labelled

from lanes import segmenter
from lanes.errors import BadInput
from lanes.stats import LatencyMeter
from model_folders import grey


def sent(image):
    content = cv2.imencode(".png", image)[1].tobytes()
    return {"number": 1, "picture": base64.b64encode(content).decode()}


def test_a_picture_is_labelled_and_measured(model_folder):
    image = grey([0, 100, 250, 250])
    figures = Figures(LatencyMeter(), {})
    with segmenter.load(str(model_folder), "onnxruntime") as model:
        drawn = labelled(decoded(sent(image)), model, figures)
    assert drawn.shape == image.shape
    assert (drawn[:, :20] == image[:, :20]).all()
    assert not (drawn[:, 80:] == image[:, 80:]).all()
    assert figures.measures["lane line share"] == pytest.approx(0.5, abs=0.02)
    assert figures.inference.count == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "no picture"),
        ({"number": 1}, "no picture"),
        ({"number": "1", "picture": ""}, "no picture"),
        ({"number": 1, "picture": "!"}, "no picture"),
        ({"number": 1, "picture": "A" * (LARGEST + 4)}, "no picture"),
        ({"number": 1, "picture": base64.b64encode(b"words").decode()}, "cannot be read"),
        ({"number": 1, "picture": ""}, "cannot be read"),
    ],
)
def test_what_is_no_picture_is_refused(given, told):
    with pytest.raises(BadInput, match=told):
        decoded(given)


def test_the_page_waits_for_a_picture(open_page):
    page = open_page("camera")
    assert not page.exception
    assert not page.error
    assert not page.metric
    page.selectbox(key="camera-backend").select("onnxruntime").run()
    assert not page.exception
    assert np.isnan(page.session_state["camera-figures"].inference.mean)
