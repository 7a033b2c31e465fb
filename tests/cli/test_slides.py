"""`lanes image` on slides: TIFF pictures that are labelled window by window."""

from __future__ import annotations

import dataclasses
import json
import resource
import signal
import subprocess
import sys
import zlib
from functools import partial

import cv2
import numpy as np
import pytest

from ended import Started, command
from lanes.card import read
from lanes.images import slide as slides
from lanes.pipeline import slide_plan
from model_folders import make_counter
from smears import label_images, left, rows_of, said, save, smear

tifffile = pytest.importorskip("tifffile")
TILE = {"tile": (64, 64), "compression": "zlib", "photometric": "rgb"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `lanes image ARGS` with a model in tiles; pictures beyond 0.05 megapixels are slides."""
    folder = make_counter(tmp_path / "model", "blood_cells")
    card = read(folder)
    dataclasses.replace(card, cell_diameter=40.0).write(folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slide_plan, "STEPS", 2)
    return partial(label_images, model=folder)


@pytest.fixture
def small(monkeypatch):
    """Slides begin at 0.05 megapixels."""
    monkeypatch.setattr(slides, "HELD", 0.05)


def places(count, size, seed=0):
    """Places (x, y) of `count` cells that may touch."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        one = rng.integers(-5, (size[1] + 5, size[0] + 5))
        if all(np.hypot(*(one - other)) > 38 for other in found):
            found.append(one)
    return [tuple(map(int, one)) for one in found]


def write(path, image, **options):
    tifffile.imwrite(path, image[..., ::-1], **{**TILE, **options})
    return path


def areas(folder):
    return sorted(int(row["area_px"]) for row in rows_of(folder / "cells.csv"))


def test_a_slide_in_windows_has_the_cells_of_the_whole(run, tmp_path, monkeypatch):
    image = smear(*places(220, (900, 1100)), size=(900, 1100))
    write(tmp_path / "a.tif", image)
    assert run("a.tif", "-o", "whole", "--cell-diameter", "40").exit_code == 0
    monkeypatch.setattr(slides, "HELD", 0.05)
    done = run("a.tif", "-o", "parts", "--cell-diameter", "40")
    assert done.exit_code == 0, done.output
    assert areas(tmp_path / "parts") == areas(tmp_path / "whole")
    names = ["a_instances.tif", "a_overlay.png", "cells.csv", "summary.csv"]
    assert left(tmp_path / "parts") == names
    whole = cv2.imread(str(tmp_path / "whole" / "a_instances.tif"), cv2.IMREAD_UNCHANGED)
    with tifffile.TiffFile(tmp_path / "parts" / "a_instances.tif") as file:
        assert file.is_bigtiff
        assert file.pages[0].is_tiled
        parts = file.asarray()
    assert parts.dtype == np.uint32
    np.testing.assert_array_equal(parts > 0, whole > 0)
    # The same cells under other numbers: the pairs are one to one.
    pairs = np.unique(np.stack([parts[parts > 0], whole[parts > 0]]), axis=1)
    assert pairs.shape[1] == parts.max() == whole.max()
    (one,), (other,) = (rows_of(tmp_path / f / "summary.csv") for f in ("parts", "whole"))
    assert one["cells_at_edge"] == other["cells_at_edge"]
    assert cv2.imread(str(tmp_path / "parts" / "a_overlay.png")).shape == image.shape


def test_the_rows_of_a_slide_match_its_instances(run, small, tmp_path):
    write(tmp_path / "a.tif", smear(*places(60, (500, 700)), size=(500, 700)))
    assert run("a.tif").exit_code == 0
    ids = tifffile.imread(tmp_path / "a_lanes" / "a_instances.tif")
    rows = rows_of(tmp_path / "a_lanes" / "cells.csv")
    assert [int(row["cell"]) for row in rows] == list(range(1, ids.max() + 1))
    for row in rows:
        mask = ids == int(row["cell"])
        assert mask.sum() == int(row["area_px"])
        y, x = np.nonzero(mask)
        assert (x.mean(), y.mean()) == pytest.approx(
            (float(row["x_px"]), float(row["y_px"])), abs=0.1
        )


@pytest.mark.parametrize(
    "options",
    [
        {"bigtiff": True},
        {"tile": None, "rowsperstrip": 40},
        {"tile": None, "compression": None},
        {"planarconfig": "separate"},
        {"predictor": True},
    ],
)
def test_tiff_files_of_all_kinds_give_the_same_cells(run, small, tmp_path, options):
    image = smear((150, 150), (300, 200), (120, 300), size=(400, 450))
    if "planarconfig" in options:
        stored = np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))
        tifffile.imwrite(tmp_path / "a.tif", stored, **{**TILE, **options})
    else:
        write(tmp_path / "a.tif", image, **options)
    done = run("a.tif", "--cell-diameter", "40")
    assert done.exit_code == 0, done.output
    assert len(areas(tmp_path / "a_lanes")) == 3


