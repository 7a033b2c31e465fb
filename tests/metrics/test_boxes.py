"""Found cells against true boxes, on cases computed by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lanes.cli.main import run
from lanes.errors import BadInput
from lanes.metrics.boxes import BoxCounts, box_counts, score_tables

TRUE = np.array([[0, 0, 100, 100], [200, 0, 400, 200]], float)
WHITE = np.array([False, True])


def counts(found, white=None, truth=TRUE):
    found = np.array(found, float).reshape(-1, 4)
    white = np.zeros(len(found), bool) if white is None else np.array(white)
    return box_counts(truth, WHITE[: len(truth)], found, white)


def test_the_true_boxes_themselves_are_perfect():
    assert counts(TRUE, [False, True]) == BoxCounts(2, 2, 2, 0, 2, 1, 1, 1, 0.0, 1)


def test_a_white_cell_found_as_a_red_one_is_found_but_not_known():
    assert (counts(TRUE).white_found, counts(TRUE).white_known) == (1, 0)


@pytest.mark.parametrize(("width", "hit"), [(50, 1), (49, 0)])
def test_a_hit_needs_half_of_the_union(width, hit):
    assert counts([[0, 0, width, 100]], truth=TRUE[:1]).hit_once == hit


def test_a_cell_in_shreds():
    found = counts([[0, 0, 100, 60], [0, 60, 100, 100]], truth=TRUE[:1])
    assert (found.hit_once, found.crowded, found.matched, found.count_error) == (1, 1, 1, 1.0)
    # Two halves hit the box twice: it is not hit once.
    halves = counts([[0, 0, 100, 50], [0, 50, 100, 100]], truth=TRUE[:1])
    assert (halves.hit_once, halves.crowded, halves.matched) == (0, 1, 1)


def test_a_neighbour_inside_by_less_than_four_fifths_does_not_crowd():
    assert counts([*TRUE, [79, 0, 100 + 79 - 59, 41]]).crowded == 0
    assert counts([*TRUE, [85, 0, 104, 19]]).crowded == 0
    assert counts([*TRUE, [84, 0, 104, 20]]).crowded == 1


def test_pictures_are_pooled_and_nothing_is_nan():
    total = counts(TRUE) + counts([])
    figures = total.figures()
    assert figures["hit once"] == figures["ap50"] == 0.5
    assert figures["count error"] == 0.5
    assert np.isnan(BoxCounts().figures()["hit once"])


CELLS = "image,cell,kind,left_px,top_px,width_px,height_px\n"


@pytest.fixture
def tables(tmp_path):
    (tmp_path / "cells.csv").write_text(
        f"{CELLS}a.png,1,red,0,0,100,100\na.png,2,white,200,0,200,200\na.png,3,platelet,90,0,9,9\n"
    )
    (tmp_path / "summary.csv").write_text("image,cells\na.png,3\nb.png,0\n")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(
        "image,class,left,top,right,bottom\na.png,RBC,0,0,100,100\na.png,WBC,200,0,400,200\n"
        "a.png,Platelets,90,0,99,9\nb.png,RBC,5,5,50,50\n"
    )
    return tmp_path


def test_the_command_scores_tables_without_platelets(tables, capsys):
    figures = tables / "figures.json"
    command = ["score", str(tables), str(tables / "boxes.csv"), "--json", str(figures)]
    assert run("cells", command) == 0
    found = json.loads(figures.read_text())["figures"]
    assert found["hit once"] == pytest.approx(2 / 3)
    assert found["white known"] == 1.0
    assert found["count error"] == 0.5
    assert "0.667" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("cells.csv", "image,cell\n", "lacks the columns left_px"),
        ("cells.csv", f"{CELLS}a.png,1,red,x,0,9,9\n", "no number"),
        ("summary.csv", "image\nb.png\n", "lacks 1 of the 2 pictures"),
        ("boxes.csv", "image\na.png\n", "lacks the columns class"),
    ],
)
def test_a_wrong_table_is_an_error(tables, name, text, words):
    (tables / name).write_text(text)
    with pytest.raises(BadInput, match=words):
        score_tables(tables, tables / "boxes.csv")
    assert run("cells", ["score", str(tables), str(tables / "boxes.csv")]) == 2


def test_a_missing_table_is_an_error(tables):
    (tables / "cells.csv").unlink()
    with pytest.raises(BadInput, match=r"cells\.csv cannot be read"):
        score_tables(tables, tables / "boxes.csv")
