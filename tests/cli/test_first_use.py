"""A restricted model warns of its terms, once per machine."""

from dataclasses import replace

import pytest

from lanes import assets
from lanes import card as cards
from lanes.card import DataUse
from lanes.cli.first_use import warn_once
from model_folders import make_model


@pytest.fixture
def restricted(tmp_path, monkeypatch):
    """A model of restricted terms, and a cache that has seen none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_model(tmp_path / "bound")
    uses = (DataUse("drawn", "", "none: ours"), DataUse("street", "", "research use"))
    replace(cards.read(folder), data=uses, terms="research use").write(folder)
    return folder


def terms_lines(done):
    return [line for line in done.stderr.splitlines() if line.startswith("warning: the terms")]


def test_restricted_terms_are_a_warning_once(run, clip, restricted):
    done = run(clip, model=restricted)
    assert done.exit_code == 0, done.output
    (line,) = terms_lines(done)
    assert line.startswith("warning: the terms of bound restrict its use (street; ")
    assert "card.json" in line
    assert line.endswith("--model lanes-synthetic")
    again = run(clip, "--overwrite", model=restricted)
    assert (again.exit_code, terms_lines(again)) == (0, [])
    card = cards.read(restricted)
    replace(card, terms="other terms").write(restricted)
    assert terms_lines(run(clip, "--overwrite", model=restricted))


def test_quiet_keeps_the_warning_for_later(run, clip, restricted):
    done = run(clip, "--quiet", model=restricted)
    assert (done.exit_code, done.output) == (0, "")
    assert terms_lines(run(clip, "--overwrite", model=restricted))


def test_a_cache_that_cannot_be_written_is_no_error(run, clip, restricted, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        done = run(clip, "--overwrite", model=restricted)
        assert (done.exit_code, len(terms_lines(done))) == (0, 1), done.output


def test_no_warning_without_the_weights_or_without_restrictions(run, clip, restricted):
    done = run(clip, "--backend", "classical", model=restricted)
    assert (done.exit_code, terms_lines(done)) == (0, [])
    done = run(clip, "--overwrite")
    assert (done.exit_code, terms_lines(done)) == (0, [])


def test_the_warning_of_a_model_that_comes_along_names_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    warn_once(cards.read(assets.model_folder("lanes-fcn-lite")))
    warn_once(cards.read(assets.model_folder("cells-count")))
    roads, cells = capsys.readouterr().err.splitlines()
    assert "(bdd100k, tusimple, twinlitenetplus_small, first weights, imagenet; see" in roads
    assert roads.endswith("--model lanes-synthetic")
    assert "--model" not in cells
