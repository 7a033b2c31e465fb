"""The demo clips, rendered once for the server in the background while pages tell how far it is."""

from __future__ import annotations

import threading
from pathlib import Path

import streamlit as st


class Rendering:
    """Renders the demo of a task in a thread of its own, unless it is in the user's cache.

    `share` is how much of it is done, 0..1; after `done` there are `files` (the clip and its label
    video), or there is an `error`.
    """

    def __init__(self, task: str) -> None:
        self.task, self.share = task, 0.0
        self.files: tuple[Path, Path] | None = None
        self.error: BaseException | None = None
        self.done = threading.Event()
        threading.Thread(target=self._run, name="demo", daemon=True).start()

    def _run(self) -> None:
        from lanes.pipeline.demo_clip import (
            demo_files,  # which draws: not needed for any other source
        )

        try:
            self.files = demo_files(self._told, self.task)
        except Exception as error:
            self.error = error
        self.done.set()

    def _told(self, done: int, total: int) -> None:
        self.share = done / total


_rendering = st.cache_resource(show_spinner=False)(Rendering)


def rendering(task: str) -> Rendering:
    """The demo of `task`: begun by the first who asks, the same for all tabs.

    Tasks of which nothing is drawn share that of the roads.
    """
    from lanes.datasets import _samples as drawn

    found: Rendering = _rendering(drawn.drawer(task).TASK)
    return found


def files(task: str) -> tuple[Path, Path]:
    """The clip and the label video of the demo, with a progress bar while they are rendered.

    Raises:
        LanesError: they cannot be made; asking again tries again.
    """
    demo = rendering(task)
    if not demo.done.wait(0.3):  # a cached one is found by then
        bar = st.progress(0.0)
        while not demo.done.wait(0.2):
            told = f"Rendering the demo clip, once for this machine: {demo.share:.0%}"
            bar.progress(demo.share, told)
        bar.empty()
    if demo.error is not None:
        _rendering.clear(demo.task)
        raise demo.error
    assert demo.files is not None
    return demo.files
