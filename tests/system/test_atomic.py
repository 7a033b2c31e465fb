"""Files and folders appear whole, or not at all."""

from __future__ import annotations

import os
import threading

import pytest

from lanes.errors import BadOutput
from lanes.system.atomic import atomic_file, atomic_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    return path


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_appears_at_the_end_in_place_of_the_old(file, durable):
    with atomic_file(file, durable) as part:
        part.write_text("new")
        assert file.read_text() == "old"
        assert (part.parent, part.suffix, part.name[0]) == (file.parent, ".json", ".")
    assert file.read_text() == "new"
    assert names(file.parent) == ["a.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_alone(file, error):
    with pytest.raises(error), atomic_file(file) as part:
        part.write_text("half")
        raise error
    assert file.read_text() == "old"
    assert names(file.parent) == ["a.json"]


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    missing = tmp_path / "no" / "a"
    with pytest.raises(BadOutput, match="no/a cannot be written"), atomic_file(missing) as part:
        part.write_text("x")
    with pytest.raises(BadOutput, match="^another sentence$"), atomic_file(tmp_path / "a.json"):
        raise BadOutput("another sentence")
    assert names(tmp_path) == []


def test_a_long_name_has_a_part_too(tmp_path):
    path = tmp_path / ("n" * 250 + ".csv")
    with atomic_file(path) as part:
        part.write_text("x")
    assert names(tmp_path) == [path.name]


def test_threads_that_write_one_file_do_not_meet(tmp_path):
    both = threading.Barrier(2)

    def write(text):
        with atomic_file(tmp_path / "a") as part:
            part.write_text(text)
            both.wait(10)

    threads = [threading.Thread(target=write, args=(text,)) for text in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_text() in ("one", "two")
    assert names(tmp_path) == ["a"]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").write_text("")
    return folder


def test_a_folder_appears_at_the_end_in_place_of_the_old(folder):
    with atomic_folder(folder) as part:
        (part / "new").write_text("")
        assert names(folder) == ["old"]
    assert names(folder) == ["new"]
    assert names(folder.parent) == ["model"]


def test_a_folder_that_exists_may_stay(folder):
    other = folder.parent / "other"
    for place in (folder, other):
        with atomic_folder(place, overwrite=False) as part:
            (part / "new").write_text("")
    assert (names(folder), names(other)) == (["old"], ["new"])
    assert names(folder.parent) == ["model", "other"]


def test_an_error_leaves_the_old_folder_alone(folder, monkeypatch):
    with pytest.raises(ValueError, match="half"), atomic_folder(folder) as part:
        (part / "new").write_text("")
        raise ValueError("half")
    assert names(folder) == ["old"]
    replace, calls = os.replace, []

    def failing(source, target):
        calls.append(target)
        if len(calls) == 2:  # the old folder has moved away, the new one fails to come
            raise OSError("no space")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(BadOutput, match="no space"), atomic_folder(folder) as part:
        (part / "new").write_text("")
    assert names(folder) == ["old"]
    assert names(folder.parent) == ["model"]
