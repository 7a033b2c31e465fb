"""The pages put together; Streamlit runs this file at every visit and every click."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import streamlit as st
from dashboard_pages import compare, evaluate, images, live, models, settings, style

from lanes.errors import LanesError
from lanes.system import threads


def guarded(page: Callable[[settings.Settings], None]) -> Callable[[], None]:
    """The page as Streamlit calls it: an error of ours is a sentence on it, with its cure."""

    def show() -> None:
        try:
            page(settings.read())
        except LanesError as error:
            st.error(str(error), icon=":material/error:")

    return show


def main() -> None:
    """Show the page that the address names."""
    # For the whole process: its pipelines and the engines would fight over the cores.
    cv2.setNumThreads(threads.share(threads.usable_cores()).opencv)
    st.set_page_config("lanes", style.icon(), layout="wide", initial_sidebar_state="collapsed")
    style.apply()
    pages = [
        st.Page(guarded(page), title=title, icon=icon, url_path=path, default=not number)
        for number, (page, title, icon, path) in enumerate(PAGES)
    ]
    st.navigation(pages, position="top").run()


PAGES = (
    (live.show, "Live", ":material/play_circle:", "live"),
    (images.show, "Images", ":material/image:", "images"),
    (compare.show, "Compare", ":material/compare:", "compare"),
    (evaluate.show, "Evaluate", ":material/rule:", "evaluate"),
    (models.show, "Models", ":material/neurology:", "models"),
)
main()
