"""`lanes doctor`: findings for sound and broken installations, and its exit codes."""

from __future__ import annotations

import importlib.metadata
import json
from email.message import Message

import pytest
from typer.testing import CliRunner

from lanes import assets
from lanes.backends import Choice
from lanes.cli.main import app
from lanes.doctor import examine, gpu
from lanes.doctor.examine import Attempt, Finding
from lanes.errors import BackendError, BadVideo, MissingDependency

REQUIRES = [
    "numpy>=2.0",
    "openvino>=2024.6; sys_platform == 'linux'",
    "opencv-python-headless>=4.10",
    'torch>=2.9; extra == "train"',
    'nncf>=3.4; extra == "quantize"',
]


@pytest.fixture
def installed(monkeypatch):
    """Pretend that only the given distributions are installed, some required by lanes-video."""
    metadata = Message()
    for extra in ("train", "quantize", "dev"):
        metadata["Provides-Extra"] = extra

    def install(**versions):
        known = {name.replace("_", "-"): version for name, version in versions.items()}

        def version(name):
            if name not in known:
                raise importlib.metadata.PackageNotFoundError(name)
            return known[name]

        monkeypatch.setattr(importlib.metadata, "version", version)

    monkeypatch.setattr(importlib.metadata, "requires", lambda name: REQUIRES)
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: metadata)
    return install


@pytest.fixture
def process(monkeypatch):
    """Replace the fresh process: `respond` answers its calls, by arguments."""

    def answer(respond):
        class Process:
            def __init__(self, make, *arguments, **options):
                self.made = arguments

            def __enter__(self):
                return self

            def __exit__(self, *error):
                pass

            def call(self, method, *arguments):
                return respond(*self.made, *arguments)

        monkeypatch.setattr(examine, "FreshProcess", Process)

    return answer


def states(findings):
    return {finding.name: finding.state for finding in findings}


def test_packages_of_a_sound_installation(installed):
    installed(numpy="2.4", openvino="2026.4", opencv_python_headless="5.0", torch="2.14")
    found = {finding.name: finding for finding in examine.packages()}
    assert {name: finding.state for name, finding in found.items()} == {
        "numpy": "works",
        "openvino": "works",
        "opencv-python-headless": "works",
        "[train]": "works",
        "[quantize]": "note",
    }
    assert found["numpy"].detail == "2.4"
    assert "nncf" in found["[quantize]"].detail
    assert found["[quantize]"].cure.startswith("pip install")


def test_packages_that_are_missing(installed):
    installed(opencv_python="5.0")
    found = {finding.name: finding for finding in examine.packages()}
    assert found["numpy"].state == "problem"
    assert found["numpy"].cure == "pip install numpy"
    # Not available on every system.
    assert found["openvino"].state == "note"
    assert found["opencv-python"].state == "works"


def test_two_opencv_wheels_are_a_problem_with_a_cure(installed):
    installed(numpy="2.4", openvino="1", opencv_python="5.0", opencv_python_headless="4.9")
    (problem,) = [finding for finding in examine.packages() if finding.state == "problem"]
    assert "opencv-python and opencv-python-headless" in problem.detail
    assert problem.cure == (
        "pip uninstall -y opencv-python opencv-python-headless && pip install opencv-python"
    )


def test_a_checkout_that_was_never_installed(installed, monkeypatch):
    def fail(name):
        raise importlib.metadata.PackageNotFoundError(name)

    installed(numpy="2.4", av="18", openvino="1", onnxruntime="1", opencv_python="5")
    monkeypatch.setattr(importlib.metadata, "requires", fail)
    monkeypatch.setattr(importlib.metadata, "metadata", fail)
    assert set(states(examine.packages()).values()) == {"works"}


def test_models_that_come_along():
    found = states(examine.models())
    assert found[assets.DEFAULT_MODEL] == "works"
    assert set(found.values()) == {"works"}


def test_a_model_without_its_network_is_a_problem(tmp_path, monkeypatch):
    good = assets.model_folder(assets.DEFAULT_MODEL)
    folder = tmp_path / "weights" / assets.DEFAULT_MODEL
    folder.mkdir(parents=True)
    (folder / "card.json").write_bytes((good / "card.json").read_bytes())
    monkeypatch.setattr(assets, "folder", lambda name: tmp_path / name)
    (finding,) = examine.models()
    assert finding.state == "problem"
    assert "model.onnx" in finding.detail
    (folder / "card.json").unlink()
    (finding,) = examine.models()
    assert finding == Finding(
        "models", assets.DEFAULT_MODEL, "problem", "is missing", "install the package again"
    )


def test_an_engine_labels_a_picture_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(examine.plugins, "names", lambda folder: ["onnxruntime"])
    (finding,) = examine.engines()
    assert finding.state == "works"
    assert finding.detail.startswith("labels an image in fp32 on cpu: ")
    for name in ("background", "drivable", "lane line"):
        assert name in finding.detail


def test_engines_that_do_not_work(process, monkeypatch):
    def respond(name):
        if name == "onnxruntime":
            raise BackendError("the process crashed by signal 11 (SIGSEGV)")
        raise MissingDependency(f"backends/{name} needs {name!r}, not installed: pip install it")

    process(respond)
    monkeypatch.setattr(
        examine.plugins, "names", lambda folder: ["onnxruntime", "openvino", "tensorrt"]
    )
    found = {finding.name: finding for finding in examine.engines()}
    # A GPU engine is optional; an included engine must work if it is installed.
    assert states(found.values()) == {
        "onnxruntime": "problem",
        "openvino": "note",
        "tensorrt": "note",
        "any": "problem",
    }
    assert "SIGSEGV" in found["onnxruntime"].detail
    assert "pip install it" in found["tensorrt"].detail


