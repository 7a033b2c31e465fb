"""An object in its own process: answers, errors, a crash, and a hang."""

from __future__ import annotations

import importlib
import os
import threading

import pytest

from lanes.errors import BackendError, BadModel
from lanes.system.fresh_process import FreshProcess


def test_answers_and_errors_of_another_process():
    with FreshProcess(importlib.import_module, "os") as process:
        pid = process.call("getpid")
        assert pid != os.getpid()
        with pytest.raises(BackendError, match="FileNotFoundError.*nowhere"):
            process.call("stat", "nowhere")
        # The process survives an error.
        assert process.call("getppid") == os.getpid()
        with pytest.raises(BackendError, match=r"signal 9 \(SIGKILL\)"):
            process.call("kill", pid, 9)


def test_our_errors_stay_what_they_are(tmp_path):
    with pytest.raises(BadModel, match=r"no card\.json"):
        FreshProcess(importlib.import_module("lanes.card").read, tmp_path)


def test_what_hangs_is_ended():
    with FreshProcess(threading.Event, patience=20) as process:
        process._patience = 0.2
        with pytest.raises(BackendError, match="no answer within"):
            process.call("wait")
        assert not process._process.is_alive()


def test_noise_is_dropped(capfd):
    with FreshProcess(importlib.import_module, "os", noise=False) as process:
        process.call("system", "echo noise; echo noise >&2")
    assert capfd.readouterr() == ("", "")
