"""`lanes data check` finds what is wrong with a folder, and nothing where nothing is wrong."""

from __future__ import annotations

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

import exports
from lanes.cli.main import app
from lanes.doctor.data import facts
from lanes.doctor.data.check import _copies, check
from lanes.errors import BadDataset

RNG = np.random.default_rng(0)
SCENES = RNG.integers(0, 256, (40, 9, 16, 3), np.uint8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    """A sound folder: 24 pictures that differ, with all classes but implied line in every split."""
    root = tmp_path / "photos"
    for split, start, count in (("train", 0, 20), ("val", 20, 4)):
        for i in range(start, start + count):
            save(root / split / "images" / f"p{i:02}.jpg", scene(i))
            save(root / split / "labels" / f"p{i:02}.png", labels())
    return root


def scene(i):
    return cv2.resize(SCENES[i], (64, 36), interpolation=cv2.INTER_NEAREST)


def labels():
    found = np.zeros((36, 64), np.uint8)
    found[18:] = 1
    found[18:, 30:34] = 2
    return found


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values)


def texts(found, level="problem"):
    return [finding.text for finding in found.findings if finding.level == level]


def test_a_sound_folder(root):
    found = check(root)
    assert found.format == "image_folder"
    assert not found.problems
    assert texts(found, "note") == [
        "no image shows implied line: a model cannot learn it, and no figure scores it"
    ]
    assert {split: len(found.usable(split)) for split in found.splits}["val"] == 4
    shares = dict(zip(found.names, found.shares("val"), strict=True))
    assert shares["drivable"] == pytest.approx(0.5 * 60 / 64)
    assert shares["lane line"] == pytest.approx(0.5 * 4 / 64)
    bands = found.bands()
    assert bands.shape[0] == facts.BANDS
    assert (bands[:6, found.names.index("background")] == 1).all()
    assert bands[6:, found.names.index("lane line")] == pytest.approx(4 / 64)
    assert found.sizes() == {(36, 64): 24}


def test_values_outside_the_table_and_damaged_files_are_counted(root):
    for i, value in ((20, 9), (21, 9)):
        save(root / "val" / "labels" / f"p{i}.png", np.full((36, 64), value, np.uint8))
    found = check(root)
    assert len(found.usable("val")) == 2
    (problem,) = [text for text in found.problems if text.startswith("val: ")]
    assert "2 of 4 images cannot be used" in problem
    assert "the label 9" in problem


def test_missing_masks_and_leftover_files(root):
    (root / "val" / "images" / "p20.jpg").unlink()
    found = check(root)
    assert "1 mask without an image, left out: val/labels/p20.png" in texts(found, "note")
    (root / "val" / "labels" / "p21.png").unlink()
    assert any("p21.png is missing" in text for text in check(root).problems)


def test_unlabelled_photos_beside_labelme(tmp_path):
    root = exports.labelme(tmp_path / "labelme")
    (root / "f04.json").unlink()
    found = check(root)
    assert "1 image without labels, left out: f04.png" in texts(found, "note")


@pytest.mark.parametrize(
    ("value", "words"), [(0, "hold only background"), (255, "are all unknown")]
)
def test_labels_that_hold_nothing(root, value, words):
    (root / "labels.toml").write_text(
        '[ids]\n0 = "background"\n1 = "drivable"\n2 = "lane line"\n255 = "unknown"\n'
    )
    for path in (root / "val" / "labels").iterdir():
        save(path, np.full((36, 64), value, np.uint8))
    assert any(f"val: all 4 label maps {words}" in text for text in check(root).problems)
    save(path, labels())
    found = check(root)
    assert any("val: 3 of 4 label maps" in text for text in texts(found, "note"))


def test_a_class_that_train_lacks(root):
    for path in (root / "train" / "labels").iterdir():
        save(path, np.minimum(labels(), 1))
    problems = check(root).problems
    assert any("train and choose never shows lane line" in text for text in problems)


