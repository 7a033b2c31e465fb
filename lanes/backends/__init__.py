"""Inference engines: one file each, with `load` and `precisions`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lanes import card as cards
from lanes import plugins
from lanes.backends import _auto, _cache, _engine
from lanes.backends._auto import PREFERENCE, Choice
from lanes.backends._shared import SharedBackend
from lanes.backends._tiled import tiled
from lanes.errors import BackendError, BadInput, MissingDependency, UnknownName
from lanes.plugins import unknown
from lanes.types import Backend

__all__ = [
    "HINTS",
    "LATENCY",
    "PREFERENCE",
    "THROUGHPUT",
    "Choice",
    "SharedBackend",
    "choices",
    "load",
    "precisions",
    "tiled",
]

LATENCY, THROUGHPUT = HINTS = ("latency", "throughput")
"""Tune the engine for the delay of one image, or for images per second."""


def load(
    name: str,
    folder: Path,
    precision: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    hint: str = LATENCY,
) -> Backend:
    """Load the model of `folder` into the backend `name`; "auto" is the fastest on this machine.

    `precision` is "auto", "fp32", "bf16", ..., whatever the backend supports; "auto" is its
    fastest, which may be int8 if the model's card gives the accuracy cost. `device` is one of the
    backend's (None: its default, usually the CPU); `threads` limits the CPU threads (None: all
    cores); `hint` is one of `HINTS`. `choices` shows how "auto" decides. If the model takes tiles,
    the backend takes pictures of any size and cuts them.

    Raises:
        UnknownName: no such backend, or it has no such precision or device.
        MissingDependency: its library is not installed.
        BadModel: the network cannot be read, or contradicts its card.
        BackendError: the engine refuses the network.
        BadInput: `threads` is not at least 1.
    """
    if threads is not None and threads < 1:
        raise BadInput(f"got {threads} threads; give 1 or more, or leave it out to use all cores")
    if hint not in HINTS:
        raise UnknownName(unknown("hint", hint, list(HINTS)))
    quantised = name == _auto.QUANTISED and precision == "auto" and _has_int8(folder)
    if name == "auto" or quantised:
        backend = _load_fastest(name, folder, precision, device, threads, hint)
    else:
        backend = _load(name, folder, precision, device, threads, hint)
    return tiled(backend, cards.read(folder).resize)


def _load_fastest(
    name: str, folder: Path, precision: str, device: str | None, threads: int | None, hint: str
) -> Backend:
    trial = _trial(name, folder, precision, device, threads, hint)
    try:
        return trial.load(*trial.fastest())
    except (MissingDependency, BackendError):
        # The cached choice no longer runs: a GPU may be gone, or a library broken.
        return trial.load(*trial.fastest(refresh=True))


def choices(
    folder: Path,
    precision: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    hint: str = LATENCY,
) -> list[Choice]:
    """The candidates of "auto" for the model in `folder`, with timings; arguments as for `load`.

    Times each candidate on the model itself, which takes about two seconds (more if TensorRT must
    build its engine). The result stays in the user's cache until the model, an engine or the
    machine changes.

    Raises:
        BadModel: the folder has no network, or its card cannot be read.
    """
    return _trial("auto", folder, precision, device, threads, hint).choices()


def precisions(name: str, device: str | None = None, folder: Path | None = None) -> tuple[str, ...]:
    """The precisions that the backend `name` can run on this machine.

    With a model's `folder`, this includes precisions that need their own file, if it is there.
    """
    module = plugins.load("backends", name)
    device = device or getattr(module, "DEVICE", "cpu")
    found: tuple[str, ...] = module.precisions(device, **_taken(module.precisions, folder=folder))
    return found


def _load(
    name: str, folder: Path, precision: str, device: str | None, threads: int | None, hint: str
) -> Backend:
    module = plugins.load("backends", name)
    backend: Backend = module.load(
        folder,
        precision=precision,
        device=device or getattr(module, "DEVICE", "cpu"),
        threads=threads,
        **_taken(module.load, hint=hint),
    )
    return backend


def _taken(function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """The `arguments` that `function` accepts: a backend may leave out those it does not use."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in known}


def _trial(
    name: str, folder: Path, precision: str, device: str | None, threads: int | None, hint: str
) -> _auto.Trial:
    networks = [_cache.digest(_engine.onnx_path(folder))]
    if int8 := _has_int8(folder):
        networks.append(_cache.digest(folder / cards.INT8_ONNX))
    return _auto.Trial(
        size=cards.read(folder).resize.size,
        candidates=tuple(_auto.candidates(name, precision, int8)),
        load=lambda name, precision: _load(name, folder, precision, device, threads, hint),
        depends_on=(networks, device, threads, hint),
    )


def _has_int8(folder: Path) -> bool:
    """Whether a model has an int8 network and its card gives the accuracy cost."""
    return (folder / cards.INT8_ONNX).is_file() and bool(cards.read(folder).int8)
