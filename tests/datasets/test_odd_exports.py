"""Exports as programs and systems leave them: each is read right, or refused in a sentence."""

from __future__ import annotations

import base64
import json
import struct
import unicodedata
import zlib

import cv2
import numpy as np
import pytest

import exports
from lanes import datasets, plugins
from lanes.datasets import _shapes, coco, cvat, label_studio, labelme, supervisely, yolo
from lanes.errors import BadDataset

TRIANGLE = [[1.2, 1.1], [20.2, 1.1], [20.2, 20.4]]
STEMS = exports.stems(5)


def first(module, root):
    return module.open(root, "train")[0].targets


def refused(module, root, words):
    with pytest.raises(BadDataset, match=words):
        for split in ("train", "choose", "val"):
            dataset = module.open(root, split)
            for index in range(len(dataset)):
                dataset[index]


def rewrite(file, change):
    """Change the text of `file`, or the values of a JSON file."""
    if file.suffix == ".json":
        values = json.loads(file.read_text())
        file.write_text(json.dumps(change(values) or values))
    else:
        file.write_text(change(file.read_text()))


def same_as_exported(module, root):
    dataset = module.open(root, "train")
    for index in range(len(dataset)):
        number = int(dataset[index].image[0, 0, 0]) - 10
        np.testing.assert_array_equal(dataset[index].targets, exports.ids(number))


# CVAT


def cvat_of(root, shape):
    exports.write_images(root / "images", 5)
    images = "".join(
        f'<image id="{k}" name="{stem}.png" width="64" height="36">{shape}</image>'
        for k, stem in enumerate(STEMS)
    )
    (root / "annotations.xml").write_text(f"<annotations>{images}</annotations>")
    return root


def test_boxes_and_ellipses_of_cvat_are_turned(tmp_path):
    box = '<box label="drivable" xtl="20" ytl="10" xbr="40" ybr="20" rotation="90.0"/>'
    found = first(cvat, cvat_of(tmp_path / "box", box))
    wanted = np.zeros(exports.SIZE, np.uint8)
    wanted[5:25, 25:35] = 1
    np.testing.assert_array_equal(found, wanted)
    ellipse = '<ellipse label="drivable" cx="30" cy="18" rx="12" ry="4" rotation="90"/>'
    rows, columns = np.nonzero(first(cvat, cvat_of(tmp_path / "ellipse", ellipse)))
    assert (np.ptp(rows), np.ptp(columns)) == (23, 7)


def test_tracks_of_cvat_are_refused_and_tags_left_out(tmp_path):
    root = exports.cvat(tmp_path / "cvat", 5)
    file = root / "annotations.xml"
    rewrite(file, lambda text: text.replace('height="36">', 'height="36"><tag label="rain"/>'))
    same_as_exported(cvat, root)
    track = '<track id="0" label="drivable"><polygon frame="0" points="1,1;9,1;9,9"/></track>'
    rewrite(file, lambda text: text.replace("</annotations>", f"{track}</annotations>"))
    refused(cvat, root, 'tracks of a video.*"CVAT for images 1.1"')


def test_cvat_in_other_encodings(tmp_path):
    root = exports.cvat(tmp_path / "cvat", 5)
    file = root / "annotations.xml"
    text = file.read_text()
    for content in (
        text.encode("utf-8-sig"),
        text.replace('encoding="utf-8"', 'encoding="utf-16"').encode("utf-16"),
    ):
        file.write_bytes(content)
        assert datasets.detect(root) == "cvat"
        same_as_exported(cvat, root)


@pytest.mark.timeout(60)
def test_xml_cannot_name_other_files_or_grow(tmp_path):
    root = exports.cvat(tmp_path / "cvat", 5)
    file = root / "annotations.xml"
    body = file.read_text().partition("?>\n")[2]
    outside = f'<!DOCTYPE x [<!ENTITY a SYSTEM "{(root / "images").as_uri()}">]>'
    file.write_text(outside + body.replace("1.1", "&a;"))
    refused(cvat, root, "is not XML: undefined entity &a;")
    nested = "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10}">' for k in range(1, 10))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "lol">{nested}]>'
    file.write_text(bomb + body.replace("1.1", "&a9;"))
    refused(cvat, root, "is not XML")


@pytest.mark.parametrize("points", ["-1e12,5;1e12,9", "nan,5;3,9", "inf,1;3,3"])
def test_coordinates_of_no_picture_are_refused(tmp_path, points):
    shape = f'<polyline label="lane line" points="{points}"/>'
    refused(cvat, cvat_of(tmp_path / "cvat", shape), "a coordinate is not a number between")


def test_lines_far_beyond_the_frame_are_clipped(tmp_path):
    shape = '<polyline label="lane line" points="-999999,18.2;999999,18.2"/>'
    found = first(cvat, cvat_of(tmp_path / "cvat", shape))
    assert (found[18] == 2).all()


