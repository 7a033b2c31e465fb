"""`lanes image` as a user meets it: what is written and printed."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from clips import make_clip
from lanes import tasks
from lanes.card import read
from lanes.cli.main import app
from lanes.draw.text import note
from lanes.pipeline import demo_clip
from model_folders import labels_of, make_counter
from smears import CELL, DARK, label_images, left, rows_of, said, save, smear


@pytest.fixture
def run(tmp_path, cell_models, monkeypatch):
    """Run `lanes image ARGS` in tmp_path with a model of known labels."""
    monkeypatch.chdir(tmp_path)
    return partial(label_images, model=cell_models["blood_cells"])


def test_an_image_gets_its_files_and_rows(run, tmp_path):
    image = smear((50, 60), (150, 100))
    save(tmp_path / "a.png", image)
    done = run("a.png", "--um-per-pixel", "0.5")
    assert done.exit_code == 0, done.output
    assert left(tmp_path) == ["a.png", "a_lanes"]
    out = tmp_path / "a_lanes"
    assert left(out) == [
        "a_instances.tif", "a_labels.png", "a_overlay.png", "cells.csv", "summary.csv"
    ]  # fmt: skip
    labels = cv2.imread(str(out / "a_labels.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, labels_of(image))
    assert labels.dtype == np.uint8
    found = cv2.imread(str(out / "a_instances.tif"), cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found > 0, labels > 0)
    assert (found[60, 50], found[100, 150]) == (1, 2)
    drawn = cv2.imread(str(out / "a_overlay.png"))
    assert drawn.shape == image.shape
    rows = rows_of(out / "cells.csv")
    assert [(row["image"], row["cell"]) for row in rows] == [("a.png", "1"), ("a.png", "2")]
    assert float(rows[0]["x_px"]) == pytest.approx(50, abs=0.1)
    assert float(rows[0]["diameter_px"]) == pytest.approx(40, abs=1.5)
    assert float(rows[0]["diameter_um"]) == pytest.approx(20, abs=0.8)
    assert float(rows[0]["nucleus_ratio"]) == pytest.approx(8**2 / 20**2, abs=0.03)
    (summary,) = rows_of(out / "summary.csv")
    assert (summary["image"], summary["cells"], summary["cells_at_edge"]) == ("a.png", "2", "0")
    assert "1 image, 2 cells in" in said(done)


def test_the_tables_are_as_spreadsheets_open_them(run, tmp_path):
    save(tmp_path / "größe, 1.png", smear((50, 60)))
    assert run("größe, 1.png", "-o", "out").exit_code == 0
    content = (tmp_path / "out" / "cells.csv").read_bytes()
    lines = content.decode("utf-8").splitlines()
    assert lines[0].startswith("image,cell,x_px,y_px,")
    assert lines[1].startswith('"größe, 1.png",1,')
    assert content.endswith(b"\n")


def test_a_folder_a_glob_and_a_file_of_all_kinds(run, tmp_path):
    image = smear((50, 60))
    grey = image[..., 0]
    save(tmp_path / "in" / "rgb.jpg", image)
    save(tmp_path / "in" / "grey.tif", grey)
    save(tmp_path / "in" / "grey16.tif", grey.astype(np.uint16) * 257)
    save(tmp_path / "in" / "rgba.png", np.dstack([image, np.full(grey.shape, 255, np.uint8)]))
    save(tmp_path / "more" / "small.bmp", smear((15, 15), size=(40, 30)))
    save(tmp_path / "large.png", smear((50, 60), (300, 20), (420, 330), size=(350, 500)))
    (tmp_path / "in" / "notes.txt").write_text("no image")
    done = run("in", "more/*.bmp", "large.png", "-o", "out")
    assert done.exit_code == 0, done.output
    rows = rows_of(tmp_path / "out" / "summary.csv")
    assert {row["image"]: row["cells"] for row in rows} == {
        "grey.tif": "1", "grey16.tif": "1", "rgb.jpg": "1", "rgba.png": "1", "small.bmp": "1",
        "large.png": "3",
    }  # fmt: skip
    assert (rows[-1]["width_px"], rows[-1]["height_px"]) == ("500", "350")


def test_two_of_one_stem_do_not_overwrite_each_other(run, tmp_path):
    save(tmp_path / "a" / "x.png", smear((50, 60)))
    save(tmp_path / "b" / "x.png", smear((50, 60), (150, 100)))
    save(tmp_path / "b" / "X.tif", smear((20, 20), (100, 60), (150, 100)))
    save(tmp_path / "c" / "y.png", smear((50, 60)))
    # The same file twice is one.
    done = run("a", "b", "c", "c/y.png", "-o", "out")
    assert done.exit_code == 0, done.output
    rows = rows_of(tmp_path / "out" / "summary.csv")
    assert [(row["image"], row["cells"]) for row in rows] == [
        ("a/x.png", "1"), ("X.tif", "3"), ("b/x.png", "2"), ("y.png", "1")
    ]  # fmt: skip
    for stem, cells in (("x", 1), ("X_2", 3), ("x_3", 2), ("y", 1)):
        found = cv2.imread(str(tmp_path / "out" / f"{stem}_instances.tif"), cv2.IMREAD_UNCHANGED)
        assert found.max() == cells
    assert [row["image"] for row in rows_of(tmp_path / "out" / "cells.csv")].count("b/x.png") == 2


def test_touching_cells_and_a_border_class(run, tmp_path, cell_models):
    image = smear((50, 60), (86, 60), (5, 140), nuclei=False)
    image[40:80, 67:70] = DARK
    save(tmp_path / "a.png", image)
    assert run("a.png", model=cell_models["cell_count"]).exit_code == 0
    rows = rows_of(tmp_path / "a_lanes" / "cells.csv")
    assert [row["at_edge"] for row in rows] == ["no", "no", "yes"]
    assert [row["kind"] for row in rows] == ["red", "red", "red"]


def test_a_task_that_counts_nothing(run, tmp_path, model_folder):
    save(tmp_path / "a.png", smear((50, 60)))
    done = run("a.png", model=model_folder)
    assert done.exit_code == 0, done.output
    assert left(tmp_path / "a_lanes") == ["a_labels.png", "a_overlay.png", "summary.csv"]
    (row,) = rows_of(tmp_path / "a_lanes" / "summary.csv")
    shares = ["drivable_share", "lane_line_share", "implied_line_share"]
    assert list(row) == ["image", "width_px", "height_px", *shares]
    assert 0 < float(row["drivable_share"]) < 0.2


def test_no_cell_at_all_leaves_a_table_with_its_head(run, tmp_path):
    save(tmp_path / "a.png", smear())
    assert run("a.png").exit_code == 0
    assert rows_of(tmp_path / "a_lanes" / "cells.csv") == []
    (row,) = rows_of(tmp_path / "a_lanes" / "summary.csv")
    assert (row["cells"], row["mean_diameter_px"]) == ("0", "")


def test_of_several_pictures_in_a_tiff_the_first_and_it_is_said(run, tmp_path):
    pages = [smear((50, 60)), smear()]
    assert cv2.imwritemulti(str(tmp_path / "a.tif"), pages)
    done = run("a.tif")
    assert done.exit_code == 0
    assert "a.tif has 2 images: only the first is labelled" in said(done)


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ("in", "in_lanes"),
        ("in/", "in_lanes"),
        ("in/a.png", "in/a_lanes"),
        ("in/*.png", "in_lanes"),
        ("../here/in", "in_lanes"),
    ],
)
def test_the_results_default_place_is_beside_the_input(run, tmp_path, monkeypatch, given, folder):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    save(tmp_path / "here" / "in" / "a.png", smear((50, 60)))
    assert run(given).exit_code == 0
    assert (tmp_path / "here" / folder / "summary.csv").exists()


def test_the_folder_where_one_stands(run, tmp_path, monkeypatch):
    save(tmp_path / "in" / "a.png", smear((50, 60)))
    monkeypatch.chdir(tmp_path / "in")
    assert run(".").exit_code == 0
    assert left(tmp_path) == ["in", "in_lanes"]


def test_quiet_prints_nothing(run, tmp_path):
    save(tmp_path / "a.png", smear((50, 60)))
    done = run("a.png", "--quiet")
    assert (done.exit_code, done.output) == (0, "")


@pytest.mark.parametrize("task", ["blood_cells", "cell_count"])
def test_demo_draws_once_and_runs_on_what_it_drew(run, tmp_path, cell_models, monkeypatch, task):
    monkeypatch.setattr(demo_clip, "PICTURES", 2)
    done = run("demo", model=cell_models[task])
    assert done.exit_code == 0, done.output
    rows = rows_of(tmp_path / "demo_lanes" / "summary.csv")
    assert [row["image"] for row in rows] == ["demo_1.png", "demo_2.png"]
    monkeypatch.setattr(demo_clip.drawn, "frames", None)
    assert run("demo", model=cell_models[task]).exit_code == 0


def test_a_microscope_clip_tells_its_counts(tmp_path, cell_models, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "x.mp4", frames=3, size=(150, 220),
              draw=lambda number, size: smear((50, 60), (150, 100)))  # fmt: skip
    words = ["video", "x.mp4", "--model", str(cell_models["blood_cells"]), "--json", "o.json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in (tmp_path / "o.json").read_text().splitlines()]
    assert [line["measures"]["cells"] for line in lines] == [2, 2, 2]


@pytest.mark.parametrize("task", ["blood_cells", "cell_count"])
def test_the_demo_clip_is_the_tasks_own(tmp_path, cell_models, monkeypatch, task):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo_clip, "SIZE", (90, 160))
    monkeypatch.setattr(demo_clip, "SECONDS", 0.2)
    done = CliRunner().invoke(app, ["video", "demo", "--model", str(cell_models[task])])
    assert done.exit_code == 0, done.output
    assert "IoU against the labels: background" in said(done)
    assert list(demo_clip.assets.cache_folder("demo").glob(f"{task}-160x90-*.mp4"))


def test_help_needs_no_engine():
    script = (
        "import sys; sys.argv = ['lanes-image', '--help']\n"
        "from lanes.cli.main import image_main\n"
        "try: image_main()\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'openvino', 'onnxruntime', 'skimage'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"--um-per-pixel" in done.stdout


def test_a_doubtful_count_is_a_warning_and_with_strict_an_error(run, tmp_path):
    model = make_counter(tmp_path / "scaled", "cell_count")
    replace(read(model), cell_diameter=48.0).write(model)
    save(tmp_path / "in" / "clear.png", smear((50, 60), (150, 100), nuclei=False))
    shreds = smear(nuclei=False)
    for x in range(20, 200, 30):
        cv2.circle(shreds, (x, 70), 6, (CELL,) * 3, cv2.FILLED)
    save(tmp_path / "in" / "shreds.png", shreds)
    done = run("in", "--cell-diameter", "40", model=model)
    assert done.exit_code == 0, done.output
    clear, shreds = rows_of(tmp_path / "in_lanes" / "summary.csv")
    assert (clear["cells"], clear["scale_diameter_px"], clear["warning"]) == ("2", "40.0", "")
    assert float(clear["doubt"]) < 0.5 <= float(shreds["doubt"])
    assert shreds["warning"]
    assert "shreds.png: doubtful count" in said(done)
    again = ("in", "--cell-diameter", "40", "--overwrite", "--strict")
    assert run(*again, model=model).exit_code == 1
    drawn = cv2.imread(str(tmp_path / "in_lanes" / "clear_overlay.png"))
    assert (drawn[2, 2] == 255).all()


@pytest.mark.parametrize("diameter", ["0", "-1", "nan"])
def test_a_wrong_diameter_is_an_error_before_anything_is_written(run, tmp_path, diameter):
    save(tmp_path / "a.png", smear((50, 60)))
    done = run("a.png", "--cell-diameter", diameter)
    assert done.exit_code == 2
    assert "--cell-diameter" in said(done)
    assert left(tmp_path) == ["a.png"]


def test_outlines_as_geojson(run, tmp_path):
    save(tmp_path / "a.png", smear((50, 60), (150, 100)))
    assert run("a.png", "--geojson").exit_code == 0
    found = json.loads((tmp_path / "a_lanes" / "a_cells.geojson").read_text())
    assert [feature["id"] for feature in found["features"]] == [1, 2]
    done = run("a.png", "--geojson")
    assert done.exit_code == 2
    assert "exists already" in said(done)


def test_pictures_without_cells_get_their_rows(tmp_path):
    """The included model, because only a network finds cells where there are none."""
    rng = np.random.default_rng(0)
    pictures = {
        "black": np.zeros((90, 120, 3), np.uint8),
        "white": np.full((90, 120, 3), 255, np.uint8),
        "pixel": np.full((1, 1, 3), 200, np.uint8),
        "noise": rng.integers(0, 256, (90, 120, 3), np.uint8),
        "twelve_bits": rng.normal(3000, 20, (90, 120)).astype(np.uint16),
    }
    for name, picture in pictures.items():
        save(tmp_path / "in" / f"{name}.tif", picture)
    done = label_images(tmp_path / "in", "-o", tmp_path / "out", model="cells-count")
    assert done.exit_code == 0, done.output
    rows = {row["image"]: row for row in rows_of(tmp_path / "out" / "summary.csv")}
    assert sorted(rows) == sorted(f"{name}.tif" for name in pictures)
    for name in ("black", "white", "pixel"):
        assert rows[f"{name}.tif"]["scale_diameter_px"] == ""


def test_laboratory_outputs(run, tmp_path, cell_models):
    pytest.importorskip("roifile")
    places = [(50, 50), (150, 50), (250, 50), (50, 150), (150, 150), (250, 150)]
    image = smear(*places, size=(200, 300), nuclei=False)
    cv2.ellipse(image, (250, 150), (24, 8), 0, 0, 360, (CELL,) * 3, cv2.FILLED)
    save(tmp_path / "a.png", image)
    words = ["a.png", "--geojson", "--rois", "--report", "--um-per-pixel", "0.2"]
    done = run(*words, model=cell_models["cell_count"])
    assert done.exit_code == 0, done.output
    out = tmp_path / "a_lanes"
    assert {
        "a_cells.geojson", "a_rois.zip", "sizes.csv", "sizes.png", "doubtful_cells.png"
    } < set(left(out))  # fmt: skip
    assert len(json.loads((out / "a_cells.geojson").read_text())["features"]) == 6
    with zipfile.ZipFile(out / "a_rois.zip") as file:
        assert file.namelist() == [f"{k:06d}-red.roi" for k in range(1, 7)]
    assert sum(int(row["cells"]) for row in rows_of(out / "sizes.csv")) == 6
    (row,) = rows_of(out / "summary.csv")
    area = 200 * 300 * (0.2 / 1000) ** 2
    assert float(row["area_mm2"]) == pytest.approx(area)
    assert float(row["red_cells_per_mm2"]) == pytest.approx(6 / area, rel=1e-4)
    assert run(*words, model=cell_models["cell_count"]).exit_code == 2
    for option in ("--geojson", "--rois", "--report"):
        assert run("a.png", option, "-o", "none", model="lanes-tiny").exit_code == 2
    assert not (tmp_path / "none").exists()


def test_tables_open_in_pandas(run, tmp_path):
    pandas = pytest.importorskip("pandas")
    save(tmp_path / "größe, 1.png", smear((50, 60), (150, 100)))
    assert run("größe, 1.png", "-o", "out", "--report").exit_code == 0
    cells = pandas.read_csv(tmp_path / "out" / "cells.csv")
    assert cells.image.tolist() == ["größe, 1.png"] * 2
    assert cells.area_px.dtype == np.int64
    assert cells.diameter_px.dtype == np.float64
    summary = pandas.read_csv(tmp_path / "out" / "summary.csv")
    assert summary.cells.tolist() == [2]
    assert pandas.read_csv(tmp_path / "out" / "sizes.csv").cells.sum() == 2


def test_pictures_of_another_kind_are_a_warning_that_names_a_model(run, tmp_path):
    street = np.full((90, 160, 3), 30, np.uint8)
    street[:40] = 220  # the sky
    for name in ("a.png", "b.png"):
        save(tmp_path / name, street)
    save(tmp_path / "c.png", smear((50, 60)))
    done = run("a.png", "b.png", "c.png", "-o", "out")
    assert done.exit_code == 0
    assert "a.png (and 1 more) looks like a view from a car" in said(done)
    assert "choose the model lanes-fcn-lite" in said(done)
    assert len(rows_of(tmp_path / "out" / "summary.csv")) == 3
    assert "looks like" not in said(run("c.png", "-o", "other"))


def test_the_overlay_outlines_cells_and_tints_no_border(run, tmp_path, cell_models):
    image = smear((50, 60), (86, 60), nuclei=False)
    image[40:80, 67:70] = DARK
    save(tmp_path / "a.png", image)
    words = ["--alpha", "1"]
    assert run("a.png", *words, model=cell_models["cell_count"]).exit_code == 0
    drawn = cv2.imread(str(tmp_path / "a_lanes" / "a_overlay.png")).astype(int)
    classes = tasks.load("cell_count").classes
    cell, border = (np.array(classes[k].colour) for k in (1, 2))
    inside = drawn[45:75, 60:76].reshape(-1, 3)
    near = [np.abs(inside - colour).sum(1).min() for colour in (cell, border)]
    assert near[0] < near[1]


def test_a_note_that_would_hide_a_small_picture_is_left_out():
    small, large = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 400, 3), np.uint8)
    for picture in (small, large):
        note(picture, ["scale: cells of 40 px, estimated"])
    assert (small.max(), large.max()) == (0, 255)
