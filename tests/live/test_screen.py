"""The page of `lanes webcam`: browsers that hang up."""

from __future__ import annotations

import socket
import struct
from urllib.request import urlopen

from lanes.live.screen import Page


def hang_up(port, request):
    """Send the beginning of a request and reset the connection."""
    with socket.create_connection(("127.0.0.1", port)) as browser:
        browser.sendall(request)
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_browser_that_hangs_up_leaves_no_traceback(capfd):
    page = Page("title", {"q": "quit"})
    try:
        for request in (b"", b"GET / HT", b"POST /key HTTP/1.1\r\nContent-Length: 8\r\n\r\nx"):
            for _ in range(20):
                hang_up(page._server.server_port, request)
        assert b"title" in urlopen(page.url).read()
    finally:
        page.close()
    assert capfd.readouterr().err == ""
