"""Serves pictures of running pipelines to the browser, bypassing Streamlit.

Sending pictures through Streamlit would rerun the script and redraw the page ten times a second,
which cost a third of the pipeline's speed. Instead a page holds an `<img>` with a URL served here.
The browser requests the next picture once it has drawn the previous one and always gets the newest,
so neither a slow connection nor a slow browser builds a queue.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lanes.errors import BadInput

Mark: TypeAlias = tuple[float, float, str]
"""A stretch of a clip, from and to in seconds, and what happened there."""
MOST_MARKS = 100
PREFIX = "pictures"
LARGEST = 4_000_000
"""Bytes of the largest picture accepted from a browser."""
POLL_SECONDS = 0.01
PATIENCE_SECONDS = 1.0
"""Answer after this long even without a new picture: its caption may have changed."""


@dataclass(frozen=True)
class Picture:
    """A picture to show: `draw` renders the JPEG; None before the first frame.

    Pictures with equal `mark` look the same. When `state` changes, the page is redrawn. `at` is the
    position in the clip and the clip's length, in seconds, for a timeline, and `marks` what
    happened on it.
    """

    mark: str
    state: str
    caption: str
    draw: Callable[[], bytes] | None
    at: tuple[float, float] | None = None
    marks: Sequence[Mark] = ()


class Feed:
    """One pipeline's pictures at an unguessable URL, until closed."""

    def __init__(
        self, newest: Callable[[], Picture], take: Callable[[bytes], None] | None = None
    ) -> None:
        """`newest` is called for each request; `take` receives pictures sent by the browser."""
        self.newest, self.take = newest, take
        self.secret = secrets.token_urlsafe(16)
        _FEEDS[self.secret] = self

    @property
    def address(self) -> str:
        """The URL path for the browser."""
        return f"{_base()}/{PREFIX}/{self.secret}"

    def close(self) -> None:
        """Stop serving."""
        _FEEDS.pop(self.secret, None)


_FEEDS: dict[str, Feed] = {}


def route() -> Route:
    """The route to register with the server."""
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
    """Receive a picture from the browser."""
    content = b""
    try:
        async for part in request.stream():
            content += part
            if len(content) > LARGEST:
                return Response("the picture is too large", 413)
        if feed.take is None:
            raise BadInput("this pipeline takes no pictures")
        await run_in_threadpool(feed.take, content)
    except BadInput as error:
        return Response(str(error), 400)
    except ClientDisconnect:
        pass  # nobody is waiting for an answer
    return Response(status_code=204)


async def _give(feed: Feed, request: Request) -> Response:
    """Answer with the newest picture once its mark differs from `seen`."""
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
        "Lanes-Caption": quote(newest.caption),
        "Lanes-Marks": quote(json.dumps(newest.marks[:MOST_MARKS])),
    }
    if newest.at:
        headers["Lanes-At"] = f"{newest.at[0]:.2f} {newest.at[1]:.2f}"
    return Response(content, 200 if content else 204, headers, "image/jpeg")
