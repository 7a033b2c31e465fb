"""What `import lanes` loads, in a fresh process; who imports whom; the public names."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lanes
from lanes import plugins

ROOT = Path(__file__).parents[1]
SLOW = {
    *("torch", "torchvision", "lightning_fabric", "matplotlib", "streamlit", "tensorboard"),
    *("onnx", "nncf"),
}
ENGINES = {"onnxruntime", "openvino"}
PUBLIC = {
    "Frame",
    "Labelled",
    "LanesError",
    "Model",
    "ModelCard",
    "Result",
    "Sample",
    "Segmenter",
    "Task",
    "VideoSink",
    "VideoSource",
    "evaluate",
    "label_video",
    "load",
    "open_source",
    "overlay",
    "overlay_bgr",
    "prefetch",
    "segment",
}


def loaded_after(code):
    """The top-level modules that a fresh Python has loaded after `code`."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_lanes_loads_neither_torch_nor_an_engine():
    assert not loaded_after("import lanes") & (SLOW | ENGINES)


@pytest.mark.parametrize("backend", sorted(ENGINES))
def test_labelling_a_video_needs_no_torch(backend, model_folder, tmp_path):
    if not plugins.installed(backend):
        pytest.skip(f"{backend} is not installed")
    loaded = loaded_after(f"""
import numpy as np, lanes
from fractions import Fraction
from lanes.colour import YuvColour, from_bgr
colour = YuvColour("bt709", full_range=False)
with lanes.VideoSink("{tmp_path}/a.mp4", size=(64, 96), rate=Fraction(25), colour=colour) as sink:
    for grey in (0, 100, 250):
        sink.write(from_bgr(np.full((64, 96, 3), grey, np.uint8), colour))
found = []
model = lanes.load("{model_folder}", "{backend}")
with lanes.open_source("{tmp_path}/a.mp4") as source, model:
    with lanes.VideoSink.like(source, "{tmp_path}/b.mp4") as sink:
        for result in lanes.segment(lanes.prefetch(source), model):
            found.append(int(result.labels[32, 48]))
            sink.write(lanes.overlay(result.frame, result.labels, model.task))
assert found == [0, 1, 2], found
""")
    assert backend in loaded
    assert not loaded & (SLOW | ENGINES - {backend})


def test_the_baseline_needs_no_engine(model_folder):
    loaded = loaded_after(f"import lanes; lanes.load({str(model_folder)!r}, 'classical').close()")
    assert not loaded & (SLOW | ENGINES)


def test_help_answers_without_reading_videos_or_models():
    loaded = loaded_after("import lanes.cli.main")
    assert "typer" in loaded
    assert not loaded & (SLOW | ENGINES)


def test_public_names():
    assert set(lanes.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(lanes, name).__doc__, f"{name} has no docstring"


def modules():
    return [module.name for module in pkgutil.walk_packages(lanes.__path__, "lanes.")]


@pytest.mark.parametrize("name", modules())
def test_every_module_imports_and_says_what_it_is(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.startswith("lanes"):
            raise
        pytest.skip(f"{error.name} is not installed")
    assert module.__doc__


def test_import_rules():
    command = shutil.which("lint-imports", path=Path(sys.executable).parent)
    if not command:
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [command, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("folder", ["backends", "datasets", "models", "tasks"])
def test_plug_ins_of_one_folder_do_not_import_one_another(folder):
    names = set(plugins.names(folder))
    for name in names:
        path = ROOT / "lanes" / folder / f"{name}.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported = {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
            elif isinstance(node, ast.Import):
                imported = {alias.name for alias in node.names}
            else:
                continue
            siblings = {f"lanes.{folder}.{other}" for other in names - {name}}
            assert not imported & siblings, f"{path} imports {imported & siblings}"
