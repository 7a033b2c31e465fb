"""Python's own way in: images and videos to labels, the main job, scoring, as README says."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PilImage

import lanes
from clips import make_clip
from lanes.errors import BadInput, BadModel, BadOutput, UnknownName
from lanes.video import open_source
from model_folders import SIZE, grey, labels_of

LEVELS = [20, 120, 220]
"""Grey levels that the small model labels 0, 1 and 2."""


@pytest.fixture(scope="module")
def model(model_folder):
    with lanes.load(model_folder, "onnxruntime", threads=1) as found:
        yield found


@pytest.fixture
def image():
    return grey(LEVELS, SIZE)


def test_a_model_says_what_it_is(model):
    height, width = SIZE
    assert (
        repr(model) == f"<lanes model {model.card.name}: onnxruntime fp32 on cpu, {width}x{height}>"
    )


def test_an_image_of_any_kind(model, image, tmp_path):
    path = tmp_path / "road.png"
    cv2.imwrite(str(path), image)
    alpha = np.dstack([image, np.full(SIZE, 255, np.uint8)])
    pil = PilImage.fromarray(np.ascontiguousarray(image[..., ::-1]))
    for given in (path, str(path), image, image[..., 0], alpha, pil):
        np.testing.assert_array_equal(model(given).labels, labels_of(image))
    assert model(path).frame.name == "road"


def test_pil_images_are_rgb_and_turned_upright(model, tmp_path):
    photo = PilImage.new("RGB", (64, 32), (200, 10, 30))
    exif = photo.getexif()
    exif[0x0112] = 6  # shown after a quarter turn
    photo.save(tmp_path / "turned.jpg", exif=exif)
    with PilImage.open(tmp_path / "turned.jpg") as turned:
        frame = model(turned).frame
    assert frame.size == (64, 32)
    assert np.abs(frame.bgr[30, 15].astype(int) - (30, 10, 200)).max() < 4


def test_masks_shares_measures(model, image):
    result = model(cv2.resize(image, None, fx=3, fy=2, interpolation=cv2.INTER_NEAREST))
    assert result.labels.shape == (2 * SIZE[0], 3 * SIZE[1])
    for label, name in enumerate(("background", "drivable", "lane line")):
        np.testing.assert_array_equal(result.mask(name), result.labels == label)
        assert result.share(name) == pytest.approx((result.labels == label).mean())
    assert result.measures["drivable share"] == pytest.approx(2 / 3, abs=0.02)
    assert repr(result).startswith(f"<labelled {3 * SIZE[1]}x{2 * SIZE[0]}: background 33")
    with pytest.raises(UnknownName, match="lane line"):
        result.mask("lane lines")


def test_drawing_classes_and_colours_of_ones_own(model, image):
    result = model(image)
    right = np.s_[:, -SIZE[1] // 6 :]
    plain = result.draw(classes=["drivable"])
    np.testing.assert_array_equal(plain[right], image[right])
    drawn = result.draw(alpha=1.0, colours={"lane line": (255, 0, 0)})
    assert (drawn[right] == (255, 0, 0)).all()
    assert (result.frame.bgr == image).all(), "the picture itself stays as it was"
    for wanted in ({"classes": ["lines"]}, {"colours": {"lines": (0, 0, 0)}}):
        with pytest.raises(UnknownName, match="lines"):
            result.draw(**wanted)
    png = result._repr_png_()
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), 1), result.draw())


def test_a_list_is_labelled_in_order(model, image, tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), image)
    flat = [
        np.full((h, 30, 3), level, np.uint8) for h, level in zip((9, 20, 40), LEVELS, strict=True)
    ]
    results = model([path, *flat])
    np.testing.assert_array_equal(results[0].labels, labels_of(image))
    for label, (result, given) in enumerate(zip(results[1:], flat, strict=True)):
        np.testing.assert_array_equal(result.labels, np.full(given.shape[:2], label))
    assert model([]) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("missing.png", "missing.png cannot be read"),
        ("https://a.b/road.jpg", "is an address.*download it first"),
        (None, "wanted a path"),
        (3, "wanted a path"),
        (np.zeros((4, 4, 3)), "float64"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
    ],
)
def test_what_is_no_image(model, image, given, message):
    with pytest.raises(BadInput, match=message):
        model(given)
    with pytest.raises(BadInput, match=message):
        model([image, given])
    assert model(image).labels.any(), "the engine goes on"


def test_a_video_as_a_stream(model, tmp_path):
    clip = tmp_path / "a.mp4"
    make_clip(clip, frames=6)
    seen = list(model.stream(clip))
    assert [r.frame.index for r in seen] == list(range(6))
    assert seen[3].frame.seconds == pytest.approx(3 / 25)
    later = list(model.stream(clip, start=2 / 25, max_frames=2))
    np.testing.assert_array_equal(later[0].labels, seen[2].labels)
    assert len(later) == 2
    carried = list(model.stream(clip, infer_every=3))
    assert [r.result.inferred for r in carried] == [True, False, False] * 2
    with pytest.raises(BadInput, match="missing"):
        next(model.stream("missing.mp4"))


def test_a_stream_left_early_leaves_the_model_usable(model, image, tmp_path):
    clip = tmp_path / "a.mp4"
    make_clip(clip, frames=30)
    stream = model.stream(clip)
    next(stream)
    stream.close()
    np.testing.assert_array_equal(model(image).labels, labels_of(image))


def test_ones_own_drawing_becomes_a_video(model, tmp_path):
    clip = tmp_path / "a.mp4"
    make_clip(clip, frames=5)
    with open_source(clip) as source, lanes.VideoSink.like(source, tmp_path / "b.mp4") as sink:
        for result in model.stream(clip):
            picture = result.frame.bgr.copy()
            picture[:] = (0, 0, 255)
            sink.write(picture)
    with open_source(tmp_path / "b.mp4") as written:
        frames = list(written)
    assert [f.seconds for f in frames] == [pytest.approx(i / 25) for i in range(5)]
    assert np.abs(frames[2].bgr.astype(int) - (0, 0, 255)).max() < 6


def test_the_main_job_in_one_line(model_folder, model, tmp_path):
    clip = tmp_path / "a.mp4"
    make_clip(clip, frames=4)
    summary = lanes.label_video(clip, tmp_path / "b.mp4", model=model_folder)
    assert (summary.frames, summary.output) == (4, tmp_path / "b.mp4")
    with open_source(tmp_path / "b.mp4") as written:
        assert sum(1 for _ in written) == 4
    masks, lines = tmp_path / "masks", tmp_path / "f.jsonl"
    again = lanes.label_video(
        clip, model=model, masks=str(masks), json=str(lines), max_frames=2, hud=False
    )
    assert again.output == tmp_path / "a_lanes.mp4"
    assert (len(list(masks.iterdir())), len(lines.read_text().splitlines())) == (2, 2)
    with pytest.raises(BadOutput, match="exists already"):
        lanes.label_video(clip, model=model)
    with pytest.raises(BadInput, match="colour.*wanted options among.*infer_every"):
        lanes.label_video(clip, model=model, colour="red")
    with pytest.raises(BadInput, match="--alpha"):
        lanes.label_video(clip, model=model, alpha=3)


def test_scoring(model, image, tmp_path):
    for folder, picture in (("images", image), ("labels", labels_of(image))):
        (tmp_path / "val" / folder).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "val" / folder / "a.png"), picture)
    found = lanes.evaluate(model, "image_folder", tmp_path)
    assert found.figures["drivable iou"].value == 1.0
    assert lanes.evaluate(model, "synthetic", split="choose").images == 50


def test_scoring_in_a_named_engine(model, model_folder):
    found = lanes.evaluate(
        model_folder,
        "synthetic",
        split="choose",
        backend="openvino",
        precision="fp32",
        device="cpu",
    )
    assert (found.backend, found.precision, found.device) == ("openvino", "fp32", "cpu")
    with pytest.raises(UnknownName, match="int4"):
        lanes.evaluate(model_folder, "synthetic", backend="openvino", precision="int4")
    with pytest.raises(BadInput, match="loaded model.*'fp32'"):
        lanes.evaluate(model, "synthetic", precision="fp32")


def test_examples_run(trained_folder, tmp_path, monkeypatch):
    """Each program of examples/, with a small model in place of the default."""
    folder = Path(__file__).parents[1] / "examples"
    make_clip(tmp_path / "drive.mp4", frames=5)
    for name in ("road.jpg", "a.jpg", "b.jpg"):
        cv2.imwrite(str(tmp_path / name), grey(LEVELS, SIZE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lanes.assets.model_folder", lambda name: trained_folder)
    programs = sorted(folder.glob("*.py"))
    assert len(programs) >= 4
    for program in programs:
        exec(compile(program.read_text(encoding="utf-8"), program, "exec"), {})
    written = {"drive_lanes.mp4", "road_lanes.png", "mine.mp4", "road_unsure.png"}
    assert written <= {path.name for path in tmp_path.iterdir()}
    assert Fraction(25) == open_source("mine.mp4").rate


@pytest.fixture(scope="module")
def scoring(trained_folder):
    with lanes.load(trained_folder, "onnxruntime", threads=1) as found:
        yield found


def test_scores_of_an_image_and_of_a_list(scoring, image):
    result = scoring(image, scores=True)
    assert (result.scores.shape, result.scores.dtype) == ((3, *SIZE), np.float16)
    np.testing.assert_array_equal(result.scores.argmax(0), result.labels)
    assert result.scores is result.scores
    large = cv2.resize(image, None, fx=2, fy=3, interpolation=cv2.INTER_NEAREST)
    both = scoring([image, large], scores=True)
    assert [one.scores.shape[1:] for one in both] == [SIZE, (3 * SIZE[0], 2 * SIZE[1])]
    np.testing.assert_allclose(both[1].scores.sum(0, dtype=np.float32), 1, atol=2e-3)
    smoothed = result.relabelled(np.zeros(SIZE, np.uint8))
    np.testing.assert_array_equal(smoothed.scores, result.scores)
    with pytest.raises(BadInput, match="but no scores: label it with scores=True"):
        _ = scoring(image).scores


def test_scores_of_a_stream(scoring, tmp_path):
    clip = make_clip(tmp_path / "a.mp4", frames=4)
    for result in scoring.stream(clip, scores=True):
        network = result.result.scores
        np.testing.assert_array_equal(network.argmax(0), result.network_labels)
        assert result.scores.shape[1:] == result.frame.size
    keys, between, *_ = scoring.stream(clip, scores=True, infer_every=2)
    assert keys.scores.any()
    with pytest.raises(BadInput, match="infer_every=1"):
        _ = between.scores


def test_a_network_without_scores(model, image):
    with pytest.raises(BadModel, match="no class probabilities.*a model of lanes export"):
        model(image, scores=True)
    np.testing.assert_array_equal(model(image).labels, labels_of(image))
