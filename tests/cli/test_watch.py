"""`lanes watch`: exit codes, the printed figures, and Ctrl-C."""

from __future__ import annotations

import csv
import signal

import pytest
from typer.testing import CliRunner

from clips import make_clip
from ended import Started, command, frames_of
from lanes.cli.main import app
from streams import MjpegServer


@pytest.fixture
def watch(tmp_path, model_folder):
    """Run `lanes watch` with the text of a CAMERAS.toml."""

    def call(text, *words):
        (tmp_path / "cameras.toml").write_text(text)
        options = ["--model", str(model_folder), "--backend", "onnxruntime", *map(str, words)]
        return CliRunner().invoke(app, ["watch", str(tmp_path / "cameras.toml"), *options])

    return call


def test_files_until_they_end(watch, tmp_path):
    make_clip(tmp_path / "in.mp4", frames=10)
    text = f'[one]\nsource = "{tmp_path}/in.mp4"\njson = true\n'
    done = watch(text, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "one" in done.stdout
    assert "ended" in done.stdout
    with (tmp_path / "out/cameras.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert int(row["frames"]) + int(row["dropped"]) == 10
    again = watch(text, "-o", tmp_path / "out")
    assert again.exit_code == 2
    assert "cameras.csv" in again.stderr


def test_a_camera_that_fails_is_exit_code_1(watch, tmp_path):
    make_clip(tmp_path / "in.mp4", frames=5)
    (tmp_path / "no.mp4").write_text("no video")
    text = f'[one]\nsource = "{tmp_path}/in.mp4"\n[two]\nsource = "{tmp_path}/no.mp4"\n'
    done = watch(text)
    assert done.exit_code == 1, done.output
    assert "two: " in done.stdout
    assert "is not a video" in done.stdout


def test_errors_are_one_sentence(watch):
    done = watch('[one]\nsource = "0"\nrecord = true\n')
    assert done.exit_code == 2
    assert "one writes files: name a folder for them with -o" in done.stderr
    assert watch('[one]\nsource = "0"\n', "--seconds", 0).exit_code == 2


def test_ctrl_c_finishes_all_files(tmp_path, model_folder):
    with MjpegServer() as one, MjpegServer() as two:
        tables = [
            f'[{n}]\nsource = "{s.url}"\nrecord = true' for n, s in (("one", one), ("two", two))
        ]
        (tmp_path / "cameras.toml").write_text("\n".join(tables))
        words = ["watch", "cameras.toml", "-o", "out", "--model", model_folder]
        started = Started(command("main"), [*words, "--backend", "onnxruntime"], tmp_path)
        out = tmp_path / "out"
        started.until(lambda: out.is_dir() and len(list(out.glob(".*"))) == 2, wait=2)
        started.send(signal.SIGINT)
        code, _, errors = started.end()
    assert code == 130, errors
    assert "Traceback" not in errors
    for name in ("one", "two"):
        assert frames_of(out / f"{name}.mp4") > 0
    assert (out / "cameras.csv").is_file()
