"""The lane in a video: positions, times of events, restarts, and frames that show little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lane_roads import SIZE, drift, road_frame, road_labels
from lanes.lines.camera import Calibration
from lanes.lines.follow import LaneFollower


def follow(follower, offsets, first=0, **road):
    lanes = []
    for number, offset in enumerate(offsets, first):
        labels = road_labels(offset, **road)
        lanes.append(follower.update(labels, road_frame(labels, number)))
    return lanes


def test_the_offset_and_the_lines_of_a_straight_road():
    lane = follow(LaneFollower(), [0.15] * 6)[-1]
    sides = [line.side for line in lane.lines]
    assert sides == ["next left", "ego left", "ego right", "next right"]
    assert lane.position.offset == pytest.approx(0.15, abs=0.02)
    assert lane.vanishing_point[1] == pytest.approx(150, abs=6)
    assert lane.keeping.state == "in lane"
    assert lane.event is None


def test_metres_with_a_calibration():
    follower = LaneFollower(Calibration(height=1.4, fov=1.0))
    lane = follow(follower, [0.1] * 8)[-1]
    assert lane.position.lane_width_m == pytest.approx(2.6 * 1.4, rel=0.05)
    assert lane.position.offset_m == pytest.approx(0.1 * 2.6 * 1.4, abs=0.06)
    assert lane.calibration is follower.calibration


@pytest.mark.parametrize("first", [0, 500])
def test_a_departure_has_the_videos_times_and_a_depth(first):
    lanes = follow(LaneFollower(), drift(0.42), first)
    (event,) = [lane.event for lane in lanes if lane.event]
    assert (event.kind, event.side) == ("departure", "right")
    started = next(i for i, lane in enumerate(lanes) if lane.keeping.state == "leaving right")
    assert event.start == pytest.approx((first + started) / 25, abs=0.05)
    assert event.start < event.end < (first + len(lanes)) / 25
    assert event.depth == pytest.approx(0.42 - 0.3, abs=0.04)


def test_a_lane_change_has_no_depth():
    lanes = follow(LaneFollower(), [*np.zeros(12), *np.linspace(0, 1, 40), *np.ones(12)])
    (event,) = [lane.event for lane in lanes if lane.event]
    assert (event.kind, event.side, event.depth) == ("lane change", "right", None)


def test_a_clip_that_starts_in_a_lane_change_has_no_event_for_it():
    lanes = follow(LaneFollower(), [*np.linspace(0.45, 1, 20), *np.ones(12)])
    assert [lane.event for lane in lanes if lane.event] == []
    assert lanes[-1].keeping.state == "in lane"


def test_a_parked_car_has_no_events():
    lanes = follow(LaneFollower(), [0.2] * 40)
    assert [lane.event for lane in lanes if lane.event] == []
    assert np.ptp([lane.position.offset for lane in lanes[5:]]) < 0.02


def test_no_lines_is_an_empty_list_and_no_position():
    lane = follow(LaneFollower(), [0.0] * 5, lines=())[-1]
    assert lane.lines == []
    assert lane.position.offset is None
    assert lane.keeping.state == "unknown"


def test_one_line_gives_no_position_before_a_lane_was_seen():
    lane = follow(LaneFollower(), [0.0] * 5, lines=(0.5,))[-1]
    assert [line.side for line in lane.lines] == ["ego right"]
    assert lane.position.offset is None
    assert not lane.position.whole


def test_a_car_that_fills_the_view_lowers_confidence_until_the_lines_are_gone():
    follower = LaneFollower()
    before = follow(follower, [0.0] * 8)[-1]
    hidden = follow(follower, [0.0] * 20, first=8, car=(0.0, 0.0, 1.0, 1.0))
    confidence = [max((li.confidence for li in lane.lines), default=0) for lane in hidden]
    assert confidence[2] < max(line.confidence for line in before.lines)
    assert hidden[-1].lines == []
    assert hidden[-1].position.offset is None


@pytest.mark.parametrize("gap", ["cut", "time", "size", "image"])
def test_a_frame_that_does_not_follow_begins_again(gap):
    follower = LaneFollower()
    before = {line.track for line in follow(follower, [0.0] * 6)[-1].lines}
    labels = road_labels(0.0, size=(SIZE[0] * 2, SIZE[1] * 2) if gap == "size" else SIZE)
    frame = road_frame(labels, 100 if gap == "time" else 6, name="a" if gap == "image" else "")
    again = follower.update(labels, frame, cut=gap == "cut")
    assert before == {1, 2, 3, 4}
    assert len(again.lines) == 4, "the first frame of a video shows its lines at once"
    follower.update(labels, replace(frame, pts=frame.pts + 1))


def test_images_that_are_a_sequence_are_followed():
    labels = road_labels()
    tracks = []
    for sequence in (False, True):
        follower = LaneFollower(sequence=sequence)
        follower.update(labels, road_frame(labels, 0, name="a"))
        later = road_labels(0.1)
        lane = follower.update(later, road_frame(later, 1, name="b"))
        tracks.append(lane.position.offset)
    alone, followed = tracks
    assert alone == pytest.approx(0.1, abs=0.02)
    assert 0 < followed < alone