def test_turned_photos_are_pointed_out(root):
    content = (root / "val" / "images" / "p20.jpg").read_bytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (root / "val" / "images" / "p20.jpg").write_bytes(content[:2] + segment + content[2:])
    (note,) = [text for text in texts(check(root), "note") if "EXIF" in text]
    assert note.startswith("val: 1 image turned upright by EXIF orientation (3)")
    assert note.endswith("val/images/p20.jpg")


def test_copies_across_splits_are_found_though_saved_again(root):
    copy = cv2.resize(scene(3), (48, 27), interpolation=cv2.INTER_AREA)
    copy = cv2.resize(cv2.convertScaleAbs(copy, alpha=0.9, beta=8), (64, 36))
    save(root / "val" / "images" / "p20.jpg", copy)
    (problem,) = check(root).problems
    assert problem.startswith("1 of 4 images of val are nearly the same as one of ")
    assert "images/p03.jpg, val/images/p20.jpg" in problem


def test_facts_are_cached_until_a_file_changes(root, monkeypatch):
    first = check(root)
    monkeypatch.setattr(facts, "gather", None)
    assert check(root).splits == first.splits
    monkeypatch.undo()
    save(root / "val" / "labels" / "p20.png", np.full((36, 64), 9, np.uint8))
    assert check(root).problems


def test_an_unknown_folder_is_refused(tmp_path):
    with pytest.raises(BadDataset, match="nowhere"):
        check(tmp_path / "nowhere")


def run(*argv):
    with pytest.raises(SystemExit) as end:
        app(["data", *map(str, argv)])
    return end.value.code or 0


def test_the_command_prints_and_writes(root, tmp_path, capsys):
    page, sheet = tmp_path / "page.html", tmp_path / "sheet.png"
    assert run("check", root, "--html", page, "--sheet", sheet) == 0
    shown = capsys.readouterr().out
    for words in ("image_folder", "drivable", "by height", "note: no image shows"):
        assert words in shown
    text = page.read_text()
    assert text.count("<tr>") >= 6
    assert "data:image/jpeg;base64," in text
    assert "http" not in text
    assert cv2.imread(str(sheet)).shape[0] > 100
    assert run("check", root, "--html", page) == 2
    assert "exists already" in capsys.readouterr().err


def test_the_command_says_what_is_wrong_by_its_exit_code(root, capsys):
    shutil.copy(root / "train" / "images" / "p03.jpg", root / "val" / "images" / "p20.jpg")
    assert run("check", f"image_folder={root}") == 1
    assert "problem: 1 of 4 images of val" in capsys.readouterr().out
    assert run("check", root / "nowhere") == 2


