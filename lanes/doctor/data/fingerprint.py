"""Find pictures that are nearly the same by a perceptual hash: neighbours of one drive.

The difference hash (Krawetz, "Kind of like that", 2013): the picture is reduced to 17 x 16 pixels,
and each bit says whether a pixel is brighter than its right neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 16
BITS = SIDE * SIDE
# Copies that are smaller, brighter and saved again differ in 1 to 23 bits, most in less than 13 (60
# frames of BDD100K); other frames of BDD100K differ in more than 32.
NEAR = 20
"""Pictures that differ in at most this many of the 256 bits are nearly the same."""
BLOCK = 512
"""Fingerprints that are compared at once with all others."""


def fingerprint(grey: NDArray[np.uint8]) -> str:
    """The hash of a grey picture (H, W) as 64 hexadecimal digits."""
    small = np.asarray(cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA))
    return np.packbits(small[:, :-1] > small[:, 1:]).tobytes().hex()


def near_pairs(one: Sequence[str], other: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs of indices, one in each list, of pictures that are nearly the same."""
    left, right = _words(one), _words(other)
    found: list[tuple[int, int]] = []
    for start in range(0, len(left), BLOCK):
        block = left[start : start + BLOCK]
        differing = np.bitwise_count(block[:, None] ^ right[None]).sum(axis=2, dtype=np.int32)
        found += [(start + int(i), int(j)) for i, j in np.argwhere(differing <= NEAR)]
    return found


def groups(fingerprints: Sequence[str]) -> list[int]:
    """A group number for each picture: pictures that are nearly the same share it."""
    parents = list(range(len(fingerprints)))

    def top(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for i, j in near_pairs(fingerprints, fingerprints):
        parents[max(top(i), top(j))] = min(top(i), top(j))
    return [top(index) for index in range(len(parents))]


def _words(fingerprints: Sequence[str]) -> NDArray[np.uint64]:
    content = bytes.fromhex("".join(fingerprints))
    return np.frombuffer(content, np.uint64).reshape(-1, BITS // 64)
