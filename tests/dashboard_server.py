"""The dashboard in a process of its own, and Debian's Chromium to look at it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

CHROMIUM = shutil.which("chromium")
ROOT = Path(__file__).parents[1]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SERVE = """
import os, signal, sys, traceback
def write(*_):
    with open({stacks!r} + ".part", "w") as file:
        for frame in sys._current_frames().values():
            traceback.print_stack(frame, file=file)
    os.replace({stacks!r} + ".part", {stacks!r})
signal.signal(signal.SIGUSR1, write)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {apps!r})
from dashboard_pages import returning
returning.GRACE_SECONDS, returning.KEPT_SECONDS = {grace}, {kept}
if {small}:
    from lanes.pipeline import demo_clip
    demo_clip.SIZE, demo_clip.SECONDS = (96, 160), 2
from lanes.cli.main import main
main()
"""
"""`lanes dashboard` that writes the stacks of all its threads into a file when it is asked to.

Python writes them: faulthandler reads frames without the interpreter's lock, and crashed the server
when a thread ended meanwhile.
A tab that is left runs on for `grace` seconds, and what it recorded is kept for `kept` more.
A `small` demo clip is rendered in a moment.
"""


class Server:
    """`lanes dashboard` on a port of its own, with its temporary files in `folder`."""

    def __init__(self, folder, *options, grace=15.0, kept=3600.0, small=False, port=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = port or free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.log = (folder.parent / "server.log").open("w")
        self.stacks = folder.parent / "stacks.txt"
        command = [
            sys.executable,
            "-c",
            SERVE.format(
                stacks=str(self.stacks),
                apps=str(ROOT / "apps"),
                grace=grace,
                kept=kept,
                small=small,
            ),
            "dashboard",
            *options,
        ]
        command += ["--server.port", str(self.port), "--server.headless", "true"]
        environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, env=environment, stdout=self.log, stderr=subprocess.STDOUT
        )
        until(self.answers)

    def answers(self):
        assert self.process.poll() is None, Path(self.log.name).read_text()
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", self.port)) == 0

    def pipelines(self):
        """How many threads of the server are a `Live`, by the stacks of all its threads."""
        self.stacks.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        until(self.stacks.exists)
        ours = re.compile(r'lanes/live/playback\.py", line \d+, in run$', re.MULTILINE)
        return len(ours.findall(self.stacks.read_text()))

    def close(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.log.close()


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not true after {seconds} s"
        time.sleep(0.1)
    return found