def test_a_folder_that_cannot_be_opened_has_a_page_of_its_findings(root, tmp_path, capsys):
    for path in (*(root / "train" / "labels").iterdir(), *(root / "val" / "labels").iterdir()):
        save(path, labels() // 2 * 255)
    page, sheet = tmp_path / "page.html", tmp_path / "sheet.png"
    assert run("check", root, "--html", page, "--sheet", sheet) == 1
    assert page.read_text().count("hold only 0 and 255") == 1
    assert not sheet.exists()
    assert "sheet.png is not written" in capsys.readouterr().err


def test_links_are_followed_once_and_may_lead_nowhere(root, tmp_path):
    masks = (root / "val" / "labels").rename(tmp_path / "elsewhere")
    (root / "val" / "labels").symlink_to(masks)
    (root / "train" / "loop").symlink_to(root)
    (root / "notes").symlink_to(root / "nowhere")
    assert not check(root).problems
    save(masks / "p20.png", np.full((36, 64), 9, np.uint8))
    assert check(root).problems


def test_masks_of_other_values_come_with_the_lines_to_write(root):
    for path in (*(root / "train" / "labels").iterdir(), *(root / "val" / "labels").iterdir()):
        save(path, labels() * 64)
    (problem,) = check(root).problems
    assert problem.count("images cannot be used") == 1
    assert "val: 4 of 4" in problem
    lines = problem.partition(":\n")[2]
    assert lines == '[ids]\n0 = "background"\n64 = "drivable"\n128 = "drivable"'
    (root / "labels.toml").write_text(lines.replace('128 = "drivable"', '128 = "lane line"'))
    assert not check(root).problems


def test_meanings_are_joined_and_those_without_pixels_left_out(tmp_path):
    for part in ("train", "val"):
        for i in range(10):
            save(tmp_path / part / "images" / f"{part}{i}.png", scene(i + 10 * (part == "val")))
            save(tmp_path / part / "labels" / f"{part}{i}.png", labels())
    found = check(tmp_path)
    assert [one.name for one in found.by_meaning()] == ["background", "drivable", "lane line"]
    assert sum(one.splits["val"] for one in found.by_meaning()) == pytest.approx(1)
    twice = replace(found, names=("background", "drivable", "drivable", "x", "unknown"))
    first, second = twice.by_meaning()
    assert (first.name, second.name) == ("background", "drivable")
    assert second.bands == pytest.approx(1 - first.bands)


def test_the_tables_of_many_classes_fit_into_80_columns(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = ["ground", *(f"quite a long class {k}" for k in range(1, 12))]
    root = tmp_path / "photos"
    for i in range(8):
        save(root / "images" / f"p{i}.png", scene(i))
        save(
            root / "labels" / f"p{i}.png", np.arange(36 * 64, dtype=np.uint16).reshape(36, 64) % 12
        )
    lines = [f'"{name}" = "#{k:06x}"' for k, name in enumerate(names)]
    (root / "classes.toml").write_text("\n".join(lines) + "\n")
    assert run("check", root) == 0
    shown = capsys.readouterr().out
    for name in names:
        assert sum(f" {name} " in line.replace("│", " ") for line in shown.splitlines()) == 2
    assert max(map(len, shown.splitlines()[1:])) <= 80


def test_splits_of_the_same_images_are_named_as_that(root, monkeypatch):
    found = check(root)
    same = replace(found, splits={**found.splits, "choose": found.splits["val"]})
    notes = [finding for finding in _copies(same) if finding.level == "note"]
    assert [note.text.partition(":")[0] for note in notes] == ["choose and val are the same images"]


def _mask(root, values):
    save(root / "val" / "labels" / "p20.png", values)


def _cut(path):
    path.write_bytes(path.read_bytes()[:60])


TEN_WAYS = {
    "a value outside the table": (lambda r: _mask(r, labels() * 9), "p20.png holds the label 9"),
    "a mask of another size": (
        lambda r: _mask(r, labels()[::2]),
        "is 64x18 but its image is 64x36",
    ),
    "a mask that is turned": (lambda r: _mask(r, labels().T), "one of them is turned"),
    "a mask of colours": (
        lambda r: _mask(r, np.dstack([labels(), labels() + 1, labels()])),
        "holds 3 colours",
    ),
    "a mask cut short": (lambda r: _cut(r / "val/labels/p20.png"), "p20.png is damaged"),
    "an empty image": (lambda r: (r / "val/images/p20.jpg").write_bytes(b""), "p20.jpg is empty"),
    "no mask": (lambda r: (r / "val/labels/p20.png").unlink(), "p20.png is missing"),
    "no image": (lambda r: (r / "val/images/p20.jpg").unlink(), "1 mask without an image"),
    "two images of one name": (
        lambda r: save(r / "val/images/p20.png", scene(20)),
        "rename or remove",
    ),
    "wrong labels.toml": (lambda r: (r / "labels.toml").write_text('[ids]\n0 = "sky"'), "'sky'"),
}


@pytest.mark.parametrize("way", TEN_WAYS)
def test_a_folder_broken_in_ten_ways(root, tmp_path, way, capsys):
    damage, words = TEN_WAYS[way]
    damage(root)
    code = run("check", root, "--html", tmp_path / "page.html", "--sheet", tmp_path / "sheet.png")
    assert code == (0 if way == "no image" else 1)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if words in line]
    assert line.startswith("note: " if way == "no image" else "problem: ")
    assert "<h2>Findings</h2>" in (tmp_path / "page.html").read_text()
