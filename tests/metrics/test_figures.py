"""The figures' names in files, and what chooses a checkpoint."""

from __future__ import annotations

import json

import pytest

from lanes.metrics.figures import (
    NAN,
    Figure,
    Kind,
    by_measure,
    choice,
    headlines,
    named,
    of_card,
    of_log,
    overall,
)


def figures_of(given):
    """Figures from the names of a log, with values."""
    return [Figure(f.measure, f.kind, given[f.full_name], dataset=f.dataset) for f in of_log(given)]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("measure", ["", "road", "lane line", "pixel", "f1"])
def test_a_name_is_read_as_it_is_written(kind, measure):
    figure = Figure(measure, kind, 0.5)
    assert named(figure.name, 0.5) == figure
    (logged,) = of_log([Figure(measure, kind, NAN, dataset="own").full_name])
    assert (logged.dataset, logged.measure, logged.kind) == ("own", measure, kind)
    (noted,) = of_card({Figure(measure, kind, 0.5, dataset="own val").card_key: 0.5})
    assert noted == Figure(measure, kind, 0.5, dataset="own val")


def test_names_for_people():
    assert Figure("lane line", Kind.IOU, 0.5).title == "lane line IoU"
    assert Figure("", Kind.MIOU, 0.5).title == "mIoU"


def test_what_is_no_figure_is_left_out():
    assert named("loss", 0.5) is None
    assert of_log(["loss", "learning rate", "own road iou"])[0].full_name == "own road iou"
    assert of_card({"odd": 0.5, "own val: speed": 0.5}) == []


def test_figures_that_chose_the_checkpoint_do_not_judge_the_model():
    metrics = {
        "own choose: road iou": 0.9,
        "choose: own road iou": 0.9,
        "own val: road iou": 0.5,
        "chosen val: miou": 0.4,
    }
    assert [figure.value for figure in of_card(metrics)] == [0.5, 0.4]


def test_figures_of_measures_and_the_others():
    names = ("own miou", "own road iou", "own instances ap50", "own road f4", "own pixel accuracy")
    figures = of_log(names)
    assert {m: list(kinds) for m, kinds in by_measure(figures).items()} == {
        "road": [Kind.IOU, Kind.F4]
    }
    assert [f.kind for f in overall(reversed(figures))] == [
        Kind.MIOU,
        Kind.PIXEL_ACCURACY,
        Kind.AP50,
    ]


def test_kinds_are_the_words_of_files():
    assert json.dumps({Kind.F4: 1}) == '{"f4": 1}'
    assert {"iou": 1}[Kind.IOU] == 1


def test_the_choice_is_the_mean_of_iou_f4_and_ap():
    given = {"a x iou": 0.4, "a x precision": 1.0, "b x f4": 0.8, "c x iou": NAN}
    assert choice(figures_of(given)) == pytest.approx(0.6)
    given = {"d cell iou": 0.9, "d instances ap50": 0.5, "d instances ap90": 0.1}
    assert choice(figures_of(given)) == 0.7


OTHERS = {"a miou": 1.0, "a pixel accuracy": 1.0, "a class accuracy": 1.0, "a x dice": 1.0}


def test_figures_over_all_classes_and_dice_do_not_enter_the_choice():
    assert choice(figures_of({"a x iou": 0.5, "b x f4": 0.3, **OTHERS})) == pytest.approx(0.4)


@pytest.mark.parametrize("given", [{}, {"a x iou": NAN}, {"a x recall": 1.0}, OTHERS])
def test_nothing_to_judge_is_the_worst_choice_and_no_nan(given):
    assert choice(figures_of(given)) == float("-inf")


def test_headlines_are_iou_f4_and_ap_or_one_mean_for_many_classes():
    few = ["a x iou", "a x dice", "a x f4", "a miou", "a pixel accuracy"]
    many = [*(f"b c{k} iou" for k in range(5)), "b miou", "b class accuracy"]
    counted = ["d cell iou", "d instances ap50", "d instances ap75", "d miou"]
    shown = [figure.full_name for figure in headlines(of_log([*few, *many, *counted]))]
    assert shown == ["a x iou", "a x f4", "b miou", "d cell iou", "d instances ap50"]
