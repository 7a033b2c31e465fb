"""Names in any script, as far as a font can draw them: the rest in Latin letters.

OpenCV 5's font has Latin, Greek, Cyrillic, Hebrew, Chinese, Japanese and Korean; OpenCV 4's only
ASCII. Neither joins Arabic letters or composes those of India. What the font lacks is written by
the sound that Unicode's names give ("DEVANAGARI LETTER KA": ka), never as boxes or question marks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import groupby

import cv2
import numpy as np

ARABIC = {
    **{"ا": "a", "ب": "b", "ت": "t", "ث": "th", "ج": "j", "ح": "h", "خ": "kh", "د": "d", "ذ": "dh"},
    **{"ر": "r", "ز": "z", "س": "s", "ش": "sh", "ص": "s", "ض": "d", "ط": "t", "ظ": "z", "ع": "'"},
    **{"غ": "gh", "ف": "f", "ق": "q", "ك": "k", "ل": "l", "م": "m", "ن": "n", "ه": "h", "و": "w"},
    **{"ي": "y", "ى": "a", "ة": "h", "ء": "'", "أ": "a", "إ": "i", "آ": "aa", "پ": "p", "چ": "ch"},
    **{"ژ": "zh", "گ": "g", "ک": "k", "ی": "y"},
}
"""The sound of a letter, from Arabic and Persian."""
JOINED, FROM_RIGHT = "AL", "R"
"""Unicode's classes of direction: Arabic and its relatives; Hebrew."""
SOUNDING = {"LETTER", "SYLLABLE", "CHARACTER"}
"""A character whose name has one of these words is named by its sound."""


@lru_cache(maxsize=256)
def readable(text: str, has: Callable[[str], bool] | None = None) -> str:
    """`text` in the characters that the font has, in the order in which they are drawn.

    `has` says whether a font has a character; default: OpenCV's.
    """
    if text.isascii():
        return text
    has = has or in_opencv
    found = ""
    for char in unicodedata.normalize("NFC", text):
        if has(char) and unicodedata.bidirectional(char) != JOINED:
            found += char
        else:
            found = _with_sound(found, char)
    return _in_order(found)


@lru_cache(maxsize=4096)
def in_opencv(char: str) -> bool:
    """Whether OpenCV's font has a character: it draws question marks for others."""
    missing = [_drawn("?" * count) for count in range(1, 5)]  # OpenCV 4: one for each byte
    return char == "?" or not any(np.array_equal(_drawn(char), other) for other in missing)


def _drawn(text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = np.zeros((32, 96), np.uint8)
    cv2.putText(picture, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255)
    return picture


def _with_sound(before: str, char: str) -> str:
    """`before` and the sound of `char`; a vowel replaces the a that every Indian consonant has."""
    words = unicodedata.name(char, "").split()
    if words[-1:] == ["VIRAMA"]:
        return before.removesuffix("a")
    if "VOWEL" in words and "SIGN" in words:
        return before.removesuffix("a") + words[-1].lower()
    return before + _sound(char, words)


def _sound(char: str, words: list[str]) -> str:
    plain = unicodedata.normalize("NFKD", char)[0]
    if plain.isascii():
        return plain
    if (digit := unicodedata.digit(char, None)) is not None:
        return str(digit)
    if char in ARABIC:
        return ARABIC[char]
    if SOUNDING & set(words):
        return words[-1].lower()
    # Marks alone have no sound; Chinese characters have none by name.
    return "" if unicodedata.category(char).startswith("M") else f"U+{ord(char):04X} "


def _in_order(text: str) -> str:
    """Words that run from the right, in the order in which a font draws them from the left."""
    runs = groupby(text, lambda char: unicodedata.bidirectional(char) == FROM_RIGHT)
    parts = [("".join(run), reverse) for reverse, run in runs]
    return "".join(part[::-1] if reverse else part for part, reverse in parts).strip()
