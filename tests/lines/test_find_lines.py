"""From labels to lines: exact truth of synthetic frames, drawn special cases, TuSimple's masks."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from drawn_roads import HORIZON, MIDDLE, road
from lanes.colour import YuvColour, from_bgr
from lanes.datasets.tusimple import drawn
from lanes.lines.bundle import Bundle
from lanes.lines.curve import Curve
from lanes.lines.lane_lines import find_lines, points_of
from lanes.metrics.tusimple import mean_scores, score_frame
from lanes.types import Frame
from line_seeds import FRAMES
from line_truth import ROWS, SIZE, example, matched, tusimple_scores

BUNDLE = Bundle(MIDDLE, HORIZON, 0.0, 0.0, 0.0, np.eye(5))
TUSIMPLE = Path(__file__).parents[3] / "shared" / "data" / "tusimple_170"


def check(frames):
    """Aims of the issue on frames by seed."""
    scores, kinds, colours, sides = [], [], [], []
    for seed in frames:
        frame = example(seed)
        found = find_lines(frame.labels, frame.image)
        if frame.lines:
            scores.append(tusimple_scores(found, frame.lines))
        for line in found:
            true = matched(line, frame.lines) if line.side else None
            if true:
                kinds.append(line.kind and line.kind == true.kind)
                colours.append(line.colour and line.colour == true.colour)
                sides.append(("left" in line.side) == (true.right < 0))
    told = [[hit for hit in hits if hit is not None] for hits in (kinds, colours)]
    print(mean_scores(scores), [(len(t) / len(kinds), np.mean(t)) for t in told], np.mean(sides))
    assert mean_scores(scores).accuracy >= 0.95
    assert np.mean(told[0]) >= 0.9
    assert len(told[0]) >= 0.5 * len(kinds)
    assert np.mean(told[1]) >= 0.95
    assert len(told[1]) >= 0.9 * len(colours)
    assert np.mean(sides) >= 0.98


def test_synthetic_frames():
    check(FRAMES[:40])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_600_synthetic_frames():
    check(FRAMES)


def test_straight_lines_lie_where_they_were_drawn():
    lines = find_lines(road(-3.6, -1.2, 1.2, 3.6))
    assert [line.side for line in lines] == ["next left", "ego left", "ego right", "next right"]
    for line, place in zip(lines, (-3.6, -1.2, 1.2, 3.6), strict=True):
        x = line.x_at(ROWS)
        exact = MIDDLE + place * (ROWS - HORIZON)
        assert np.nanmax(np.abs(x - exact)) < 2
        assert line.confidence > 0.95
        assert line.kind is line.colour is None  # no picture, and no implied line in the labels


def test_points_are_in_the_frames_pixels_from_the_bottom_up():
    labels = road(-1.2, 1.2)
    small, large = find_lines(labels), find_lines(labels, size=(720, 1280))
    for one, other in zip(small, large, strict=True):
        x = (one.x_at(ROWS) + 0.5) * 2 - 0.5
        y = (ROWS + 0.5) * 720 / 352 - 0.5
        assert np.nanmax(np.abs(other.x_at(y) - x)) < 3
        assert (np.diff(other.points[:, 1]) < 0).all()
        assert other.points.dtype == np.float32


def test_dashes_are_one_line_through_their_gaps():
    lines = find_lines(road(-1.2, 1.2, dash=(2, 5)))
    assert len(lines) == 2
    assert np.nanmax(np.abs(lines[1].x_at(ROWS) - (MIDDLE + 1.2 * (ROWS - HORIZON)))) < 3
    assert {line.side for line in lines} == {"ego left", "ego right"}
    assert all(np.ptp(line.points[:, 1]) > 150 for line in lines)


def test_one_line_and_no_line():
    assert [line.side for line in find_lines(road(1.0))] == ["ego right"]
    assert find_lines(road()) == []
    assert find_lines(np.ones(SIZE, np.uint8)) == []


def test_two_parallel_strands_are_a_double_line():
    labels = np.maximum(road(-1.3, 1.2), road(-1.05))
    lines = find_lines(labels)
    assert [line.kind for line in lines] == ["double", None]
    assert lines[0].x_at(np.array([300.0]))[0] == pytest.approx(MIDDLE - 1.175 * 140, abs=2)


def test_stop_lines_crossings_and_arrows_are_no_lines():
    labels = np.zeros(SIZE, np.uint8)
    labels[240:252, 120:520] = 2
    assert find_lines(labels) == []
    labels = road(-1.2, 1.2)
    alone = find_lines(labels)
    labels[240:248, 236:406] = 2  # a stop line that joins both lines
    both = find_lines(labels)
    assert len(both) == 2
    for line, other in zip(alone, both, strict=True):
        assert np.nanmax(np.abs(line.x_at(ROWS) - other.x_at(ROWS))) < 3


def test_a_line_cut_short_by_a_vehicle_runs_on():
    labels = road(-3.6, -1.2, 1.2)
    labels[:230, MIDDLE:] = 0  # nothing of the right line is seen beyond the car ahead
    lines = find_lines(labels)
    tops = [line.points[:, 1].min() for line in lines]
    assert tops[2] == pytest.approx(sorted(tops)[1], abs=5)
    exact = MIDDLE + 1.2 * (ROWS - HORIZON)
    assert np.nanmax(np.abs(lines[2].x_at(ROWS) - exact)) < 3


def bent(right, bend):
    """A curve from `right` of the middle at the bottom to `bend` pixels aside at the horizon."""
    return Curve(HORIZON, SIZE[0], np.array([MIDDLE, right, bend, 0.0]))


def ends(*curves_and_tops, sure=(1.0, 1.0, 1.0)):
    """The highest row of the points of each line."""
    curves, tops = zip(*curves_and_tops, strict=True)
    found = points_of(curves, tops, sure, BUNDLE, SIZE)
    return [float(points[:, 1].min()) for points in found]


def test_where_lines_cross_the_one_that_is_seen_less_far_ends():
    near, bending, far = bent(60, 0), bent(230, -200), bent(600, 0)
    crossing = next(y for y in np.arange(340.0, 165, -1) if bending.x_at(y) < near.x_at(y))
    cut = ends((near, 170), (bending, 260), (far, 170))
    assert cut[1] == pytest.approx(crossing, abs=8)
    assert max(cut[0], cut[2]) < crossing - 8
    cut = ends((near, 260), (bending, 170), (far, 170))
    assert cut[0] == pytest.approx(crossing, abs=8)
    uncertain = ends((near, 170), (bending, 200), (far, 170), sure=(0.1, 1.0, 1.0))
    assert uncertain[0] == pytest.approx(crossing, abs=8)


def test_a_line_runs_on_unseen_only_until_it_turns_away():
    left, far, turning = bent(-230, 0), bent(700, 0), bent(230, 400)
    cut = ends((left, 170), (turning, 260), (far, 170))
    assert 195 < cut[1] < 225  # it is nearest to the middle in row 207
    seen = ends((left, 170), (turning, 170), (far, 170))
    assert seen[1] < 180


def with_arrow(labels):
    arrow = np.array([[312, 300], [328, 300], [325, 260], [334, 260], [320, 240], [306, 260]])
    return cv2.fillPoly(labels, [arrow.astype(np.int32)], 2)


def with_crossing(labels):
    for place in np.arange(-2.0, 2.1, 0.7):
        bar = [
            (MIDDLE + (place + aside) * (y - HORIZON), y)
            for aside, y in ((-0.17, 215), (0.17, 215), (0.17, 228), (-0.17, 228))
        ]
        cv2.fillPoly(labels, [np.rint(bar).astype(np.int32)], 2)
    return labels


@pytest.mark.parametrize("add", [with_arrow, with_crossing])
def test_marks_between_the_lines_take_no_side(add):
    """Labels that take an arrow or a crossing's bars for lines still give the lane's lines."""
    lines = {line.side: line for line in find_lines(add(road(-1.2, 1.2))) if line.side}
    assert set(lines) == {"ego left", "ego right"}
    for side, place in (("ego left", -1.2), ("ego right", 1.2)):
        exact = MIDDLE + place * (ROWS - HORIZON)
        assert np.nanmax(np.abs(lines[side].x_at(ROWS) - exact)) < 5


def test_a_speck_is_no_line():
    labels = np.zeros(SIZE, np.uint8)
    labels[300:306, 400:406] = 2
    assert find_lines(labels) == []


def test_little_evidence_lowers_the_confidence():
    labels = road(-1.2, 1.2)
    labels[:, MIDDLE:][: SIZE[0] - 30] = 0  # of the right line only the lowest 30 rows are left
    left, right = find_lines(labels)
    assert left.confidence > 0.95
    assert right.confidence < 0.7


def painted(labels, colour):
    image = np.full((*SIZE, 3), 90, np.uint8)
    image[labels == 2] = colour
    return image


@pytest.mark.parametrize(
    ("colour", "name"), [((230, 230, 230), "white"), ((60, 170, 225), "yellow")]
)
def test_colours_and_kinds_come_from_the_picture(colour, name):
    """Labels fill the gaps of the right line; the picture shows them."""
    solid, dashes = road(-1.2), road(1.2, dash=(2, 4))
    image = painted(np.maximum(solid, dashes), colour)
    planes = Frame(from_bgr(image, YUV := YuvColour("bt709", False)), YUV, 0, 0, 1)
    for picture in (image, planes):
        lines = find_lines(road(-1.2, 1.2), picture)
        assert [line.kind for line in lines] == ["solid", "dashed"]
        assert [line.colour for line in lines] == [name, name]


def test_unpainted_lines_have_no_colour():
    labels = road(-1.2, 1.2)
    lines = find_lines(labels, np.full((*SIZE, 3), 90, np.uint8))
    assert [line.colour for line in lines] == [None, None]


def test_tusimples_truth_as_masks():
    """Lines without any point, which some frames list, are left out: no mask shows them."""
    if not TUSIMPLE.is_dir():
        pytest.skip("no TuSimple here")
    scores = []
    for text in (TUSIMPLE / "label_data_0313.json").read_text().splitlines()[:60]:
        frame = json.loads(text)
        rows = np.array(frame["h_samples"], float)
        truth = np.array([xs for xs in frame["lanes"] if max(xs) >= 0], float)
        lanes = [np.stack([xs, rows], 1)[xs >= 0].astype(np.int32) for xs in truth]
        labels = cv2.resize(drawn(tuple(lanes), (720, 1280)) * 2, (640, 352), interpolation=0)
        found = [line.x_at(rows) for line in find_lines(labels, size=(720, 1280))]
        ours = np.nan_to_num(np.array(found).reshape(-1, len(rows)), nan=-2.0)
        scores.append(score_frame(ours, truth, rows))
    assert mean_scores(scores).accuracy >= 0.98
