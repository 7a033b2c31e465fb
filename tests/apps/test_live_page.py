"""The Live page: from the first button to the downloads, and its error messages."""

from __future__ import annotations

import csv
import io
import json
import threading
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from app_pages import OPEN, button, labels, players, said, until
from clips import make_clip, read
from lane_roads import SMALL, drift, road_labels
from lanes import tasks
from lanes.errors import BadVideo
from lanes.live.player import Snapshot
from lanes.pipeline import wrong_pictures
from lanes.types import Unit
from model_folders import make_model

pytest.importorskip("streamlit")

from dashboard_pages import demos, sources
from dashboard_pages.history import History, Sample, measures
from dashboard_pages.player import Clip, progress
from dashboard_pages.watching import figure

FRAMES = 12


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "drive.mp4", FRAMES, size=(96, 160))


def player():
    return players()["live"]


def playing(page, count=1):
    """The page once at least `count` frames have come."""
    until(lambda: player().live.snapshot().frames >= count)
    return page.run()


def upload(page, path, *truth):
    page.segmented_control(key="live-source").set_value("Upload").run()
    page.file_uploader(key="live-upload").set_value((path.name, path.read_bytes(), "video/mp4"))
    if truth:
        page.file_uploader(key="live-truth").set_value(list(truth))
    return page.run()


def start(page):
    return page.button(key="start").click().run()


def at_end(page):
    until(lambda: player().live.snapshot().state in ("ended", "failed"))
    return page.run()


def test_one_button_runs_the_demo_with_figures_and_truth(open_page):
    page = open_page("live")
    assert labels(page.button)[0] == "Run the demo"
    page.button(key="demo").click().run()
    assert not page.exception
    until(lambda: player().live.snapshot().iou)
    page.run()
    figures = {metric.label: metric.value for metric in page.metric}
    assert {"Pipeline", "IoU drivable", "IoU lane line", "Drivable share"} <= figures.keys()
    assert 0 <= float(figures["IoU drivable"]) <= 1
    assert {"Pause", "Stop", "Record"} <= set(labels(page.button))
    assert player().clip.loop


def test_events_are_a_table_and_lines_can_be_switched_off(open_page, arguments, tmp_path):
    model = make_model(tmp_path / "exact", SMALL)
    arguments.append(f"--model={model}")
    offsets = drift(0.42)

    def draw(number, size):
        grey = np.array([40, 128, 210], np.uint8)[road_labels(offsets[number], size=size)]
        return grey[..., None].repeat(3, axis=2)

    page = open_page("live")
    page.selectbox(key="live-model").select("exact").run()
    page = at_end(
        start(upload(page, make_clip(tmp_path / "a.mp4", len(offsets), SMALL, draw=draw)))
    )
    assert not page.exception
    (row,) = page.dataframe[0].value.to_dict("records")
    assert (row["event"], row["side"]) == ("departure", "right")
    assert 0 < row["start"] < row["end"]
    assert [text for *_, text in player().picture().marks] == ["departure, right"]
    before = player().picture()
    with_lines = before.draw()
    page.toggle(key="live-lines").set_value(False).run()
    after = player().picture()
    assert after.mark != before.mark
    assert after.draw() != with_lines


def test_charts_follow_the_figures(open_page):
    page = playing(open_page("live").button(key="demo").click().run(), 5)
    page.run()
    assert not page.get("vega_lite_chart")  # folded
    page.session_state["live-charts"] = True
    page.run()
    assert len(page.get("vega_lite_chart")) == 4
    table = list(csv.DictReader(io.StringIO(player().history.csv())))
    assert len(table) >= 2
    assert float(table[-1]["infer_p95_ms"]) >= float(table[-1]["infer_p50_ms"]) > 0


def test_pause_go_on_and_stop(open_page):
    page = playing(open_page("live").button(key="demo").click().run())
    running = player().live
    button(page, "Pause").click().run()
    assert running.snapshot().state == "paused"
    button(page, "Resume").click().run()
    assert running.snapshot().state in ("playing", "opening")
    button(page, "Stop").click().run()
    assert running.snapshot().state == "stopped"
    assert "Snapshot (PNG)" in labels(page.download_button)  # kept until Close
    button(page, "Restart").click().run()
    assert not page.exception
    assert player().live is not running
    playing(page)
    button(page, "Stop").click().run()
    button(page, "Close").click().run()
    assert "live" not in players()
    assert labels(page.button)[0] == "Run the demo"


