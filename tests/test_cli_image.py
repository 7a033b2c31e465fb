"""`lanes image` as a user meets it: what is written, printed and refused, and the exit code."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from clips import make_clip
from interrupted import interrupted
from lanes import demo, outputs, tasks
from lanes import instances as instance_maps
from lanes.cli import app
from lanes.resize import Resize
from model_folders import card_of, labels_of, write_network

pytest.importorskip("skimage")

TILE = (64, 96)
SLIDE, CELL, DARK = 20, 128, 200


def make_counter(folder, task):
    """A model folder of `task` that labels by grey value, in tiles; see `model_folders`."""
    folder.mkdir()
    classes = tasks.load(task).class_names
    resize = Resize(TILE, mode="tile")
    card_of(TILE, name=folder.name, task=task, classes=classes, resize=resize).write(folder)
    write_network(folder / "model.onnx", TILE)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {task: make_counter(root / task, task) for task in ("blood_cells", "cell_count")}


@pytest.fixture
def run(tmp_path, models, monkeypatch):
    """Run `lanes image ARGS` in tmp_path with a model of known labels."""
    monkeypatch.chdir(tmp_path)

    def call(*args, model=models["blood_cells"]):
        words = ["image", *map(str, args), *(["--model", str(model)] if model else [])]
        return CliRunner().invoke(app, words)

    return call


def smear(*places, size=(150, 220), nuclei=True):
    """Cells of radius 20 at `places` (x, y), with a nucleus of radius 8."""
    image = np.full((*size, 3), SLIDE, np.uint8)
    for place in places:
        cv2.circle(image, place, 20, (CELL,) * 3, cv2.FILLED)
    for place in places if nuclei else ():
        cv2.circle(image, place, 8, (DARK,) * 3, cv2.FILLED)
    return image


def save(path, image):
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def said(done):
    return " ".join(done.output.split())


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


def test_touching_cells_and_a_border_class(run, tmp_path, models):
    image = smear((50, 60), (86, 60), (5, 140), nuclei=False)
    image[40:80, 67:70] = DARK
    save(tmp_path / "a.png", image)
    assert run("a.png", model=models["cell_count"]).exit_code == 0
    rows = rows_of(tmp_path / "a_lanes" / "cells.csv")
    assert [row["at_edge"] for row in rows] == ["no", "no", "yes"]
    assert "nucleus_area_px" not in rows[0]


def test_a_task_that_counts_nothing(run, tmp_path, model_folder):
    save(tmp_path / "a.png", smear((50, 60)))
    done = run("a.png", model=model_folder)
    assert done.exit_code == 0, done.output
    assert left(tmp_path / "a_lanes") == ["a_labels.png", "a_overlay.png", "summary.csv"]
    (row,) = rows_of(tmp_path / "a_lanes" / "summary.csv")
    assert list(row) == ["image", "width_px", "height_px", "drivable_share", "lane_line_share"]
    assert 0 < float(row["drivable_share"]) < 0.2


def test_no_cell_at_all_leaves_a_table_with_its_head(run, tmp_path):
    save(tmp_path / "a.png", smear())
    assert run("a.png").exit_code == 0
    assert rows_of(tmp_path / "a_lanes" / "cells.csv") == []
    (row,) = rows_of(tmp_path / "a_lanes" / "summary.csv")
    assert (row["cells"], row["mean_diameter_px"]) == ("0", "")


def test_damaged_files_are_named_and_skipped(run, tmp_path):
    save(tmp_path / "in" / "good.png", smear((50, 60)))
    (tmp_path / "in" / "bad.png").write_bytes(b"\x89PNG nothing")
    (tmp_path / "in" / "empty.tif").touch()
    done = run("in")
    assert done.exit_code == 1
    for text in (
        "left out: in/bad.png is damaged",
        "left out: in/empty.tif is empty",
        "1 image, 1 cell in",
    ):
        assert text in said(done)
    assert [row["image"] for row in rows_of(tmp_path / "in_lanes" / "summary.csv")] == ["good.png"]


def test_of_several_pictures_in_a_tiff_the_first_and_it_is_said(run, tmp_path):
    pages = [smear((50, 60)), smear()]
    assert cv2.imwritemulti(str(tmp_path / "a.tif"), pages)
    done = run("a.tif")
    assert done.exit_code == 0
    assert "a.tif holds 2 pictures: only the first is labelled" in said(done)


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


def test_again_only_if_told_to_overwrite(run, tmp_path):
    save(tmp_path / "a.png", smear((50, 60)))
    assert run("a.png").exit_code == 0
    before = (tmp_path / "a_lanes" / "cells.csv").read_bytes()
    done = run("a.png", "--um-per-pixel", "1")
    assert done.exit_code == 2
    assert "a_lanes/summary.csv exists already; --overwrite" in said(done)
    assert (tmp_path / "a_lanes" / "cells.csv").read_bytes() == before
    assert run("a.png", "--um-per-pixel", "1", "--overwrite").exit_code == 0
    assert (tmp_path / "a_lanes" / "cells.csv").read_bytes() != before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nothing.png"], "there is no nothing.png"),
        (["a.pgn"], "did you mean a.png"),
        (["no/folder/a.png"], "not even the folder no/folder exists"),
        (["*.gif"], "*.gif fits no file at all and no image"),
        (["empty"], "empty holds no file at all and no image"),
        (["texts"], "texts holds 1 other file and no image; images end in"),
        (["clip.mp4"], "clip.mp4 is no image: those end in"),
        (["a.png", "clip.mp4"], "for videos there is lanes-video"),
        (["text.png"], "text.png is damaged, or no image that OpenCV reads"),
        (["bad"], "none of the 2 images can be read; the first: bad/1.png is empty"),
        (["float.tif"], "float.tif holds float32 pixels; wanted 8 or 16 bits"),
        (["a.png", "-o", "text.png"], "text.png is a file; name a folder"),
        (["a.png", "-o", "/proc/x"], "/proc/x cannot be made"),
        (["a.png", "-o", "full"], "full/a_labels.png exists already"),
        (["inputs", "-o", "inputs", "--overwrite"], "inputs/a_labels.png is an input itself"),
        (["a.png", "--um-per-pixel", "0"], "--um-per-pixel 0.0: wanted the micrometres"),
        (["a.png", "--um-per-pixel", "nan"], "--um-per-pixel nan"),
        (["a.png", "--alpha", "1.5"], "--alpha 1.5: wanted 0 (invisible) to 1 (opaque)"),
        (["a.png", "--backend", "opnvino"], "did you mean 'openvino'"),
        (["a.png", "--precision", "int3"], "has no 'int3'"),
        (["a.png", "--device", "tpu", "--backend", "onnxruntime"], "has no 'tpu'"),
        (["a.png", "--threads", "0"], "0 threads were asked for"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(run, tmp_path, args, message):
    save(tmp_path / "a.png", smear((50, 60)))
    save(tmp_path / "inputs" / "a.png", smear((50, 60)))
    save(tmp_path / "inputs" / "a_labels.png", smear((50, 60)))
    save(tmp_path / "full" / "a_labels.png", smear())
    save(tmp_path / "float.tif", np.zeros((4, 4), np.float32))
    (tmp_path / "text.png").write_text("this is no image")
    for name in ("empty", "texts", "bad"):
        (tmp_path / name).mkdir()
    (tmp_path / "texts" / "a.txt").write_text("text")
    for name in ("1.png", "2.png"):
        (tmp_path / "bad" / name).touch()
    make_clip(tmp_path / "clip.mp4", frames=2)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    done = run(*args)
    assert done.exit_code == 2, done.output
    assert message in said(done)
    assert "Traceback" not in done.output
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_a_scale_is_of_no_use_where_nothing_is_measured(run, tmp_path, model_folder):
    save(tmp_path / "a.png", smear((50, 60)))
    done = run("a.png", "--um-per-pixel", "0.1", model=model_folder)
    assert done.exit_code == 2
    assert "the task 'lanes' counts no cells; leave it out" in said(done)
    assert left(tmp_path) == ["a.png"]


@pytest.mark.parametrize("model", ["cells-wbcc", "nowhere/model"])
def test_a_model_that_is_not_there(run, tmp_path, model):
    save(tmp_path / "a.png", smear((50, 60)))
    done = run("a.png", model=model)
    assert done.exit_code == 2
    assert f"has no '{model}'" in said(done)
    assert left(tmp_path) == ["a.png"]


def test_measuring_without_its_library(run, tmp_path, monkeypatch):
    save(tmp_path / "a.png", smear((50, 60)))
    monkeypatch.setitem(sys.modules, "skimage.measure", None)
    done = run("a.png")
    assert done.exit_code == 2
    assert "needs 'skimage', not installed: pip install" in said(done)
    assert left(tmp_path) == ["a.png"]


def test_too_many_cells_for_16_bits_are_told_and_skipped(run, tmp_path, monkeypatch):
    save(tmp_path / "in" / "a.png", smear((50, 60), (150, 100)))
    save(tmp_path / "in" / "b.png", smear((50, 60)))
    monkeypatch.setattr(instance_maps, "MOST", 1)
    done = run("in")
    assert done.exit_code == 1
    assert "left out: in/a.png: 2 cells in one picture" in said(done)
    assert [row["image"] for row in rows_of(tmp_path / "in_lanes" / "summary.csv")] == ["b.png"]


def test_a_full_disk_leaves_nothing_half_written(run, tmp_path, monkeypatch):
    for number in range(4):
        save(tmp_path / "in" / f"{number}.png", smear((50, 60)))
    write = outputs.Path.write_bytes

    def fail(path, content):
        if "2_overlay" in path.name:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(outputs.Path, "write_bytes", fail)
    done = run("in", "-o", "out")
    assert done.exit_code == 2
    assert "2_overlay.png cannot be written (No space left on device)" in said(done)
    assert "Traceback" not in done.output
    assert not [name for name in left(tmp_path / "out") if "part" in name or name.endswith("csv")]


def test_ctrl_c_leaves_whole_files_and_tables_of_what_was_done(tmp_path, models):
    first = save(tmp_path / "in" / "0.png", smear((150, 160), size=(900, 1200)))
    for number in range(1, 2000):
        os.link(first, tmp_path / "in" / f"{number}.png")
    out = tmp_path / "in_lanes"
    code, told, err = interrupted(
        "image_main",
        [tmp_path / "in", "--model", models["blood_cells"], "--backend", "onnxruntime"],
        begun=lambda: (out / "3_overlay.png").exists(),
    )
    assert code == 130, (told, err)
    assert b"Traceback" not in err
    names = [row["image"] for row in rows_of(out / "summary.csv")]
    assert 3 <= len(names) < 2000
    assert names == [row["image"] for row in rows_of(out / "cells.csv")]
    assert len(list(out.glob("*_overlay.png"))) == len(names)
    assert not [name for name in left(out) if "part" in name]


@pytest.mark.parametrize("task", ["blood_cells", "cell_count"])
def test_demo_draws_once_and_runs_on_what_it_drew(run, tmp_path, models, monkeypatch, task):
    monkeypatch.setattr(demo, "PICTURES", 2)
    done = run("demo", model=models[task])
    assert done.exit_code == 0, done.output
    rows = rows_of(tmp_path / "demo_lanes" / "summary.csv")
    assert [row["image"] for row in rows] == ["demo_1.png", "demo_2.png"]
    monkeypatch.setattr(demo.drawn, "frames", None)
    assert run("demo", model=models[task]).exit_code == 0


def test_a_microscope_clip_tells_its_counts(tmp_path, models, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "x.mp4", frames=3, size=(150, 220),
              draw=lambda number, size: smear((50, 60), (150, 100)))  # fmt: skip
    words = ["video", "x.mp4", "--model", str(models["blood_cells"]), "--json", "o.json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in (tmp_path / "o.json").read_text().splitlines()]
    assert [line["measures"]["cells"] for line in lines] == [2, 2, 2]


@pytest.mark.parametrize("task", ["blood_cells", "cell_count"])
def test_the_demo_clip_is_the_tasks_own(tmp_path, models, monkeypatch, task):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "SIZE", (90, 160))
    monkeypatch.setattr(demo, "SECONDS", 0.2)
    done = CliRunner().invoke(app, ["video", "demo", "--model", str(models[task])])
    assert done.exit_code == 0, done.output
    assert "IoU against the labels: background" in said(done)
    assert list(demo.assets.cache_folder("demo").glob(f"{task}-160x90-*.mp4"))


def test_help_needs_no_engine():
    script = (
        "import sys; sys.argv = ['lanes-image', '--help']\n"
        "from lanes.cli import image_main\n"
        "try: image_main()\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'openvino', 'onnxruntime', 'skimage'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"--um-per-pixel" in done.stdout
