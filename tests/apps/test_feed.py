"""Pictures of running pipelines, served next to Streamlit."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import replace
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

pytest.importorskip("streamlit")

from dashboard_pages import browser_camera, feed
from dashboard_pages.browser_camera import BrowserCamera
from dashboard_pages.feed import Feed, Picture


@pytest.fixture
def shown():
    """A feed whose picture a test may replace, and a list of the pictures drawn."""
    drawn = []
    feed = Feed(lambda: shown.picture)

    class shown:
        picture = Picture("1", "playing", "first · 1 %", lambda: drawn.append(1) or b"one")

    shown.feed, shown.drawn = feed, drawn
    yield shown
    feed.close()


def fetch(given, seen="", sent=None):
    """The answer to a browser's GET of a feed, or to its POST of `sent`."""
    from starlette.requests import Request

    path = {"secret": given.address.rpartition("/")[2]}
    scope = {"type": "http", "query_string": f"seen={seen}".encode(), "path_params": path}
    scope["method"] = "GET" if sent is None else "POST"

    async def receive():
        return {"type": "http.request", "body": sent, "more_body": False}

    return asyncio.run(feed._answer(Request(scope, receive)))


def test_a_new_picture_comes_at_once_with_its_caption(shown):
    answer = fetch(shown.feed)
    assert (answer.status_code, answer.body) == (200, b"one")
    assert answer.headers["Lanes-Mark"] == "1"
    assert answer.headers["Lanes-State"] == "playing"
    assert unquote(answer.headers["Lanes-Caption"]) == "first · 1 %"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Lanes-At" not in answer.headers


def test_the_timeline_gets_its_position_and_marks(shown):
    marks = [(1.0, 2.5, "could not be read")]
    shown.picture = replace(shown.picture, at=(1.5, 10), marks=marks)
    answer = fetch(shown.feed)
    assert answer.headers["Lanes-At"] == "1.50 10.00"
    assert json.loads(unquote(answer.headers["Lanes-Marks"])) == [[1.0, 2.5, "could not be read"]]


def test_a_picture_that_was_seen_is_not_drawn_again(shown, monkeypatch):
    monkeypatch.setattr(feed, "PATIENCE_SECONDS", 0.05)
    answer = fetch(shown.feed, seen="1")
    assert (answer.status_code, answer.body, shown.drawn) == (204, b"", [])
    assert answer.headers["Lanes-State"] == "playing"


def test_a_request_waits_for_the_next_picture(shown):
    began, calls = time.monotonic(), []

    def newest():
        calls.append(1)
        return shown.picture if len(calls) < 10 else Picture("2", "playing", "", lambda: b"two")

    shown.feed.newest = newest
    assert fetch(shown.feed, seen="1").body == b"two"
    assert time.monotonic() - began + 0.05 >= 9 * feed.POLL_SECONDS


def test_before_the_first_frame_there_is_no_picture(shown, monkeypatch):
    monkeypatch.setattr(feed, "PATIENCE_SECONDS", 0.05)
    shown.picture = Picture("0", "opening", "opening", None)
    answer = fetch(shown.feed)
    assert (answer.status_code, answer.headers["Lanes-State"]) == (204, "opening")


def test_an_ended_feed_and_a_guess_get_nothing(shown):
    other = Feed(lambda: shown.picture)
    other.close()
    assert fetch(other).status_code == 410
    assert fetch(shown.feed).status_code == 200
    assert other.secret != shown.feed.secret
    assert len(shown.feed.secret) > 20


def test_the_address_follows_the_servers_base_path(shown, monkeypatch):
    monkeypatch.setattr(feed.st, "get_option", {"server.baseUrlPath": "/cars/"}.get)
    assert shown.feed.address == f"/cars/pictures/{shown.feed.secret}"
    assert feed.route().path == "/cars/pictures/{secret}"


def test_pictures_of_a_browsers_camera_are_taken_and_nothing_else(shown):
    camera = BrowserCamera()
    taking = Feed(lambda: shown.picture, camera.take)
    grey = np.full((48, 64, 3), 90, np.uint8)
    jpeg = cv2.imencode(".jpg", grey)[1].tobytes()
    assert fetch(taking, sent=b"words").status_code == 400
    assert fetch(taking, sent=b"").status_code == 400
    assert fetch(taking, sent=bytes(feed.LARGEST + 1)).status_code == 413
    assert fetch(shown.feed, sent=jpeg).status_code == 400
    # 48 x 64 becomes 30,000 x 30,000.
    huge = jpeg.replace(b"\x00\x30\x00\x40", b"\x75\x30\x75\x30")
    assert huge != jpeg
    assert fetch(taking, sent=huge).status_code == 400
    for _ in range(3):
        assert fetch(taking, sent=jpeg).status_code == 204
    source = camera.opened()
    frame = next(source)
    assert (source.size, source.live, frame.size, frame.index) == ((48, 64), True, (48, 64), 0)
    assert abs(int(frame.bgr.mean()) - 90) <= 2
    later = threading.Timer(0.2, camera.take, [jpeg])
    later.start()
    assert next(source).index == 1  # got the newest of three, then waited for another
    later.join()
    camera.close()
    assert next(source, None) is None
    taking.close()


def test_a_browsers_camera_that_is_silent_is_lost_until_it_is_back(monkeypatch):
    monkeypatch.setattr(browser_camera, "LOST_SECONDS", 0.1)
    camera = BrowserCamera()
    jpeg = cv2.imencode(".jpg", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    camera.take(jpeg)
    source = camera.opened()
    next(source)
    began = time.monotonic()
    later = threading.Timer(0.4, camera.take, [jpeg])
    lost = threading.Timer(0.25, lambda: seen.append(camera.lost_since))
    seen = []
    later.start(), lost.start()
    next(source)
    assert began <= seen[0] < time.monotonic()
    assert camera.lost_since is None
    camera.close()
