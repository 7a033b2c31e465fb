"""Checks what is installed, what works, and which backend "auto" chooses.

Anything that may crash or hang (engines, drivers, cameras) runs in its own process.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from lanes import assets, backends, plugins
from lanes import card as cards
from lanes.backends import PREFERENCE, Choice
from lanes.colour import YuvColour, from_bgr
from lanes.datasets import _samples as drawn
from lanes.errors import LanesError, MissingDependency
from lanes.system.fresh_process import FreshProcess
from lanes.system.machine import Machine, machine, versions
from lanes.video import CameraSource, VideoSink, VideoSource

OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
"""Distributions that share the folder `cv2`: the last installed overwrites part of the others."""
ENCODER = "libx264"
"""The encoder of our videos."""
OTHER_ENCODERS = (
    "h264_nvenc",
    "h264_qsv",
    "h264_vaapi",
    "h264_amf",
    "h264_videotoolbox",
    "h264_v4l2m2m",
)
DECODERS = ("h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg")
CAMERAS = range(4)
CAMERA_PATIENCE = 10.0
"""Seconds to wait for a camera's first image."""

State = Literal["works", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One checked item; `detail` is the result.

    A `problem` keeps the main job from working properly. A `note` is something optional that is
    missing or unused.
    """

    section: str
    name: str
    state: State
    detail: str
    cure: str = ""


@dataclass(frozen=True)
class Report:
    """All findings on a machine."""

    machine: Machine
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> list[Finding]:
        """The findings that keep the main job from working properly."""
        return [finding for finding in self.findings if finding.state == "problem"]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; `healthy` is true if there is no problem."""
        return {**asdict(self), "healthy": not self.problems}


def examine(on_section: Callable[[str], None] = lambda section: None) -> Report:
    """Check everything; calls `on_section(name)` before each section. Takes about 15 seconds."""
    facts = machine()
    findings: list[Finding] = []
    for section in SECTIONS:
        on_section(section.__name__)
        findings += section()
    return Report(facts, tuple(findings))


def packages() -> Iterator[Finding]:
    """The libraries that our metadata requires, and OpenCV, which needs exactly one wheel."""
    found = versions([*_required(""), *OPENCV])
    for name, optional in _required("").items():
        if name in OPENCV:
            continue
        cure = plugins.pip_command(name)
        if name in found:
            yield Finding("packages", name, "works", found[name])
        elif optional:
            yield Finding("packages", name, "note", "not installed; not on every system", cure)
        else:
            yield Finding("packages", name, "problem", "not installed", cure)
    wheels = [name for name in OPENCV if name in found]
    for name in wheels:
        yield Finding("packages", name, "works", found[name])
    if len(wheels) > 1:
        clash = f"{' and '.join(wheels)} overwrite each other's files"
        cure = f"pip uninstall -y {' '.join(wheels)} && pip install {wheels[0]}"
        yield Finding("packages", "cv2", "problem", clash, cure)
    for extra in _extras():
        missing = [name for name in _required(extra) if name not in versions([name])]
        cure = plugins.pip_command(missing[0]) if missing else ""
        status = f"not installed: {', '.join(missing)}" if missing else "installed"
        yield Finding("packages", f"[{extra}]", "note" if missing else "works", status, cure)


def models() -> Iterator[Finding]:
    """The included models."""
    for name in assets.model_names():
        try:
            folder = assets.model_folder(name)
            card = cards.read(folder)
            size = (folder / cards.ONNX).stat().st_size
        except (LanesError, OSError) as error:
            yield Finding("models", name, "problem", str(error), "install the package again")
        else:
            details = f"{card.task}, {card.resize}, {size / 1e6:.1f} MB"
            yield Finding("models", name, "works", details)
    if assets.DEFAULT_MODEL not in assets.model_names():
        yield Finding(
            "models", assets.DEFAULT_MODEL, "problem", "is missing", "install the package again"
        )


class Attempt:
    """Runs the default model; lives in its own process."""

    def __init__(self) -> None:
        self.folder = assets.model_folder(assets.DEFAULT_MODEL)

    def label(self, name: str) -> str:
        """Label an image in the backend `name`; returns precision, device and class shares."""
        card = cards.read(self.folder)
        with closing(backends.load(name, self.folder)) as backend:
            labels = backend(drawn.images(card, 1)[0])
        shares = np.bincount(labels.ravel(), minlength=len(card.classes)) / labels.size
        parts = (f"{share:.0%} {name}" for share, name in zip(shares, card.classes, strict=True))
        return f"labels an image in {backend.precision} on {backend.device}: {', '.join(parts)}"

    def choices(self) -> list[Choice]:
        """The candidates of "auto"."""
        return backends.choices(self.folder)


def engines() -> Iterator[Finding]:
    """Try to label an image in each backend with the default model."""
    works = 0
    for name in plugins.names("backends"):
        try:
            with FreshProcess(Attempt, noise=False) as process:
                result = process.call("label", name)
        except LanesError as error:
            needed = name in PREFERENCE and not isinstance(error, MissingDependency)
            yield Finding("engines", name, "problem" if needed else "note", str(error))
        else:
            works += name in PREFERENCE
            yield Finding("engines", name, "works", result)
    if not works:
        details = f"none of {', '.join(PREFERENCE)} works"
        yield Finding("engines", "any", "problem", details, plugins.pip_command(PREFERENCE[-1]))


def choice() -> Iterator[Finding]:
    """The backend that "auto" chooses for the default model, and the timings."""
    try:
        with FreshProcess(Attempt, noise=False) as process:
            choices: list[Choice] = process.call("choices")
    except LanesError as error:
        yield Finding("choice", "auto", "problem", str(error))
        return
    for one in choices:
        if one.milliseconds is None:
            yield Finding("choice", one.name, "note", one.reason)
            continue
        timing = f"{one.milliseconds:.1f} ms per image in {one.precision}"
        timing += "; chosen" if one.chosen else ""
        yield Finding("choice", one.name, "works" if one.chosen else "note", timing)


def codecs() -> Iterator[Finding]:
    """Write a video and read it back; list PyAV's other codecs."""
    try:
        count = _written_and_read()
    except LanesError as error:
        yield Finding("codecs", ENCODER, "problem", str(error), plugins.pip_command("av"))
    else:
        state: State = "works" if count == 2 else "problem"
        yield Finding("codecs", ENCODER, state, f"2 frames written, {count} read back")
    others = [name for name in OTHER_ENCODERS if _has(name, "w")]
    details = f"{', '.join(others) or 'none'}; not used by lanes"
    yield Finding("codecs", "other H.264 encoders", "note", details)
    readable = [name for name in DECODERS if _has(name, "r")]
    yield Finding("codecs", "decoders", "works", ", ".join(readable))


class Camera:
    """Opens a camera; lives in its own process."""

    def __init__(self, index: int) -> None:
        with CameraSource(index) as source:
            self.source = source

    def details(self) -> str:
        """The image size, and the frame rate if the camera reports one."""
        height, width = self.source.size
        rate = f", {float(self.source.rate):g} FPS" if self.source.rate else ""
        return f"{width}x{height}{rate}"


def cameras() -> Iterator[Finding]:
    """The first few cameras; having none is not a problem."""
    found = False
    for index in CAMERAS:
        if sys.platform == "linux" and not Path(f"/dev/video{index}").exists():
            continue
        try:
            with FreshProcess(Camera, index, patience=CAMERA_PATIENCE, noise=False) as process:
                details = process.call("details")
        except LanesError as error:
            if sys.platform == "linux":  # the device file exists
                yield Finding("cameras", str(index), "note", str(error))
        else:
            found = True
            yield Finding("cameras", str(index), "works", details)
    if not found:
        yield Finding("cameras", "any", "note", f"none of {CAMERAS[0]} to {CAMERAS[-1]} opens")


def cache() -> Iterator[Finding]:
    """The cache folder and its size."""
    try:
        folder = assets.cache_folder("")
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (LanesError, OSError) as error:
        cure = "set XDG_CACHE_HOME to a writable folder"
        yield Finding("cache", "folder", "problem", str(error), cure)
        return
    yield Finding("cache", "folder", "works", str(folder))
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = [path.stat().st_size for path in part.rglob("*") if path.is_file()]
        yield Finding("cache", part.name, "note", f"{len(files)} files, {sum(files) / 1e6:.1f} MB")


SECTIONS: tuple[Callable[[], Iterator[Finding]], ...] = (
    packages,
    models,
    engines,
    choice,
    codecs,
    cameras,
    cache,
)


def _required(extra: str) -> dict[str, bool]:
    """The libraries that `extra` requires ("": always); True if only on some systems."""
    try:
        requirements = importlib.metadata.requires(plugins.DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:  # a checkout that was never installed
        return {} if extra else dict.fromkeys(("numpy", "av", *PREFERENCE), False)
    found: dict[str, bool] = {}
    for requirement in requirements:
        named = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        name = re.split(r"[\s<>=!~;\[]", requirement)[0].lower()
        if (named[1] if named else "") == extra and name != plugins.DISTRIBUTION:
            found[name] = ";" in requirement
    return found


def _extras() -> list[str]:
    try:
        metadata = importlib.metadata.metadata(plugins.DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return []
    return [extra for extra in metadata.get_all("Provides-Extra") or [] if extra != "dev"]


def _has(name: str, mode: Literal["r", "w"]) -> bool:
    try:
        av.Codec(name, mode)
    except (av.FFmpegError, ValueError):
        return False
    return True


def _written_and_read() -> int:
    """Write two frames as `lanes video` does; returns how many can be read back."""
    colour = YuvColour("bt709", full_range=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "two.mp4"
        with VideoSink(path, size=(64, 96), rate=Fraction(25), colour=colour) as sink:
            for grey in (60, 180):
                sink.write(from_bgr(np.full((64, 96, 3), grey, np.uint8), colour))
        with VideoSource(path) as source:
            return sum(1 for _ in source)
