"""The Models page."""

from __future__ import annotations

import pytest

pytest.importorskip("streamlit")

from app_pages import button, said
from lanes import card as cards
from model_folders import card_of, write_network


@pytest.fixture
def described_folder(tmp_path):
    folder = tmp_path / "described"
    folder.mkdir()
    use = cards.DataUse("set", "Forty pictures.", "for research")
    figures = {"set val: drivable iou": 0.81, "set val: miou": 0.7}
    card_of(name="described", data=(use,), metrics=figures, terms="as the set").write(folder)
    write_network(folder / "model.onnx")
    return folder


def test_a_card_is_shown(open_page, arguments, described_folder):
    arguments.append(f"--model={described_folder}")
    page = open_page("models")
    assert page.dataframe[0].value["model"].tolist() == ["thresholds", "described"]
    page.selectbox(key="models-name").select("described").run()
    assert not page.exception
    text = " ".join(said(element) for element in page.markdown)
    assert "Forty pictures." in text
    assert "for research" in text
    assert "as the set" in text
    assert "mIoU **0.700**" in text
    assert {m.label: m.value for m in page.metric}["Input"] == "96x64"


def test_a_card_without_figures_and_data_says_so(open_page):
    page = open_page("models")
    figures, data = (element.value for element in page.info)
    assert "no figures" in figures
    assert "does not list the training data" in data


def test_engines_are_timed_when_asked(open_page):
    page = button(open_page("models"), "Time the engines").click().run()
    assert not page.exception
    assert not page.error
    (chart,) = page.get("vega_lite_chart")
    assert b"onnxruntime fp32" in chart.proto.SerializeToString()


def test_no_models_at_all(open_page, arguments):
    del arguments[1:]
    assert "weights/ is empty" in said(open_page("models").info[0])


def test_a_broken_card_is_an_error_with_its_cure(open_page, arguments, tmp_path):
    (tmp_path / "card.json").write_text("{")
    arguments.append(f"--model={tmp_path}")
    assert "is not a JSON file" in said(open_page("models").error[0])


def test_the_table_has_accuracy_and_the_speed_once_it_is_measured(
    open_page, arguments, described_folder
):
    arguments.append(f"--model={described_folder}")
    page = open_page("models")
    table = page.dataframe[0].value
    assert table["accuracy"].tolist() == ["", "drivable IoU 0.81 (set val)"]
    assert table["per image"].isna().all()
    button(page, "Time the engines").click().run()
    assert page.dataframe[0].value["per image"].tolist()[0] > 0


def test_the_table_compares_models_by_a_figure_that_they_share(open_page, arguments, tmp_path):
    for name, figures in {
        "new": {"b val: lane line iou": 0.6, "a val: drivable iou": 0.81},
        "old": {"a val: drivable iou": 0.77, "b val: lane line iou": 0.3},
    }.items():
        (tmp_path / name).mkdir()
        card_of(name=name, metrics=figures).write(tmp_path / name)
        arguments.append(f"--model={tmp_path / name}")
    table = open_page("models").dataframe[0].value
    assert table["accuracy"].tolist()[1:] == [
        "drivable IoU 0.81 (a val)",
        "drivable IoU 0.77 (a val)",
    ]


def test_a_model_that_counts_is_judged_by_the_cells_that_it_finds(open_page, arguments, tmp_path):
    figures = {"a test: border iou": 0.27, "a test: instances ap50": 0.91}
    card_of(name="counts", metrics=figures).write(tmp_path)
    arguments.append(f"--model={tmp_path}")
    (_, accuracy) = open_page("models").dataframe[0].value["accuracy"]
    assert accuracy == "instances AP at IoU 0.5 0.91 (a test)"


def test_agreement_with_a_teacher_is_no_accuracy(open_page, arguments, tmp_path):
    figures = {"set val: teacher f4": 0.9, "set val: drivable iou": 0.5}
    card_of(name="taught", metrics=figures).write(tmp_path)
    write_network(tmp_path / "model.onnx")
    arguments.append(f"--model={tmp_path}")
    page = open_page("models")
    assert page.dataframe[0].value["accuracy"].tolist()[1] == "drivable IoU 0.50 (set val)"
    page.selectbox(key="models-name").select(tmp_path.name).run()
    (agreement,) = [c.value for c in page.caption if "Agreement" in c.value]
    assert agreement.endswith("which is no accuracy: F4 0.900")
    (chart,) = page.get("vega_lite_chart")
    assert b"teacher" not in chart.proto.SerializeToString()
