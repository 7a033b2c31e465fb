"""The dashboard answers only its own pages."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("streamlit")

import streamlit as st
from dashboard_pages import same_site
from dashboard_pages.same_site import SameSite


def ask(host, origin=None, kind="http"):
    """What the app behind the guard saw of a request, or None; and the messages sent back."""
    seen, sent = [], []

    async def app(scope, receive, send):
        seen.append(dict(scope["headers"]))
        if kind == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    asyncio.run(SameSite(app)({"type": kind, "headers": headers}, None, send))
    return (seen or [None])[0], sent


@pytest.fixture
def options(monkeypatch):
    """Streamlit's options as a test sets them; the server listens on 127.0.0.1."""
    given = {"server.address": "127.0.0.1"}
    monkeypatch.setattr(st, "get_option", given.get)
    monkeypatch.setattr(st.config, "is_manually_set", lambda name: name in given)
    return given


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8501", None),
        ("localhost:8501", "http://localhost:8501"),
        ("[::1]:8501", "http://[::1]:8501"),
        ("localhost", "https://localhost"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_own_pages_are_answered(options, host, origin, kind):
    headers, _ = ask(host, origin, kind)
    assert headers is not None
    # Streamlit would ask a host outside about any origin that it does not know.
    assert headers.get(b"origin") == (b"http://localhost" if origin else None)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example:8501", None),  # resolves to 127.0.0.1
        ("evil.example:8501", "http://evil.example:8501"),
        ("127.0.0.1:8501", "http://evil.example"),
        ("127.0.0.1:8501", "http://127.0.0.1:9999"),  # another program of this machine
        ("127.0.0.1:8501", "null"),
        ("127.0.0.1:8501", "http://[::1"),
        ("localhost.evil.example", "http://localhost"),
        ("", None),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_pages_of_other_sites_are_refused(options, host, origin, kind):
    headers, sent = ask(host, origin, kind)
    assert headers is None
    assert sent[0].get("status", 403) == 403
    assert sent[0]["type"] in ("http.response.start", "websocket.close")


def test_names_that_the_user_gave_are_answered(options):
    options |= {"server.allowedHosts": ["cars.lan"], "server.corsAllowedOrigins": ["http://a.lan"]}
    assert ask("cars.lan", "http://cars.lan")[0] is not None
    assert ask("localhost:8501", "http://a.lan")[0] is not None
    assert ask("other.lan", "http://other.lan")[0] is None


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.0.7", None])
def test_a_server_for_others_answers_to_any_name(options, address):
    options["server.address"] = address
    assert ask("cars.lan:8501", "http://cars.lan:8501")[0] is not None
    assert ask("cars.lan:8501", "http://evil.example")[0] is None


def test_no_other_site_may_frame_the_pages(options):
    _, sent = ask("localhost", None)
    headers = dict(sent[0]["headers"])
    assert headers[b"content-security-policy"] == b"frame-ancestors 'self'"
    assert headers[b"x-frame-options"] == b"SAMEORIGIN"


def test_the_rest_passes(options):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(SameSite(app)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]
    assert same_site.CHECKED == b"http://localhost"


def cookies_of(kind, sent=b""):
    """The cookies that come with an answer of this content type."""
    answers = []

    async def app(scope, receive, send):
        headers = [(b"content-type", kind)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(message):
        answers.extend(message["headers"])

    scope = {"type": "http", "headers": [(b"host", b"localhost"), (b"cookie", sent)]}
    asyncio.run(SameSite(app)(scope, None, send))
    return [value for name, value in answers if name == b"set-cookie"]


def test_a_page_brings_the_cookie_that_its_runs_are_found_by(options):
    (cookie,) = cookies_of(b"text/html; charset=utf-8")
    assert b"HttpOnly" in cookie
    assert cookies_of(b"text/html", cookie.partition(b";")[0]) == []
    # Only with a page: one from before a restart keeps its cookie, by which it is recognised.
    assert cookies_of(b"application/json") == []