# COCO


def coco_of(root, encoding="utf-8", **fields):
    exports.write_images(root / "images", 5)
    values = {
        "images": [
            {"id": k, "file_name": f"{stem}.png", "height": 36, "width": 64}
            for k, stem in enumerate(STEMS)
        ],
        "categories": [{"id": 1, "name": "drivable"}],
        "annotations": [
            {"image_id": k, "category_id": 1, "segmentation": [sum(TRIANGLE, [])], **fields}
            for k in range(5)
        ],
    }
    (root / "a.json").write_bytes(json.dumps(values).encode(encoding))
    return root


TRIANGLE_PIXELS = exports.inside(TRIANGLE).sum()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_coco_in_other_encodings(tmp_path, encoding):
    root = coco_of(tmp_path / "coco", encoding)
    assert datasets.detect(root) == "coco"
    assert first(coco, root).sum() == TRIANGLE_PIXELS


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["annotations"][2].update(image_id=77), "image_id 77"),
        (lambda v: v["annotations"][2].update(image_id="2"), "image_id '2'"),
        (lambda v: v["annotations"][2].update(category_id=5), "category_id 5"),
        (lambda v: v["annotations"][2].update(segmentation=None), "with a box"),
        (lambda v: v["annotations"][2].update(segmentation=[[1, 2, 3]]), "3 coordinates are not"),
        (lambda v: v["images"][1].update(id=0), "two of its images have the same id"),
        (lambda v: v.update(images=[], annotations=[]), "holds no labelled image"),
        (
            lambda v: v["annotations"][2].update(
                segmentation={"counts": [0, 36 * 64], "size": [64, 36]}
            ),
            "run lengths are of 36x64 pixels, their image of 64x36",
        ),
        (
            lambda v: (
                v["annotations"][2].update(segmentation={"counts": [36 * 64], "size": [36, 64]}),
                v["images"][2].pop("width"),
            )[:0],
            "their image has no height and width",
        ),
    ],
)
def test_coco_that_contradicts_itself_is_refused(tmp_path, change, words):
    root = coco_of(tmp_path / "coco")
    rewrite(root / "a.json", change)
    refused(coco, root, words)


def test_coco_without_sizes_and_with_float_ids(tmp_path):
    root = coco_of(tmp_path / "coco")

    def change(values):
        for picture, annotation in zip(values["images"], values["annotations"], strict=True):
            picture.update(height=None)
            annotation.update(image_id=float(annotation["image_id"]), category_id=1.0)

    rewrite(root / "a.json", change)
    assert first(coco, root).sum() == TRIANGLE_PIXELS


def test_names_that_systems_write_differently(tmp_path):
    root = coco_of(tmp_path / "coco")

    def change(values):
        for picture in values["images"]:
            stored = root / "images" / picture["file_name"]
            name = unicodedata.normalize("NFC", f"für {stored.stem}.png")
            picture.update(file_name=f"C:\\fotos\\{name}")
            stored.rename(stored.with_name(unicodedata.normalize("NFD", f"für {stored.stem}.PNG")))

    rewrite(root / "a.json", change)
    assert first(coco, root).sum() == TRIANGLE_PIXELS


@pytest.mark.timeout(120)
def test_outlines_of_100000_points_and_of_2000_rings(tmp_path):
    angles = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
    circle = np.stack([32 + 15 * np.cos(angles), 18 + 15 * np.sin(angles)], axis=1)
    hole = circle * 0.5 + (16, 9)
    labels = np.zeros(exports.SIZE, np.uint8)
    _shapes.Area("a", (circle, hole, circle)).draw(labels, 1)
    y, x = np.mgrid[:36, :64] + 0.5
    far = np.hypot(x - 32, y - 18)
    assert ((labels > 0) != ((far > 7.5) & (far < 15))).sum() < 5
    places = np.random.default_rng(0).uniform(0, 30, (2000, 1, 2))
    labels[:] = 0
    _shapes.Area("a", tuple(places + [[0, 0], [3, 0], [3, 3]])).draw(labels, 1)
    assert labels[5:28, 5:28].all()


def test_a_hole_that_leaves_no_pixel_leaves_none():
    outer, hole = _shapes.box(2, 2, 10, 10), _shapes.box(2.2, 2.2, 9.8, 9.8)
    labels = np.zeros(exports.SIZE, np.uint8)
    _shapes.Area("a", (outer, hole)).draw(labels, 1)
    assert not labels.any()


def test_a_damaged_file_is_named_where_no_format_fits(tmp_path):
    root = coco_of(tmp_path / "coco")
    (root / "a.json").write_text('{"images": [')
    with pytest.raises(BadDataset, match="a.json is not JSON"):
        datasets.detect(root)


# YOLO


