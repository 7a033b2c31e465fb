"""The manifest: rows survive as they were written, and a torn one does no harm."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from lanes.errors import BadOutput
from lanes.pipeline.batch.manifest import COLUMNS, LOCK, NAME, UNFINISHED, Row, Stamp, opened, read

ROW = Row("/in/a.mp4", "done", 10, 1.5, 6.67, 'two "warnings"', output="a.mp4", bytes=7, mtime_ns=8)
ODD = replace(ROW, input=os.fsdecode(b"/in/line\nbreak,\xff.mp4"), state="failed", error="=1+1")


def write(folder, *rows, forget=()):
    with opened(folder) as table:
        table.begin(forget)
        for row in rows:
            table.append(row)


def test_rows_come_back_as_they_were(tmp_path):
    write(tmp_path, ROW)
    write(tmp_path, ODD)
    assert list(read(tmp_path / NAME).values()) == [ROW, ODD]


def test_a_row_is_on_the_disk_when_it_is_appended(tmp_path):
    with opened(tmp_path) as table:
        table.begin([])
        table.append(ROW)
        assert read(tmp_path / NAME) == {ROW.input: ROW}


def test_what_is_done_again_has_one_row(tmp_path):
    write(tmp_path, ROW, ODD)
    again = replace(ROW, frames=11)
    write(tmp_path, again, forget=[ROW.input])
    assert list(read(tmp_path / NAME).values()) == [ODD, again]
    assert (tmp_path / NAME).read_bytes().count(b"/in/a.mp4") == 1


def test_a_file_cut_anywhere_is_mended(tmp_path):
    write(tmp_path, ROW, ODD)
    path = tmp_path / NAME
    whole = path.read_bytes()
    second = whole.index(b'"/in/line')
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        kept = read(path)
        assert list(kept.values()) == ([ROW] if length >= second else [])
    write(tmp_path, ODD)
    assert list(read(path).values()) == [ROW, ODD]


@pytest.mark.parametrize(
    "text", ["name,size\na,1\n", ",".join(COLUMNS) + "\na\n" + "b," * 13 + "\n"]
)
def test_a_file_of_others_is_not_touched(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(BadOutput, match=NAME), opened(tmp_path):
        pass
    assert (tmp_path / NAME).read_text() == text


def test_a_folder_of_others_is_not_used(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(BadOutput, match="other files"), opened(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_one_run_at_a_time(tmp_path):
    with (
        opened(tmp_path / "out"),
        pytest.raises(BadOutput, match="another run"),
        opened(tmp_path / "out"),
    ):
        pass


def test_what_a_killed_run_left_is_removed(tmp_path):
    (tmp_path / LOCK).touch()
    (tmp_path / UNFINISHED / "1").mkdir(parents=True)
    with opened(tmp_path):
        assert not (tmp_path / UNFINISHED).exists()


def test_a_stamp_tells_sizes_times_and_content(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = Stamp.of(path, checksum=True)
    assert before.sha256 == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    os.utime(path, ns=(5, 5))
    assert Stamp.of(path) == Stamp(3, 5)
    assert Stamp.of(tmp_path / "none") == Stamp()
