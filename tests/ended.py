"""A command in a process of its own, ended by signals in the midst of its work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

PATIENCE = 60


class Started:
    """`lanes.cli`'s `command` with `words`; its standard streams are pipes."""

    def __init__(self, command, words, folder=None):
        script = f"from lanes.cli.main import {command}; {command}()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, words)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Tests that a shell began in the background ignore SIGINT, and so would the command.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def until(self, begun, wait=0.0):
        """Wait for `begun()`, and `wait` seconds more."""
        deadline = time.monotonic() + PATIENCE
        while not begun() and self.process.poll() is None:
            assert time.monotonic() < deadline, "never begun"
            time.sleep(0.02)
        time.sleep(wait)

    def send(self, number):
        """Send a signal."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)

    def end(self):
        """Wait for the end: exit code, standard output, standard error, seconds waited."""
        began = time.monotonic()
        try:
            printed, errors = self.process.communicate(timeout=PATIENCE)
        finally:
            self.process.kill()
        return self.process.returncode, printed, errors, time.monotonic() - began
