"""Lines over time: identity, sides, flicker, lag, birth and death."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drawn_roads import HORIZON, MIDDLE, SIZE, road
from lanes.lines.lane_lines import find_lines
from lanes.lines.track import LineTracker
from lanes.synthetic.road import render, scene
from lanes.synthetic.true_lines import true_lines
from lanes.synthetic.world import Move
from line_seeds import CLIPS
from line_truth import matched

ROWS = np.arange(220.0, 350, 10)
FRAME = 1 / 25
LANE = 2.4
"""Camera heights."""


def noisy(labels, rng):
    """Labels with rows that jump and blocks that are missing, as of a poor model."""
    found = labels.copy()
    jumps = np.rint(np.convolve(rng.normal(0, 3, SIZE[0]), np.full(5, 0.2), "same")).astype(int)
    for row, jump in enumerate(jumps.tolist()):
        found[row] = np.roll(labels[row], jump)
    for _ in range(4):
        y, x = rng.integers(150, 330), rng.integers(0, 560)
        found[y : y + 25, x : x + 80] = 1
    return found


def changing(t):
    """The offset of a car that moves one lane to the right from the first to the fifth second."""
    share = min(max((t - 1) / 4, 0), 1)
    return LANE * share * share * (3 - 2 * share)


def drive(frames, offset):
    """Labels of three dashed and solid lines around a car that moves sideways."""
    for i in range(frames):
        at = offset(i * FRAME)
        solid = road(-1.2 - at, 3.6 - at)
        dashes = road(1.2 - at, dash=(2, 4), ahead_by=i * 0.7)
        yield at, np.maximum(solid, dashes)


def errors(lines, at):
    """Mean signed error of each line in pixels, by the place it belongs to."""
    found = {}
    for line in lines:
        x = line.x_at(ROWS)
        if np.isnan(x).all():  # a line at the edge of the picture
            continue
        for place in (-1.2, 1.2, 3.6):
            exact = MIDDLE + (place - at) * (ROWS - HORIZON)
            if np.nanmean(np.abs(x - exact)) < 12:
                found[place] = x - exact
    return found


def test_lines_keep_their_numbers_and_change_their_sides():
    tracker = LineTracker()
    numbers, sides = {}, {}
    for at, labels in drive(150, changing):
        lines = tracker.update(labels, seconds=FRAME)
        for line in lines:
            place = next(iter(errors([line], at)))
            numbers.setdefault(place, set()).add(line.track)
            sides.setdefault(place, []).append(line.side)
    assert {place: len(found) for place, found in numbers.items()} == {-1.2: 1, 1.2: 1, 3.6: 1}
    assert len(set.union(*numbers.values())) == 3
    assert (sides[-1.2][0], sides[-1.2][-1]) == ("ego left", "next left")
    assert (sides[1.2][0], sides[1.2][-1]) == ("ego right", "ego left")
    assert (sides[3.6][0], sides[3.6][-1]) == ("next right", "ego right")
    changes = [sum(a != b for a, b in zip(s, s[1:], strict=False)) for s in sides.values()]
    assert changes == [1, 1, 1]


def test_flicker_falls_and_lag_stays_under_two_frames():
    rng = np.random.default_rng(3)
    tracker = LineTracker()
    raw, calm = [], []
    for at, labels in drive(150, changing):
        labels = noisy(labels, rng)
        raw.append(errors(find_lines(labels), at))
        calm.append(errors(tracker.update(labels, seconds=FRAME), at))

    def flicker(frames):
        pairs = zip(frames, frames[1:], strict=False)
        return np.nanmean([np.abs(b[k] - a[k]) for a, b in pairs for k in a.keys() & b.keys()])

    assert flicker(calm) < 0.6 * flicker(raw)
    assert np.mean([len(frame) for frame in calm]) >= np.mean([len(frame) for frame in raw])
    # While the car moves, a late curve errs by its speed: frames of lag = error / speed.
    speed = np.diff([changing(i * FRAME) for i in range(150)])
    lags = []
    for i in range(50, 100):
        row = int(np.argmax(ROWS == 300))
        pixels = speed[i - 1] * (300 - HORIZON)
        lags += [error[row] / pixels for error in calm[i].values()]
    print(flicker(calm) / flicker(raw), np.nanmedian(lags))
    assert abs(np.nanmedian(lags)) < 1


def test_a_covered_line_lives_on_with_less_confidence_and_then_dies():
    tracker = LineTracker()
    whole, left_only = road(-1.2, 1.2), road(-1.2)
    for _ in range(10):
        before = tracker.update(whole)
    during = [tracker.update(left_only) for _ in range(20)]
    assert [len(lines) for lines in (before, during[0], during[-1])] == [2, 2, 1]
    confidences = [lines[1].confidence for lines in during if len(lines) > 1]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[-1] < 0.1
    back = [tracker.update(whole) for _ in range(5)]
    assert len(back[-1]) == 2
    assert back[-1][1].track not in {line.track for line in before}


def test_a_line_seen_in_one_frame_only_is_not_reported():
    tracker = LineTracker()
    for _ in range(10):
        tracker.update(road(-1.2, 1.2))
    for labels in (road(-1.2, 1.2, 3.6), *[road(-1.2, 1.2)] * 5):
        assert len(tracker.update(labels)) == 2


def test_empty_frames_and_a_new_size():
    tracker = LineTracker()
    empty = np.zeros(SIZE, np.uint8)
    assert tracker.update(empty) == []
    assert tracker.update(empty) == []
    assert len(tracker.update(road(-1.2, 1.2))) == 0  # not yet
    for _ in range(3):
        lines = tracker.update(road(-1.2, 1.2))
    assert len(lines) == 2
    other = tracker.update(road(-1.2, 1.2), size=(720, 1280))
    assert len(other) == 2
    assert {line.track for line in other}.isdisjoint({line.track for line in lines})


def test_frames_at_one_time_and_after_a_gap():
    tracker = LineTracker()
    for seconds in (FRAME, 0.0, 0.0, FRAME):
        before = tracker.update(road(-1.2, 1.2), seconds=seconds)
    assert len(before) == 2
    after = tracker.update(road(-1.0, 1.4), seconds=20.0)
    assert np.nanmax(np.abs(errors(after, -0.2)[1.2])) < 2
    assert {line.track for line in after}.isdisjoint({line.track for line in before})


def test_kinds_and_colours_are_voted_on():
    tracker = LineTracker()
    labels = road(-1.2, 1.2)
    yellow = np.full((*SIZE, 3), 90, np.uint8)
    yellow[labels == 2] = (60, 170, 225)
    for i in range(40):
        lines = tracker.update(labels, np.full_like(yellow, 90) if i % 9 == 6 else yellow)
    assert [(line.kind, line.colour) for line in lines] == [("solid", "yellow")] * 2


@pytest.mark.parametrize("seed", CLIPS[:2])
def test_a_rendered_lane_change(seed):
    made = scene(seed)
    width = made.road.lane_width
    made = replace(made, moves=(Move(0.5, 3.0, width),))
    tracker, owners = LineTracker(), {}
    for i in range(40):
        second = i / 10
        image, labels = render(made, SIZE, second)
        truth = true_lines(made, SIZE, second)
        for line in tracker.update(labels, image, seconds=0.1):
            true = matched(line, truth)
            if true:
                key = round(true.right + made.offset(second), 1)
                owners.setdefault(key, []).append(line.track)
    assert owners
    for numbers in owners.values():
        assert len(set(numbers)) <= 1 + (len(numbers) < 20)
