"""What runs an exported model: one file an engine, with `load(folder, device, precision, ...)`."""

from __future__ import annotations

from pathlib import Path

from lanes import plugins
from lanes.errors import MissingDependency
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
        UnknownName: no backend, or no precision of it, of that name.
        MissingDependency: its library is not installed.
        BadModel: the network cannot be read.
    """
    if name == "auto":
        name = _fastest()
    module = plugins.load("backends", name)
    backend: Backend = module.load(folder, precision=precision, device=device, threads=threads)
    return backend


def _fastest() -> str:
    for name in PREFERENCE:
        if plugins.installed(name):
            return name
    raise MissingDependency(
        f"none of {', '.join(PREFERENCE)} is installed: pip install onnxruntime"
    )
