from fractions import Fraction

import cv2
import numpy as np
import pytest

from clips import make_clip
from lanes import tasks
from lanes.colour import YuvColour, from_bgr, to_bgr
from lanes.draw.overlay import draw_labels, overlay, overlay_bgr
from lanes.synthetic.road import demo_scene, render
from lanes.types import Frame
from lanes.video import VideoSource

TASK = tasks.load("lanes")
COLOURS = [YuvColour("bt601", False), YuvColour("bt709", False), YuvColour("bt709", True)]


def frame_of(image, colour=COLOURS[0]):
    return Frame(from_bgr(image, colour), colour, 0, 0, Fraction(1, 25))


def grey(size, value=100):
    return np.full((*size, 3), value, np.uint8)


def half(size):
    """The right half is lane line."""
    labels = np.zeros(size, np.uint8)
    labels[:, size[1] // 2 :] = 2
    return labels


def test_colour_of_a_class_at_its_opacity_by_hand():
    image = grey((64, 96))
    labels = np.full((64, 96), 1, np.uint8)
    drivable = TASK.classes[1]
    drawn = overlay_bgr(image, labels, TASK, alpha=0.5)
    opacity = 0.5 * drivable.alpha
    wanted = [100 * (1 - opacity) + c * opacity for c in drivable.colour]
    np.testing.assert_allclose(drawn[32, 48], wanted, atol=1.5)


def test_background_and_alpha_zero_change_nothing():
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    np.testing.assert_array_equal(overlay_bgr(image, np.zeros((64, 96), np.uint8), TASK), image)
    np.testing.assert_array_equal(overlay_bgr(image, half((64, 96)), TASK, alpha=0), image)


def test_the_input_is_not_changed():
    image = grey((64, 96))
    frame = frame_of(image)
    before = [plane.copy() for plane in frame.planes]
    overlay(frame, half((32, 48)), TASK)
    overlay_bgr(image, half((32, 48)), TASK)
    assert all(np.array_equal(a, b) for a, b in zip(before, frame.planes, strict=True))
    assert (image == 100).all()


@pytest.mark.parametrize("colour", COLOURS, ids=str)
@pytest.mark.parametrize("size", [(64, 96), (63, 95), (360, 640)])
def test_planes_and_bgr_agree(colour, size):
    image = grey(size, 120)
    labels = half((32, 48))
    on_planes = to_bgr(overlay(frame_of(image, colour), labels, TASK).planes, colour)
    on_bgr = overlay_bgr(image, labels, TASK)
    difference = np.abs(on_planes.astype(int) - on_bgr)
    edge = abs(np.arange(size[1]) - size[1] / 2) < size[1] / 24
    assert difference[:, ~edge].max() <= 4


def test_edges_are_smooth_and_rows_without_labels_untouched():
    labels = np.zeros((32, 48), np.uint8)
    labels[20:24] = 2
    image = grey((320, 480))
    drawn = overlay_bgr(image, labels, TASK).astype(int)
    column = drawn[:, 240, 2]
    assert (column[:150] == 100).all()
    assert (column[300:] == 100).all()
    # From grey to line in many small steps, each way, and no ring beyond the edge.
    assert len(np.unique(column)) >= 8
    assert np.abs(np.diff(column)).max() < 30
    assert column[215] > 150


@pytest.mark.parametrize("row", [0, 31])
def test_labels_at_the_border_are_drawn(row):
    labels = np.zeros((32, 48), np.uint8)
    labels[row] = 1
    drawn = overlay_bgr(grey((320, 480)), labels, TASK)
    assert (drawn[0 if row == 0 else -1] != 100).any()


def patch(size):
    """A rectangle of lane line, away from all borders."""
    labels = np.zeros(size, np.uint8)
    labels[size[0] // 2 : size[0] * 3 // 4, size[1] // 4 : size[1] // 3] = 2
    return labels


@pytest.mark.parametrize("size", [(64, 96), (63, 95), (360, 640), (1080, 1920)])
@pytest.mark.parametrize("draw", [half, patch])
def test_the_part_that_is_drawn_is_drawn_as_the_whole_would_be(size, draw):
    """Against the plain way: masks and picture at full size, in floating point."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    labels = draw((40, 64))
    drawn = overlay_bgr(image, labels, TASK, alpha=0.6).astype(float)
    wanted = np.zeros((*size, 3))
    for number, kind in enumerate(TASK.classes):
        mask = (labels == number).astype(np.float32)
        share = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_LINEAR)[..., None]
        opacity = 0.6 * kind.alpha
        wanted += share * ((1 - opacity) * image + opacity * np.array(kind.colour))
    assert abs(drawn - wanted).max() <= 3
    assert abs(drawn - wanted).mean() < 0.6


def test_only_the_part_with_labels_is_touched():
    image = np.random.default_rng(0).integers(0, 256, (360, 640, 3)).astype(np.uint8)
    frame = frame_of(image)
    drawn = overlay(frame, patch((36, 64)), TASK)
    for before, after in zip(frame.planes, drawn.planes, strict=True):
        rows, columns = np.nonzero(before != after)
        height, width = before.shape
        assert height * 0.48 < rows.min() < rows.max() < height * 0.78
        assert width * 0.22 < columns.min() < columns.max() < width * 0.36


@pytest.mark.parametrize("size", [(64, 96), (63, 95)])
def test_draw_labels_does_in_place_what_overlay_does_to_a_copy(size):
    image = grey(size)
    frame = frame_of(image)
    frame.image = image
    wanted = overlay(frame, half((32, 48)), TASK)
    assert frame.bgr is image
    planes = frame.planes
    draw_labels(frame, half((32, 48)), TASK)
    assert frame.planes is planes
    for mine, theirs in zip(planes, wanted.planes, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for drawn in (frame, wanted):
        np.testing.assert_array_equal(drawn.bgr, to_bgr(planes, frame.colour))


def test_ids_that_are_no_class_are_not_drawn():
    labels = np.full((32, 48), 1, np.uint8)
    labels[8:16, 8:16] = 255
    labels[8:16, 24:32] = len(TASK.classes)
    drawn = overlay_bgr(grey((64, 96)), labels, TASK)
    assert (drawn[18:30, 18:30] == 100).all()
    assert (drawn[18:30, 50:62] == 100).all()
    assert (drawn[2:12, 2:12] != 100).any(-1).all()


BT709, SMPTE170M, UNTAGGED = (1, 1, 1, 1), (6, 6, 6, 1), (2, 2, 2, 0)


@pytest.mark.parametrize("size", [(720, 1280), (360, 640)], ids=["1280x720", "640x360"])
@pytest.mark.parametrize(
    "tags", [BT709, SMPTE170M, UNTAGGED], ids=["bt709", "smpte170m", "untagged"]
)
def test_overlay_on_planes_looks_like_one_on_bgr(tmp_path, request, tags, size):
    """Above 40 dB outside edges; both stand as PNGs in the test's folder, to be looked at."""
    road, truth = render(demo_scene(), size, 2.0)
    clip = make_clip(
        tmp_path / "x.mp4", frames=1, size=size, tags=tags, draw=lambda number, size: road
    )
    labels = cv2.resize(truth, (640, 352), interpolation=cv2.INTER_NEAREST_EXACT)
    with VideoSource(clip) as source:
        frame = next(source)
    on_bgr = overlay_bgr(frame.bgr, labels, TASK)
    on_planes = overlay(frame, labels, TASK).bgr
    for name, image in (("planes", on_planes), ("bgr", on_bgr)):
        cv2.imwrite(str(tmp_path / f"{request.node.callspec.id}_{name}.png"), image)
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    drawn = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    edges = cv2.morphologyEx(drawn, cv2.MORPH_GRADIENT, np.ones((7, 7), np.uint8)) > 0
    assert psnr(on_planes[~edges & (drawn > 0)], on_bgr[~edges & (drawn > 0)]) > 40
    assert psnr(on_planes[~edges], on_bgr[~edges]) > 40
    # The measure tells: without the overlay it is far below.
    assert psnr(frame.bgr[~edges & (drawn > 0)], on_bgr[~edges & (drawn > 0)]) < 25


def psnr(one, other):
    """Peak signal to noise ratio in dB."""
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))
