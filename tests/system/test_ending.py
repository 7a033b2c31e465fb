"""The first signal asks for the end, a second one ends the process."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lanes.system import ending


def eventually(true):
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def defaults():
    """The signals as a program finds them."""
    before = {n: signal.signal(n, signal.SIG_DFL) for n in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_is_noted(number):
    before = signal.getsignal(number)
    with ending.finishing() as end:
        assert (ending.asked(), ending.seconds_left()) == (False, math.inf)
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # at once: the same event
        eventually(ending.asked)
        assert end.number == number
        assert 0 < ending.seconds_left() <= ending.LIMIT
    assert (ending.asked(), ending.seconds_left()) == (False, math.inf)
    assert signal.getsignal(number) is before
    assert "ending" not in [thread.name for thread in threading.enumerate()]


def test_blocks_share_one_ending():
    with ending.finishing() as outer:
        with ending.finishing() as inner:
            assert inner is outer
        os.kill(os.getpid(), signal.SIGINT)
        eventually(ending.asked)


def test_other_threads_and_handlers_are_left_alone():
    def other():
        with ending.finishing() as end:
            numbers.append(end.number)

    numbers, caught = [], []
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert numbers == [0]
    signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
    with ending.finishing():
        os.kill(os.getpid(), signal.SIGTERM)
        eventually(lambda: caught)
        assert not ending.asked()


HANGS = """
import sys
from lanes.system import ending

ending.LIMIT = float(sys.argv[1])

class Steps:
    def fail(self):
        raise OSError

    def say(self):
        print("step", flush=True)

steps = Steps()
with ending.finishing():
    for step in (Steps().say, steps.fail, steps.say):  # the first's object is gone
        ending.before_exit(step)
    print("ready", flush=True)
    while True:
        pass
"""


@pytest.mark.parametrize(("more", "limit"), [(False, 1), (True, 1000)])
def test_a_process_that_hangs_exits(more, limit):
    """In time after one signal, at once after more; with the steps, but no traceback."""
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS, str(limit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    while more and process.poll() is None and time.monotonic() < began + 60:
        time.sleep(2 * ending.TOGETHER)
        process.send_signal(signal.SIGTERM)
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, printed, errors) == (143, "step\n", "ended by SIGTERM\n")
    assert more or time.monotonic() - began > limit
