"""Words on pictures: that they are there, and fit."""

from __future__ import annotations

import numpy as np

from lanes.draw.text import LINE, note, paragraph, width_of, write


def test_words_are_drawn_in_their_place():
    picture = np.full((60, 200, 3), 255, np.uint8)
    write(picture, "word", 50, LINE)
    rows, columns = np.nonzero((picture < 128).any(2))
    assert rows.min() >= LINE
    assert rows.max() < 2 * LINE
    assert columns.min() >= 50
    assert columns.max() <= 50 + width_of("word")


def test_a_paragraph_is_as_high_as_its_lines():
    text = "one two three"
    assert paragraph(text, 400).shape == (LINE, 400, 3)
    narrow = paragraph(text, width_of("three") + 20)
    assert narrow.shape[0] == 3 * LINE
    assert (narrow[:, -3:] == 255).all()
    assert all((narrow[LINE * k : LINE * (k + 1)] < 128).any() for k in range(3))


def test_a_word_wider_than_the_strip_stands_alone():
    assert paragraph("a " + "w" * 50 + " b", 60).shape == (3 * LINE, 60, 3)


def test_no_words_are_an_empty_line():
    strip = paragraph("", 50)
    assert strip.shape == (LINE, 50, 3)
    assert (strip == 255).all()


def test_a_note_stands_on_white_in_the_corner_and_leaves_the_rest():
    picture = np.full((100, 300, 3), 90, np.uint8)
    note(picture, ["one", "two words"])
    corner = picture[: 2 * LINE, : width_of("one")]
    assert (corner == 255).any()
    assert (corner < 60).any()
    assert (picture[2 * LINE :] == 90).all()
    assert (picture[:, width_of("two words") + 20 :] == 90).all()
    note(np.zeros((3, 3, 3), np.uint8), ["longer than the picture"])
