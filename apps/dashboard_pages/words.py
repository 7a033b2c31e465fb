"""Shows words that are not the page's own: names of files, model cards, errors."""

from __future__ import annotations

import re

import streamlit as st

from dashboard_pages import settings

_MARKUP = re.compile(r"([!-/:-@\[-`{-~])")
_ICON = re.compile(r":(?=[\w+/-]+:)")
JOINER = "\u2060"
"""A character without width, which keeps :name: from becoming an icon."""


def plain(text: str) -> str:
    """The text for a widget that reads Markdown, so that it is shown as it is.

    Otherwise a file named `![](http://...)` makes the browser fetch that address.
    https://spec.commonmark.org/0.31.2/#backslash-escapes
    """
    line = _ICON.sub(f":{JOINER}", " ".join(text.split()))
    return _MARKUP.sub(r"\\\1", line)


def error(sentence: str) -> None:
    """Show an error without the server's folders."""
    st.error(plain(settings.read().public(sentence)), icon=":material/error:")


def warning(sentence: str) -> None:
    """Show a warning without the server's folders."""
    st.warning(plain(settings.read().public(sentence)))
