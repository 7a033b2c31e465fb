"""The user's own folders: layouts, labels.toml, and errors for mistakes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lanes.datasets import image_folder
from lanes.errors import BadDataset
from lanes.types import Measure

COLOURS = """
[colours]
"#ff0000" = "lane line"
"#00FF00" = ["drivable", "lane line"]
"#000000" = "background"
"#ffffff" = "unknown"
"""


def test_without_a_toml_the_ids_are_the_tasks_and_255_is_unknown(make_root, files):
    root = make_root("image_folder")
    files.image(root / "val" / "labels" / "p0.png", files.half(255, 2))
    dataset = image_folder.open(root, "val")
    np.testing.assert_array_equal(dataset[0].targets, files.half(4, 2))
    np.testing.assert_array_equal(dataset.TARGETS, image_folder.TARGETS)
    assert dataset.MEASURES == image_folder.MEASURES
    assert dataset.TASK == "lanes"


def one_folder(root, files, count):
    for i in range(count):
        files.image(root / "images" / f"p{i}.png", i)
        files.image(root / "labels" / f"p{i}.png", files.half(0, 1))
    return root


@pytest.mark.parametrize("count", [3, 7, 60])
def test_a_folder_without_splits_is_divided_by_hash(tmp_path, files, count):
    root = one_folder(tmp_path, files, count)
    parts = [
        {image for image, _ in image_folder.open(root, split).pairs}
        for split in ("train", "choose", "val")
    ]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == count
    assert len(parts[0]) >= count // 2 or count == 3


def test_a_folder_too_small_to_be_divided_is_reported(tmp_path, files):
    root = one_folder(tmp_path, files, 1)
    with pytest.raises(BadDataset, match="at least 3"):
        image_folder.open(root, "choose")


def test_colours_are_mapped_with_sets_and_unknown(make_root, files):
    root = make_root("image_folder")
    (root / "labels.toml").write_text(COLOURS)
    mask = np.zeros((36, 64, 3), np.uint8)
    mask[:, :16] = (0, 0, 255)  # BGR: red
    mask[:, 16:32] = (0, 255, 0)
    mask[:, 32:48] = 255
    for split in ("train", "val"):
        files.image(root / split / "labels" / "p0.png", mask)
    dataset = image_folder.open(root, "train")
    index = [image.stem for image, _ in dataset.pairs].index("p0")
    allowed = dataset.TARGETS[dataset[index].targets[0]]
    np.testing.assert_array_equal(allowed[0], [False, False, True, False])
    np.testing.assert_array_equal(allowed[16], [False, True, True, False])
    assert allowed[32].all()
    np.testing.assert_array_equal(allowed[48], [True, False, False, False])


def test_a_set_that_leaves_a_figure_open_is_unknown_where_it_is_judged(make_root):
    root = make_root("image_folder")
    (root / "labels.toml").write_text(
        '[ids]\n0 = "background"\n1 = ["background", "drivable"]\n2 = "drivable"\n'
    )
    taught, judged = (image_folder.open(root, split) for split in ("train", "val"))
    assert [row.sum() for row in taught.TARGETS[[taught.table.rows[1]]]] == [2]
    assert judged.TARGETS[judged.table.rows[1]].all()


def test_partial_labels_like_bdds_keep_their_negatives_and_their_figure(make_root):
    root = make_root("image_folder")
    (root / "labels.toml").write_text(
        '[ids]\n0 = ["background", "lane line"]\n2 = "drivable"\n1 = ["drivable", "lane line"]\n'
    )
    dataset = image_folder.open(root, "val")
    assert list(dataset.MEASURES) == ["drivable"]
    assert not dataset.TARGETS[dataset.table.rows[0]].all()
    assert dataset.table.rows[1] in dataset.MEASURES["drivable"].targets


def test_lines_alone_are_judged_as_lines(make_root):
    root = make_root("image_folder")
    (root / "labels.toml").write_text(
        '[ids]\n0 = ["background", "drivable"]\n1 = "unknown"\n2 = "lane line"\n'
    )
    measures = image_folder.open(root, "val").MEASURES
    assert measures["lane line"] == Measure(targets=(2,), classes=(2,), lines=True)
    assert "line" not in measures


def test_lines_through_gaps_are_judged_as_such(make_root):
    root = make_root("image_folder")
    (root / "labels.toml").write_text(
        '[ids]\n0 = ["background", "drivable"]\n2 = ["lane line", "implied line"]\n1 = "unknown"\n'
    )
    dataset = image_folder.open(root, "val")
    assert dataset.MEASURES["line"].classes == (2, 3)
    assert dataset.table.rows[2] in dataset.MEASURES["line"].targets
    assert "lane line" not in dataset.MEASURES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task = ", "is not TOML"),
        ('classes = "x"', "'classes'"),
        ('task = "cakes"', "'cakes'"),
        ('[ids]\n0 = "bakground"', "did you mean 'background'"),
        ('[ids]\n0 = ["background", "sky"]', "'sky'"),
        ('[ids]\n256 = "background"', "'256'"),
        ('[ids]\nx = "background"', "'x'"),
        ("[ids]\n0 = []", "0 = "),
        ("[ids]", r"\[ids\] is empty"),
        ('[colours]\n"red" = "background"', "'red'.*#ff0000"),
        ('[ids]\n0 = "background"\n[colours]\n"#000000" = "background"', "both"),
    ],
)
def test_a_wrong_toml_is_reported(make_root, text, words):
    root = make_root("image_folder")
    (root / "labels.toml").write_text(text)
    with pytest.raises(BadDataset, match=words):
        image_folder.open(root, "val")


def test_an_unknown_id_is_reported_with_its_pixels_and_file(make_root, files):
    root = make_root("image_folder")
    mask = files.half(0, 1)
    mask[:2, :5] = 9
    mask[5, 5] = 12
    files.image(root / "val" / "labels" / "p0.png", mask)
    words = r"p0.png holds the label 9 in 10 pixels \(11 pixels .*known are 0, 1, 2, 3, 255"
    with pytest.raises(BadDataset, match=words):
        image_folder.open(root, "val")[0]


def test_an_unknown_colour_is_reported_with_its_pixels_and_file(make_root, files):
    root = make_root("image_folder")
    (root / "labels.toml").write_text(COLOURS)
    mask = np.zeros((36, 64, 3), np.uint8)
    mask[:3, :4] = (1, 2, 254)
    files.image(root / "val" / "labels" / "p0.png", mask)
    with pytest.raises(BadDataset, match="p0.png holds the colour #fe0201 in 12 pixels"):
        image_folder.open(root, "val")[0]


def test_ids_instead_of_colours_are_reported_and_vice_versa(make_root, files):
    root = make_root("image_folder")
    files.image(root / "val" / "labels" / "p1.png", np.full((36, 64, 3), (1, 2, 255), np.uint8))
    with pytest.raises(BadDataset, match='p1.png holds 1 colours, wanted.*\n.*\n"#ff0201"'):
        image_folder.open(root, "val")[1]
    (root / "labels.toml").write_text(COLOURS)
    with pytest.raises(BadDataset, match="p0.png holds one channel of ids, wanted colours"):
        image_folder.open(root, "val")[0]


def test_a_missing_mask_is_reported_when_the_folder_is_opened(make_root):
    root = make_root("image_folder")
    (root / "val" / "labels" / "p2.png").unlink()
    with pytest.raises(BadDataset, match=r"p2.png is missing \(1 of 3 images"):
        image_folder.open(root, "val")


def test_masks_of_another_size_are_reported(make_root, files):
    root = make_root("image_folder")
    files.image(root / "val" / "labels" / "p0.png", np.zeros((20, 20), np.uint8))
    with pytest.raises(BadDataset, match="is 20x20 but its image is 64x36"):
        image_folder.open(root, "val")[0]


def test_an_empty_folder_is_reported(make_root):
    root = make_root("image_folder")
    for file in (root / "val" / "images").iterdir():
        file.unlink()
    with pytest.raises(BadDataset, match="'val' .* holds no image"):
        image_folder.open(root, "val")


def check_halves(dataset, left, right):
    """Whether every sample's left half has the class `left` and its right half `right`."""
    assert len(dataset)
    for index in range(len(dataset)):
        allowed = dataset.TARGETS[dataset[index].targets]
        assert allowed.sum(2).max() == 1
        classes = allowed.argmax(2)
        assert (classes[:, :32] == left).all()
        assert (classes[:, 32:] == right).all()