def yolo_of(root, text="1 0.1 0.1 0.5 0.1 0.5 0.5\n", names="names: [background, drivable]\n"):
    exports.write_images(root / "images", 5)
    (root / "labels").mkdir()
    (root / "data.yaml").write_text(names, encoding="utf-8")
    for stem in STEMS:
        (root / "labels" / f"{stem}.txt").write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 10 10 50 10 50 30\n", "coordinate 50 is in pixels"),
        ("1,0.1,0.1,0.5,0.1,0.5,0.5\n", "wanted a class number and x y"),
        ("1 0,1 0,1 0,5 0,1 0,5 0,5\n", "wanted a class number and x y"),
        ("-1 0.1 0.1 0.5 0.1 0.5 0.5\n", "class -1 has no name"),
        ("0.5 0.1 0.1 0.5 0.1 0.5 0.5\n", "class 0.5 has no name"),
        ("1 0.5 0.5 0.2 0.2\n", "with a box"),
        ("1 0.5 0.5 0.2 0.2 0.9\n", "5 coordinates are not pairs"),
    ],
)
def test_label_files_that_are_not_outlines_are_refused(tmp_path, text, words):
    refused(yolo, yolo_of(tmp_path / "yolo", text), words)


@pytest.mark.parametrize(
    "names",
    [
        "names: [\n  'background',\n  \"drivable\",\n]\nnc: 2\n",
        "names: {0: background, 1: 'drivable'}\n",
        "nc: 2\nnames: # classes\n  0: background\n  1: drivable # road\ntrain: x\n",
        "\ufeffnames:\r\n- background\r\n- drivable\r\n",
    ],
)
def test_names_as_people_write_them(tmp_path, names):
    root = yolo_of(tmp_path / "yolo", "\ufeff1.0 -0.1 -0.1 0.5 -0.1 0.5 0.5\r\n", names)
    for path in (root / "labels").iterdir():
        path.rename(path.with_suffix(".TXT"))
    assert datasets.detect(root) == "yolo"
    assert first(yolo, root).any()


def test_names_with_commas_and_without_an_end(tmp_path):
    root = yolo_of(tmp_path / "yolo", names="names: ['background', 'drivable, wet']\n")
    refused(yolo, root, '"drivable, wet" = "drivable"')
    (root / "data.yaml").write_text("names: [background, drivable\n")
    refused(yolo, root, "data.yaml.*names lacks its ]")
    (root / "data.yaml").write_bytes("names: [Straße]".encode("latin-1"))
    refused(yolo, root, "data.yaml is not text in UTF-8")


# LabelMe, Label Studio, Supervisely


def labelme_of(root, **fields):
    exports.write_images(root, 5)
    for stem in STEMS:
        shape = {"label": "drivable", "points": TRIANGLE, "shape_type": "polygon"}
        values = {"shapes": [shape], "imagePath": f"{stem}.png", "imageData": None, **fields}
        exports.write_json(root / f"{stem}.json", values)
    return root


def test_labelme_from_windows_among_other_files(tmp_path):
    root = labelme_of(tmp_path / "labelme", imagePath="..\\Fotos\\IMG.PNG")
    (root / "a_settings.json").write_text("{}")
    for stem in STEMS:  # the same name with another suffix is another picture
        assert cv2.imwrite(str(root / f"{stem}.jpg"), np.zeros((36, 64, 3), np.uint8))
    for stem in STEMS:
        rewrite(root / f"{stem}.json", lambda v: v.update(imagePath="x\\y.png"))
    assert datasets.detect(root) == "labelme"
    sample = labelme.open(root, "train")[0]
    assert sample.image.any()
    assert sample.targets.sum() == TRIANGLE_PIXELS


@pytest.mark.parametrize("points", [[[4, 6], [20, 10]], [[4, 6], [20, 6], [20, 10], [4, 10]]])
def test_rectangles_of_two_or_four_corners(tmp_path, points):
    shape = {"label": "drivable", "points": points, "shape_type": "rectangle"}
    root = labelme_of(tmp_path / "labelme", shapes=[shape])
    assert first(labelme, root).sum() == 16 * 4


@pytest.mark.parametrize("points", [None, [[1, 1, 0], [9, 1, 0], [9, 9, 0]], [[1, 2], [3]]])
def test_points_that_are_no_pairs(tmp_path, points):
    root = labelme_of(tmp_path / "labelme", shapes=[{"label": "drivable", "points": points}])
    refused(labelme, root, "f0..json is not a LabelMe file")


def studio_of(root, change, brushes=False):
    exports.label_studio(root, 5, brushes)

    def changed(values):
        for task in values:
            for region in task["annotations"][1]["result"]:
                change(region)

    rewrite(root / "project-1.json", changed)
    return root


