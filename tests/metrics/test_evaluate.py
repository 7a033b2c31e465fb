"""An exported model scored on a data set, from the script's arguments to table and JSON."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from lanes import card as cards
from lanes import segmenter, tasks
from lanes.errors import BadInput, BadOutput
from lanes.metrics import evaluate
from lanes.metrics.confusion_picture import Confusion
from lanes.metrics.figures import Figure, Kind, named
from model_folders import SIZE, grey, make_model

SCRIPT = Path(__file__).parents[2] / "scripts" / "evaluate.py"
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
    # Of 8 quarters 7 are right; of the classes all 3, 2 of 3, and both.
    assert figures["pixel accuracy"] == 7 / 8
    assert figures["class accuracy"] == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert figures["miou"] == pytest.approx((3 / 4 + 2 / 3 + 1) / 3)
    assert found.classes["background"]["iou"] == 3 / 4
    assert found.classes["drivable"] == pytest.approx(
        {"iou": 2 / 3, "dice": 4 / 5, "precision": 1, "recall": 2 / 3}
    )
    quarter = SIZE[0] * SIZE[1] // 4
    counted = [[3, 0, 0, 0], [1, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    assert (found.confusion.pixels == np.array(counted) * quarter).all()
    assert found.image_scores == pytest.approx([1, (2 / 3 + 1 + 1) / 3])
    assert found.ranking == (1, 0)


def test_a_model_older_than_a_class_is_not_scored_on_it(root, tmp_path):
    for path in (root / "val" / "labels").iterdir():
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        labels[:, -8:] = 3
        (tmp_path / "val" / "labels").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "val" / "labels" / path.name), labels)
    (tmp_path / "val" / "images").symlink_to(root / "val" / "images")
    three = make_model(tmp_path / "old", classes=tasks.load("lanes").class_names[:3])
    dataset = evaluate.open_dataset("image_folder", str(tmp_path), "val")
    with segmenter.load(str(three), "onnxruntime") as model:
        assert model.task.class_names == ("background", "drivable", "lane line")
        assert model.task.later == 1
        found = evaluate.evaluate(model, dataset, "image_folder", "val")
        evaluate.draw(found, model, dataset, tmp_path / "pictures")
    assert found.figures["lane line iou"].value == 1
    assert list(found.classes) == ["background", "drivable", "lane line"]
    assert found.confusion.columns == found.confusion.rows == model.task.class_names
    # Where the truth is implied line, nothing is counted.
    assert found.confusion.pixels.sum() == 2 * SIZE[0] * (SIZE[1] - 8)
    assert found.figures["line iou"].value == 1
    assert found.figures["miou"].value == pytest.approx(
        np.mean([values["iou"] for values in found.classes.values()])
    )


def test_cells_have_their_figures_too(tmp_path, capsys):
    """The first smear is labelled correctly; in the second the model finds one of two cells."""
    root, model = tmp_path / "smears", tmp_path / "model"
    make_model(model, task="cell_count")
    lines = ["stem,split_hanyinglee"]
    for index in range(2):
        cells = np.zeros(SIZE, np.uint16)
        cells[10:30, 10:30], cells[30:50, 60:80] = 1, 2
        picture = np.where(cells > 0, MIDDLE, BLACK)
        if index:
            picture[cells == 2] = BLACK
        for folder, values in (("images", grey([0]) + picture[..., None]), ("instances", cells)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            kind = np.uint8 if folder == "images" else np.uint16
            cv2.imwrite(str(root / folder / f"s{index}.png"), values.astype(kind))
        lines.append(f"s{index},test")
    (root / "index.csv").write_text("\n".join(lines))
    file, given = tmp_path / "figures.json", ["--backend", "onnxruntime", "--split", "test"]
    assert main(model, "bbbc041seg", root, *given, "--json", file) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "AP at IoU 0.5 0.750 [.50-1]" in shown
    assert "F1 at IoU 0.5 0.857" in shown
    assert "panoptic quality 0.857" in shown
    assert "count error (MAPE) 0.250 [.00-.50]" in shown
    figures = json.loads(file.read_text())["figures"]
    assert figures["instances ap90"]["value"] == 3 / 4
    assert figures["cell iou"]["value"] == 3 / 4


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
    assert values["confusion"]["columns"][2:] == ["lane line", "implied line"]
    assert sum(map(sum, values["confusion"]["pixels"])) == 2 * SIZE[0] * SIZE[1]
    assert values["classes"]["lane line"]["iou"] == 1


def test_the_table_fits_into_80_columns(model_folder, root, capsys):
    assert main(model_folder, "image_folder", root, "--backend", "onnxruntime") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("\u2026" in line for line in lines)  # nothing is cut off
    for word in ("Dice", "mIoU 0.806 [.67-1]", "pixel accuracy 0.875 [.75-1]"):
        assert any(word in line for line in lines), word
    # Paint counts as drivable, so drivable also has a class row; lane line is its own measure.
    alone = [line.split("\u2502")[2].strip() for line in lines if "\u2502 class" in line]
    assert alone == ["0.750", "0.667", "-"]


def test_a_class_with_its_own_measure_has_no_second_row():
    nan = float("nan")
    figures = [
        Figure(name, kind, 0.5, 0.4, 0.6)
        for name in ("sky", "road")
        for kind in (Kind.IOU, Kind.DICE)
    ]
    figures[0] = Figure("sky", Kind.IOU, nan)
    classes = {name: {"iou": value} for name, value in (("sky", nan), ("road", 0.5))}
    figures.append(Figure("", Kind.MIOU, 0.5, 0.4, 0.6))
    found = evaluation(figures, classes={**classes, "car": {"iou": nan}})
    table = found.table()
    assert [column.header for column in table.columns] == ["measure", "IoU", "Dice"]
    assert list(table.columns[0].cells) == ["sky", "road", "class car"]
    assert list(table.columns[1].cells)[-1] == "-"


def test_partial_truth_has_its_own_rows_and_no_class_alone(model_folder, root, tmp_path):
    dataset = evaluate.open_dataset("image_folder", str(root), "val")
    dataset.TARGETS = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]], bool)
    dataset.MEASURES = {"lane line": dataset.MEASURES["lane line"]}
    with segmenter.load(str(model_folder), "onnxruntime") as model:
        found = evaluate.evaluate(model, dataset, "own", "val")
        evaluate.draw(found, model, dataset, tmp_path)
    assert "miou" not in found.figures
    assert found.classes == {}
    assert found.confusion.rows == (*["background or drivable"] * 2, "lane line")
    assert found.judged_by == ("lane line f4",)
    assert len(list(tmp_path.iterdir())) == 2


def test_pictures_need_neither_torch_nor_matplotlib():
    code = "import sys; from lanes.metrics import evaluate; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "matplotlib"} & set(done.stdout.split())


def test_pictures_are_drawn(model_folder, root, tmp_path):
    folder = tmp_path / "new" / "pictures"
    given = [model_folder, "image_folder", root, "--backend", "onnxruntime"]
    assert main(*given, "--pictures", folder) == 0
    assert {p.name for p in folder.iterdir()} == {"confusion.png", "worst_best.png"}
    for path in folder.iterdir():
        assert cv2.imread(str(path)).size


def test_a_folder_that_cannot_be_created_is_reported_before_the_work(model_folder, root, capsys):
    file = root / "val" / "images" / "0.png"
    given = [model_folder, "image_folder", root, "--backend", "onnxruntime"]
    assert main(*given, "--pictures", file / "x") == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert "cannot be written" in shown.err
    assert not shown.out


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
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert words in printed


def test_a_data_set_of_another_task_is_reported(model_folder, root):
    dataset = evaluate.open_dataset("image_folder", str(root), "val")
    dataset.TASK = "cakes"
    with (
        segmenter.load(str(model_folder), "onnxruntime") as model,
        pytest.raises(BadInput, match="'cakes'"),
    ):
        evaluate.evaluate(model, dataset, "image_folder", "val")


def evaluation(figures, **changes):
    """A made-up evaluation."""
    nothing = Confusion(("x",), ("x",), np.eye(1, dtype=bool), np.zeros((1, 1), np.int64))
    by_name = {figure.name: figure for figure in figures}
    values = ("m", "b", "cpu", "fp32", "d", "val", 0, by_name, {}, nothing, (), (), ())
    return replace(evaluate.Evaluation(*values), **changes)


def test_nothing_to_score_is_null_in_json_and_named_in_the_table():
    nan = float("nan")
    figures = [Figure("x", Kind.IOU, nan)]
    found = evaluation(figures, image_scores=(0.5, nan), classes={"x": {"iou": nan}})
    values = json.loads(found.to_json())
    assert values["figures"]["x iou"]["value"] is None
    assert values["image_scores"] == [0.5, None]
    assert values["classes"] == {"x": {"iou": None}}
    assert list(found.table().columns[1].cells) == ["nothing\nto score"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["road iou"], "is its road IoU."),
        (["road iou", "paint f4"], "is the mean of its road IoU and paint F4."),
        ([f"{n} iou" for n in "abcd"], "is the mean of its 4 IoU figures."),
        ([f"{n} iou" for n in "abc"] + ["d f4"], "is the mean of its 3 IoU and 1 F4 figures."),
    ],
)
def test_the_sheet_says_what_an_images_figure_is(names, words, tmp_path, monkeypatch):
    titles = []

    def sheet(*given):
        titles.append(given[-1])
        return grey([0])

    monkeypatch.setattr(evaluate, "worst_best", sheet)
    model = SimpleNamespace(task=tasks.load("lanes"), label=None)
    found = evaluation([named(name, 0.5) for name in names], judged_by=tuple(names))
    evaluate.draw(found, model, None, tmp_path)
    assert titles[0].endswith(words)


def test_json_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadOutput, match="cannot be written"):
        evaluation([]).write(tmp_path / "file" / "x.json")


def test_figures_are_added_to_those_in_the_card(root, tmp_path, capsys):
    folder = make_model(tmp_path / "mine")
    card = cards.read(folder)
    replace(card, metrics={"other val: lane line f4": 0.5}).write(folder)
    assert main(folder, "image_folder", root, "--backend", "onnxruntime", "--card") == 0
    metrics = cards.read(folder).metrics
    assert metrics["other val: lane line f4"] == 0.5
    assert metrics["image_folder val: drivable iou"] == 0.8
