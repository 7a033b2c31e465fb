"""The wheel holds what it must, runs from where it is installed, and states its metadata."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lanes import assets
from lanes.cli.main import app

ROOT = Path(__file__).parents[1]

pytest.importorskip("hatchling")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("lanes_video-*.whl"))


@pytest.fixture(scope="module")
def files(wheel):
    """The wheel's files: path -> text."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name).decode(errors="replace") for name in archive.namelist()}


def only(files, ending):
    (name,) = [name for name in files if name.endswith(ending)]
    return files[name]


def test_contents(files):
    assert {"lanes/__init__.py", "lanes/cli/main.py", "lanes/py.typed"} <= files.keys()
    folders = {name.split("/")[0] for name in files}
    assert folders == {"lanes", next(n.split("/")[0] for n in files if n.endswith("/METADATA"))}
    assert "lanes/live/screen.html" in files
    apps = {"webcam.py", "dashboard.py", "dashboard_pages/live.py", ".streamlit/config.toml"}
    assert {f"lanes/_apps/{name}" for name in apps} <= files.keys()
    configs = {path.name for path in (ROOT / "configs").glob("*.toml")}
    assert {f"lanes/_configs/{name}" for name in configs} <= files.keys()


def test_every_model_of_the_checkout_comes_along(files):
    checkout = {
        f"lanes/_weights/{path.relative_to(ROOT / 'weights').as_posix()}"
        for path in (ROOT / "weights").rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert checkout <= files.keys()


def test_every_module_comes_along(files):
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "lanes").rglob("*.py")}
    assert modules <= files.keys()


def test_commands(files):
    entries = only(files, "/entry_points.txt")
    assert "lanes = lanes.cli.start:main" in entries
    assert "lanes-video = lanes.cli.start:video_main" in entries
    assert "lanes-image = lanes.cli.start:image_main" in entries
    assert "lanes-webcam = lanes.cli.start:webcam_main" in entries
    assert "lanes-dashboard = lanes.cli.start:dashboard_main" in entries


def test_metadata(files):
    metadata = email.message_from_string(only(files, "/METADATA"))
    assert metadata["Name"] == "lanes-video"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0 AND LicenseRef-lanes-weights"
    assert metadata.get_all("License-File") == ["LICENSE", "NOTICE"]
    assert "Apache License" in only(files, "/licenses/LICENSE")
    assert only(files, "/licenses/NOTICE") == (ROOT / "NOTICE").read_text()
    base = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert not any(line.startswith(("torch", "onnx>", "matplotlib")) for line in base)
    extras = {
        "train",
        "batch",
        "cells",
        "lines",
        "dashboard",
        "tensorrt",
        "quantize",
        "dev",
        "server",
    }
    assert extras == set(metadata.get_all("Provides-Extra"))


def test_notice_lists_every_model_with_its_terms(monkeypatch):
    """After a change of a card: put the output of `lanes models --terms` into NOTICE."""
    monkeypatch.setenv("COLUMNS", "80")
    printed = CliRunner().invoke(app, ["models", "--terms"]).output
    lines = [line.rstrip() for line in printed.splitlines()]
    assert "\n".join(lines) in (ROOT / "NOTICE").read_text()
    for name in assets.model_names():
        assert any(line.startswith(f"{name}: ") for line in lines)


def test_citation_has_the_version_of_the_package():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()


def test_sdist(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(next(tmp_path.glob("lanes_video-*.tar.gz"))) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "NOTICE",
        "CITATION.cff",
        "README.md",
        "pyproject.toml",
        "lanes/__init__.py",
    } <= files
    assert {f"weights/{name}/model.onnx" for name in assets.model_names()} <= files


def test_an_installed_wheel_finds_its_files(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    names = ("weights", "apps", "configs")
    code = f"from lanes import assets, cli; print(*map(assets.folder, {names}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path / f"lanes/_{name}") for name in names]
    for name in done.stdout.split():
        assert Path(name).is_dir()
