"""The widgets that choose a source; uploads are written to disk only on start."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import streamlit as st

from dashboard_pages import demos, words
from dashboard_pages.player import BROWSER, CAMERA, DEMO, PATH, UPLOAD, Clip
from dashboard_pages.settings import Settings
from lanes.errors import BadInput
from lanes.types import Task
from lanes.video.opening import shown

VIDEOS = ["mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "wmv", "flv"]
NUMBERED = re.compile(r"(\d{6})\.png")
Opens: TypeAlias = Callable[[Path], Clip]
"""Prepares the clip in the given folder; raises `LanesError`."""


def choose_kind(settings: Settings, key: str, kinds: Sequence[str] = ()) -> str:
    """Show the kinds of sources; `kinds` limits them. The address holds the choice."""
    known = [DEMO, UPLOAD, *([PATH] if settings.allowed else []), BROWSER, CAMERA]
    offered = [kind for kind in known if not kinds or kind in kinds]
    name = f"{key}-source"
    return st.segmented_control(
        "Source", offered, default=DEMO, required=True, key=name, bind="query-params"
    )


def choose(settings: Settings, kind: str, task: Task, key: str) -> Opens | None:
    """Show the widgets of a kind of source; None while the choice is incomplete."""
    if kind == UPLOAD:
        return _upload(key)
    if kind == PATH:
        return _path(settings, key)
    if kind == BROWSER:
        st.caption("The browser asks for permission first. Only what you record is kept.")
        return lambda folder: Clip("", "this browser's camera", BROWSER)
    if kind == CAMERA:
        return _camera(key)
    st.caption("Ten seconds of synthetic video, with exact ground truth.")
    return demo(task)


def demo(task: Task) -> Opens:
    """The demo clip of `task`, looped."""

    def opens(folder: Path) -> Clip:
        clip, labels = demos.files(task.name)
        truth = labels if drawn_for(task) else None
        return Clip(str(clip), "the demo", DEMO, truth, loop=True)

    return opens


def drawn_for(task: Task) -> bool:
    """Whether the demo has ground truth for `task`; tasks without a renderer show the road demo."""
    from lanes.datasets import _samples as drawn

    return bool(task.name == drawn.drawer(task.name).TASK)


def _upload(key: str) -> Opens | None:
    sent = st.file_uploader("Video", type=VIDEOS, key=f"{key}-upload")
    with st.expander("Ground truth, for IoU (optional)"):
        truth = st.file_uploader(
            "A label video (FFV1, grey), or label images 000000.png, 000001.png, ...",
            type=["mkv", "avi", "png"],
            accept_multiple_files=True,
            key=f"{key}-truth",
        )
    if sent is None:
        return None

    def opens(folder: Path) -> Clip:
        # Never use the sender's name: it must not choose a path or make the file a playlist.
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
            raise BadInput(f"{twice} was uploaded twice: remove one of them")
        raise BadInput(
            f"{odd} is not named like a label image: use the frame's six digits, 000000.png for "
            "the first; or upload one label video"
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
    folders = ", ".join(f"**{words.plain(folder.name)}**" for folder in settings.allowed)
    given = st.text_input(
        "File, folder of images, or stream URL",
        placeholder="drive.mp4 or rtsp://192.168.0.7/live",
        key=f"{key}-path",
    )
    st.caption(f"This server opens files in {folders}, and network URLs.")
    labels = st.text_input(
        "Ground truth (optional): a label video or a folder of label images", key=f"{key}-labels"
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
            "This server has no camera (/dev/video*). Plug one in and reload the page, or choose "
            "another source.",
            icon=":material/videocam_off:",
        )
        return None
    index = st.selectbox(
        "Camera of the server", found, format_func=lambda n: f"Camera {n}", key=f"{key}-camera"
    )
    return lambda folder: Clip(str(index), f"camera {index}", CAMERA)


def cameras() -> list[int]:
    """The indices of this machine's cameras."""
    paths = Path("/dev").glob("video*")
    numbers = (path.name.removeprefix("video") for path in paths)
    return sorted(int(number) for number in numbers if number.isdigit())
