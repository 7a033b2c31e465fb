"""Freed memory goes back to the system."""

from __future__ import annotations

import sys

import pytest

import soak
from lanes.system.memory import trim


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_small_blocks_leave_behind_is_given_back():
    # Blocks below the threshold of mmap stay in the heap, below the last one.
    blocks = [bytes(100_000) for _ in range(1500)]
    last = bytes(100_000)
    del blocks
    before = soak.resident()
    trim()
    assert soak.resident() < before - 50
    assert len(last) == 100_000
