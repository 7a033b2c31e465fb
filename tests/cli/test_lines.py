"""`lanes lines score`: figures, files and errors."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from lanes.cli.main import run

ROWS = list(range(160, 720, 10))


def frame(name, *lanes):
    """A TuSimple frame of upright lanes."""
    return {"lanes": [[x] * len(ROWS) for x in lanes], "h_samples": ROWS, "raw_file": name}


@pytest.fixture
def write(tmp_path):
    def write(name, *frames):
        path = tmp_path / name
        path.write_text("".join(json.dumps(one) + "\n" for one in frames))
        return str(path)

    return write


def test_tusimple(write, tmp_path, capsys):
    truth = write("truth.json", frame("a", 100, 300), frame("b", 100, 300))
    predicted = write("predicted.json", frame("a", 110, 310), frame("b", 125, 325))
    figures = tmp_path / "figures.json"
    assert run("lines", ["score", "tusimple", predicted, truth, "--json", str(figures)]) == 0
    assert json.loads(figures.read_text()) == {
        "tusimple": {"accuracy": 0.5, "fp": 0.5, "fn": 0.5, "f1": 0.5}
    }
    assert "0.5000" in capsys.readouterr().out
    assert run("lines", ["score", "tusimple", predicted, truth, "--json", str(figures)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_truth_against_itself_is_1(write, capsys):
    truth = write("truth.json", frame("a", 100, 300))
    assert run("lines", ["score", "tusimple", truth, truth]) == 0
    assert capsys.readouterr().out.count("1.0000") == 2


def test_tusimple_wants_all_frames_and_rows(write, capsys):
    truth = write("truth.json", frame("a", 100), frame("b", 100))
    assert run("lines", ["score", "tusimple", write("one.json", frame("a", 100)), truth]) == 2
    assert "has 1 frames" in capsys.readouterr().err
    short = {"lanes": [[100] * 5], "raw_file": "b"}
    rows = write("rows.json", frame("a", 100), short)
    assert run("lines", ["score", "tusimple", rows, truth]) == 2
    assert "5 values a lane" in capsys.readouterr().err
    empty = write("empty.json")
    assert run("lines", ["score", "tusimple", empty, empty]) == 2
    assert "holds no frames" in capsys.readouterr().err


def test_culane(tmp_path, capsys):
    pytest.importorskip("scipy")
    lane = " ".join(f"300 {y}" for y in range(500, 99, -50)) + "\n"
    for folder, text in (("truth", lane), ("predicted", lane + lane.replace("300 ", "900 "))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.lines.txt").write_text(text)
    (tmp_path / "normal.txt").write_text("/1.jpg\n")
    figures = tmp_path / "figures.json"
    folders = [str(tmp_path / "predicted"), str(tmp_path / "truth")]
    given = ["--list", str(tmp_path / "normal.txt"), "--json", str(figures)]
    assert run("lines", ["score", "culane", *folders, *given]) == 0
    found = json.loads(figures.read_text())["normal"]
    assert found["f1"] == pytest.approx(2 / 3)
    assert (found["tp"], found["fp"], found["fn"]) == (1, 1, 0)
    assert run("lines", ["score", "culane", *folders]) == 0
    assert "all" in capsys.readouterr().out
    assert run("lines", ["score", "culane", str(tmp_path / "none"), folders[1]]) == 2
    assert "is no folder" in capsys.readouterr().err


def test_tusimples_test_set_takes_less_than_20_seconds(write):
    """2,782 frames of 4 to 5 lanes, as many as the benchmark's test set has."""
    rng = np.random.default_rng(0)
    frames = [
        frame(str(i), *rng.integers(0, 1280, 4 + i % 2).tolist()) for i in range(2782)
    ]  # fmt: skip
    path = write("truth.json", *frames)
    began = time.perf_counter()
    assert run("lines", ["score", "tusimple", path, path]) == 0
    assert time.perf_counter() - began < 20
