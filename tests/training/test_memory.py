"""Freed memory stays with the process if the C library supports it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from lanes.training import memory

SCRIPT = """
import resource
import numpy as np
from lanes.training.memory import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        block = np.ones(64 << 20, np.uint8)
        del block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_freed_block_is_not_asked_of_the_system_again():
    given, kept = (
        int(subprocess.check_output([sys.executable, "-c", SCRIPT.format(keep=keep)]))
        for keep in (False, True)
    )
    assert kept < given / 10


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert memory.keep_freed_memory() is False
