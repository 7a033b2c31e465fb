"""The entry script: Streamlit reruns it on every visit and every click."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import streamlit as st
from dashboard_pages import compare, evaluate, images, live, models, settings, style, words

from lanes.errors import LanesError
from lanes.system import threads
from lanes.video.opening import confine_streams


def guarded(page: Callable[[settings.Settings], None]) -> Callable[[], None]:
    """Wrap a page so that a `LanesError` appears on it as a message."""

    def show() -> None:
        try:
            page(settings.read())
        except LanesError as error:
            words.error(str(error))

    return show


def main() -> None:
    """Show the page named in the URL."""
    confine_streams()
    # Process-wide, so that OpenCV and the engines do not compete for cores.
    cv2.setNumThreads(threads.share(threads.usable_cores()).opencv)
    st.set_page_config("lanes", style.icon(), layout="wide", initial_sidebar_state="collapsed")
    style.apply()
    pages = [
        st.Page(guarded(page), title=title, icon=icon, url_path=path, default=path == START)
        for page, title, icon, path in PAGES
    ]
    # Streamlit serves the default page at / only.
    live_page = st.Page(guarded(live.show), title="Live", url_path="live", visibility="hidden")
    chosen = st.navigation([*pages, live_page], position="top")
    with st.container(horizontal=True, key="phone-pages"):
        for page in pages:
            st.page_link(page)
    chosen.run()


START = "start"
PAGES = (
    (live.show, "Live", ":material/play_circle:", START),
    (images.show, "Images", ":material/image:", "images"),
    (compare.show, "Compare", ":material/compare:", "compare"),
    (evaluate.show, "Evaluate", ":material/rule:", "evaluate"),
    (models.show, "Models", ":material/neurology:", "models"),
)
main()