def test_what_was_recorded_until_stop_is_there_until_close(open_page, clip, monkeypatch):
    page = open_page("live")
    page.toggle(key="live-record-Demo").set_value(True).run()
    page = playing(page.button(key="start").click().run(), 3)
    button(page, "Stop").click().run()
    given = labels(page.download_button)
    assert {"Ready: download demo_lanes.mp4", "Frames (JSON lines)"} <= set(given)
    video, lines = player().finished()
    assert len(read(video)[0]) == len(lines.read_text().splitlines()) >= 3
    folder = player().folder
    button(page, "Close").click().run()
    assert not folder.exists()


def test_a_start_that_fails_leaves_what_plays_and_no_file(open_page, clip):
    page = playing(open_page("live").button(key="demo").click().run())
    running, tab = player(), OPEN[-1]
    start(upload(page, clip, ("mask.png", b"png", "image/png")))
    assert "mask.png" in said(page.error[0])
    assert player() is running
    assert list(tab.folder.iterdir()) == [running.folder]


def test_an_upload_gives_its_video_and_lines_back(open_page, clip):
    page = at_end(start(upload(open_page("live"), clip)))
    assert not page.exception
    assert not page.error
    assert "Play again" in labels(page.button)
    given = labels(page.download_button)
    assert given[0] == "Ready: download drive_lanes.mp4"
    assert {"Snapshot (PNG)", "Frames (JSON lines)"} <= set(given)
    video, lines = player().finished()
    frames, source = read(video)
    assert len(frames) == FRAMES
    assert source.size == (96, 160)
    assert [json.loads(line)["index"] for line in lines.read_text().splitlines()] == list(
        range(FRAMES)
    )
    picture = cv2.imdecode(np.frombuffer(player().snapshot(), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (96, 160, 3)


def test_without_truth_consistency_is_shown(open_page, clip):
    page = at_end(start(upload(open_page("live"), clip)))
    names = labels(page.metric)
    assert any(name.startswith("Consistency ") for name in names)
    assert not any(name.startswith("IoU ") for name in names)


def test_label_images_are_truth(open_page, clip):
    ids = cv2.imencode(".png", np.zeros((96, 160), np.uint8))[1].tobytes()
    truth = [(f"{n:06d}.png", ids, "image/png") for n in range(FRAMES)]
    page = at_end(start(upload(open_page("live"), clip, *truth)))
    assert not page.error
    assert any(name.startswith("IoU ") for name in labels(page.metric))


def test_label_images_of_other_names_are_refused(open_page, clip):
    page = start(upload(open_page("live"), clip, ("mask.png", b"x", "image/png")))
    assert "mask.png" in said(page.error[0])
    assert "000000.png" in said(page.error[0])
    assert "live" not in players()


def test_a_label_image_uploaded_twice_is_refused(open_page, clip):
    twice = [("000003.png", b"x", "image/png")] * 2
    page = start(upload(open_page("live"), clip, ("000000.png", b"x", "image/png"), *twice))
    assert "000003.png was uploaded twice" in said(page.error[0])


def test_an_upload_gets_our_name_and_is_removed(open_page, clip):
    page = at_end(start(upload(open_page("live"), clip)))
    folder = player().folder
    assert sorted(path.name for path in folder.iterdir()) == [
        "recording-1.jsonl",
        "recording-1.mp4",
        "upload",
    ]
    button(page, "Close").click().run()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holiday.mp4 is not a video: the file is empty"),
        (b"root:x:0:0\n", "holiday.mp4 is not a video: it holds text"),
        # FFmpeg would open this recursively, until it runs out of files or stack.
        (b"ffconcat version 1.0\n#\x01\nfile 'upload'\n", "holiday.mp4 is not a video: it is a"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "holiday.mp4 is not a video: it is a playlist"),
        (b"\x00\x01\x02\x03" * 100, "holiday.mp4 is not a video: its format is not supported"),
        (b"\x00\x00\x00\x18ftypmp42" + b"\0" * 99, "holiday.mp4 is an MP4 without its index"),
    ],
)
def test_a_file_that_is_not_a_video_is_an_error(open_page, tmp_path, content, message):
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content)
    page = start(upload(open_page("live"), path))
    if "live" in players():
        page = at_end(page)
    assert said(page.error[0]).startswith(message)
    assert "lanes-tab" not in said(page.error[0])
    assert not page.exception