def test_what_is_chosen_and_why(process):
    process(
        lambda: [
            Choice("openvino", "bf16", 16.04, chosen=True),
            Choice("onnxruntime", "fp32", 30.0),
            Choice("tensorrt", reason="no driver"),
        ]
    )
    first, second, third = examine.choice()
    assert (first.state, first.detail) == (
        "works",
        "16.0 ms per image in bf16; chosen",
    )
    assert (second.state, second.detail) == ("note", "30.0 ms per image in fp32")
    assert (third.state, third.detail) == ("note", "no driver")


def test_the_choice_is_that_of_the_backends(monkeypatch, model_folder):
    monkeypatch.setattr(assets, "model_folder", lambda name: model_folder)
    choices = Attempt().choices()
    assert sum(choice.chosen for choice in choices) == 1


def test_codecs_are_tried(monkeypatch):
    found = {finding.name: finding for finding in examine.codecs()}
    assert found["libx264"].state == "works"
    assert found["libx264"].detail == "2 frames written, 2 read back"
    assert "h264" in found["decoders"].detail
    monkeypatch.setattr(examine, "_written_and_read", lambda: 1)
    assert states(examine.codecs())["libx264"] == "problem"


def test_cameras(process, monkeypatch):
    def respond(index):
        if index:
            raise BadVideo(f"there is no camera {index} that opens; there are: 0")
        return "640x480, 30 FPS"

    process(respond)
    monkeypatch.setattr(examine.sys, "platform", "darwin")
    (finding,) = examine.cameras()
    assert finding == Finding("cameras", "0", "works", "640x480, 30 FPS")


def test_no_camera_is_no_problem(process, monkeypatch):
    monkeypatch.setattr(examine, "CAMERAS", range(90, 94))
    (finding,) = examine.cameras()
    assert finding.state == "note"


def test_the_cache_and_its_size(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (assets.cache_folder("demo") / "clip.mp4").write_bytes(bytes(2_000_000))
    folder, demo = examine.cache()
    assert folder.detail == str(tmp_path / "lanes-video")
    assert (demo.name, demo.detail) == ("demo", "1 files, 2.0 MB")
    assert not [p for p in (tmp_path / "lanes-video").iterdir() if p.name != "demo"]


def test_a_cache_that_cannot_be_is_a_problem(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (finding,) = examine.cache()
    assert finding.state == "problem"
    assert "XDG_CACHE_HOME" in finding.cure


def healthy():
    yield Finding("codecs", "libx264", "works", "2 frames written, 2 read back")
    yield Finding("cameras", "any", "note", "none [of 0 to 3] opens")


def ill():
    yield Finding("packages", "cv2", "problem", "two wheels", "pip uninstall -y one")


def run(*args):
    done = CliRunner().invoke(app, ["doctor", *map(str, args)])
    assert "Traceback" not in done.output
    return done.exit_code, done.output


def test_the_command_of_a_sound_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(examine, "SECTIONS", (healthy,))
    code, shown = run("--json", tmp_path / "found.json")
    assert code == 0
    for words in ("codecs", "2 frames written", "none [of 0 to 3] opens", "lanes works"):
        assert words in shown
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["healthy"] is True
    assert found["machine"]["cores"] >= 1
    assert [finding["state"] for finding in found["findings"]] == ["works", "note"]


def test_the_command_of_an_ill_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(examine, "SECTIONS", (healthy, ill))
    code, shown = run("--json", tmp_path / "found.json")
    assert code == 1
    assert "problem: cv2: two wheels: pip uninstall -y one" in shown
    assert "lanes works" not in shown
    assert json.loads((tmp_path / "found.json").read_text())["healthy"] is False
    code, shown = run("--json", tmp_path / "found.json")
    assert code == 2
    assert "exists already" in " ".join(shown.split())


def test_checks_of_a_gpu_are_printed_and_counted(monkeypatch, tmp_path):
    def check_gpu(on_check):
        checks = [gpu.Check("engine", True, "12 s"), gpu.Check("labels", False, "[90] % equal")]
        for check in checks:
            on_check(check)
        return checks

    monkeypatch.setattr(gpu, "check_gpu", check_gpu)
    code, shown = run("--gpu", "--json", tmp_path / "gpu.json")
    assert code == 1
    assert shown == "ok engine: 12 s\n!! labels: [90] % equal\n"
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["healthy"] is False
    assert [check["ok"] for check in found["checks"]] == [True, False]
    assert found["machine"]["cores"] >= 1


def test_without_a_gpu_one_sentence_says_so(monkeypatch):
    def fail(folder, name):
        raise MissingDependency("backends/tensorrt needs 'tensorrt', not installed: pip install it")

    monkeypatch.setattr(gpu.plugins, "load", fail)
    code, shown = run("--gpu")
    assert code == 1
    assert shown.count("\n") == 1
    assert "pip install it" in shown


@pytest.mark.slow
def test_everything_at_once():
    code, shown = run()
    assert code in (0, 1)
    for section in examine.SECTIONS:
        assert f"\n{section.__name__}\n" in shown
