"""Many cameras with one engine: their files, figures and errors, and one that dies."""

from __future__ import annotations

import csv
import json
import time
from contextlib import ExitStack, closing

import pytest

from clips import make_clip
from ended import frames_of
from lanes import segmenter
from lanes.errors import BadConfig, BadInput, BadOutput
from lanes.live import cameras as module
from lanes.live.cameras import Camera, Cameras, read_cameras
from streams import MjpegServer, free_port

PATIENCE = 60


@pytest.fixture
def model(model_folder):
    with closing(segmenter.load(str(model_folder), "onnxruntime")) as loaded:
        yield loaded


def until(watched, true, seconds=PATIENCE):
    """Tend the cameras until `true(rows by name)`."""
    deadline = time.monotonic() + seconds
    while not true(rows := {row["camera"]: row for row in watched.rows()}):
        assert time.monotonic() < deadline, rows
        watched.tend()
        time.sleep(0.05)
    return rows


def all_have(frames):
    return lambda rows: all(row["frames"] >= frames for row in rows.values())


def lines_of(path):
    return [json.loads(line)["index"] for line in path.read_text().splitlines()]


# ------------------------------------------------------------------ CAMERAS.toml


def test_cameras_of_a_file(tmp_path):
    path = tmp_path / "cameras.toml"
    path.write_text(
        '[gate]\nsource = "rtsp://10.0.0.5/live"\nrecord = true\ninfer_every = 2\n'
        '[yard]\nsource = "0"\nlines = false\ncalibration = "yard.toml"\n'
    )
    gate, yard = read_cameras(path)
    assert gate == Camera("gate", "rtsp://10.0.0.5/live", record=True, infer_every=2)
    assert yard == Camera("yard", "0", lines=False, calibration=tmp_path / "yard.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no camera"),
        ("[gate", "cannot be read as TOML"),
        ("[gate]\nrecord = true", "gate has no source"),
        ('[gate]\nsource = ""', "gate has no source"),
        ('[gate]\nsource = "0"\nrecrod = true', "'recrod'; wanted only source, record"),
        ('[gate]\nsource = "0"\nrecord = 1', "gate.record is 1; wanted bool"),
        ("[gate]\nsource = 0", "gate.source is 0; wanted str"),
        ('["../gate"]\nsource = "0"', "is no camera"),
        ('gate = "0"', "is no camera"),
    ],
)
def test_wrong_files(tmp_path, text, message):
    path = tmp_path / "cameras.toml"
    path.write_text(text)
    with pytest.raises(BadConfig, match=message):
        read_cameras(path)


def test_no_file(tmp_path):
    with pytest.raises(BadConfig, match="cannot be read"):
        read_cameras(tmp_path / "none.toml")


# ------------------------------------------------------------------ playing


def test_three_streams_of_which_one_dies_and_comes_back(tmp_path, model):
    with ExitStack() as stack:
        servers = [stack.enter_context(MjpegServer()) for _ in range(3)]
        cameras = [
            Camera(f"c{number}", server.url, record=True, json=True, events=True)
            for number, server in enumerate(servers)
        ]
        with Cameras(cameras, model, tmp_path) as watched:
            until(watched, all_have(5))
            servers[1].kill()
            lost = until(watched, lambda rows: rows["c1"]["state"] == "lost")
            later = until(
                watched,
                lambda rows: all(rows[n]["frames"] >= lost[n]["frames"] + 10 for n in ("c0", "c2")),
            )
            # A frame may have been in the engine.
            assert later["c1"]["frames"] <= lost["c1"]["frames"] + 1
            stack.enter_context(MjpegServer(servers[1].port))
            until(watched, lambda rows: rows["c1"]["frames"] >= lost["c1"]["frames"] + 5)
            said = list(watched.news())
            watched.write_table(tmp_path / "cameras.csv", overwrite=False)
        done = {row["camera"]: row for row in watched.rows()}
    assert any(line.startswith("c1: ") and "is lost" in line for line in said)
    assert any(line.startswith("c1: ") and "is back" in line for line in said)
    for name, row in done.items():
        indices = lines_of(tmp_path / f"{name}.jsonl")
        assert len(indices) == frames_of(tmp_path / f"{name}.mp4") == row["frames"]
        assert (tmp_path / f"{name}_events.csv").read_text().startswith("start,end,side")
        assert row["p95_ms"] >= row["p50_ms"] > 0
        assert row["losses"] == (name == "c1")
        assert row["error"] == ""
    with (tmp_path / "cameras.csv").open() as file:
        assert [row["camera"] for row in csv.DictReader(file)] == ["c0", "c1", "c2"]


