"""The machine facts match what the system reports."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import replace

import numpy as np
import pytest

from lanes.system import machine as machines


def test_facts():
    found = machines.machine()
    assert found.processor
    assert 1 <= found.cores <= os.cpu_count()
    assert found.python == platform.python_version()
    assert found.versions["numpy"] == np.__version__
    assert found.memory == 0 or found.memory > 2**28
    assert found.processor in str(found)
    assert platform.release() in found.system


def test_instructions_are_named_as_people_do(monkeypatch):
    cpuinfo = {"model name": "Some CPU", "flags": "fpu avx2 avx512f avx512_bf16"}
    monkeypatch.setattr(machines, "_cpuinfo", lambda: cpuinfo)
    found = machines.machine()
    assert found.processor == "Some CPU"
    assert found.instructions == ("AVX2", "AVX-512", "AVX-512 BF16")


def test_a_machine_without_cpuinfo_has_a_name(monkeypatch):
    monkeypatch.setattr(machines, "_cpuinfo", dict)
    found = machines.machine()
    assert found.processor
    assert found.instructions == ()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/cpuinfo")
def test_the_first_core_is_described():
    assert machines._cpuinfo()["processor"] == "0"


def test_busy():
    found = replace(machines.machine(), cores=4)
    assert not replace(found, load=0.5).busy
    assert replace(found, load=2.5).busy
    assert not replace(found, load=-1.0).busy


def test_a_command_that_is_not_there_or_fails_says_nothing():
    assert machines._answer("no-such-command-anywhere") == ""
    assert machines._answer("false") == ""


def test_peak_memory_grows_with_what_is_held():
    before = machines.peak_memory()
    if not before:
        return  # not reported on this system
    held = np.ones(before + 50_000_000, np.uint8)
    assert machines.peak_memory() > before + 40_000_000
    del held
