"""The Compare page."""

from __future__ import annotations

import pytest

pytest.importorskip("streamlit")

from app_pages import button, players, said, until
from clips import make_clip
from model_folders import make_model


@pytest.fixture
def page(open_page, arguments, tmp_path):
    arguments.append(f"--model={make_model(tmp_path / 'other')}")
    return open_page("compare")


def pair():
    return players()["compare"].live


def test_two_models_run_on_the_demo(page):
    button(page, "Compare").click().run()
    assert not page.error
    until(lambda: pair().snapshot().frames > 3)
    page.run()
    assert not page.exception
    assert "**thresholds" in page.markdown[0].value
    assert "**other" in page.markdown[1].value
    figures = {metric.label: metric.value for metric in page.metric}
    assert {"Alone", "IoU drivable", "drivable"} <= figures.keys()
    assert float(figures["drivable"]) == 1  # they are the same network
    button(page, "Stop").click().run()
    assert pair().snapshot().state == "stopped"
    button(page, "Close").click().run()
    assert "compare" not in players()


def test_an_upload_is_compared_to_its_end(page, tmp_path):
    clip = make_clip(tmp_path / "drive.mp4", 5, size=(96, 160))
    page.segmented_control(key="compare-source").set_value("Upload").run()
    sent = (clip.name, clip.read_bytes(), "video/mp4")
    page.file_uploader(key="compare-upload").set_value(sent).run()
    button(page, "Compare").click().run()
    until(lambda: pair().snapshot().state == "ended")
    page.run()
    assert pair().snapshot().frames == 5
    assert button(page, "Close")
    assert not [metric for metric in page.metric if metric.label.startswith("IoU")]


def test_the_same_on_both_sides_is_refused(page):
    page.selectbox(key="compare-right-model").select("thresholds").run()
    assert "the same" in said(page.info[0])
    assert button(page, "Compare").disabled


def test_two_tasks_are_refused(open_page, arguments, tmp_path):
    arguments.append(f"--model={make_model(tmp_path / 'cells', task='blood_cells')}")
    page = open_page("compare")
    page.selectbox(key="compare-right-model").select("cells").run()
    assert "different tasks" in said(page.info[0])
    assert button(page, "Compare").disabled


def test_a_file_that_is_not_a_video_is_an_error(page, tmp_path):
    page.segmented_control(key="compare-source").set_value("Upload").run()
    sent = ("holiday.mp4", b"\0\1" * 400, "video/mp4")
    page.file_uploader(key="compare-upload").set_value(sent).run()
    button(page, "Compare").click().run()
    until(lambda: pair().snapshot().state == "failed")
    page.run()
    assert said(page.error[0]).startswith("holiday.mp4 is not a video")
