"""The user's cache: writes are atomic, and damaged files are ignored."""

from __future__ import annotations

import os

import pytest

from lanes.backends import _cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "lanes-video" / "engines"


def test_what_is_kept_comes_back(folder):
    assert _cache.read("engines", "a") is None
    _cache.write("engines", "a", b"hello")
    assert _cache.read("engines", "a") == b"hello"
    _cache.write("engines", "a", b"")
    assert _cache.read("engines", "a") == b""
    assert [path.name for path in folder.iterdir()] == ["a"]


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: c[:-1] + b"?", lambda c: b""])
def test_what_is_damaged_is_not_believed(folder, damage):
    _cache.write("engines", "a", b"hello")
    (folder / "a").write_bytes(damage((folder / "a").read_bytes()))
    assert _cache.read("engines", "a") is None


def test_a_place_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    _cache.write("engines", "a", b"hello")
    assert _cache.read("engines", "a") is None


def test_a_full_disk_leaves_nothing_half_written(folder, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    _cache.write("engines", "a", b"hello")
    assert list(folder.iterdir()) == []


def test_the_oldest_files_go(folder):
    for number in range(_cache.KEPT + 2):
        _cache.write("engines", str(number), b"x")
        os.utime(folder / str(number), (number, number))
    kept = {path.name for path in folder.iterdir()}
    assert kept == {str(number) for number in range(2, _cache.KEPT + 2)}


def test_keys_depend_on_all_parts():
    keys = [_cache.key(1, "a"), _cache.key("1", "a"), _cache.key(1, "a", None), _cache.key("1a")]
    assert len(set(keys)) == len(keys)
    assert _cache.key(1, "a") == keys[0]


def test_a_digest_is_of_the_content(tmp_path):
    path = tmp_path / "network"
    path.write_bytes(b"one")
    one = _cache.digest(path)
    path.write_bytes(b"two, another size")
    assert _cache.digest(path) != one
    path.write_bytes(b"one")
    os.utime(path, (1, 1))
    assert _cache.digest(path) == one
