"""An exported model scored on a data set, from the script's arguments to table and JSON."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lanes import card as cards
from lanes import evaluate, segmenter
from lanes.errors import BadInput, BadOutput
from model_folders import SIZE, grey, make_model

SCRIPT = Path(__file__).parents[1] / "scripts" / "evaluate.py"
BLACK, MIDDLE, BRIGHT = 10, 120, 240


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two images whose masks agree with the thresholds' labels in a known share."""
    root = tmp_path_factory.mktemp("own")
    quarters = (BLACK, MIDDLE, BRIGHT, BLACK)
    truths = ([0, 1, 2, 0], [0, 1, 2, 1])  # in the second, the last quarter is drivable
    for index, truth in enumerate(truths):
        for folder, picture in (
            ("images", grey(quarters)),
            ("labels", np.repeat(np.array([truth], np.uint8), SIZE[1] // 4, 1).repeat(SIZE[0], 0)),
        ):
            path = root / "val" / folder / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)
    return root


def main(*argv):
    return runpy.run_path(str(SCRIPT))["main"]([str(a) for a in argv])


def test_figures_by_hand(model_folder, root):
    dataset = evaluate.open_dataset("image_folder", str(root), "val")
    with segmenter.load(str(model_folder), "onnxruntime") as model:
        found = evaluate.evaluate(model, dataset, "image_folder", "val")
    assert found.images == 2
    figures = {name: figure.value for name, figure in found.figures.items()}
    # Drivable or line is two quarters of each image; truly it is two, and three.
    assert figures["drivable iou"] == pytest.approx(4 / 5)
    assert figures["drivable precision"] == 1
    assert figures["drivable recall"] == pytest.approx(4 / 5)
    assert figures["lane line iou"] == figures["lane line f4"] == 1
    drivable = found.figures["drivable iou"]
    assert drivable.low == pytest.approx(2 / 3)
    assert drivable.high == 1


def test_the_script_prints_a_table_and_writes_json(model_folder, root, tmp_path, capsys):
    file = tmp_path / "new" / "figures.json"
    given = [model_folder, "image_folder", root, "--backend", "onnxruntime", "--json", file]
    assert main(*given, "--threads", 1) == 0
    shown = capsys.readouterr().out
    for word in ("thresholds", "image_folder val, 2 images", "drivable", "0.800", "onnxruntime"):
        assert word in shown
    values = json.loads(file.read_text())
    assert values["figures"]["drivable iou"]["value"] == pytest.approx(0.8)
    assert (values["backend"], values["precision"], values["images"]) == ("onnxruntime", "fp32", 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({0: "nobody"}, "nobody"),
        ({1: "bdd10k"}, "did you mean 'bdd100k'"),
        ({2: "/nowhere"}, "/nowhere"),
        ({4: "tset"}, "tset"),
    ],
)
def test_errors_are_a_sentence_and_exit_code_2(model_folder, root, capsys, changes, words):
    given = [model_folder, "image_folder", root, "--split", "val"]
    for index, value in changes.items():
        given[index] = value
    assert main(*given) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert words in told


def test_a_data_set_of_another_task_is_told(model_folder, root):
    dataset = evaluate.open_dataset("image_folder", str(root), "val")
    dataset.TASK = "cakes"
    with (
        segmenter.load(str(model_folder), "onnxruntime") as model,
        pytest.raises(BadInput, match="'cakes'"),
    ):
        evaluate.evaluate(model, dataset, "image_folder", "val")


def test_nothing_to_judge_is_null_in_json_and_told_in_the_table():
    nan = float("nan")
    found = evaluate.Evaluation(
        "m", "b", "cpu", "fp32", "d", "val", 0, {"x iou": evaluate.Figure(nan, nan, nan)}
    )
    assert json.loads(found.to_json())["figures"]["x iou"]["value"] is None
    assert list(found.table().columns[1].cells) == ["nothing to judge"]


def test_json_that_cannot_be_written_is_told(tmp_path):
    found = evaluate.Evaluation("m", "b", "cpu", "fp32", "d", "val", 0, {})
    (tmp_path / "file").write_text("")
    with pytest.raises(BadOutput, match="cannot write"):
        found.write(tmp_path / "file" / "x.json")


def test_figures_are_noted_in_the_card_beside_those_of_other_sets(root, tmp_path, capsys):
    folder = make_model(tmp_path / "mine")
    card = cards.read(folder)
    replace(card, metrics={"other val: lane line f4": 0.5}).write(folder)
    assert main(folder, "image_folder", root, "--backend", "onnxruntime", "--card") == 0
    metrics = cards.read(folder).metrics
    assert metrics["other val: lane line f4"] == 0.5
    assert metrics["image_folder val: drivable iou"] == 0.8
