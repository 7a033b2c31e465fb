"""`--backend`, `--precision`, `--device` and `--threads` reach the engine; cameras do not wait."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from clips import make_clip
from lanes import backends, segmenter
from lanes.cli import video as commands
from lanes.cli.groups import Engine
from lanes.cli.main import app
from lanes.errors import BadVideo


@pytest.fixture
def run(tmp_path, model_folder, monkeypatch):
    """Run `lanes video` on a clip of two frames with the model of known labels."""
    monkeypatch.chdir(tmp_path)
    clip = make_clip(tmp_path / "drive.mp4", frames=2)
    words = ["video", str(clip), "--model", str(model_folder), "--overwrite"]
    return lambda *options: CliRunner().invoke(app, [*words, *options])


@pytest.fixture
def asked(monkeypatch):
    """What `segmenter.load` is asked for, in order."""
    calls = []
    real = segmenter.load

    def load(*given):
        calls.append(given)
        return real(*given)

    monkeypatch.setattr(segmenter, "load", load)
    return calls


def test_options_reach_the_engine(run, asked, model_folder):
    options = ["--backend", "onnxruntime", "--precision", "fp32", "--device", "CPU"]
    done = run(*options, "--threads", "1")
    assert done.exit_code == 0, done.output
    assert "on onnxruntime fp32" in " ".join(done.output.split())
    wanted = (str(model_folder), "onnxruntime", "fp32", "CPU", 1, commands.FILES_HINT)
    assert asked == [wanted]


def test_without_them_the_choice_is_ours(run, asked, model_folder):
    done = run()
    assert done.exit_code == 0, done.output
    assert asked == [(str(model_folder), "auto", "auto", None, None, commands.FILES_HINT)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backend", "onnxruntim"], "did you mean 'onnxruntime'"),
        (["--backend", "onnxruntime", "--device", "gpu"], "'gpu'; it has"),
        (["--backend", "onnxruntime", "--precision", "fp8"], "'fp8'; it has auto, fp32"),
        (["--backend", "onnxruntime", "--precision", "int8"], "run lanes quantize"),
        (["--threads", "0"], "give 1 or more"),
    ],
)
def test_wrong_ones_are_one_sentence_and_exit_code_2(run, options, message):
    done = run(*options)
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("inputs", "live"),
    [
        (["drive.mp4"], False),
        (["frames/", "day*/*.png", "demo"], False),
        (["0"], True),
        (["/dev/video2"], True),
        (["drive.mp4", "rtsp://192.168.0.7/live"], True),
    ],
)
def test_for_cameras_and_streams_latency_counts(inputs, live, monkeypatch):
    hints = []

    def load(*given):
        hints.append(given[-1])
        raise BadVideo("far enough")

    monkeypatch.setattr(segmenter, "load", load)
    options = commands.Options()
    with pytest.raises(BadVideo, match="far enough"):
        commands.run_video(inputs, "m", Engine(), options, show=False, quiet=True)
    assert hints == [backends.LATENCY if live else backends.THROUGHPUT]