def test_a_camera_that_comes_late(tmp_path, model, monkeypatch):
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.2)
    late = free_port()
    with MjpegServer() as server:
        cameras = [
            Camera("late", f"http://127.0.0.1:{late}/camera.mjpg", json=True),
            Camera("here", server.url),
        ]
        with Cameras(cameras, model, tmp_path) as watched:
            rows = until(watched, lambda rows: rows["here"]["frames"] > 5 and rows["late"]["error"])
            assert rows["late"]["state"] == "lost"
            assert any(line.startswith("late: ") for line in watched.news())
            with MjpegServer(late):
                rows = until(watched, lambda rows: rows["late"]["frames"] > 5)
        assert rows["late"]["error"] == ""
    assert lines_of(tmp_path / "late.jsonl")


def test_files_end_and_a_broken_one_fails_alone(tmp_path, model):
    make_clip(tmp_path / "in.mp4", frames=10)
    (tmp_path / "broken.mp4").write_text("no video")
    cameras = [
        Camera("whole", str(tmp_path / "in.mp4"), json=True),
        Camera("broken", str(tmp_path / "broken.mp4")),
    ]
    (tmp_path / "out").mkdir()
    with Cameras(cameras, model, tmp_path / "out") as watched:
        deadline = time.monotonic() + PATIENCE
        while watched.tend():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        rows = {row["camera"]: row for row in watched.rows()}
    assert (rows["whole"]["state"], rows["whole"]["error"]) == ("ended", "")
    assert rows["whole"]["frames"] + rows["whole"]["dropped"] == 10
    assert rows["broken"]["state"] == "failed"
    assert "not a video" in rows["broken"]["error"]


def test_nothing_is_replaced(tmp_path, model):
    (tmp_path / "c.jsonl").write_text("mine")
    with pytest.raises(BadOutput, match="exists"):
        Cameras([Camera("c", "0", json=True)], model, tmp_path)
    assert (tmp_path / "c.jsonl").read_text() == "mine"


def test_wrong_options(tmp_path, model):
    with pytest.raises(BadInput, match="c writes files: name a folder"):
        Cameras([Camera("c", "0", record=True)], model)
    with pytest.raises(BadInput, match="--events needs the lane lines"):
        Cameras([Camera("c", "0", events=True, lines=False)], model, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_twelve_streams_of_which_one_dies_and_comes_back(tmp_path, model):
    """Prints the figures of each camera."""
    with ExitStack() as stack:
        servers = [stack.enter_context(MjpegServer(rate=10)) for _ in range(12)]
        cameras = [Camera(f"c{n:02}", s.url, json=True) for n, s in enumerate(servers)]
        with Cameras(cameras, model, tmp_path) as watched:
            until(watched, all_have(20))
            servers[5].kill()
            lost = until(watched, lambda rows: rows["c05"]["state"] == "lost")
            until(
                watched,
                lambda rows: all(
                    row["frames"] >= lost[name]["frames"] + 20
                    for name, row in rows.items()
                    if name != "c05"
                ),
            )
            stack.enter_context(MjpegServer(servers[5].port, rate=10))
            rows = until(watched, lambda rows: rows["c05"]["frames"] >= lost["c05"]["frames"] + 10)
    for row in rows.values():
        print(row)
    assert {name: row["losses"] for name, row in rows.items() if row["losses"]} == {"c05": 1}
    assert not any(row["error"] for row in rows.values())
