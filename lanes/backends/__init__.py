"""Inference engines: one file each, with `load` and `precisions`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
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
OWN_PRECISION = ("classical", "kserve")
"""Backends that do not run the model's network themselves: its card does not limit them."""


def load(
    name: str,
    folder: Path,
    precision: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    hint: str = LATENCY,
    scores: bool = False,
) -> Backend:
    """Load the model of `folder` into the backend `name`; "auto" is the fastest on this machine.

    `precision` is "auto", "fp32", "bf16", ..., whatever the backend supports; "auto" is its
    fastest, which may be int8 if the model's card gives the accuracy cost. `device` is one of the
    backend's (None: its default, usually the CPU); `threads` limits the CPU threads (None: all
    cores); `hint` is one of `HINTS`. `choices` shows how "auto" decides. If the model takes tiles,
    the backend takes pictures of any size and cuts them. With `scores`, `result` also fills in
    `Pending.scores`, the class probabilities.

    Raises:
        UnknownName: no such backend, or it has no such precision or device.
        MissingDependency: its library is not installed.
        BadModel: the network cannot be read, contradicts its card, or has no scores.
        BackendError: the engine refuses the network, or the backend has no scores.
        BadInput: `threads` is not at least 1.
    """
    if threads is not None and threads < 1:
        raise BadInput(f"got {threads} threads; give 1 or more, or leave it out to use all cores")
    if hint not in HINTS:
        raise UnknownName(unknown("hint", hint, list(HINTS)))
    precision = _allowed(name, folder, precision)
    loader = _Loader(folder, device, threads, hint, scores)
    quantised = name == _auto.QUANTISED and precision == "auto" and _has_int8(folder)
    fastest = name == "auto" or quantised
    backend = loader.fastest(name, precision) if fastest else loader.load(name, precision)
    return tiled(backend, cards.read(folder).resize)


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
    return _Loader(folder, device, threads, hint).selector("auto", precision).choices()


def precisions(name: str, device: str | None = None, folder: Path | None = None) -> tuple[str, ...]:
    """The precisions that the backend `name` can run on this machine.

    With a model's `folder`, this includes precisions that need their own file, if it is there.
    """
    module = plugins.load("backends", name)
    device = device or getattr(module, "DEVICE", "cpu")
    found: tuple[str, ...] = module.precisions(device, **_taken(module.precisions, folder=folder))
    return found


@dataclass(frozen=True)
class _Loader:
    """Loads the model of `folder` by backend and precision; the rest is as in `load`."""

    folder: Path
    device: str | None
    threads: int | None
    hint: str
    scores: bool = False

    def load(self, name: str, precision: str) -> Backend:
        module = plugins.load("backends", name)
        options = _taken(module.load, hint=self.hint, scores=self.scores)
        if self.scores and "scores" not in options:
            raise BackendError(
                f"the backend {name} has no class probabilities: load the model with the backend "
                "onnxruntime or openvino, or label without scores"
            )
        device = self.device or getattr(module, "DEVICE", "cpu")
        backend: Backend = module.load(
            self.folder, precision=precision, device=device, threads=self.threads, **options
        )
        return backend

    def fastest(self, name: str, precision: str) -> Backend:
        selector = self.selector(name, precision)
        try:
            return self.load(*selector.fastest())
        except (MissingDependency, BackendError):
            # The cached choice no longer runs: a GPU may be gone, or a library broken.
            return self.load(*selector.fastest(refresh=True))

    def selector(self, name: str, precision: str) -> _auto.EngineSelector:
        """The candidates, timed without scores."""
        networks = [_cache.digest(_engine.onnx_path(self.folder))]
        if int8 := _has_int8(self.folder):
            networks.append(_cache.digest(self.folder / cards.INT8_ONNX))
        return _auto.EngineSelector(
            size=cards.read(self.folder).resize.size,
            candidates=tuple(_auto.candidates(name, precision, int8)),
            load=replace(self, scores=False).load,
            depends_on=(networks, self.device, self.threads, self.hint),
        )


def _allowed(name: str, folder: Path, precision: str) -> str:
    """The precision to ask for: the card may allow only some."""
    allowed = cards.read(folder).precisions if (folder / cards.CARD).is_file() else ()
    if not allowed or name in OWN_PRECISION or precision in allowed:
        return precision
    if precision == "auto":
        return allowed[0]
    raise UnknownName(
        f"{folder.name} was exported for {', '.join(allowed)} only, not {precision}, which changes "
        "too many of its labels: leave out --precision, or train longer and export again"
    )


def _taken(function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """The `arguments` that `function` accepts: a backend may leave out those it does not use."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in known}


def _has_int8(folder: Path) -> bool:
    """Whether a model has an int8 network and its card gives the accuracy cost."""
    return (folder / cards.INT8_ONNX).is_file() and bool(cards.read(folder).int8)
