"""What runs an exported model: one file an engine, with `load` and `precisions`."""

from __future__ import annotations

from pathlib import Path

from lanes import plugins
from lanes.errors import BadInput, MissingDependency
from lanes.types import Backend

PREFERENCE = ("openvino", "onnxruntime")
"""Fastest first, as measured on CPUs: OpenVINO with bf16 or fp32 beats ONNX Runtime's fp32."""


def load(
    name: str,
    folder: Path,
    precision: str = "auto",
    device: str = "cpu",
    threads: int | None = None,
) -> Backend:
    """Load the model of `folder` into the backend `name`; "auto" takes the fastest installed.

    `precision` is "auto", "fp32", "bf16", ... as far as the backend knows it; `threads` bounds
    the processor's threads (None = all cores).

    Raises:
        UnknownName: no backend, or no precision or device of it, of that name.
        MissingDependency: its library is not installed.
        BadModel: the network cannot be read, or contradicts its card.
        BadInput: `threads` is not at least 1.
    """
    if threads is not None and threads < 1:
        raise BadInput(f"{threads} threads were asked for; give 1 or more, or none for all cores")
    if name == "auto":
        name = _fastest()
    module = plugins.load("backends", name)
    backend: Backend = module.load(folder, precision=precision, device=device, threads=threads)
    return backend


def precisions(name: str, device: str = "cpu") -> tuple[str, ...]:
    """The precisions that the backend `name` can run on this machine."""
    found: tuple[str, ...] = plugins.load("backends", name).precisions(device)
    return found


def _fastest() -> str:
    reasons = []
    for name in PREFERENCE:
        try:
            plugins.load("backends", name)
        except MissingDependency as error:
            reasons.append(str(error))
        else:
            return name
    raise MissingDependency("no backend can be loaded: " + "; ".join(reasons))
