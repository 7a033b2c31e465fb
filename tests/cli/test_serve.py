"""`lanes serve`: what it prints, and a real Triton that labels a video, dies and comes back.

Triton is that of the wheel: pip install --no-deps nvidia-pytriton. Without it, these tests skip.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from clips import make_clip
from ended import Started, command, frames_of
from lanes.cli.main import app
from lanes.errors import MissingDependency
from lanes.export import triton_server

FRAMES = 3000
PATIENCE = 120


def test_a_repository(tmp_path, model_folder):
    words = ["serve", "--model", str(model_folder), "--write-repository", str(tmp_path / "models")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "thresholds: up to 8 images at once" in done.stdout
    assert (tmp_path / "models/thresholds/config.pbtxt").is_file()
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 2
    assert "thresholds exists" in again.stderr


def test_no_triton(model_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pytriton", None)
    monkeypatch.setattr(triton_server.importlib.util, "find_spec", lambda name: None)
    done = CliRunner().invoke(app, ["serve", "--model", str(model_folder)])
    assert done.exit_code == 2
    assert "pip install --no-deps nvidia-pytriton" in done.stderr


def test_triton_of_a_container(tmp_path, monkeypatch):
    for platform, folder in (("python", "python"), ("onnxruntime", "onnxruntime")):
        program = tmp_path / "bin" / triton_server.PROGRAM
        program.parent.mkdir(exist_ok=True)
        program.touch(mode=0o755)
        (tmp_path / "backends" / folder).mkdir(parents=True)
        monkeypatch.setenv("PATH", str(program.parent))
        found = triton_server.find()
        assert (found.program, found.platform, found.stub) == (program, platform, None)


# ------------------------------------------------------------------ a real server


@pytest.fixture
def port():
    """A free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def serve(model_folder, port, tmp_path):
    """Start `lanes serve` and wait until Triton listens; all end with the test."""
    pytest.importorskip("tritonclient", reason="tritonclient is not installed")
    try:
        triton_server.find()
    except MissingDependency as error:
        pytest.skip(f"NOT TESTED WITH A REAL SERVER: {error}")
    started = []

    def start():
        words = ["serve", "--model", str(model_folder), "--port", str(port)]
        script = [sys.executable, "-c", command("main"), *words]
        with (tmp_path / "triton.log").open("w") as log:
            # A session of its own: killing it also ends the stubs that Triton starts.
            process = subprocess.Popen(script, stdout=log, stderr=log, start_new_session=True)
        started.append(process)
        deadline = time.monotonic() + PATIENCE
        while "Started GRPCInferenceService" not in (tmp_path / "triton.log").read_text():
            assert process.poll() is None, (tmp_path / "triton.log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "triton.log").read_text()
            time.sleep(0.1)
        return process

    yield start
    for process in started:
        kill(process)


def kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def video(folder, model, backend, *words):
    """Start `lanes video` on in.mp4, with label maps and lines of JSON."""
    options = ["in.mp4", "-o", f"{backend}.mp4", "--json", f"{backend}.jsonl", "--no-lines"]
    options += ["--masks", f"{backend}-masks", "--model", model, "--backend", backend, *words]
    return Started(command("video_main"), options, folder)


def begun(folder):
    """Whether the first labels of the server are written."""
    return len(list(folder.glob("kserve-masks/*"))) > 10


def masks(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_labels_of_triton_that_is_killed_in_mid_video(serve, port, tmp_path, model_folder):
    make_clip(tmp_path / "in.mp4", frames=FRAMES)
    code, _, errors = video(tmp_path, model_folder, "onnxruntime").end()
    assert code == 0, errors
    server = serve()
    there = video(tmp_path, model_folder, "kserve", "--device", f"grpc://127.0.0.1:{port}")
    there.until(lambda: begun(tmp_path))
    kill(server)
    time.sleep(2)
    assert there.process.poll() is None, "it was finished before the server was killed"
    serve()
    code, printed, errors = there.end(PATIENCE)
    assert code == 0, errors
    assert "does not answer" in errors
    assert "answers again after" in errors
    assert "Traceback" not in errors
    assert "thresholds on kserve server" in printed
    assert frames_of(tmp_path / "kserve.mp4") == FRAMES
    lines = (tmp_path / "kserve.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(FRAMES))
    assert masks(tmp_path / "kserve-masks") == masks(tmp_path / "onnxruntime-masks")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ctrl_c_while_triton_is_away(serve, port, tmp_path, model_folder):
    make_clip(tmp_path / "in.mp4", frames=FRAMES)
    server = serve()
    there = video(tmp_path, model_folder, "kserve", "--device", f"grpc://127.0.0.1:{port}")
    there.until(lambda: begun(tmp_path))
    kill(server)
    time.sleep(1.5)
    there.send(signal.SIGINT)
    code, _, errors = there.end()
    assert code == 130, errors
    assert "Traceback" not in errors
    assert frames_of(tmp_path / "kserve.mp4") >= 10
