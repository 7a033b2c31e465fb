"""TuSimple and CULane files: what is written is read back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lanes.errors import BadInput
from lanes.lines.files import (
    TUSIMPLE_ROWS,
    culane_text,
    read_culane,
    read_tusimple,
    tusimple_json,
)
from lanes.types import LaneLine


def line(bottom, top):
    y = np.arange(719.0, 299, -5)
    x = bottom + (top - bottom) * (719 - y) / 419
    return LaneLine(np.stack([x, y], 1).astype(np.float32), None, None, None, 1.0)


def test_tusimple_has_whole_pixels_in_the_benchmarks_rows(tmp_path):
    path = tmp_path / "predicted.json"
    path.write_text(tusimple_json([line(300, 500)], "clips/1/20.jpg", milliseconds=4.321) + "\n")
    frame = read_tusimple(path, truth=True)["clips/1/20.jpg"]
    np.testing.assert_array_equal(frame.rows, TUSIMPLE_ROWS)
    assert frame.milliseconds == 4.32
    x = dict(zip(frame.rows.tolist(), frame.lanes[0].tolist(), strict=True))
    assert x[290.0] == -2  # above the line
    assert x[710.0] == round(300 + 200 * 9 / 419)
    assert x[310.0] == round(300 + 200 * 409 / 419)


def test_a_line_outside_the_rows_is_left_out():
    short = LaneLine(np.array([[5, 719], [6, 715]], np.float32), None, None, None, 1.0)
    assert json.loads(tusimple_json([short], "a.jpg"))["lanes"] == []


def test_culane_points_run_from_the_bottom_up(tmp_path):
    lines = [line(300, 500), line(800, 600)]
    path = tmp_path / "1.lines.txt"
    path.write_text(culane_text(lines))
    for read, written in zip(read_culane(path), lines, strict=True):
        np.testing.assert_allclose(read, written.points, atol=0.01)
        assert read[0, 1] > read[-1, 1]
    path.write_text(culane_text([]))
    assert read_culane(path) == []


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"lanes": [], "raw_file": "a"}',
        '{"lanes": [[1, 2], [1]], "raw_file": "a", "h_samples": [1, 2]}',
        '{"lanes": [["x"]], "raw_file": "a", "h_samples": [1]}',
        '{"lanes": [[1]], "h_samples": [1]}',
    ],
)
def test_what_is_no_tusimple_frame(text, tmp_path):
    path = tmp_path / "truth.json"
    path.write_text(text)
    with pytest.raises(BadInput, match="line 1, is no TuSimple frame"):
        read_tusimple(path, truth=True)


def test_a_frame_may_not_come_twice(tmp_path):
    path = tmp_path / "truth.json"
    path.write_text(2 * (tusimple_json([line(300, 500)], "a.jpg") + "\n"))
    with pytest.raises(BadInput, match=r"a\.jpg comes twice"):
        read_tusimple(path, truth=True)
    with pytest.raises(BadInput, match="cannot be read"):
        read_tusimple(tmp_path / "none.json", truth=True)