def test_a_pyramid_is_read_at_full_size_even_if_it_is_cut_off(run, small, tmp_path):
    image = smear((150, 150), (300, 200), size=(400, 450))[..., ::-1]
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        file.write(image, subifds=1, metadata={"axes": "YXS"}, **TILE)
        file.write(image[::2, ::2], subfiletype=1, **TILE)
    content = (tmp_path / "a.ome.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        reduced = file.series[0].levels[1].pages[0].dataoffsets[0]
    (tmp_path / "cut.tif").write_bytes(content[: reduced + 40])
    for name in ("a.ome.tif", "cut.tif"):
        done = run(name, "-o", name + "_out", "--cell-diameter", "40")
        assert done.exit_code == 0, done.output
        assert rows_of(tmp_path / f"{name}_out" / "summary.csv")[0]["width_px"] == "450"
        assert len(areas(tmp_path / f"{name}_out")) == 2


@pytest.mark.parametrize("held", [0.05, 50])
def test_of_a_slide_with_a_broken_tile_the_rest_is_counted(run, tmp_path, monkeypatch, held):
    monkeypatch.setattr(slides, "HELD", held)
    write(tmp_path / "a.tif", smear((32, 32), (300, 200), (120, 300), size=(400, 450)))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        offset, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[offset : offset + count] = b"\0" * count
    (tmp_path / "a.tif").write_bytes(content)
    save(tmp_path / "b.png", smear((50, 60)))
    done = run("a.tif", "b.png", "-o", "out", "--cell-diameter", "40")
    assert done.exit_code == 1
    assert "a.tif: 1 of 56 tiles damaged, left blank" in said(done)
    rows = rows_of(tmp_path / "out" / "summary.csv")
    assert [row["cells"] for row in rows] == ["2", "1"]
    assert "1 of 56 tiles damaged" in rows[0]["warning"]


def test_channels_are_joined_or_named(run, tmp_path):
    image = smear((50, 60), (150, 100))
    planes = [image[..., 0], image[..., 0], image[..., 0], smear((50, 60))[..., 0]]
    for count in (3, 4):
        names = ["red", "green", "blue", "other"][:count]
        tifffile.imwrite(
            tmp_path / f"{count}.ome.tif",
            np.stack(planes[:count]),
            metadata={"axes": "CYX", "Channel": {"Name": names}},
            photometric="minisblack",
        )
    assert run("3.ome.tif", "-o", "joined").exit_code == 0
    assert len(areas(tmp_path / "joined")) == 2
    for name, cells in (("other", 1), ("4", 1), ("red", 2), ("red,green,blue", 2)):
        done = run("4.ome.tif", "-o", f"out_{name}", "--channels", name)
        assert done.exit_code == 0, done.output
        assert len(areas(tmp_path / f"out_{name}")) == cells
    for words, message in (
        ([], "has 4 channels (red, green, blue, other); choose one, or three"),
        (["--channels", "DAPI"], "has no channel 'DAPI'; it has red, green, blue, other"),
        (["--channels", "1,2"], "--channels names 2; wanted one, or three"),
    ):
        done = run("4.ome.tif", "-o", "none", *words)
        assert done.exit_code == 2
        assert message in said(done)
        assert not (tmp_path / "none").exists()


def test_a_page_is_chosen_by_number(run, tmp_path):
    assert cv2.imwritemulti(str(tmp_path / "a.tif"), [smear(), smear((50, 60))], [259, 1])
    assert run("a.tif", "--page", "2").exit_code == 0
    assert len(areas(tmp_path / "a_lanes")) == 1
    for page, message in ((3, "a.tif has 2 pages; --page 3"), (0, "--page 0: pages count from 1")):
        done = run("a.tif", "--page", page, "-o", "none")
        assert (done.exit_code, message in said(done)) == (2, True), done.output
    save(tmp_path / "b.png", smear())
    done = run("b.png", "--page", "1")
    assert "b.png: --page and --channels are for TIFF files" in said(done)


def test_a_slide_needs_a_model_that_takes_tiles(small, tmp_path, model_folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.tif", smear(size=(400, 450)))
    done = label_images("a.tif", model=model_folder)
    assert done.exit_code == 2
    assert "a.tif has 450 x 400 pixels, too many for" in said(done)
    assert not (tmp_path / "a_lanes").exists()


def test_an_empty_slide_and_a_deep_one(run, small, tmp_path):
    write(tmp_path / "empty.tif", np.full((400, 450, 3), 230, np.uint8))
    deep = smear((150, 150), (300, 200), size=(400, 450)).astype(np.uint16) * 16
    tifffile.imwrite(tmp_path / "deep.tif", deep, **TILE)
    done = run("empty.tif", "deep.tif", "-o", "out")
    assert done.exit_code == 0, done.output
    rows = rows_of(tmp_path / "out" / "summary.csv")
    assert [row["cells"] for row in rows] == ["0", "2"]


def test_outlines_and_the_report_of_a_slide(run, small, tmp_path):
    roifile = pytest.importorskip("roifile")
    write(tmp_path / "a.tif", smear(*places(60, (500, 700)), size=(500, 700)))
    done = run("a.tif", "--geojson", "--rois", "--report", "--cell-diameter", "40")
    assert done.exit_code == 0, done.output
    out = tmp_path / "a_lanes"
    rows = {int(row["cell"]): row for row in rows_of(out / "cells.csv")}
    features = json.loads((out / "a_cells.geojson").read_text())["features"]
    assert [feature["id"] for feature in features] == list(rows)
    for feature in features:
        ring = np.array(feature["geometry"]["coordinates"][0], np.float32)
        row = rows[feature["id"]]
        assert ring.min(axis=0) == pytest.approx(
            (float(row["left_px"]) + 0.25, float(row["top_px"]) + 0.25), abs=0.3
        )
    assert len(roifile.roiread(out / "a_rois.zip")) == len(rows)
    whole = sum(row["at_edge"] == "no" for row in rows.values())
    assert sum(int(row["cells"]) for row in rows_of(out / "sizes.csv")) == whole


def test_a_signal_leaves_no_trace_of_an_unfinished_slide(tmp_path):
    folder = make_counter(tmp_path / "model", "blood_cells")
    first = save(tmp_path / "in" / "0.png", smear((50, 60)))
    tile = zlib.compress(smear(*places(60, (512, 512)), size=(512, 512)).tobytes())
    side = 512 * 60
    tifffile.imwrite(
        tmp_path / "in" / "1.tif", iter([tile] * 3600), shape=(side, side, 3), dtype=np.uint8,
        tile=(512, 512), compression="zlib", photometric="rgb",
    )  # fmt: skip
    out = tmp_path / "in_lanes"
    words = [first.parent, "--model", folder, "--backend", "onnxruntime", "--geojson"]
    started = Started(command("image_main"), words)
    started.until(lambda: list(out.glob(".1_cells.part-*")))
    started.send(signal.SIGTERM)
    code, printed, errors = started.end()
    assert code == 143, (printed, errors)
    assert "Traceback" not in errors
    for table in ("cells.csv", "summary.csv"):
        assert [row["image"] for row in rows_of(out / table)] == ["0.png"]
    if "ended by" not in errors:  # a busy machine exits before the parts are removed
        assert not [name for name in left(out) if "part" in name or name.startswith("1")]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_slide_of_400_megapixels_needs_little_memory(tmp_path):
    folder = make_counter(tmp_path / "model", "blood_cells", (512, 768))
    tile = zlib.compress(smear((60, 60), (150, 120), (200, 40), size=(256, 256)).tobytes())
    side, across = 20_000, -(-20_000 // 256)
    there = {1000, 3000, 5000}
    tiles = (tile if k in there else b"" for k in range(across**2))
    tifffile.imwrite(
        tmp_path / "a.tif", tiles, shape=(side, side, 3), dtype=np.uint8, tile=(256, 256),
        compression="zlib", photometric="rgb", bigtiff=True,
    )  # fmt: skip
    words = ["image", "a.tif", "--model", str(folder), "--backend", "onnxruntime"]
    done = subprocess.run(
        [sys.executable, "-m", "lanes.cli", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (1_500_000_000,) * 2),
    )
    assert done.returncode == 0, done.stderr
    assert rows_of(tmp_path / "a_lanes" / "summary.csv")[0]["cells"] == "9"
