"""Keeps what a browser tab runs while its connection is broken or its page is reloaded.

Streamlit ends a session when its connection breaks, and a reloaded page is a new session. So a tab
that is left waits here, under the browser's cookie, until it is found again. Nobody else can find
it: the cookie is random, and no script of a page can read it (HttpOnly, RFC 6265, section 4.1.2.6).
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if TYPE_CHECKING:
    from dashboard_pages.tabs import Tab

COOKIE = "lanes-browser"
SERVER = secrets.token_hex(4)
"""Begins the cookies of this server: others are from before its restart."""
GRACE_SECONDS = 120.0
"""A tab that is left runs on for this long."""
KEPT_SECONDS = 3600.0
"""Then its recordings are kept for this long,"""
MOST = 20
"""but only those of the last so many tabs."""


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page: the browser's cookie, "" if it takes none, and Streamlit's session."""

    browser: str
    session: str


@dataclass
class Left:
    """A tab that waits for its visitor, since `since` (seconds of the monotonic clock)."""

    tab: Tab
    since: float
    timer: threading.Timer


_lock = threading.Lock()
_waiting: list[Left] = []


def visitor() -> Visitor:
    """The visitor of the running script."""
    context = get_script_run_ctx()
    return Visitor(st.context.cookies.get(COOKIE, ""), context.session_id if context else "")


def from_before_a_restart(visitor: Visitor) -> bool:
    """Whether a page that another server gave has connected to this one."""
    return bool(visitor.browser) and not visitor.browser.startswith(SERVER)


def cookie(sent: str, secure: bool) -> bytes | None:
    """The Set-Cookie header for a browser that `sent` this Cookie header; None if it has one."""
    if f"{COOKIE}={SERVER}" in sent:
        return None
    text = f"{COOKIE}={SERVER}{secrets.token_urlsafe(16)}; Path=/; HttpOnly; SameSite=Strict"
    return f"{text}; Secure".encode() if secure else text.encode()


def leave(tab: Tab) -> None:
    """Let a tab wait whose connection ended; called by Streamlit."""
    if not tab.players:
        _in_thread(tab.close)
        return
    left = Left(tab, time.monotonic(), threading.Timer(GRACE_SECONDS, lambda: _give_up(left)))
    with _lock:
        _waiting.append(left)
        oldest = _waiting.pop(0) if len(_waiting) > MOST else None
    _start(left)
    if oldest:
        _forget(oldest)


def found(visitor: Visitor) -> Tab | None:
    """The visitor's tab, if it waits: that of the same session, else the browser's last one."""
    with _lock:
        mine = next(_of(visitor), None)
        if mine is None:
            return None
        _waiting.remove(mine)
        mine.timer.cancel()
    mine.tab.returned(time.monotonic() - mine.since)
    return mine.tab


def _of(visitor: Visitor) -> Iterator[Left]:
    newest = list(reversed(_waiting))
    if visitor.session:
        yield from (left for left in newest if left.tab.visitor.session == visitor.session)
    if visitor.browser:
        yield from (left for left in newest if left.tab.visitor.browser == visitor.browser)


def _give_up(left: Left) -> None:
    """End what a tab runs; keep its recordings for a while."""
    with _lock:
        if left not in _waiting:
            return
        left.timer = threading.Timer(KEPT_SECONDS, lambda: _expire(left))
    left.tab.end()
    _start(left)


def _expire(left: Left) -> None:
    with _lock:
        if left not in _waiting:
            return
        _waiting.remove(left)
    left.tab.close()


def _forget(left: Left) -> None:
    left.timer.cancel()
    _in_thread(left.tab.close)


def _start(left: Left) -> None:
    left.timer.daemon = True
    left.timer.start()


def _in_thread(close: Callable[[], None]) -> None:
    """Close in a thread: releasing a camera may block the server."""
    threading.Thread(target=close, name="tab-end").start()
