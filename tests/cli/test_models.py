"""`lanes models` and `lanes models show`: what they list, with and without PyTorch."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from lanes import assets, card, plugins
from lanes.card import DataUse
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


def test_80_columns_hold_every_number_and_name(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(app, ["models"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert all(len(line) <= 80 or "pip install" in line for line in lines)
    for name in assets.model_names():
        found = card.read(assets.model_folder(name))
        height, width = found.resize.size
        (row,) = [line for line in lines if line.startswith(f"{name} ") and " M " in line]
        wanted = [name, found.task, found.architecture, f"{found.parameters / 1e6:.2f}", "M"]
        wanted += [f"{found.gflop:.2f}", f"{width}x{height}"]
        assert row.split() == [*wanted, *["tiles"] * found.resize.in_tiles]
    for name in plugins.names("models") if plugins.installed("torch") else ():
        assert any(re.match(rf"{name} +\d+\.\d\d M +\d+\.\d\d\b", line) for line in lines), name


def test_a_long_name_folds_and_leaves_the_numbers_whole(run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = card.read(tmp_path / "known")
    replace(found, architecture="a" * 60, parameters=123456789).write(tmp_path / "known")
    done = run()
    (row,) = [line for line in done.output.splitlines() if line.startswith("known")]
    assert row.split()[-4:] == ["123.46", "M", "0.10", "96x64"]
    table = done.output.partition("Free")[0]
    assert sum(len(part) for part in re.findall(r"\ba+\b", table)) == 60


def test_terms_are_a_block_a_model(run, tmp_path, monkeypatch, no_torch):
    monkeypatch.setenv("COLUMNS", "80")
    uses = (
        DataUse("drawn", "Roads that we draw.", "none: ours"),
        DataUse("street", "Many streets, " * 9, "[Somebody]: research " + "and teaching " * 9),
    )
    replace(card.read(tmp_path / "known"), data=uses, terms="x").write(tmp_path / "known")
    done = run("--terms")
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    text = " ".join(done.output.split())
    assert text.startswith("known: restricted by street")
    for use in uses:
        assert f"{use.name} {use.what.strip()} Terms: {use.terms.strip()}" in text


def test_free_and_restricted_models_are_named(run, tmp_path):
    assert "Free for any use: known" in run().output
    assert run("--terms").output.split() == ["known:", "free", "Terms:", "none"]
    replace(card.read(tmp_path / "known"), terms="research").write(tmp_path / "known")
    output = run().output
    assert "Restricted use (lanes models --terms): known" in output
    assert "Free" not in output
    assert run("--terms").output.startswith("known: restricted\n")


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


def test_the_cost_of_int8_is_printed(run, tmp_path, no_torch):
    costs = {"bdd100k val: drivable iou": {"fp32": 0.7834, "int8": 0.7806}}
    assert "int8" not in run().output
    replace(card.read(tmp_path / "known"), int8=costs).write(tmp_path / "known")
    cost = "bdd100k val: drivable iou 0.781 instead of 0.783"
    assert f"known in int8: {cost}" in run().output
    (row,) = [line for line in run("show", "known").output.splitlines() if "int8" in line]
    assert row.split() == f"int8, {cost}".split()


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
