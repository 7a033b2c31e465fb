"""Gives freed memory back to the system."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress


def trim() -> None:
    """Collect garbage, and return freed memory to the system, where the C library is glibc.

    Threads come and go with their own heaps, which glibc keeps:
    https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