@pytest.mark.parametrize(
    ("change", "words", "brushes"),
    [
        (lambda r: r["value"].update(polygonlabels=[]), "a region has no label", False),
        (lambda r: r.update(image_rotation=90), "turned in Label Studio", False),
        (lambda r: r.update(type="vectorlabels"), "the type 'vectorlabels'; wanted", False),
        (lambda r: r["value"].update(rle=r["value"]["rle"][:-9]), "ends early", True),
        (lambda r: r["value"].update(rle=[255] * 40), "4294967295 values, its picture 9216", True),
    ],
)
def test_regions_of_label_studio_that_cannot_be_drawn(tmp_path, change, words, brushes):
    refused(label_studio, studio_of(tmp_path / "studio", change, brushes), words)


def test_label_studios_answers_about_the_whole_picture_are_left_out(tmp_path):
    root = exports.label_studio(tmp_path / "studio", 5)

    def change(values):
        for task in values:
            task["annotations"][1]["result"] += [{"type": "choices", "value": {"choices": ["wet"]}}]

    rewrite(root / "project-1.json", change)
    same_as_exported(label_studio, root)


def test_ellipses_of_label_studio_are_turned(tmp_path):
    ellipse = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10, "rotation": 90}

    def change(region):
        region.update(type="ellipselabels", value={**ellipse, "ellipselabels": ["drivable"]})

    found = first(label_studio, studio_of(tmp_path / "studio", change))
    rows, columns = np.nonzero(found)
    assert np.ptp(rows) > 22 > 8 > np.ptp(columns) - 1


def test_label_studios_other_export_is_named(tmp_path):
    root = exports.label_studio(tmp_path / "studio", 5)
    region = {"points": TRIANGLE, "polygonlabels": ["drivable"], "original_width": 64}
    rewrite(root / "project-1.json", lambda v: [{"image": "f.png", "label": [region]}])
    assert datasets.detect(root) == "label_studio"
    refused(label_studio, root, '"JSON-MIN", wanted "JSON"')
    rewrite(
        root / "project-1.json",
        lambda v: [{"data": {"text": "a"}, "annotations": [{"result": []}]}],
    )
    refused(label_studio, root, "a task names no image")


def test_bitmaps_cannot_grow(tmp_path):
    root = exports.supervisely_bitmaps(tmp_path / "supervisely", 5)
    content = zlib.compress(bytes(2**28))

    def change(values):
        for one in values["objects"]:
            one["bitmap"]["data"] = base64.b64encode(content).decode()

    for file in (root / "ds1" / "ann").iterdir():
        rewrite(file, change)
    refused(supervisely, root, "a bitmap is not a PNG")
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
    )
    with pytest.raises(ValueError, match="a bitmap"):
        _shapes.bitmap(base64.b64encode(png).decode())


def test_older_names_of_supervisely(tmp_path):
    root = exports.supervisely(tmp_path / "supervisely", 5)
    for file in list((root / "ds1" / "ann").iterdir()):
        file.rename(file.with_name(file.name.replace(".png.json", ".json")))
    same_as_exported(supervisely, root)


# Masks


def test_rules_and_legends_with_a_mark_or_semicolons(tmp_path):
    module = plugins.load("datasets", "image_folder")
    for name, text in (
        ("labels.toml", "\ufeff[ids]\n0 = 'background'\n1 = 'drivable'\n2 = 'lane line'\n"),
        (
            "_classes.csv",
            "\ufeffPixel Value;Class\r\n0;background\r\n1;drivable\r\n2;lane line\r\n",
        ),
    ):
        root = exports.image_folder(tmp_path / name, 5)
        (root / name).write_text(text, encoding="utf-8")
        same_as_exported(module, root)
    (root / "_classes.csv").write_text("Pixel Value,Class\n0,background\n1000,drivable\n")
    refused(module, root, "_classes.csv cannot be read .1000 is not a value of 8 bits")


def test_masks_whose_names_differ_in_unicodes_form(tmp_path):
    root = exports.image_folder(tmp_path / "masks", 5)
    for folder, form in (("images", "NFC"), ("labels", "NFD")):
        (root / folder / "a.png.d").mkdir()
        for path in (p for p in list((root / folder).iterdir()) if p.is_file()):
            path.rename(path.with_name(unicodedata.normalize(form, f"für {path.name}")))
    (root / "images" / "folder.png").mkdir()
    module = plugins.load("datasets", "image_folder")
    same_as_exported(module, root)
    assert sum(len(module.open(root, split)) for split in ("train", "choose", "val")) == 5


def test_masks_as_jpeg_are_refused(tmp_path):
    root = exports.image_folder(tmp_path / "masks", 5)
    for path in list((root / "labels").iterdir()):
        assert cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path)) * 100)
        path.unlink()
    refused(plugins.load("datasets", "image_folder"), root, "is a JPEG, which changes label values")
