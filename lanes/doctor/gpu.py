"""The checks of `lanes doctor --gpu`, which need an NVIDIA GPU.

For each included model and precision: build the engine, check its layers' types, compare its labels
with ONNX Runtime's, and time it. Then run a video through the default model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console

from lanes import assets, plugins
from lanes import card as cards
from lanes import segmenter as segmenters
from lanes.datasets import _samples as drawn
from lanes.errors import LanesError
from lanes.pipeline.demo_clip import demo_files
from lanes.pipeline.label_video import Options, annotate
from lanes.types import ImageBatch

NAME = "tensorrt"
WARM_UP, ROUNDS = 20, 200
"""Number of untimed images, then of timed ones."""
MILLISECONDS = 1e3


@dataclass(frozen=True)
class Check:
    """One check on the GPU; `detail` is its result, or the reason why it failed."""

    name: str
    ok: bool
    detail: str

    def __str__(self) -> str:
        return f"{'ok' if self.ok else 'failed'}: {self.name}: {self.detail}"


def check_gpu(
    models: Sequence[str] | None = None,
    device: str | None = None,
    on_check: Callable[[Check], None] | None = None,
) -> list[Check]:
    """Try TensorRT with `models` (default: all included) on `device` (default: the first GPU).

    Failures are not raised but returned as checks. `on_check` gets each check as it finishes; by
    default it is printed. Takes minutes if engines must be built.
    """
    on_check = on_check or _print
    found = []
    for check in _checks(models or assets.model_names(), device):
        on_check(check)
        found.append(check)
    return found


def _print(check: Check) -> None:
    style = None if check.ok else "red"
    Console().print(str(check), style=style, highlight=False, markup=False, soft_wrap=True)


def _checks(models: Sequence[str], device: str | None) -> Iterator[Check]:
    try:
        backend = plugins.load("backends", NAME)
        facts = backend.facts(device or backend.DEVICE)
    except LanesError as error:
        yield Check("TensorRT and GPU", False, str(error))
        return
    yield Check("TensorRT and GPU", True, facts)
    for model in models:
        folder = assets.model_folder(model)
        for precision in backend.precisions(device or backend.DEVICE):
            yield from _model_checks(backend, folder, precision, device or backend.DEVICE)
    yield _tried("video", lambda: _video(assets.DEFAULT_MODEL, device))


def _tried(name: str, check: Callable[[], tuple[bool, str]]) -> Check:
    try:
        return Check(name, *check())
    except LanesError as error:
        return Check(name, False, str(error))


def _model_checks(backend: Any, folder: Path, precision: str, device: str) -> Iterator[Check]:
    name = f"{folder.name} {precision}"
    began = time.perf_counter()
    try:
        # The first load builds the engine if it is not cached; the second reads it from the cache.
        backend.load(folder, precision, device).close()
        built = time.perf_counter()
        loaded = backend.load(folder, precision, device)
    except LanesError as error:
        yield Check(f"{name}: engine", False, str(error))
        return
    again = time.perf_counter() - built
    with closing(loaded):
        times = f"{built - began:.1f} s the first time, {again:.2f} s from the cache"
        yield Check(f"{name}: engine", True, times)
        yield _tried(f"{name}: layers", lambda: _layers(loaded, precision))
        yield _tried(f"{name}: labels", lambda: _labels(backend, loaded, folder))
        images = drawn.images(cards.read(folder), 2)
        yield _tried(f"{name}: two in flight", lambda: _two_in_flight(loaded, images))
        yield _tried(f"{name}: time", lambda: _time(loaded, images))


def _layers(loaded: Any, precision: str) -> tuple[bool, str]:
    types = loaded.layers()
    return precision == "fp32" or types.half > len(types.fp32), str(types)


def _labels(backend: Any, loaded: Any, folder: Path) -> tuple[bool, str]:
    share = backend.parity(loaded, folder)
    return share >= backend.PARITY, f"{share:.3%} equal those of ONNX Runtime in fp32"


def _two_in_flight(loaded: Any, images: Sequence[ImageBatch]) -> tuple[bool, str]:
    """Whether two images in flight get the same labels as one by one."""
    alone = [loaded(image) for image in images]
    flying = [loaded.submit(image) for image in images]
    together = [loaded.result(pending) for pending in flying]
    same = all(np.array_equal(*pair) for pair in zip(alone, together, strict=True))
    return same, "same labels as one by one" if same else "different labels than one by one"


def _time(loaded: Any, images: Sequence[ImageBatch]) -> tuple[bool, str]:
    for _ in range(WARM_UP):
        loaded(images[0])
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        loaded(images[0])
        times.append(time.perf_counter() - began)
    p50, p95 = np.percentile(times, (50, 95)) * MILLISECONDS
    began = time.perf_counter()
    flying = [loaded.submit(image) for image in images]
    for _ in range(ROUNDS):
        loaded.result(flying.pop(0))
        flying.append(loaded.submit(images[0]))
    rate = ROUNDS / (time.perf_counter() - began)
    for pending in flying:
        loaded.result(pending)
    return True, f"{p50:.2f} ms p50, {p95:.2f} ms p95 alone; {rate:.0f} images/s two in flight"


def _video(model: str, device: str | None) -> tuple[bool, str]:
    """Run the whole pipeline on the demo clip, including decoding and encoding."""
    with TemporaryDirectory() as place, segmenters.load(model, NAME, device=device) as segmenter:
        clip, _ = demo_files(task=segmenter.card.task)
        summary = annotate(str(clip), segmenter, Options(output=Path(place) / "out.mp4"))
    rate = summary.frames / summary.seconds
    return (
        summary.frames > 0,
        f"{summary.frames} frames of 1280x720, {rate:.0f} frames/s with {model}",
    )
