"""A command in a process of its own, ended by Ctrl-C once it is in the midst of its work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

PATIENCE = 60


def interrupted(command, words, begun, wait=0.0):
    """Run `command` of lanes.cli; SIGINT `wait` s after `begun()`. Gives code, stdout, stderr."""
    script = f"from lanes.cli.main import {command}; {command}()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Tests that a shell began in the background ignore SIGINT, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while not begun() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(wait)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return process.returncode, out, err
