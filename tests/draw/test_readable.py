"""Names in any script are drawn in letters, never as boxes or question marks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lanes.draw import readable as module
from lanes.draw.contact_sheet import legend
from lanes.draw.hud import _rendered, _Text
from lanes.draw.readable import in_opencv, readable
from lanes.draw.text import LINE, width_of, write
from lanes.types import LabelClass, Task

NAMES = ("Straße", "道路", "차선", "Дорога", "דרך", "طريق", "सड़क", "मार्ग", "ถนน", "\U0001f6e3")


@pytest.fixture
def ascii_font(monkeypatch):
    """The font of OpenCV 4, which has nothing but ASCII."""
    monkeypatch.setattr(module, "in_opencv", str.isascii)
    readable.cache_clear()
    yield
    readable.cache_clear()


def test_what_the_font_has_stays():
    assert readable("Straße 12") == "Straße 12" or not in_opencv("ß")
    assert readable("lane line?") == "lane line?"
    if in_opencv("道"):  # OpenCV 5
        assert readable("道路 Straße") == "道路 Straße"


def test_other_scripts_become_latin_letters(ascii_font):
    assert readable("Straße für Fußgänger") == "Strase fur Fusganger"
    assert readable("सड़क") == "saddaka"
    assert readable("मार्ग") == "maarga"
    assert readable("طريق ٣") == "tryq 3"
    assert readable("차선").isascii()
    assert readable("道路") == "U+9053 U+8DEF"


def test_arabic_is_never_drawn_in_single_letters_from_the_left():
    assert readable("خط الطريق") == "kht altryq"


def test_hebrew_is_drawn_from_the_right():
    has = {*"דרך 12"}.__contains__
    assert readable("דרך 12", has) == "ךרד 12"


@pytest.mark.parametrize("name", NAMES)
def test_no_name_has_a_question_mark_or_nothing(name):
    shown = readable(name)
    assert shown.strip()
    assert "?" not in shown
    assert all(in_opencv(char) for char in shown)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "דרך"])
def test_sheets_legends_and_the_hud_draw_the_readable_name(name):
    picture, other = (np.full((LINE, 300, 3), 255, np.uint8) for _ in range(2))
    write(picture, name, 0, 0)
    write(other, "?" * len(name), 0, 0)
    assert not np.array_equal(picture, other)
    wanted, _ = cv2.getTextSize(readable(name), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0]
    assert width_of(name) == wanted
    task = Task("t", (LabelClass("b", (0, 0, 0), 0.0), LabelClass(name, (9, 9, 200))), lambda _: {})
    plain = Task(
        "t",
        (LabelClass("b", (0, 0, 0), 0.0), LabelClass(readable(name), (9, 9, 200))),
        lambda _: {},
    )
    np.testing.assert_array_equal(legend(task, 400), legend(plain, 400))
    hud = [
        _rendered(_Text((line,), (90, 600), 20, False, 0), True) for line in (name, readable(name))
    ]
    np.testing.assert_array_equal(hud[0][1], hud[1][1])
