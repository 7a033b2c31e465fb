"""A backend that cuts pictures into tiles labels them without visible seams, at any size."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from clips import make_clip
from lanes import backends, segmenter
from lanes import card as cards
from lanes.backends._engine import Engine
from lanes.backends._tiled import TiledBackend
from lanes.cli.main import app
from lanes.datasets import synthetic
from lanes.errors import BackendError
from lanes.images.resize import Resize
from lanes.metrics import evaluate
from lanes.segmenter import Segmenter
from model_folders import card_of, labels_of, write_network

TILE = (128, 160)


class Function(Engine):
    """A backend that labels by a function of the grey value (h, w) and records its tiles."""

    name = library = "function"

    def __init__(self, function, size=TILE):
        super().__init__("cpu", "fp64", (1, *size, 3))
        self.function, self.seen, self.most = function, 0, 0

    def _start(self, images, pending):
        self.seen += 1
        self.most = max(self.most, self.in_flight + 1)
        return self.function(images[0].mean(-1))[None]

    def _wait(self, request):
        return request


def coarse(grey):
    """Labels that depend on the position of 16 x 16 cells and on pixels up to 24 pixels away."""
    rows, columns = (n // 16 * 16 for n in grey.shape)
    small = cv2.resize(
        grey[:rows, :columns], (columns // 16, rows // 16), None, 0, 0, cv2.INTER_AREA
    )
    large = cv2.resize(small, (columns, rows), None, 0, 0, cv2.INTER_NEAREST)
    large = np.pad(large, ((0, grey.shape[0] - rows), (0, grey.shape[1] - columns)), "edge")
    return (cv2.blur(large, (17, 17), borderType=cv2.BORDER_REFLECT_101) / 86).astype(np.uint8)


def picture(size, seed=0):
    random = np.random.default_rng(seed)
    small = random.choice([20, 128, 235], (size[0] // 21 + 2, size[1] // 21 + 2, 1))
    small = np.repeat(small, 3, -1).astype(np.uint8)
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)


def tiled(function, tile=TILE):
    card = card_of(tile, resize=Resize(tile, mode="tile"))
    return Segmenter(card, TiledBackend(Function(function, tile), tile))


@pytest.mark.parametrize("size", [(128, 160), (256, 320), (352, 480), (160, 800)])
def test_labels_are_those_of_one_run_on_the_whole_picture(size):
    """Here every tile ends with the picture, so no pixel may differ."""
    image = picture(size)
    whole = coarse(image.mean(-1))
    assert set(np.unique(whole)) == {0, 1, 2}
    np.testing.assert_array_equal(tiled(coarse).label(image), whole)


@pytest.mark.parametrize("size", [(129, 161), (300, 517), (131, 40), (700, 333)])
def test_of_other_sizes_only_the_lower_and_right_edge_may_differ(size):
    image = picture(size)
    labels, whole = tiled(coarse).label(image), coarse(image.mean(-1))
    assert labels.shape == size
    inner = np.s_[: size[0] // 16 * 16 - 32, : max(size[1] // 16 * 16 - 32, 8)]
    np.testing.assert_array_equal(labels[inner], whole[inner])
    assert (labels != whole).mean() < 0.15


def test_without_a_margin_the_seams_would_show(monkeypatch):
    """Proves that the test above can fail."""
    monkeypatch.setattr("lanes.images.tiles.MARGIN", 10**6)
    image = picture((256, 320))
    assert (tiled(coarse).label(image) != coarse(image.mean(-1))).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (90, 3), (127, 160), (128, 159)])
def test_small_pictures_are_mirrored_to_a_tile_and_cut_again(size):
    seen = []

    def note(grey):
        seen.append(grey)
        return (grey / 86).astype(np.uint8)

    image = picture(size)
    np.testing.assert_array_equal(tiled(note).label(image), (image.mean(-1) / 86).astype(np.uint8))
    assert all(grey.shape == TILE for grey in seen)


def test_the_engine_is_kept_full_and_no_fuller():
    loaded = tiled(coarse)
    engine = loaded.backend.backend
    image = picture((400, 600))
    first = loaded.submit(image)
    assert engine.in_flight == engine.depth == 2
    labels = loaded.result(first)
    assert (engine.in_flight, engine.most) == (0, 2)
    assert first.finished >= 0
    np.testing.assert_array_equal(loaded.label(image), labels)


def test_several_pictures_are_in_flight():
    loaded = tiled(coarse)
    images = [picture((400, 600)), picture((150, 100), seed=1)]
    alone = [loaded.label(image) for image in images]
    flying = [loaded.submit(image) for image in images]
    with pytest.raises(BackendError, match="take a result first"):
        loaded.submit(images[0])
    for pending, wanted in zip(flying, alone, strict=True):
        np.testing.assert_array_equal(loaded.result(pending), wanted)
    assert loaded.backend.backend.most == loaded.depth == 2


def test_a_tile_that_fails_spoils_only_its_picture():
    def fail(grey):
        if grey[0, 0] > 250:
            raise RuntimeError("no memory left")
        return coarse(grey)

    loaded = tiled(coarse)
    loaded.backend.backend._wait = lambda labels: fail(labels[0])[None]
    loaded.backend.backend.function = lambda grey: grey
    image = np.minimum(picture((400, 600)), 200)
    bad = np.full_like(image, 255)
    flying = [loaded.submit(bad), loaded.submit(image)]
    with pytest.raises(BackendError, match="no memory left"):
        loaded.result(flying[0])
    for pending in (flying[1], loaded.submit(image)):
        np.testing.assert_array_equal(loaded.result(pending), tiled(coarse).label(image))


def test_threads_share_a_tiled_backend():
    loaded = tiled(coarse)
    images = [picture((400, 600), seed=n) for n in range(5)]
    wanted = [loaded.label(image) for image in images]
    shared = loaded.shared()
    with ThreadPoolExecutor(5) as threads:
        for found, labels in zip(threads.map(shared.label, images), wanted, strict=True):
            np.testing.assert_array_equal(found, labels)


def test_a_closed_one_takes_no_pictures():
    loaded = tiled(coarse)
    loaded.close()
    assert loaded.backend.backend.closed
    with pytest.raises(BackendError, match="closed"):
        loaded.submit(picture((10, 10)))


def test_a_backend_of_any_size_gets_the_whole_picture():
    engine = Function(coarse)
    engine.any_size = True
    resize = Resize(TILE, mode="tile")
    assert backends.tiled(engine, resize) is engine
    loaded = Segmenter(card_of(TILE, resize=resize), engine)
    for size in ((300, 500), (33, 44)):
        image = picture(size)
        seen = engine.seen
        np.testing.assert_array_equal(loaded.label(image), coarse(image.mean(-1)))
        assert engine.seen == seen + 1


def test_only_a_model_that_takes_tiles_is_wrapped(model_folder, tiled_folder):
    for folder, wanted in ((model_folder, False), (tiled_folder, True)):
        with closing(backends.load("onnxruntime", folder)) as backend:
            assert isinstance(backend, TiledBackend) == wanted
            assert (backend.name, backend.precision) == ("onnxruntime", "fp32")


@pytest.fixture(scope="module")
def tiled_folder(tmp_path_factory):
    """A model folder that labels by grey value, tile by tile."""
    folder = tmp_path_factory.mktemp("models") / "tiled"
    folder.mkdir()
    card_of((64, 96), name="tiled", resize=Resize((64, 96), mode="tile")).write(folder)
    write_network(folder / "model.onnx", (64, 96))
    return folder


def test_the_card_says_that_it_is_to_be_tiled(tiled_folder):
    assert cards.read(tiled_folder).resize == Resize((64, 96), mode="tile")
    values = json.loads((tiled_folder / "card.json").read_text())
    assert values["resize"] == {"size": [64, 96], "interpolation": "linear", "mode": "tile"}


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_an_engine_in_tiles(tiled_folder, backend):
    with segmenter.load(str(tiled_folder), backend, "fp32") as loaded:
        for size in ((100, 300), (30, 20), (64, 96)):
            image = picture(size)
            np.testing.assert_array_equal(loaded.label(image), labels_of(image))


def test_it_is_scored_at_the_pictures_own_scale(tiled_folder):
    dataset = synthetic.open("", "val", 1)
    with segmenter.load(str(tiled_folder), "onnxruntime") as loaded:
        found = evaluate.evaluate(loaded, dataset, "synthetic", "val")
    wanted = labels_of(dataset[0].image)
    truth = dataset[0].targets > 0
    iou = (truth & (wanted > 0)).sum() / (truth | (wanted > 0)).sum()
    assert found.figures["drivable iou"].value == pytest.approx(iou)


@pytest.mark.parametrize("every", [1, 3])
def test_a_video_in_tiles(tiled_folder, tmp_path, monkeypatch, every):
    monkeypatch.chdir(tmp_path)

    def halves(number, size):
        image = np.full((*size, 3), 40, np.uint8)
        image[:, size[1] // 2 :] = 128
        return image

    make_clip(tmp_path / "x.mp4", frames=5, size=(90, 200), draw=halves)
    words = ["video", "x.mp4", "--model", str(tiled_folder), "--masks", "m"]
    done = CliRunner().invoke(app, [*words, "--infer-every", str(every)])
    assert done.exit_code == 0, done.output
    for path in sorted((tmp_path / "m").iterdir()):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (90, 200)
        assert (mask[:, :97] == 0).all()
        assert (mask[:, 103:] == 1).all()


def test_frames_of_several_sizes_in_tiles(tiled_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name, size in (("a", (90, 200)), ("b", (40, 30)), ("c", (40, 30))):
        cv2.imwrite(str(tmp_path / "in" / f"{name}.png"), picture(size))
    words = ["video", "in", "--model", str(tiled_folder), "--masks", "m", "--infer-every", "2"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    for name, size in (("a", (90, 200)), ("b", (40, 30)), ("c", (40, 30))):
        assert cv2.imread(str(tmp_path / "m" / f"{name}.png"), -1).shape == size