LAYOUTS = {
    "splits outside": ("{split}/images/{stem}.jpg", "{split}/labels/{stem}.png"),
    "splits inside": ("images/{split}/{stem}.jpg", "masks/{split}/{stem}.png"),
    "other names": ("{split}/JPEGImages/{stem}.jpg", "{split}/SegmentationClass/{stem}.png"),
    "masks beside splits": ("{split}/{stem}.jpg", "{split}_labels/{stem}.png"),
    "suffix, same folder": ("{split}/{stem}.jpg", "{split}/{stem}_mask.png"),
    "suffix, two folders": ("{split}/imgs/{stem}.jpg", "{split}/gt/{stem}_all_objects.png"),
    "no splits": ("images/{split}{stem}.jpg", "labels/{split}{stem}-label.png"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("val", ["val", "valid"])
def test_layouts(tmp_path, files, layout, val):
    image, mask = LAYOUTS[layout]
    for split, count in (("train", 20), (val, 3)):
        for i in range(count):
            files.image(tmp_path / image.format(split=split, stem=f"p{i}"), i)
            files.image(tmp_path / mask.format(split=split, stem=f"p{i}"), files.half(0, 2))
    assert image_folder.looks_like(tmp_path)
    train, choose, judged = (image_folder.open(tmp_path, s) for s in ("train", "choose", "val"))
    assert len(train) + len(choose) + len(judged) == 23
    check_halves(judged, 0, 2)


def test_a_folder_without_masks_is_no_image_folder(tmp_path, files):
    files.image(tmp_path / "images" / "a.jpg", 1)
    assert not image_folder.looks_like(tmp_path)
    with pytest.raises(BadDataset, match="no folder .*labels: wanted .*it holds images"):
        image_folder.open(tmp_path, "train")


@pytest.mark.parametrize("bits", [[], [cv2.IMWRITE_PNG_BILEVEL, 1]])
def test_masks_of_0_and_255_are_refused_with_the_lines_to_write(tmp_path, files, bits):
    root = one_folder(tmp_path, files, 5)
    for i in range(5):
        assert cv2.imwrite(str(root / "labels" / f"p{i}.png"), files.half(0, 255 if i else 0), bits)
    with pytest.raises(BadDataset, match="hold only 0 and 255") as error:
        image_folder.open(root, "train")
    (root / "labels.toml").write_text(str(error.value).partition(":\n")[2])
    check_halves(image_folder.open(root, "train"), 0, 1)


def test_0_and_255_among_other_ids_are_ids(tmp_path, files):
    root = one_folder(tmp_path, files, 5)
    files.image(root / "labels" / "p0.png", files.half(0, 255))
    assert len(image_folder.open(root, "train")) == 3


LEGENDS = {
    "_classes.csv": "Pixel Value, Class\n0, background\n7, Lane-Line\n",
    "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nlane line:1,2,3::\n",
    "class_dict.csv": "name,r,g,b\nbackground,0,0,0\nlane_line,1,2,3\n",
    "label_colors.txt": "0 0 0\tbackground\n1 2 3\tlane line\n",
}


@pytest.mark.parametrize("name", LEGENDS)
def test_the_legends_of_labelling_tools(tmp_path, files, name):
    root = one_folder(tmp_path, files, 5)
    (root / name).write_text(LEGENDS[name])
    mask = files.half(0, 7)
    if name != "_classes.csv":
        mask = np.where(mask[..., None] > 0, np.array([3, 2, 1], np.uint8), np.uint8(0))
    for i in range(5):
        files.image(root / "labels" / f"p{i}.png", mask)
    check_halves(image_folder.open(root, "train"), 0, 2)


def test_names_that_the_task_lacks_are_refused_with_the_lines_to_write(tmp_path, files):
    root = one_folder(tmp_path, files, 5)
    (root / "_classes.csv").write_text('Pixel Value, Class\n0, background\n1, "Straße"\n')
    with pytest.raises(BadDataset, match="has the classes background, Straße") as error:
        image_folder.open(root, "train")
    (root / "labels.toml").write_text(str(error.value).partition(":\n")[2], encoding="utf-8")
    check_halves(image_folder.open(root, "train"), 0, 1)


def test_a_damaged_legend_is_reported(tmp_path, files):
    root = one_folder(tmp_path, files, 5)
    for text, words in (("name,r,g,b\nroad,1,x,2\n", "cannot be read"), ("name\n", "no class")):
        (root / "class_dict.csv").write_text(text)
        with pytest.raises(BadDataset, match=f"class_dict.csv.*{words}"):
            image_folder.open(root, "train")


def test_a_turned_image_with_a_mask_that_is_not_is_named_as_that(tmp_path, files):
    root = one_folder(tmp_path, files, 5)
    for i in range(5):
        files.image(root / "labels" / f"p{i}.png", np.ones((64, 36), np.uint8))
    with pytest.raises(BadDataset, match="is 36x64 but its image is 64x36: one of them is turned"):
        image_folder.open(root, "train")[0]


def test_classes_of_ones_own(tmp_path, files):
    root = one_folder(tmp_path, files, 5)
    classes = '"Grund" = "#000000"\n"Schiene" = "#ff0000 line"\n'
    (root / "classes.toml").write_text(classes, encoding="utf-8")
    dataset = image_folder.open(root, "train")
    check_halves(dataset, 0, 1)
    assert {"Schiene": Measure((1,), (1,), lines=True)} == dataset.MEASURES
    for path in (root / "labels").iterdir():
        files.image(path, files.half(0, 255))
    # Of two classes it is certain which one 255 is.
    check_halves(image_folder.open(root, "train"), 0, 1)
    (root / "classes.toml").write_text('"Grund" = "black"\n')
    with pytest.raises(BadDataset, match="classes.toml"):
        image_folder.open(root, "train")
