"""Finds weights, apps and configs: in the checkout, or else in the installed wheel."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import platformdirs

from lanes.errors import BadModel, UnknownName
from lanes.plugins import unknown
from lanes.system.atomic import make_folder

DEFAULT_MODEL = "lanes-fcn-lite"
DEMO = "demo"
"""The input name of the rendered demo."""


def folder(name: str) -> Path:
    """The folder `weights`, `apps` or `configs`."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / name
    # site-packages may have a `weights` of another package; only a checkout has pyproject.toml.
    if checkout.is_dir() and (package.parent / "pyproject.toml").is_file():
        return checkout
    return package / f"_{name}"


def app(name: str) -> ModuleType:
    """The program `apps/<name>.py`, imported by path, as it is in no package."""
    path = folder("apps") / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"lanes_app_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up their module
    spec.loader.exec_module(module)
    return module


def model_names() -> list[str]:
    """The names of the included models, sorted."""
    weights = folder("weights")
    return sorted(p.parent.name for p in weights.glob("*/card.json"))


def model_folder(model: str) -> Path:
    """The folder of a model, given the name of an included model or a path.

    Raises:
        UnknownName: `model` is neither an included model nor a folder.
        BadModel: `model` is a file.
    """
    if model in model_names():
        return folder("weights") / model
    path = Path(model).expanduser()
    if path.is_file():
        raise BadModel(f"{path} is a file; wanted a model folder with card.json and model.onnx")
    if not model or not path.is_dir():
        cure = "give one of these names, or the path of a model folder"
        raise UnknownName(f"{unknown('weights/', model, model_names())} ({cure})")
    return path


def config_names() -> list[str]:
    """The included training configurations, sorted."""
    return sorted(path.stem for path in folder("configs").glob("*.toml"))


def config_file(config: str) -> Path:
    """The TOML file of a training configuration: the name of an included one, or a path.

    Raises:
        UnknownName: neither a name nor a file.
    """
    if config in config_names():
        return folder("configs") / f"{config}.toml"
    path = Path(config).expanduser()
    if not path.is_file():
        cure = "give one of these names or the path of a TOML file"
        raise UnknownName(f"{unknown('configs/', config, config_names())} ({cure})")
    return path


def cache_folder(name: str) -> Path:
    """The folder `name` in the user's cache, created if missing.

    Raises:
        BadOutput: the folder cannot be created.
    """
    path = platformdirs.user_cache_path("lanes-video") / name
    make_folder(path, "set XDG_CACHE_HOME to a writable folder")
    return path