def test_a_damaged_video_is_played_as_far_as_it_goes(open_page, clip, tmp_path):
    whole = make_clip(tmp_path / "a.mkv", 60, size=(96, 160))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    page = at_end(start(upload(open_page("live"), cut)))
    assert not page.exception
    assert 0 < player().live.snapshot().frames < 60
    assert "frames of cut.mkv could not be read: the file is cut off" in said(page.warning[0])
    ((first, last, _),) = player().picture().marks
    assert first == pytest.approx(player().live.snapshot().frames / 25, abs=0.1)
    assert last == pytest.approx(60 / 25, abs=0.1)


def test_paths_only_where_the_server_allows_them(open_page, arguments, clip):
    assert "Path or URL" not in "".join(
        open_page("live").segmented_control(key="live-source").options
    )
    arguments.append(f"--allow-paths={clip.parent}")
    page = open_page("live")
    page.segmented_control(key="live-source").set_value("Path or URL").run()
    page.text_input(key="live-path").set_value("/etc/passwd").run()
    assert "outside the folders" in said(start(page).error[0])
    page.text_input(key="live-path").set_value(clip.name).run()
    at_end(start(page))
    assert player().live.snapshot().frames == FRAMES


def test_a_page_shows_no_password_of_an_address(open_page, arguments, clip):
    arguments.append(f"--allow-paths={clip.parent}")
    page = open_page("live")
    page.segmented_control(key="live-source").set_value("Path or URL").run()
    address = "http://me:secret@127.0.0.1:9/camera.mjpg?pwd=secret"
    page.text_input(key="live-path").set_value(address).run()
    page = at_end(start(page))
    assert said(page.error[0]).startswith("http://127.0.0.1:9/camera.mjpg cannot be opened")
    assert player().clip.name == "http://127.0.0.1:9/camera.mjpg"


def test_a_server_without_cameras_says_so(open_page, monkeypatch):
    monkeypatch.setattr(sources, "cameras", list)
    page = open_page("live")
    page.segmented_control(key="live-source").set_value("Camera of the server").run()
    assert "has no camera" in said(page.info[0])
    assert page.button(key="start").disabled


def test_classes_and_strength_of_the_overlay(open_page, clip):
    page = at_end(start(upload(open_page("live"), clip)))
    seen = []
    for names, alpha in (([], 0.5), (["drivable"], 0.5), (["drivable"], 1.0)):
        page.pills(key="live-classes-lanes").set_value(names)
        page.slider(key="live-alpha").set_value(alpha).run()
        seen.append(player().snapshot())
    plain = cv2.imencode(".png", player().live.snapshot().result.frame.bgr)[1].tobytes()
    assert seen[0] == plain
    assert len(set(seen)) == 3


def test_the_timeline_goes_there(open_page, clip, monkeypatch):
    page = at_end(start(upload(open_page("live"), clip)))
    assert player().picture().at == (pytest.approx(0.44), pytest.approx(0.48))
    shown = iter([0.2])
    monkeypatch.setattr("dashboard_pages.screen.show", lambda *given: next(shown, None))
    page.run()
    until(lambda: player().live.snapshot().frames == FRAMES + FRAMES - 5)
    assert not page.exception


def test_an_unexpected_error_of_the_thread_is_shown(open_page, clip, monkeypatch, caplog):
    monkeypatch.setattr("lanes.live.playback.segment", lambda *given: 1 / 0)
    page = at_end(start(upload(open_page("live"), clip)))
    assert "The pipeline failed unexpectedly (ZeroDivisionError" in said(page.error[0])
    assert "a pipeline failed" in caplog.text


def test_a_failed_demo_is_reported_and_tried_again(open_page, monkeypatch):
    def refuse(*given):
        raise BadVideo("no room for the demo: free some")

    with monkeypatch.context() as patch:
        patch.setattr("lanes.pipeline.demo_clip.demo_files", refuse)
        page = start(open_page("live"))
        assert said(page.error[0]) == "no room for the demo: free some"
    playing(start(page))


def test_tasks_with_the_same_demo_share_its_rendering(open_page):
    shared = demos.rendering("lanes")
    assert demos.rendering("road_scene") is shared
    assert demos.files("road_scene") == demos.files("lanes")
    assert demos.rendering("blood_cells") is not shared


def test_a_closed_tab_leaves_no_thread_and_no_file(open_page, clip):
    before = set(threading.enumerate())
    playing(open_page("live").button(key="demo").click().run())
    tab = OPEN[-1]
    assert tab.folder.is_dir()
    tab.close()
    assert not tab.folder.exists()
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not left & {"live", "prefetch", "background"}


