"""Refuses what another web site's page sends to the dashboard, before Streamlit sees it.

A page of any site may send requests to this machine, and a site whose name resolves to 127.0.0.1
may even read the answers (DNS rebinding: Jackson et al. 2007, "Protecting browsers from DNS
rebinding attacks"). Therefore a server on a loopback address answers only to loopback names, and a
request's Origin must be the server it is sent to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import TypeAlias
from urllib.parse import urlsplit

import streamlit as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard_pages import returning

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
CHECKED = b"http://localhost"
"""Streamlit accepts this Origin without asking checkip.amazonaws.com for this machine's address."""
Headers: TypeAlias = list[tuple[bytes, bytes]]
HEADERS: Headers = [
    (b"content-security-policy", b"frame-ancestors 'self'"),
    (b"x-frame-options", b"SAMEORIGIN"),
]


class SameSite:
    """ASGI middleware: answers 403 to foreign hosts and origins, and forbids foreign frames."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request if its Host and Origin are this server's."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        origin = headers.get(b"origin", b"").decode("latin-1")
        if not (_is_ours(host) and (not origin or _is_same(origin, host))):
            await _refuse(scope, send)
            return
        if origin:
            others = [(name, value) for name, value in scope["headers"] if name != b"origin"]
            scope = {**scope, "headers": [*others, (b"origin", CHECKED)]}

        async def unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [*message.get("headers", ()), *HEADERS]
                message = {**message, "headers": [*given, *_cookies(scope, given)]}
            await send(message)

        await self.app(scope, receive, unframed)


def _cookies(scope: Scope, given: Headers) -> Headers:
    """The cookie under which a page's runs are kept, if a page is sent to a browser without one.

    Only with a page: one that is open must keep its cookie over a restart of the server.
    """
    kind = dict(given).get(b"content-type", b"")
    sent = dict(scope["headers"]).get(b"cookie", b"").decode("latin-1")
    if not kind.startswith(b"text/html"):
        return []
    cookie = returning.cookie(sent, scope.get("scheme") == "https")
    return [(b"set-cookie", cookie)] if cookie else []


def _is_ours(host: str) -> bool:
    """Whether a Host header names this server; any name does if it listens beyond loopback."""
    name = _name(f"//{host}")
    return not _is_loopback(st.get_option("server.address")) or name in {
        *LOOPBACK_NAMES,
        *_given("server.allowedHosts"),
        *_given("browser.serverAddress"),
    }


def _is_same(origin: str, host: str) -> bool:
    """Whether a page of `origin` is one of this server's, or of a site that the user named."""
    trusted = {_name(url) or url for url in _given("server.corsAllowedOrigins")}
    return origin.partition("://")[2] == host or _name(origin) in {
        *trusted,
        *_given("browser.serverAddress"),
    }


def _name(url: str) -> str:
    """The host of a URL, without its port; "" if it is not valid."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _given(option: str) -> Iterator[str]:
    """The values of one of Streamlit's options that the user set."""
    if st.config.is_manually_set(option):
        value: str | Iterable[str] | None = st.get_option(option)
        yield from [value] if isinstance(value, str) else value or ()


def _is_loopback(address: str | None) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address or "0.0.0.0").is_loopback
    except ValueError:
        return False


async def _refuse(scope: Scope, send: Send) -> None:
    """Answer 403, without a word about this machine."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"text/plain")]
    body = b"refused: this address belongs to another site\n"
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
