"""`lanes models` and `lanes models show`: what they list, with and without PyTorch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from lanes import assets, card, plugins
from lanes.cli.main import app
from model_folders import make_model


@pytest.fixture
def run(monkeypatch, tmp_path):
    make_model(tmp_path / "known")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(assets, "model_names", lambda: ["known"])
    monkeypatch.setattr(assets, "model_folder", lambda name: tmp_path / name)
    return lambda *words: CliRunner().invoke(app, ["models", *words])


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setattr(plugins, "installed", lambda library: False)


def test_weights_and_architectures_are_listed(run):
    done = run()
    assert done.exit_code == 0, done.output
    (row,) = [line for line in done.output.splitlines() if "known" in line and "lanes" in line]
    assert "96x64" in row
    assert "0.10" in row
    for name in plugins.names("models"):
        assert name in done.output


def test_an_architecture_names_the_weights_that_come_along(run, tmp_path):
    found = card.read(tmp_path / "known")
    replace(found, architecture="fcn_lite").write(tmp_path / "known")
    (row,) = [line for line in run().output.splitlines() if "fcn_lite " in line and "0.71" in line]
    assert "known" in row


def test_without_torch_the_weights_are_listed_all_the_same(run, no_torch):
    done = run()
    assert done.exit_code == 0
    assert "known" in done.output
    assert "pip install" in done.output
    assert "fcn_lite" not in done.output


def test_an_architecture_is_shown_layer_by_layer(run):
    done = run("show", "fcn_lite")
    assert done.exit_code == 0, done.output
    (row,) = [line for line in done.output.splitlines() if "model.classify" in line]
    # 1x1 convolution from 32 channels to 11 classes at a quarter of 480x368.
    assert "120x92" in row
    assert f"{32 * 11 + 11}" in row
    assert f"{2 * 32 * 11 * 120 * 92 / 1e9:.3f}" in row
    assert "708,571" in done.output


def test_a_model_is_shown_with_its_card(run, tmp_path):
    found = card.read(tmp_path / "known")
    options = {"config": {"model_options": {"decoder": [16, 8]}}}
    changed = {"architecture": "fcn_lite", "training": options, "metrics": {"val: x iou": 0.5}}
    replace(found, **changed).write(tmp_path / "known")
    done = run("show", "known")
    assert done.exit_code == 0, done.output
    assert "0.500" in done.output
    # The options of the card's own training: 8 channels where fcn_lite alone has 32.
    (row,) = [line for line in done.output.splitlines() if "model.classify" in line]
    assert f" {8 * 4 + 4} " in row


def test_what_int8_costs_is_told(run, tmp_path, no_torch):
    costs = {"bdd100k val: drivable iou": {"fp32": 0.7834, "int8": 0.7806}}
    assert "int8" not in run().output
    replace(card.read(tmp_path / "known"), int8=costs).write(tmp_path / "known")
    told = "bdd100k val: drivable iou 0.781 instead of 0.783"
    assert f"known in int8: {told}" in run().output
    (row,) = [line for line in run("show", "known").output.splitlines() if "int8" in line]
    assert row.split() == f"int8, {told}".split()


def test_without_torch_a_models_card_is_shown_and_an_architecture_is_an_error(run, no_torch):
    done = run("show", "known")
    assert done.exit_code == 0
    assert "0.10 GFLOP" in done.output
    assert "pip install" in done.output
    done = run("show", "fcn_lite")
    assert done.exit_code == 2
    assert "pip install" in done.stderr


def test_an_unknown_name_is_an_error_that_names_the_nearest(run):
    done = run("show", "knwon")
    assert done.exit_code == 2
    assert "did you mean 'known'" in done.stderr
    assert "fcn_lite" in done.stderr
