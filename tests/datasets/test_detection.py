"""`--data`: a folder's format is found, a format may be insisted on, doubt is refused."""

from __future__ import annotations

import pytest

from lanes import datasets
from lanes.errors import BadConfig, BadDataset, UnknownName


def test_a_folder_is_detected_and_named(make_root):
    root = make_root("image_folder")
    found, (note,) = datasets.roots_of([str(root)])
    assert found == {"image_folder": str(root)}
    assert note.startswith(f"{root}: image_folder, The user's own images")


def test_a_format_can_be_insisted_on(tmp_path):
    assert datasets.roots_of(["bdd100k=x", "synthetic"]) == ({"bdd100k": "x", "synthetic": ""}, [])


def test_a_name_means_the_data_set_even_where_such_a_folder_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "synthetic").mkdir()
    assert datasets.roots_of(["synthetic"]) == ({"synthetic": ""}, [])


@pytest.mark.parametrize(
    ("texts", "error", "words"),
    [
        (["bdd100k"], BadConfig, "bdd100k needs a folder; wanted bdd100k=ROOT"),
        (["bdd100k=a", "bdd100k=b"], BadConfig, "given twice"),
        (["nowhere"], UnknownName, "'nowhere'"),
        (["camvit=x"], UnknownName, "did you mean 'camvid'"),
    ],
)
def test_mistakes_are_reported(texts, error, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        datasets.roots_of(texts)


def test_a_folder_of_no_format_is_reported_with_its_contents(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BadDataset, match="none of the formats .*image_folder.*holds notes.txt"):
        datasets.detect(tmp_path)
    with pytest.raises(BadDataset, match="no folder"):
        datasets.detect(tmp_path / "nowhere")
