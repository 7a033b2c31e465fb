"""The widgets that say what a pipeline plays; what is sent is written only when it starts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import streamlit as st

from dashboard_pages import demos
from dashboard_pages.settings import Settings
from dashboard_pages.tabs import BROWSER, CAMERA, DEMO, PATH, UPLOAD, Clip
from lanes.errors import BadInput
from lanes.types import Task
from lanes.video.opening import shown

ICONS = {DEMO: "movie", UPLOAD: "upload", PATH: "folder_open"}
ICONS |= {BROWSER: "photo_camera", CAMERA: "videocam"}
VIDEOS = ["mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "wmv", "flv"]
NUMBERED = re.compile(r"(\d{6})\.png")
Opens: TypeAlias = Callable[[Path], Clip]
"""Makes the clip ready, in a folder of its own; raises `LanesError`."""


def choose(settings: Settings, task: Task, key: str, kinds: Sequence[str] = ()) -> Opens | None:
    """The widgets; None while something is still to be given. `kinds` may leave sources out."""
    known = [DEMO, UPLOAD, *([PATH] if settings.allowed else []), BROWSER, CAMERA]
    offered = [kind for kind in known if not kinds or kind in kinds]
    kind = st.segmented_control(
        "Source",
        offered,
        default=DEMO,
        required=True,
        format_func=lambda kind: f":material/{ICONS[kind]}: {kind}",
        key=f"{key}-source",
    )
    if kind == UPLOAD:
        return _upload(key)
    if kind == PATH:
        return _path(settings, key)
    if kind == BROWSER:
        st.caption("The browser asks before it gives its camera. Only what you record is kept.")
        return lambda folder: Clip("", "this browser's camera", BROWSER)
    if kind == CAMERA:
        return _camera(key)
    st.caption("Ten seconds that the program draws itself, so that the truth is exact.")
    return demo(task)


def demo(task: Task) -> Opens:
    """The demo clip of `task`, over and over."""

    def opens(folder: Path) -> Clip:
        clip, labels = demos.files(task.name)
        truth = labels if drawn_for(task) else None
        return Clip(str(clip), "the demo", DEMO, truth, loop=True)

    return opens


def drawn_for(task: Task) -> bool:
    """Whether the demo's truth is of this task: where none is drawn for it, roads are shown."""
    from lanes.datasets import _samples as drawn

    return bool(task.name == drawn.drawer(task.name).TASK)


def _upload(key: str) -> Opens | None:
    sent = st.file_uploader("Video", type=VIDEOS, key=f"{key}-upload")
    with st.expander("Truth, for IoU (optional)"):
        truth = st.file_uploader(
            "A label video (FFV1, grey), or label images 000000.png, 000001.png, ...",
            type=["mkv", "avi", "png"],
            accept_multiple_files=True,
            key=f"{key}-truth",
        )
    if sent is None:
        return None

    def opens(folder: Path) -> Clip:
        # A name of ours: what the sender calls it never becomes a path, nor makes it a playlist.
        path = folder / "upload"
        _write(sent, path)
        return Clip(str(path), sent.name, UPLOAD, _truth(truth, folder))

    return opens


def _truth(sent: Sequence[Any], folder: Path) -> Path | None:
    if not sent:
        return None
    masks = {match[1]: file for file in sent if (match := NUMBERED.fullmatch(file.name))}
    if len(sent) == 1 and not sent[0].name.lower().endswith(".png"):
        path = folder / "labels.mkv"
        _write(sent[0], path)
        return path
    if len(masks) < len(sent):
        names = [file.name for file in sent]
        odd = next((name for name in names if not NUMBERED.fullmatch(name)), None)
        if odd is None:
            twice = next(name for name in names if names.count(name) > 1)
            raise BadInput(f"{twice} was given twice: take one of them away")
        raise BadInput(
            f"{odd} is no label image of a frame: they are named by its six digits, 000000.png "
            "for the first; or give one label video"
        )
    (folder / "labels").mkdir()
    for number, file in masks.items():
        _write(file, folder / "labels" / f"{number}.png")
    return folder / "labels"


def _write(sent: Any, path: Path) -> None:
    sent.seek(0)
    with path.open("wb") as file:
        shutil.copyfileobj(sent, file, 1 << 20)


def _path(settings: Settings, key: str) -> Opens | None:
    folders = ", ".join(f"`{folder}`" for folder in settings.allowed)
    given = st.text_input(
        "File, folder of images, or address of a stream",
        placeholder="drive.mp4 or rtsp://192.168.0.7/live",
        key=f"{key}-path",
    )
    st.caption(f"This server opens what lies in {folders}, and addresses.")
    labels = st.text_input(
        "Truth (optional): a label video or a folder of label images", key=f"{key}-labels"
    )
    if not given.strip():
        return None

    def opens(folder: Path) -> Clip:
        truth = Path(settings.path(labels)) if labels.strip() else None
        return Clip(settings.input(given), shown(given.strip()), PATH, truth)

    return opens


def _camera(key: str) -> Opens | None:
    found = cameras()
    if not found:
        st.info(
            "This server has no camera that Linux knows (/dev/video*). Plug one in and reload the "
            "page, or take another source.",
            icon=":material/videocam_off:",
        )
        return None
    index = st.selectbox(
        "Camera of the server", found, format_func=lambda n: f"Camera {n}", key=f"{key}-camera"
    )
    return lambda folder: Clip(str(index), f"camera {index}", CAMERA)


def cameras() -> list[int]:
    """The numbers of the cameras that this machine has."""
    paths = Path("/dev").glob("video*")
    numbers = (path.name.removeprefix("video") for path in paths)
    return sorted(int(number) for number in numbers if number.isdigit())
