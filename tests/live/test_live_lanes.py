"""Lane lines of what is played: in results, recordings and the webcam's options."""

from __future__ import annotations

import json

import numpy as np
import pytest

from clips import make_clip, read
from lane_roads import SMALL as SIZE
from lane_roads import drift, road_labels
from lanes import segmenter
from lanes.errors import BadConfig, BadInput
from lanes.live import Live, LiveOptions
from lanes.pipeline.lane_options import LaneOptions
from live_waits import ended, until
from model_folders import make_model

OFFSETS = drift(0.42)


def draw_road(number, size):
    values = np.array([40, 128, 210], np.uint8)[road_labels(OFFSETS[number], size=size)]
    return values[..., None].repeat(3, axis=2)


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A clip with a departure, and a model that labels it exactly."""
    folder = tmp_path_factory.mktemp("road")
    clip = make_clip(folder / "a.mp4", len(OFFSETS), SIZE, draw=draw_road)
    with segmenter.load(str(make_model(folder / "exact", SIZE)), "onnxruntime") as model:
        yield clip, model


def test_a_recording_has_lines_and_the_departure(road, tmp_path):
    clip, model = road
    options = LiveOptions(video=tmp_path / "o.mp4", json=tmp_path / "o.jsonl", birdseye=True)
    with Live(clip, model, options) as live:
        now = until(live, ended, 100)
    assert now.error is None
    assert "lines" in now.latency
    assert {line.side for line in now.result.lines} >= {"ego left", "ego right"}
    records = [json.loads(line) for line in options.json.read_text().splitlines()]
    (event,) = [record["event"] for record in records if "event" in record]
    assert (event["kind"], event["side"]) == ("departure", "right")
    frame = read(options.video)[0][10]
    corner = frame.planes[0][: SIZE[0] // 3, -SIZE[1] // 6 :]
    assert (corner > 100).mean() > 0.5, "the sky is dark, the road from above is not"


def test_a_departure_under_way_is_among_the_events(road):
    clip, model = road
    with Live(clip, model) as live:
        seen = []
        until(live, lambda now: seen.append(now) or ended(now), 100)
    leaving = [now for now in seen if now.result and now.result.lane.keeping.under_way]
    assert not seen[0].all_events
    assert all(len(now.all_events) == 1 and not now.events for now in leaving)
    (event,) = seen[-1].all_events
    assert (event.kind, event.side) == ("departure", "right")


def test_without_lines_there_are_none(road, tmp_path):
    clip, model = road
    options = LiveOptions(json=tmp_path / "o.jsonl", lines=False)
    with Live(clip, model, options) as live:
        now = until(live, ended, 100)
    assert now.result.follower is None
    assert "lines" not in json.loads(options.json.read_text().splitlines()[0])


def test_after_a_seek_the_lane_is_found_again(road):
    clip, model = road
    with Live(clip, model) as live:
        until(live, ended, 100)
        live.seek(1.0)
        until(live, lambda now: now.frames == 2 * len(OFFSETS) - 25, 100)
        assert until(live, ended, 100).result.lane.position.offset == pytest.approx(0, abs=0.03)


def test_the_webcam_refuses_options_before_it_opens_a_camera(tmp_path):
    import webcam

    for lane, error in (
        (LaneOptions(lines=False, birdseye=True), BadInput),
        (LaneOptions(calibration=tmp_path / "none.toml"), BadConfig),
    ):
        with pytest.raises(error):
            webcam.run(webcam.WebcamOptions(source="no camera", lane=lane))
