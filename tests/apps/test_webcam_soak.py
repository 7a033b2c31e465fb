"""Runs `lanes webcam` for minutes: memory and latency stay flat after the first minute.

The stream restarts every 40 s, a browser watches throughout, and everything is recorded. See `soak`
for the duration.
"""

from __future__ import annotations

import threading
import time
from collections import Counter

import soak
from lanes import assets
from streams import MjpegServer
from webcam_program import Running

RESTART_SECONDS = 40

pytestmark = soak.marks


def test_memory_and_latency_stay_flat(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    server = MjpegServer(size=(360, 640))
    program = Running(
        server.url, assets.DEFAULT_MODEL, backend="openvino", record=tmp_path / "soak.mp4"
    )
    looked = Counter()

    def look():
        for picture in program.pictures():
            looked[picture.shape] += 1

    browser = threading.Thread(target=look)
    browser.start()
    began = restarted = time.monotonic()
    samples = []  # seconds, MiB, median latency of the last 300 frames in ms
    while (now := time.monotonic()) - began < soak.MINUTES * 60:
        assert program.thread.is_alive(), program.error
        if now - restarted > RESTART_SECONDS:
            server.kill()
            server = MjpegServer(server.port, size=(360, 640))
            restarted = now
        time.sleep(1)
        latency = program.viewer.to_screen.percentile(50) * 1e3
        samples.append((now - began, soak.resident(), latency))
    snapshot = program.viewer.live.snapshot()
    program.end()
    server.kill()
    browser.join(10)
    soak.judge(
        samples,
        f"{snapshot.frames} frames, {snapshot.dropped} dropped, {snapshot.noticed // 2} losses, "
        f"{looked.total()} pictures looked at",
    )
    assert snapshot.noticed >= 2
    assert looked.total() > snapshot.frames / 4
    assert not browser.is_alive()
