"""What flows in a pipeline: steps on results, the drawn frame, the recorder of outputs."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import lanes
from clips import make_clip, read
from lanes import tasks
from lanes.colour import default_colour, from_bgr
from lanes.draw.overlay import overlay
from lanes.errors import BadOutput
from lanes.live import Live, LiveOptions
from lanes.pipeline.labelled import Labelled, Look, labelled
from lanes.pipeline.outputs import JsonLines, MaskOutput, VideoOutput
from lanes.pipeline.recorder import Recorder
from lanes.types import Frame, Result
from lanes.video import VideoSink
from live_waits import ended, until

SIZE = (32, 48)
TASK = tasks.load("lanes")


def result_of(index=0, label=1, grey=90):
    colour = default_colour(SIZE[0])
    image = np.full((*SIZE, 3), grey, np.uint8)
    frame = Frame(from_bgr(image, colour), colour, index, index, Fraction(1, 25))
    return Result(frame, np.full((16, 24), label, np.uint8), {"infer": 0.01})


def everything_a_line(result):
    return result.relabelled(np.full_like(result.network_labels, 2))


def test_steps_come_in_order_and_see_number_and_cut():
    seen = []

    def note(name):
        return lambda result: (seen.append((name, result.number, result.cut)), result)[1]

    results = [result_of(0), result_of(1)]
    list(labelled(results, TASK, 10, [note("a"), note("b")], cuts={1}))
    assert seen == [("a", 10, False), ("b", 10, False), ("a", 11, True), ("b", 11, True)]


def test_a_step_may_change_the_labels():
    (result,) = labelled([result_of()], TASK, steps=[everything_a_line])
    assert (result.labels == 2).all()
    assert result.labels.shape == SIZE
    assert result.measures["lane line share"] == 1


@pytest.mark.parametrize("in_place", [False, True])
def test_the_drawn_frame_is_made_once(in_place):
    look = Look(0.7, lines=("1.0 FPS",), in_place=in_place)
    result = replace(Labelled(result_of(), TASK), look=look)
    before = [plane.copy() for plane in result.frame.planes]
    plain = overlay(result.frame, result.network_labels, TASK, 0.7).planes
    assert result.drawn is result.drawn
    changed = np.abs(result.drawn.planes[0][SIZE[0] // 2 :].astype(int) - before[0][0, 0])
    assert changed.max() > 0
    np.testing.assert_array_equal(result.drawn.planes[0][-4:], plain[0][-4:])
    assert result.drawn.planes[0][:12].max() > plain[0].max(), "the HUD's text"
    assert (result.drawn is result.frame) == in_place
    if not in_place:
        np.testing.assert_array_equal(result.frame.planes[0], before[0])


def sink(path):
    return VideoSink(path, size=SIZE, rate=Fraction(25), colour=default_colour(SIZE[0]))


def test_a_recorder_writes_all_outputs_and_closes_gaps_at_cuts(tmp_path):
    with Recorder(tmp_path / "a.mp4") as recorder:
        recorder.add(VideoOutput(sink(tmp_path / "a.mp4")))
        recorder.add(MaskOutput(tmp_path / "masks", overwrite=False))
        recorder.add(JsonLines(tmp_path / "a.jsonl", False))
        for index, cut in ((3, False), (4, False), (90, True), (92, False)):
            recorder.write(Labelled(result_of(index), TASK, index, cut=cut))
        assert not (tmp_path / "a.mp4").exists()
    frames, _ = read(tmp_path / "a.mp4")
    assert [round(frame.seconds * 25) for frame in frames] == [0, 1, 2, 4]
    assert len(list((tmp_path / "masks").iterdir())) == 4
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == [3, 4, 90, 92]
    assert all(set(line["ms"]) == {"infer", "overlay", "encode"} for line in lines)


def test_an_output_that_fails_removes_the_files_of_all(tmp_path):
    class Full:
        def write(self, labelled):
            raise BadOutput("the disk is full")

    recorder = Recorder(tmp_path / "a.mp4")
    recorder.add(VideoOutput(sink(tmp_path / "a.mp4")))
    recorder.add(Full())
    with pytest.raises(BadOutput, match="full"):
        recorder.write(Labelled(result_of(), TASK))
    recorder.write(Labelled(result_of(), TASK))
    recorder.finish()
    assert not list(tmp_path.iterdir())


def test_steps_in_label_video_and_in_live(tmp_path, model_folder):
    clip = make_clip(tmp_path / "a.mp4", frames=5)
    with lanes.load(model_folder, "onnxruntime") as model:
        lines = tmp_path / "a.jsonl"
        lanes.label_video(clip, model=model, json=lines, steps=[everything_a_line])
        for line in lines.read_text().splitlines():
            assert json.loads(line)["shares"]["lane line"] == 1
        with Live(clip, model, LiveOptions(steps=[everything_a_line])) as live:
            assert until(live, ended).measures["lane line share"] == 1


@pytest.mark.parametrize("hud", [True, False])
def test_the_hud_is_drawn_unless_it_is_switched_off(tmp_path, model_folder, hud):
    def grey(number, size):
        return np.full((*size, 3), 120, np.uint8)

    clip = make_clip(tmp_path / "a.mp4", frames=3, draw=grey, size=(128, 192))
    with lanes.load(model_folder, "onnxruntime") as model:
        lanes.label_video(clip, tmp_path / "b.mp4", model=model, hud=hud)
        with Live(clip, model, LiveOptions(video=tmp_path / "c.mp4", hud=hud)) as live:
            until(live, ended)
    for name in ("b.mp4", "c.mp4"):
        corner = read(tmp_path / name)[0][1].planes[0][:16, :60]
        assert (corner.max() > 200) == hud
