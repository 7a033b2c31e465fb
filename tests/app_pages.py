"""Finds what is on a page in Streamlit's test harness, and waits for what comes later."""

from __future__ import annotations

import re
import time

OPEN = []
"""The tabs (`dashboard_pages.tabs.Tab`) that pages of the running test have opened."""


def until(condition, seconds=90):
    """Wait for something to come true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not true after {seconds} s"
        time.sleep(0.02)
    return found


def players():
    """The players of the newest tab, by name."""
    return OPEN[-1].players


def button(page, label):
    """The button of that label."""
    (found,) = [button for button in page.button if button.label == label]
    return found


def labels(elements):
    """What elements are called."""
    return [said(element.label) for element in elements]


def said(shown):
    """What a reader sees of an element, or of Markdown in which punctuation is escaped."""
    return re.sub(r"\\(.)", r"\1", shown if isinstance(shown, str) else shown.value)
