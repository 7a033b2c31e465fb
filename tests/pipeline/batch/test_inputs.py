"""Which files a batch has, and where each one's results go."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanes.errors import BadInput
from lanes.pipeline.batch.inputs import find, place


@pytest.fixture
def tree(tmp_path):
    """Empty files of names that matter, in folders of two cameras."""
    names = ("a/1.mp4", "a/1.mkv", "b/1.mp4", "b/deep/2.MOV", "b/p.png")
    for name in (*names, "a/notes.md", "a/.hidden.mp4", "a/1_lanes.mp4", ".git/x.mp4"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def names(found):
    return [str(path.relative_to(found.root)) for path in found.files]


def test_a_folder_gives_all_media_below_it(tree, tmp_path):
    found = find([str(tree)], tmp_path / "out")
    assert found.root == tree
    assert sorted(names(found)) == ["a/1.mkv", "a/1.mp4", "b/1.mp4", "b/deep/2.MOV", "b/p.png"]


def test_the_tree_is_that_below_what_all_inputs_share(tree, tmp_path):
    found = find([str(tree / "a"), str(tree / "b/deep")], tmp_path / "out")
    assert names(found) == ["a/1.mkv", "a/1.mp4", "b/deep/2.MOV"]


def test_an_input_that_is_given_twice_is_one(tree, tmp_path):
    given = [str(tree / "b"), str(tree / "a/../b/1.mp4"), (tree / "b/1.mp4").as_uri()]
    assert len(find(given, tmp_path / "out").files) == 3


def test_a_pattern_mirrors_from_its_fixed_part(tree, tmp_path):
    assert names(find([f"{tree}/*/1.mp4"], tmp_path / "out")) == ["a/1.mp4", "b/1.mp4"]


def test_a_named_file_may_have_any_suffix(tree, tmp_path):
    assert names(find([str(tree / "a/notes.md")], tmp_path / "out")) == ["notes.md"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.txt", "# night\n\na/1.mp4\r\n{tree}/b/p.png\n"),
        ("list.csv", "camera,input\n1,a/1.mp4\n2,{tree}/b/p.png\n"),
    ],
)
def test_a_list_names_paths_beside_itself(tree, tmp_path, name, text):
    (tree / name).write_text(text.format(tree=tree))
    assert names(find([str(tree / name)], tmp_path / "out")) == ["a/1.mp4", "b/p.png"]


def test_results_in_the_folder_are_no_inputs(tree):
    assert "a/1.mp4" not in names(find([str(tree)], tree / "a"))
    with pytest.raises(BadInput, match="lies in the folder of results"):
        find([str(tree / "a/1.mp4")], tree / "a")


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        ("nothing.mp4", "nothing.mp4"),
        ("rtsp://host/live", "no file"),
        ("0", "no file"),
        ("*.gif", "no videos or images"),
        ("empty", "no videos or images"),
        ("empty.txt", "no videos or images"),
        ("other.csv", "no column 'input'"),
    ],
)
def test_what_is_no_input(tmp_path, monkeypatch, given, fact):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("empty.txt").touch()
    Path("other.csv").write_text("path\n1.mp4\n")
    with pytest.raises(BadInput, match=fact):
        find([given], Path("out"))


def test_places_are_kept_and_never_shared():
    root = Path("/in/a")
    known = {"/in/b/1.mp4": "1.mp4"}
    assert place(Path("/in/b/1.mp4"), Path("/in"), known, known.values()) == "1.mp4"
    assert place(root / "1.mp4", root, known, known.values()) == "1.mp4_2"
    assert place(root / "x/2.mp4", root, known, known.values()) == "x/2.mp4"