def test_a_figure_that_appears_later_gets_its_own_column():
    history = History()
    history.add(Sample(1.0, 30.0, {"infer": (0.01, 0.02)}, {}, {}, {}))
    history.add(Sample(2.0, 31.0, {}, {"lane line": 0.5}, {}, {"cells": 3.0}))
    rows = list(csv.DictReader(io.StringIO(history.csv())))
    assert rows[0]["infer_p95_ms"] == "20.0"
    assert rows[0]["iou_lane_line"] == ""
    assert rows[1]["iou_lane_line"] == "0.5"
    assert rows[1]["cells"] == "3.0"


def test_measures_are_charted_and_shown_by_unit():
    history, task = History(), tasks.load("cell_count")
    history.add(Sample(1.0, 30.0, {}, {}, {}, task.measure(np.ones((40, 40), np.uint8))))
    charted = {u: [r["name"] for r in rows] for u, rows in history.measures_by_unit(task).items()}
    assert charted == {
        Unit.COUNT: ["cells"],
        Unit.SHARE: ["cell area share", "nucleus ratio"],
        Unit.PIXELS: ["mean diameter"],
    }
    shown = [figure(0.25, unit) for unit in (Unit.SHARE, Unit.PIXELS, Unit.COUNT)]
    assert shown == ["25.0%", "0 px", "0"]


def test_a_label_video_that_is_not_a_video_is_an_error(open_page, clip):
    page = at_end(start(upload(open_page("live"), clip, ("truth.mkv", b"\0x", "video/mkv"))))
    assert said(page.error[0]).startswith("The ground truth is not a video")


def test_the_address_chooses_model_and_source_and_starts_nothing(open_page, cell_models, arguments):
    arguments.append(f"--model={cell_models['cell_count']}")
    query = {"live-model": "cell_count · cell count", "live-source": "Upload"}
    page = open_page("live", **query, **{"live-speed-upload": "Real time"})
    assert not page.exception
    assert page.selectbox(key="live-model").value == "cell_count"
    assert page.segmented_control(key="live-source").value == "Upload"
    assert page.segmented_control(key="live-speed-upload").value == "Real time"
    assert not players()


def test_an_address_with_nonsense_is_ignored(open_page):
    page = open_page("live", **{"live-model": "../../etc", "live-source": "file:///etc/passwd"})
    assert not page.exception
    assert page.selectbox(key="live-model").value == "thresholds"
    assert page.segmented_control(key="live-source").value == "Demo"


def test_an_upload_is_done_in_so_many_seconds(open_page, clip):
    at_end(start(upload(open_page("live"), clip)))
    now = replace(player().live.snapshot(), state="playing", fps=2.0, number=5, total=12)
    assert progress(player().clip, now, player().live).endswith("· 3 s left")
    assert progress(player().clip, now, player().live).startswith("drive.mp4 · thresholds · ")


@pytest.mark.parametrize(
    ("name", "kind", "stem"),
    [
        ("../a b/My drive?.MP4", "Upload", "My_drive_"),
        ("rtsp://cam/live", "Path or URL", "live"),
        ("Straße.mkv", "Upload", "Straße"),
        ("the demo", "Demo", "demo"),
        ("camera 0", "Camera of the server", "camera"),
    ],
)
def test_downloads_are_named_after_the_clip(name, kind, stem):
    assert Clip("in", name, kind).stem == stem


def test_a_model_without_a_class_has_no_measure_of_it():
    task = tasks.load("lanes")
    old = replace(task, classes=task.classes[:3], later=1)
    result = SimpleNamespace(measures=task.measure(np.ones((8, 8), np.uint8)))
    assert "implied line share" in measures(Snapshot("playing", task, result=result))
    kept = measures(Snapshot("playing", old, result=result))
    assert kept == {"drivable share": 1, "lane line share": 0}


def test_a_smear_in_a_lane_model_offers_the_one_for_cells(
    open_page, arguments, cell_models, monkeypatch, tmp_path
):
    monkeypatch.setitem(wrong_pictures.OFFERED, "slide", "cell_count")
    arguments.append(f"--model={cell_models['cell_count']}")
    slide = np.full((96, 160, 3), 240, np.uint8)
    clip = make_clip(tmp_path / "s.mp4", 5, size=(96, 160), draw=lambda number, size: slide)
    page = at_end(start(upload(open_page("live"), clip)))
    assert any("s.mp4 looks like a slide" in said(warning) for warning in page.warning)
    page.button(key="live-use").click().run()
    assert not page.exception
    page = at_end(page)
    assert player().segmenter.card.name == "cell_count"
    assert not page.warning
