"""`lanes webcam`: where it shows the picture, and its terminal output and errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clips import make_clip
from lanes.cli import main as cli
from lanes.live import screen
from webcam_program import Running, eventually, webcam


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Run in a temporary folder, without a display."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("gui", "display", "why"),
    [
        ("GUI: NONE", ":0", "headless"),
        ("GUI: QT5", "", "no display"),
        ("GUI: NONE", "", "no display"),
        ("GUI: QT5", ":0", None),
    ],
)
def test_why_there_is_no_window(monkeypatch, gui, display, why):
    monkeypatch.setattr(screen.sys, "platform", "linux")
    monkeypatch.setattr(screen.cv2, "getBuildInformation", lambda: f"OpenCV\n  {gui}\n")
    monkeypatch.setenv("DISPLAY", display)
    found = screen.why_no_window()
    assert found is None if why is None else why in found


def headless(monkeypatch, display):
    """Fake a Linux with the headless wheel; return the list of URLs opened in the browser."""
    monkeypatch.setattr(screen.sys, "platform", "linux")
    monkeypatch.setattr(screen.cv2, "getBuildInformation", lambda: "GUI: NONE\n")
    monkeypatch.setenv("DISPLAY", display)
    opened = []
    monkeypatch.setattr(webcam.webbrowser, "open", opened.append)
    return opened


def test_without_windows_the_browser_opens_and_the_cure_is_printed(
    here, model_folder, monkeypatch, capsys
):
    opened = headless(monkeypatch, display=":0")
    program = Running(make_clip(here / "drive.mp4", 10), model_folder)
    eventually(lambda: opened == [program.screen.url])
    program.end()
    printed = capsys.readouterr().out
    assert "pip uninstall -y opencv-python-headless && pip install opencv-python" in printed
    assert program.screen.url in printed


def test_without_a_display_there_is_only_the_address(here, model_folder, monkeypatch, capsys):
    # webbrowser would start lynx or w3m, which take over the terminal.
    opened = headless(monkeypatch, display="")
    program = Running(make_clip(here / "drive.mp4", 10), model_folder)
    program.end()
    printed = capsys.readouterr().out
    assert opened == []
    assert "pip" not in printed
    assert program.screen.url in printed


def test_names_are_printed_verbatim(here, model_folder, capsys):
    (here / "a[").mkdir()
    make_clip(here / "a[" / "b].mp4", 10)
    record = "Title [dQw4w9] :car: [/i].mp4"
    (here / "Title [dQw4w9] :car: [").mkdir()
    program = Running("a[/b].mp4", model_folder, record=Path(record))
    program.end()
    assert (program.error, program.code) == (None, 0)
    assert f"written: {record}" in capsys.readouterr().out


def test_an_error_prints_a_file_name_verbatim(here, model_folder):
    done = RUN.invoke(cli.app, ["webcam", ":car: [red].mp4", "--model", str(model_folder)])
    assert "error: :car: [red].mp4 fits no file" in done.stderr


RUN = CliRunner()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["77"], r"there is no camera 77 that opens; there are: (none|\d)"),
        (["http://127.0.0.1:9/cam"], r"cannot be opened: .*; check the URL"),
        (["rtsp://user:secret@127.0.0.1:9/cam"], r"rtsp://127.0.0.1:9/cam cannot be opened"),
        (["nowhere.mp4"], "there is no nowhere.mp4"),
        (["--alpha", "2"], "--alpha 2.0: wanted 0"),
        (["--seconds", "0"], "--seconds 0.0: wanted more than 0"),
        (["--no-window"], "--no-window has no output: add --record FILE.mp4"),
        (["drive.mp4", "--record", "a.avi"], "must end in one of"),
        (["drive.mp4", "--record", "taken.mp4"], "exists already"),
        (["drive.mp4", "--record", "no/a.mp4"], "there is no folder no"),
        (["drive.mp4", "--record", "drive.mp4", "--overwrite"], "drive.mp4 is the input itself"),
        (["--model", "nowhere"], "'nowhere'"),
        (["drive.mp4", "--port", "99999"], "port 99999"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(here, model_folder, words, message):
    make_clip(here / "drive.mp4", 10)
    (here / "taken.mp4").write_bytes(b"mine")
    before = sorted(here.iterdir())
    model = [] if "--model" in words else ["--model", str(model_folder)]
    done = RUN.invoke(cli.app, ["webcam", *words, *model, "--backend", "onnxruntime"])
    assert done.exit_code == 2
    assert re.search(message, done.stderr)
    assert "secret" not in done.output
    assert "Traceback" not in done.output
    assert sorted(here.iterdir()) == before
    assert (here / "taken.mp4").read_bytes() == b"mine"
