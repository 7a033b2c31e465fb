"""Unfinished files: exclusive, named at the end, and recovered after a kill."""

from __future__ import annotations

import os
import shutil

import pytest

from clips import numbers, read
from lanes.errors import BadInput, BadOutput
from lanes.pipeline.outputs import JsonLines
from lanes.video import VideoSink, part
from lanes.video.part import Part, copy_name, hidden_name, shown_name
from lanes.video.recover import recover
from written_clips import PLAIN, planes_of, write


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def killed(path, frames=60):
    """Leave at `path` what a killed run leaves."""
    with VideoSink(path.with_stem("whole"), **PLAIN) as sink:
        for number in range(frames):
            sink.write(planes_of(number))
        shutil.copy(hidden_name(sink.path), hidden_name(path))
    sink.path.unlink()
    return hidden_name(path)


def test_two_runs_cannot_write_one_output(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoSink(path, **PLAIN) as first:
        first.write(planes_of(0))
        with pytest.raises(BadOutput, match=r"a.mp4 is being written by another run"):
            write(path, overwrite=True)
    assert numbers(read(path)[0]) == [0]


def test_long_names_that_begin_alike_are_two_outputs(tmp_path):
    one, other = (tmp_path / f"{'a' * 60}{n}.mp4" for n in (1, 2))
    with VideoSink(one, **PLAIN) as first, VideoSink(other, **PLAIN) as second:
        first.write(planes_of(1))
        second.write(planes_of(2))
    assert [numbers(read(path)[0]) for path in (one, other)] == [[1], [2]]


def test_a_file_made_meanwhile_stays(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoSink(path, **PLAIN) as sink:
        sink.write(planes_of(0))
        path.write_text("precious")
    assert path.read_text() == "precious"
    assert sink.path == tmp_path / "a_2.mp4"
    assert len(read(sink.path)[0]) == 1
    assert "a.mp4 was made by another program meanwhile: see " in sink.warnings[0]


def test_a_file_that_cannot_be_replaced_costs_no_recording(tmp_path, monkeypatch):
    """A player holds it open on Windows; on Linux it is someone else's, in a shared folder."""

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    path = tmp_path / "a.mp4"
    path.write_text("held")
    with VideoSink(path, overwrite=True, **PLAIN) as sink:
        sink.write(planes_of(0))
        monkeypatch.setattr(part.os, "replace", refuse)
    assert names(tmp_path) == ["a.mp4", "a_2.mp4"]
    assert path.read_text() == "held"
    assert len(read(sink.path)[0]) == 1
    assert f"a.mp4 cannot be replaced: see {sink.path}" in sink.warnings[0]


def test_without_hard_links_a_file_made_meanwhile_stays_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(part.os, "link", refuse)
    write(tmp_path / "a.mp4")
    with VideoSink(tmp_path / "b.mp4", **PLAIN) as sink:
        sink.write(planes_of(0))
        (tmp_path / "b.mp4").write_text("precious")
    assert names(tmp_path) == ["a.mp4", "b.mp4", "b_2.mp4"]
    assert (tmp_path / "b.mp4").read_text() == "precious"


def test_the_next_run_names_what_a_killed_one_left(tmp_path):
    killed(tmp_path / "a.mp4")
    sink = write(tmp_path / "a.mp4", 3)
    assert names(tmp_path) == ["a.mp4", "a_recovered.mp4"]
    assert len(read(tmp_path / "a.mp4")[0]) == 3
    assert 40 < len(read(tmp_path / "a_recovered.mp4")[0]) <= 60
    assert "a_recovered.mp4" in sink.warnings[0]


def test_a_left_file_without_a_frame_is_removed(tmp_path):
    left = killed(tmp_path / "a.mp4")
    left.write_bytes(left.read_bytes()[:100])
    assert write(tmp_path / "a.mp4", 3).warnings == []
    assert names(tmp_path) == ["a.mp4"]


def test_other_left_files_are_announced_with_the_command(tmp_path):
    killed(tmp_path / "a.mp4")
    sink = write(tmp_path / "b.mp4", 3)
    (warning,) = sink.warnings
    assert f"lanes recover {tmp_path}" in warning
    assert names(tmp_path) == [".a.part.mp4", "b.mp4"]


def test_recover_names_all_that_plays(tmp_path):
    killed(tmp_path / "a.mp4")
    shutil.copy(killed(tmp_path / "b.mkv"), copy_name(hidden_name(tmp_path / "b.mkv")))
    (tmp_path / "b.mkv").write_text("precious")
    hidden_name(tmp_path / "c.mp4").write_bytes(b"half")
    hidden_name(tmp_path / "d.jsonl").write_text("{}\n")
    with VideoSink(tmp_path / "e.mp4", **PLAIN) as busy:
        busy.write(planes_of(0))
        named, removed = recover(tmp_path)
    assert [path.name for path in named] == ["a.mp4", "b_2.mkv", "d.jsonl"]
    assert [path.name for path in removed] == [".c.part.mp4"]
    assert names(tmp_path) == ["a.mp4", "b.mkv", "b_2.mkv", "d.jsonl", "e.mp4"]
    assert (tmp_path / "b.mkv").read_text() == "precious"
    assert len(read(tmp_path / "b_2.mkv")[0]) > 40
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with pytest.raises(BadInput, match="there is no folder"):
        recover(tmp_path / "nowhere")


def test_a_cut_fragment_is_left_out(tmp_path):
    """At each length that a write may have had when the process was killed."""
    whole = killed(tmp_path / "a.mp4").read_bytes()
    frames = []
    for cut in (0, 1, 50, 200, len(whole) // 10, len(whole) // 3):
        hidden_name(tmp_path / "a.mp4").write_bytes(whole[: len(whole) - cut])
        (path,), _ = recover(tmp_path)
        frames.append(len(read(path)[0]))
        path.unlink()
    assert frames[0] > 40
    assert frames == sorted(frames, reverse=True)
    assert frames[-1] > 10


def test_keep_names_what_there_is(tmp_path):
    one, other = Part(tmp_path / "a.txt", False), Part(tmp_path / "b.txt", False)
    one.file.write(b"half")
    for each in (one, other):
        each.keep()
        each.keep()
    assert names(tmp_path) == ["a.txt"]


def test_lines_are_whole_after_a_kill(tmp_path):
    lines = JsonLines(tmp_path / "a.jsonl", overwrite=False)
    with lines:
        lines.write_text("{}\n")
        assert hidden_name(tmp_path / "a.jsonl").read_text() == "{}\n"
    assert names(tmp_path) == ["a.jsonl"]


def test_hidden_names_are_short_and_tell_the_shown_ones(tmp_path):
    assert shown_name(hidden_name(tmp_path / "out.mp4")) == tmp_path / "out.mp4"
    assert len(os.fsencode(hidden_name(tmp_path / ("a" * 250 + ".mp4")).name)) < 80
