"""Errors of `lanes image`: messages, exit codes, and the files left behind."""

from __future__ import annotations

import os
import signal
from functools import partial

import numpy as np
import pytest

from clips import make_clip
from ended import Started, command
from lanes.cells import instances as instance_maps
from lanes.video import output_files
from smears import label_images, left, rows_of, said, save, smear


@pytest.fixture
def run(tmp_path, cell_models, monkeypatch):
    """Run `lanes image ARGS` in tmp_path with a model of known labels."""
    monkeypatch.chdir(tmp_path)
    return partial(label_images, model=cell_models["blood_cells"])


def test_damaged_files_are_named_and_skipped(run, tmp_path):
    save(tmp_path / "in" / "good.png", smear((50, 60)))
    (tmp_path / "in" / "bad.png").write_bytes(b"\x89PNG nothing")
    (tmp_path / "in" / "empty.tif").touch()
    done = run("in")
    assert done.exit_code == 1
    for text in (
        "skipped: in/bad.png is damaged",
        "skipped: in/empty.tif is empty",
        "1 image, 1 cell in",
    ):
        assert text in said(done)
    assert [row["image"] for row in rows_of(tmp_path / "in_lanes" / "summary.csv")] == ["good.png"]


def test_existing_results_need_overwrite(run, tmp_path):
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
        (["clip.mp4"], "clip.mp4 is not an image ("),
        (["a.png", "clip.mp4"], "for videos use lanes-video"),
        (["text.png"], "text.png is damaged"),
        (["bad"], "none of the 2 images can be read; the first: bad/1.png is empty"),
        (["float.tif"], "float.tif holds float32 pixels; wanted 8 or 16 bits"),
        (["a.png", "-o", "text.png"], "text.png is a file; choose a folder"),
        (["a.png", "-o", "/proc/x"], "/proc/x cannot be written"),
        (["a.png", "-o", "full"], "full/a_labels.png exists already"),
        (["inputs", "-o", "inputs", "--overwrite"], "inputs/a_labels.png is an input;"),
        (["a.png", "--um-per-pixel", "0"], "--um-per-pixel 0.0: wanted micrometres"),
        (["a.png", "--um-per-pixel", "nan"], "--um-per-pixel nan"),
        (["a.png", "--alpha", "1.5"], "--alpha 1.5: wanted 0 (invisible) to 1 (opaque)"),
        (["a.png", "--backend", "opnvino"], "did you mean 'openvino'"),
        (["a.png", "--precision", "int3"], "has no 'int3'"),
        (["a.png", "--device", "tpu", "--backend", "onnxruntime"], "has no 'tpu'"),
        (["a.png", "--threads", "0"], "got 0 threads"),
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


def test_too_many_cells_for_16_bits_are_reported_and_skipped(run, tmp_path, monkeypatch):
    save(tmp_path / "in" / "a.png", smear((50, 60), (150, 100)))
    save(tmp_path / "in" / "b.png", smear((50, 60)))
    monkeypatch.setattr(instance_maps, "MOST", 1)
    done = run("in")
    assert done.exit_code == 1
    assert "skipped: in/a.png: 2 cells in one picture" in said(done)
    assert [row["image"] for row in rows_of(tmp_path / "in_lanes" / "summary.csv")] == ["b.png"]


def test_a_full_disk_leaves_nothing_half_written(run, tmp_path, monkeypatch):
    for number in range(4):
        save(tmp_path / "in" / f"{number}.png", smear((50, 60)))
    write = output_files.Path.write_bytes

    def fail(path, content):
        if "2_overlay" in path.name:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(output_files.Path, "write_bytes", fail)
    done = run("in", "-o", "out")
    assert done.exit_code == 2
    assert "2_overlay.png cannot be written (No space left on device)" in said(done)
    assert "Traceback" not in done.output
    assert not [name for name in left(tmp_path / "out") if "part" in name or name.endswith("csv")]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_whole_files_and_tables_of_what_was_done(
    tmp_path, cell_models, number, code
):
    first = save(tmp_path / "in" / "0.png", smear((150, 160), size=(900, 1200)))
    for name in range(1, 2000):
        os.link(first, tmp_path / "in" / f"{name}.png")
    out = tmp_path / "in_lanes"
    started = Started(
        command("image_main"),
        [tmp_path / "in", "--model", cell_models["blood_cells"], "--backend", "onnxruntime"],
    )
    started.until((out / "3_overlay.png").exists)
    started.send(number)
    ended, printed, errors = started.end()
    assert ended == code, (printed, errors)
    assert "Traceback" not in errors
    names = [row["image"] for row in rows_of(out / "summary.csv")]
    assert 3 <= len(names) < 2000
    assert names == [row["image"] for row in rows_of(out / "cells.csv")]
    assert len(list(out.glob("*_overlay.png"))) == len(names)
    assert not [name for name in left(out) if "part" in name]
