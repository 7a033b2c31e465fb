"""Pictures of running pipelines for the browser, beside Streamlit: each is fetched when it is new.

A picture that went through Streamlit would have it run the page's script, send its state and draw
the page anew, ten times a second: that took a third of a pipeline's speed. So a page only shows a
`<img>` that knows an address of this module; the browser asks there for the next picture when it
has drawn the one before. It is the newest then: neither a slow line nor a slow browser makes a
queue.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lanes.errors import BadInput

PREFIX = "pictures"
LARGEST = 4_000_000
"""Bytes of a picture that a browser may send."""
POLL_SECONDS = 0.01
PATIENCE_SECONDS = 1.0
"""A browser is answered after this long, with the same picture: what is told of it may be new."""


@dataclass(frozen=True)
class Picture:
    """What there is to show: `draw` makes the JPEG file, or there is none yet.

    Two pictures of one `mark` look the same. `told` is the sentence beneath it. A `state` other
    than the one that the page was drawn for has the page drawn anew.
    """

    mark: str
    state: str
    told: str
    draw: Callable[[], bytes] | None


class Feed:
    """The pictures of one pipeline under an address that nobody can guess, until it is closed."""

    def __init__(
        self, newest: Callable[[], Picture], take: Callable[[bytes], None] | None = None
    ) -> None:
        """`newest` is called for each request; `take` is given what the browser sends."""
        self.newest, self.take = newest, take
        self.secret = secrets.token_urlsafe(16)
        _FEEDS[self.secret] = self

    @property
    def address(self) -> str:
        """Where the browser finds it."""
        return f"{_base()}/{PREFIX}/{self.secret}"

    def close(self) -> None:
        """Give no more pictures."""
        _FEEDS.pop(self.secret, None)


_FEEDS: dict[str, Feed] = {}


def route() -> Route:
    """The route for the server."""
    return Route(f"{_base()}/{PREFIX}/{{secret}}", _answer, methods=["GET", "POST"])


def _base() -> str:
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


async def _answer(request: Request) -> Response:
    feed = _FEEDS.get(request.path_params["secret"])
    if feed is None:
        return Response("this pipeline has ended", 410)
    return await (_take if request.method == "POST" else _give)(feed, request)


async def _take(feed: Feed, request: Request) -> Response:
    """Take the picture that the browser sends."""
    content = b""
    try:
        async for part in request.stream():
            content += part
            if len(content) > LARGEST:
                return Response("this is larger than a picture", 413)
        if feed.take is None:
            raise BadInput("this pipeline takes no pictures")
        await run_in_threadpool(feed.take, content)
    except BadInput as error:
        return Response(str(error), 400)
    except ClientDisconnect:
        pass  # nobody waits for an answer
    return Response(status_code=204)


async def _give(feed: Feed, request: Request) -> Response:
    """The newest picture, as soon as its mark is another than `seen`."""
    newest, seen = feed.newest(), request.query_params.get("seen")
    for _ in range(round(PATIENCE_SECONDS / POLL_SECONDS)):
        if newest.mark != seen:
            break
        await asyncio.sleep(POLL_SECONDS)
        newest = feed.newest()
    fresh = newest.draw and newest.mark != seen
    content = await run_in_threadpool(newest.draw) if fresh and newest.draw else b""
    headers = {
        "Cache-Control": "no-store",
        "Lanes-Mark": quote(newest.mark),
        "Lanes-State": newest.state,
        "Lanes-Told": quote(newest.told),
    }
    return Response(content, 200 if content else 204, headers, "image/jpeg")
