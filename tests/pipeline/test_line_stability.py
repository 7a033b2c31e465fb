"""Steadiness of lane lines, on drawn labels over a picture that does not move."""

from __future__ import annotations

import numpy as np
import pytest

from drawn_roads import SIZE, road
from lanes.colour import YuvColour, from_bgr
from lanes.pipeline.line_stability import line_stability
from lanes.types import Frame, Result

YUV = YuvColour("bt709", False)
TEXTURE = np.random.default_rng(1).integers(60, 200, (*SIZE, 3)).astype(np.uint8)


def clip(labels):
    planes = from_bgr(TEXTURE, YUV)
    for number, one in enumerate(labels):
        yield Result(Frame(planes, YUV, 0, number * 40, 1 / 1000), one, {})


def test_still_lines_do_not_jump():
    found = line_stability(clip([road(-1.2, 1.2)] * 8))
    assert set(found) == {"frame by frame", "tracked"}
    for steady in found.values():
        assert steady.jump < 0.1
        assert steady.lost == steady.switches == 0
    assert found["frame by frame"].lines == 2


def test_tracking_calms_lines_that_tremble():
    """Both lines jump by 0.04 camera heights in each frame: 4 pixels, 96 rows below the horizon."""
    trembling = [road(-1.2 + aside, 1.2 + aside) for aside in [0.0, 0.04] * 10]
    found = line_stability(clip(trembling))
    assert found["frame by frame"].jump == pytest.approx(0.04 * 96, rel=0.3)
    assert found["tracked"].jump < 0.7 * found["frame by frame"].jump
    assert found["tracked"].switches == 0


def test_a_line_that_is_missing_once_is_lost_without_tracking():
    both, left = road(-1.2, 1.2), road(-1.2)
    found = line_stability(clip([*[both] * 6, left, *[both] * 6]))
    assert found["frame by frame"].lost == pytest.approx(1 / 23)
    assert found["tracked"].lost == 0


def test_no_frames_and_no_lines():
    for frames in ([], [np.zeros(SIZE, np.uint8)] * 3):
        for steady in line_stability(clip(frames)).values():
            assert steady.lines == steady.lost == steady.switches == 0
            assert np.isnan(steady.jump)
