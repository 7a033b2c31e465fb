"""Lane lines in the one pipeline: results, drawing, files, options."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import lanes
from lane_roads import SIZE, drift, road_labels, road_result
from lanes import tasks
from lanes.draw.lane import WHITE
from lanes.errors import BadConfig, BadInput, BadOutput
from lanes.lines.files import read_culane, read_tusimple
from lanes.pipeline.follow_lane import FollowLane
from lanes.pipeline.labelled import Labelled, Look, labelled
from lanes.pipeline.lane_options import LaneFiles, LaneOptions, check_lane_options, steps_of
from lanes.pipeline.lane_outputs import CulaneLines, EventTable, TuSimpleLines
from lanes.pipeline.outputs import JsonLines, frame_record
from lanes.pipeline.recorder import Recorder
from lanes.pipeline.smooth import Smooth

TASK = tasks.load("lanes")
CELLS = tasks.load("cell_count")


def run(offsets, steps=None, **road):
    results = [road_result(offset, index, **road) for index, offset in enumerate(offsets)]
    return list(labelled(results, TASK, steps=steps or [FollowLane()]))


def test_a_single_image_has_lines_when_asked():
    result = Labelled(road_result(0.1), TASK)
    assert "lane" not in vars(result)
    assert [line.side for line in result.lines].count("ego left") == 1
    assert result.lane is result.lane
    assert result.lane.position.offset == pytest.approx(0.1, abs=0.02)


def test_an_image_is_drawn_with_its_lines_if_asked():
    result = Labelled(road_result(), TASK)
    before, plain, drawn = result.frame.bgr.copy(), result.draw(), result.draw(lines=True)
    ego = next(line for line in result.lines if line.side == "ego left")
    x, y = ego.points[8].round().astype(int)
    assert np.abs(drawn[y, x].astype(int) - WHITE).max() < 40
    assert np.abs(plain[y, x].astype(int) - WHITE).max() > 60
    np.testing.assert_array_equal(result.frame.bgr, before)


def test_another_task_has_none():
    with pytest.raises(BadInput, match="cell_count"):
        Labelled(road_result(), CELLS).draw(lines=True)
    with pytest.raises(BadInput, match="cell_count"):
        _ = Labelled(road_result(), CELLS).lines
    (result,) = labelled([road_result()], CELLS, steps=[FollowLane()])
    assert result.follower is None
    assert "lines" not in frame_record(result)


def test_the_step_finds_and_times_the_lines():
    results = run([0.0] * 5)
    assert all(result.seconds["lines"] > 0 for result in results)
    assert len({line.track for line in results[-1].lines}) == 4


def test_a_stream_finds_them_only_when_asked():
    step = FollowLane().attach
    first, second, third = run([0.0, 0.1, 0.2], [step])
    assert "lane" not in vars(first)
    assert first.lines
    assert third.lane.position.offset == pytest.approx(0.2, abs=0.08)
    assert "lane" not in vars(second)


def test_a_result_that_looks_otherwise_has_the_same_lane():
    result = run([0.0])[0]
    other = result.looking(Look(0.3))
    assert other.lane is result.lane
    assert other.drawn is not result.drawn


def test_the_lane_is_drawn_only_with_the_step():
    look = Look(lines=("1.0 FPS",))
    plain = Labelled(road_result(), TASK).looking(look).drawn.planes[0]
    result = run([0.0] * 4)[-1]
    drawn = result.looking(look).drawn.planes[0]
    assert (drawn != plain)[int(SIZE[0] * 0.6) :].any(), "lines"
    assert (drawn != plain)[:30, 250:390].any(), "the bar"
    hidden = result.looking(Look(0.0)).drawn.planes[0]
    np.testing.assert_array_equal(hidden, result.frame.planes[0])


def test_a_birds_eye_view_is_in_its_corner():
    result = run([0.0] * 4)[-1]
    plain, view = (result.looking(Look(birdseye=on)).drawn.planes for on in (False, True))
    for before, after in zip(plain, view, strict=True):
        rows, columns = np.nonzero(before != after)
        height, width = before.shape
        assert rows.max() < 0.42 * height
        assert columns.min() > 0.78 * width
    luma = view[0][: SIZE[0] * 2 // 5, -SIZE[1] // 5 :]
    bright = (luma[20:-20:10] > 150).astype(int)
    assert (np.abs(np.diff(bright, axis=1)).sum(axis=1) >= 4).mean() > 0.7, "parallel lines"


def test_a_warning_is_shown_while_the_car_leaves_its_lane():
    results = run(drift(0.42))
    leaving = [r for r in results if r.lane.keeping.state == "leaving right"]
    look = Look(lines=("1.0 FPS",))
    red = [(r.looking(look).drawn.planes[2][:40] > 170).any() for r in (results[5], leaving[2])]
    assert red == [False, True]


def test_the_bar_needs_no_hud_and_the_lane_can_be_left_out():
    (result,) = run([0.1])
    nothing, everything = (
        result.looking(Look(lane=lane, bar=True)).drawn.planes[0] for lane in (False, True)
    )
    plain = result.looking(Look()).drawn.planes[0]
    assert (everything[:30] != plain[:30]).any()
    assert (everything[200:] == plain[200:]).all()
    assert (nothing != plain).any()
    assert (nothing[:30] == result.frame.planes[0][:30]).all()


def test_json_has_lines_position_and_events(tmp_path):
    with Recorder(tmp_path / "a.jsonl") as recorder:
        recorder.add(JsonLines(tmp_path / "a.jsonl", False))
        for result in run(drift(-0.42)):
            recorder.write(result)
    records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    last = records[-1]
    assert {line["side"] for line in last["lines"]} >= {"ego left", "ego right"}
    for line in last["lines"]:
        assert line["points"][0][1] > line["points"][-1][1]
        assert 0 <= line["confidence"] <= 1
        assert line["track"] > 0
    assert set(last["lane"]) >= {"state", "offset", "whole", "bend", "offset_m", "crossing_s"}
    assert last["lane"]["offset_m"] is None
    (event,) = [record["event"] for record in records if "event" in record]
    assert (event["kind"], event["side"]) == ("departure", "left")
    assert event["depth"] == pytest.approx(0.12, abs=0.04)


def test_the_table_of_events(tmp_path):
    with Recorder(tmp_path / "e.csv") as recorder:
        recorder.add(EventTable(tmp_path / "e.csv", False))
        for result in run(drift(0.42)):
            recorder.write(result)
    with (tmp_path / "e.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["kind"], row["side"]) == ("departure", "right")
    assert float(row["end"]) > float(row["start"]) > 0.4
    with pytest.raises(BadOutput, match="exists already"):
        EventTable(tmp_path / "e.csv", False)


@pytest.mark.parametrize(
    ("path", "raw_file"),
    [
        ("data/clips/0313-1/6040/20.jpg", "clips/0313-1/6040/20.jpg"),
        ("pictures/20.jpg", "20.jpg"),
    ],
)
def test_tusimples_file_names_are_the_benchmarks(tmp_path, path, raw_file):
    result = road_result()
    result.frame.path = tmp_path / path
    with Recorder(tmp_path / "t.json") as recorder:
        recorder.add(TuSimpleLines(tmp_path / "t.json", False))
        recorder.write(next(labelled([result], TASK, steps=[FollowLane()])))
    assert list(read_tusimple(tmp_path / "t.json", truth=True)) == [raw_file]


def test_the_benchmarks_formats(tmp_path):
    with Recorder(tmp_path / "t.json") as recorder:
        recorder.add(TuSimpleLines(tmp_path / "t.json", False))
        recorder.add(CulaneLines(tmp_path / "c", False))
        for result in run([0.0] * 4):
            recorder.write(result)
    frames = read_tusimple(tmp_path / "t.json", truth=True)
    assert list(frames) == ["000000", "000001", "000002", "000003"]
    frame = frames["000000"]
    assert frame.rows is not None
    assert frame.rows.max() < SIZE[0]
    assert len(frame.lanes) == 4
    found = read_culane(tmp_path / "c" / "000003.lines.txt")
    assert len(found) == 4
    with pytest.raises(BadOutput, match="overwrite"):
        CulaneLines(tmp_path / "c", False)


def test_smoothing_removes_what_flickers():
    rng = np.random.default_rng(0)
    clean = road_labels()
    results = []
    for index in range(8):
        result = road_result(0.0, index)
        noisy = result.labels.copy()
        for _ in range(12):
            y, x = rng.integers(180, 330), rng.integers(0, 620)
            noisy[y : y + 12, x : x + 12] = 0
        results.append(replace(result, labels=noisy))
    raw = [(result.labels != clean).mean() for result in results]
    steady = list(labelled(results, TASK, steps=[Smooth()]))
    left = [(item.network_labels != clean).mean() for item in steady]
    assert left[0] == raw[0]
    assert np.mean(left[2:]) < 0.2 * np.mean(raw[2:])
    assert steady[3].seconds["smooth"] > 0


def test_smoothing_is_at_most_a_frame_late_and_stops_at_a_cut():
    results = [road_result(0.0, index) for index in range(8)]
    empty = np.zeros_like(results[0].labels)
    results[4:] = [replace(result, labels=empty) for result in results[4:]]
    items = list(labelled(results, TASK, steps=[Smooth()]))
    assert (items[4].network_labels > 0).any()
    assert not (items[5].network_labels > 0).any()
    items = list(labelled(results, TASK, steps=[Smooth()], cuts={4}))
    assert not (items[4].network_labels > 0).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lines": False, "birdseye": True}, "--birdseye needs the lane lines"),
        ({"lines": False, "events": "e.csv"}, "--events needs"),
        ({"lines_format": "culane"}, "--lines-output go together"),
        ({"lines_output": "t.json"}, "--lines-output go together"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(BadInput, match=message):
        check_lane_options(LaneFiles(**options))


def test_a_task_without_lines_refuses_what_needs_them():
    check_lane_options(LaneFiles(), CELLS)
    with pytest.raises(BadInput, match=r"--event-clips needs lane lines.*'cell_count'"):
        check_lane_options(LaneFiles(event_clips="clips"), CELLS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fov = 62", "height is None"),
        ("height = 140\nfov = 62", "height is 140"),
        ("height = 1.4", "either fov"),
        ("height = 1.4\nfov = 620", "fov is 620"),
        ("height = 1.4\nfov = 62\npitch = 80", "pitch is 80"),
        ("hight = 1.4\nfov = 62", "'hight'"),
        ("height = ", "TOML"),
        (None, "cannot be read"),
    ],
)
def test_absurd_calibrations_are_refused(tmp_path, text, message):
    path = tmp_path / "camera.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadConfig, match=message):
        check_lane_options(LaneOptions(calibration=path))


def test_each_run_has_its_own_steps():
    options = LaneOptions(smooth=True)
    first, second = (steps_of(options, ["own"]) for _ in range(2))
    assert first[1] == "own"
    assert all(a is not b for a, b in zip(first[::2], second[::2], strict=True))
    assert steps_of(LaneOptions(lines=False), []) == []


def test_a_model_gives_lines_in_python(tmp_path, model_folder):
    import cv2

    picture = np.where(road_labels()[..., None] > 0, 128, 40).repeat(3, axis=2).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    with lanes.load(model_folder, "onnxruntime") as model:
        assert model(tmp_path / "a.png").lines == []
        for result in model.stream(tmp_path / "a.png"):
            assert result.lane.position.offset is None
        with pytest.raises(BadConfig):
            next(model.stream(tmp_path / "a.png", calibration=tmp_path / "none.toml"))
