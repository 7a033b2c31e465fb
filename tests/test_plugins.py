"""Plug-ins: found by their file's name; a missing library names its pip command."""

from __future__ import annotations

import importlib
import importlib.metadata
import json

import numpy as np
import pytest

from lanes import plugins, tasks
from lanes.errors import BadInput, MissingDependency, UnknownName

METADATA = """Name: lanes-video
Version: 1
Requires-Dist: numpy>=2.0
Requires-Dist: lightning-fabric>=2.5; extra == 'dev'
Requires-Dist: pytest>=8.3; extra == 'dev'
Requires-Dist: torch>=2.9; extra == 'dev'
Requires-Dist: lightning-fabric>=2.5; extra == 'train'
Requires-Dist: torch>=2.9; extra == 'train'
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Put plug-ins into lanes.tasks: write(name, text)."""
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        monkeypatch.delitem(importlib.sys.modules, f"lanes.tasks.{name}", raising=False)

    return write


def test_a_file_is_a_plug_in(package):
    package("gravel", "TASK = 'gravel'")
    package("_shared", "")
    assert "gravel" in plugins.names("tasks")
    assert "_shared" not in plugins.names("tasks")
    assert plugins.load("tasks", "gravel").TASK == "gravel"
    assert tasks.load("gravel") == "gravel"


def test_ctrl_c_in_a_compiled_module_stays_ctrl_c(package):
    """As pybind11 has it."""
    package(
        "gravel",
        "try:\n    raise KeyboardInterrupt\n"
        "except KeyboardInterrupt as error:\n    raise ImportError('failed') from error",
    )
    with pytest.raises(KeyboardInterrupt):
        plugins.load("tasks", "gravel")


def test_names_are_sorted_and_leave_out_shared_code():
    names = plugins.names("backends")
    assert names == sorted(names)
    assert {"onnxruntime", "openvino"} <= set(names)
    assert not any(name.startswith("_") for name in names)


@pytest.mark.parametrize("name", ["lane", "_engine", "../types", ""])
def test_unknown_plug_in(name):
    with pytest.raises(UnknownName, match="it has blood_cells"):
        plugins.load("tasks", name)


def test_missing_library(package):
    package("needy", "import no_such_library.part")
    with pytest.raises(MissingDependency, match="tasks/needy needs 'no_such_library'.*pip install"):
        plugins.load("tasks", "needy")


def test_library_that_is_broken(package):
    package("broken", "raise ImportError('libGL.so.1: cannot open', name='cv2')")
    with pytest.raises(MissingDependency, match="cannot be loaded: libGL"):
        plugins.load("tasks", "broken")


def test_mistake_of_ours_is_not_the_users(package):
    package("ours", "import lanes.no_such_module")
    with pytest.raises(ModuleNotFoundError, match="no_such_module") as error:
        plugins.load("tasks", "ours")
    assert not isinstance(error.value, MissingDependency)


def test_unknown_says_what_there_is():
    assert plugins.unknown("a", "fot", ["fit", "foot"]).startswith("a has no 'fot'; it has fit,")
    assert plugins.unknown("a", "fot", ["foot"]).endswith("did you mean 'foot'?")
    assert plugins.unknown("a", "x", []) == "a has no 'x'; it has none"


def test_installed():
    assert plugins.installed("json")
    assert not plugins.installed("no_such_library")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Pretend that lanes-video was installed from `url`; returns its folder."""

    def pretend(url=None, editable=False):
        info = tmp_path / "lanes_video-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(METADATA)
        if url:
            origin = {"url": url, "dir_info": {"editable": editable}}
            (info / "direct_url.json").write_text(json.dumps(origin))
        ours = importlib.metadata.PathDistribution(info)
        monkeypatch.setattr(importlib.metadata, "distribution", lambda name: ours)

    return pretend


def test_pip_command_by_the_extra(install):
    install()
    assert plugins.pip_command("torch") == "pip install 'lanes-video[train]'"
    assert plugins.pip_command("lightning_fabric.loggers") == "pip install 'lanes-video[train]'"
    assert plugins.pip_command("pytest") == "pip install 'lanes-video[dev]'"
    assert plugins.pip_command("numpy") == "pip install numpy"
    assert plugins.pip_command("somebody") == "pip install somebody"


@pytest.mark.parametrize("editable", [False, True])
def test_pip_command_of_a_checkout(install, tmp_path, editable):
    folder = tmp_path / "my lanes"
    folder.mkdir()
    install(folder.as_uri(), editable)
    option = "-e " if editable else ""
    assert plugins.pip_command("torch") == f"pip install {option}'{folder}[train]'"


def test_pip_command_when_the_checkout_is_gone(install, tmp_path):
    install((tmp_path / "gone").as_uri())
    assert plugins.pip_command("torch") == "pip install 'lanes-video[train]'"


def test_pip_command_without_metadata(monkeypatch):
    def none(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", none)
    assert plugins.pip_command("torch") == "pip install torch"


CLASSES = '"Hintergrund" = "#000000"\n"Fahrbahn" = "#5abe3c"\n"線" = "#ff3C28 line"\n'


def test_classes_of_ones_own_need_no_python_file(tmp_path):
    (tmp_path / "classes.toml").write_text(CLASSES, encoding="utf-8")
    name = plugins.own_classes(tmp_path / "classes.toml")
    (tmp_path / "classes.toml").unlink()  # the name says it all
    task = plugins.task(name)
    assert task.name == name
    assert task.class_names == ("Hintergrund", "Fahrbahn", "線")
    assert [c.colour for c in task.classes] == [(0, 0, 0), (60, 190, 90), (40, 60, 255)]
    assert [c.line for c in task.classes] == [False, False, True]
    assert task.classes[0].alpha == 0
    shares = task.measure(np.array([[0, 1], [1, 2]], np.uint8))
    assert shares == {"Fahrbahn share": 0.5, "線 share": 0.25}
    assert tasks.load("lanes") is plugins.task("lanes")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a = "#000000"\n', "1 classes; wanted 2 to 255"),
        ('a = "#000000"\nb = "red"\n', "'b' = 'red'; wanted lines such as"),
        ('a = "#000000"\nunknown = "#ffffff"\n', "'unknown'"),
        ('a = "#000000"\nb = 3\n', "'b' = 3"),
        ("a = \n", "classes.toml: "),
    ],
)
def test_wrong_classes_are_reported(tmp_path, text, words):
    (tmp_path / "classes.toml").write_text(text)
    with pytest.raises(BadInput, match=words):
        plugins.own_classes(tmp_path / "classes.toml")
    with pytest.raises(BadInput, match="nowhere.toml"):
        plugins.own_classes(tmp_path / "nowhere.toml")
