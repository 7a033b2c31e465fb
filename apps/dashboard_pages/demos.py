"""The demo clips, rendered once per server in the background, with progress on the page."""

from __future__ import annotations

import threading
from pathlib import Path

import streamlit as st


class Rendering:
    """Renders a task's demo in a thread, unless the user's cache has it.

    `share` is the progress, 0..1. Once `done` is set, either `files` (the clip and its label video)
    or `error` is set.
    """

    def __init__(self, task: str) -> None:
        self.task, self.share = task, 0.0
        self.files: tuple[Path, Path] | None = None
        self.error: BaseException | None = None
        self.done = threading.Event()
        threading.Thread(target=self._run, name="demo", daemon=True).start()

    def _run(self) -> None:
        from lanes.pipeline.demo_clip import (
            demo_files,  # imported late: only the demo needs the renderer
        )

        try:
            self.files = demo_files(self._progress, self.task)
        except Exception as error:
            self.error = error
        self.done.set()

    def _progress(self, done: int, total: int) -> None:
        self.share = done / total


_rendering = st.cache_resource(show_spinner=False)(Rendering)


def rendering(task: str) -> Rendering:
    """The demo of `task`, started on the first call and shared by all tabs.

    Tasks without a renderer share the road demo.
    """
    from lanes.datasets import _samples as drawn

    found: Rendering = _rendering(drawn.drawer(task).TASK)
    return found


def files(task: str) -> tuple[Path, Path]:
    """The demo's clip and label video, with a progress bar while they render.

    Raises:
        LanesError: rendering failed; the next call tries again.
    """
    demo = rendering(task)
    if not demo.done.wait(0.3):  # long enough to find a cached one
        bar = st.progress(0.0)
        while not demo.done.wait(0.2):
            text = f"Rendering the demo clip (only once on this machine): {demo.share:.0%}"
            bar.progress(demo.share, text)
        bar.empty()
    if demo.error is not None:
        _rendering.clear(demo.task)
        raise demo.error
    assert demo.files is not None
    return demo.files
