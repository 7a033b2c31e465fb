"""Tiny data sets in the layouts that the data-set plug-ins read."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

import exports

SIZE = (36, 64)


def write_image(path, values):
    """Write `values` (an array, or a grey value) as an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(values, int):
        values = np.full((*SIZE, 3), values, np.uint8)
    assert cv2.imwrite(str(path), values)
    return path


def half(left, right, size=SIZE):
    """A map (H, W) whose left half is `left` and right half is `right`."""
    labels = np.full(size, right, np.uint8)
    labels[:, : size[1] // 2] = left
    return labels


def below_sky(labels, value=0):
    """The map with `value` in its top third, where no road is."""
    labels[: labels.shape[0] // 3] = value
    return labels


def bdd100k(root, frames=24):
    for split in ("train", "val"):
        for i in range(frames if split == "train" else 3):
            # Two frames per drive; the first eight characters name the drive.
            stem = f"b1c66a{i // 2:02}-d{i:02}"
            write_image(root / split / "images" / f"{stem}.webp", 10 * i)
            write_image(root / split / "drivable" / f"{stem}.png", below_sky(half(0, 1 + i % 2)))
    return root


def road_marks(root, frames=70):
    size = (72, 128)
    for split in ("train", "val"):
        for i in range(frames if split == "train" else 3):
            marks = np.zeros(size, np.uint8)
            marks[30:40, 60:64] = 255
            image = np.full((*size, 3), i, np.uint8)
            write_image(root / split / "images" / f"{i:03}.jpg", image)
            write_image(root / split / "labels" / f"{i:03}.png", marks)
    return root


def tusimple_line(clip, lanes=((-2, 10, 12, 14), (50, 48, -2, 44)), rows=(5, 15, 25, 35)):
    values = {"lanes": lanes, "h_samples": rows, "raw_file": f"clips/{clip}/20.jpg"}
    return json.dumps(values)


def tusimple(root, frames=24):
    names = [f"0313-1/{i}" for i in range(frames + 3)]
    for name in names:
        write_image(root / "clips" / name / "20.jpg", 40)
    (root / "label_data_0313.json").write_text("\n".join(map(tusimple_line, names)) + "\n")
    lists = {"train.txt": names[:frames], "val.txt": names[frames:]}
    for file, listed in lists.items():
        (root / file).write_text("".join(f"clips/{name}/20.jpg\n" for name in listed))
    return root


def culane(root, frames=24):
    listed = {"train": [], "val": []}
    for split, count in (("train", frames), ("val", 3)):
        for i in range(count):
            name = f"driver_{split}/0{i}.MP4/00000"
            write_image(root / f"{name}.jpg", 30)
            # The first lane leaves the frame below, the second on the right.
            text = "10 -5 10.2 80 \n40.0 5 40 15 90 30\n\n"
            (root / f"{name}.lines.txt").write_text(text)
            listed[split].append(f"/{name}.jpg")
    (root / "list").mkdir()
    for split, names in listed.items():
        (root / "list" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


def cityscapes(root, frames=24, ending="labelTrainIds", road=0, void=255):
    for split, count in (("train", frames), ("val", 3)):
        for i in range(count):
            place = f"{split}/city{i % 2}/city{i % 2}_0000{i:02}_000019"
            write_image(root / "leftImg8bit" / f"{place}_leftImg8bit.png", i)
            labels = half(road, void)
            write_image(root / "gtFine" / f"{place}_gtFine_{ending}.png", labels)
    return root


def kitti_road(root, frames=40):
    for i in range(frames):
        place = root / "data_road" / "training"
        write_image(place / "image_2" / f"um_{i:06}.png", i)
        label = np.zeros((*SIZE, 3), np.uint8)
        label[..., 2] = 255  # red, in BGR
        label[:, SIZE[1] // 2 :, 0] = 255
        label[:, -10:] = 0
        write_image(place / "gt_image_2" / f"um_road_{i:06}.png", label)
    return root


def image_folder(root, frames=24):
    for split in ("train", "val"):
        for i in range(frames if split == "train" else 3):
            write_image(root / split / "images" / f"p{i}.jpg", i)
            write_image(root / split / "labels" / f"p{i}.png", half(i % 2, 2))
    return root


def camvid(root, frames=3):
    for split in ("train", "val", "test"):
        for i in range(frames):
            write_image(root / split / "images" / f"{split}{i}.jpg", 20 * i)
            write_image(root / split / "labels" / f"{split}{i}.png", half(3, 11))
    return root


def wbc_zheng(root, crops=24):
    stems = [f"{i:03}" for i in range(crops)]
    for i, stem in enumerate(stems):
        write_image(root / "images" / f"{stem}.png", i)
        labels = half(0, 128)
        labels[:, -10:] = 255
        write_image(root / "labels" / f"{stem}.png", labels)
    train, test = stems[: 3 * crops // 4], stems[3 * crops // 4 :]
    (root / "split_universeg_support.txt").write_text("\n".join(train) + "\n")
    (root / "split_universeg_test.txt").write_text("\n".join(test) + "\n")
    return root


def bbbc041seg(root, smears=6):
    lines = ["stem,split_hanyinglee,cells"]
    for i in range(smears):
        instances = np.zeros(SIZE, np.uint16)
        instances[5:20, 5:20], instances[5:20, 22:37], instances[25:35, 40:60] = 1, 300, 3
        write_image(root / "images" / f"s{i}.jpg", 30 * i)
        write_image(root / "instances" / f"s{i}.png", instances)
        lines.append(f"s{i},{('train', 'train', 'val', 'test')[i % 4]},3")
    (root / "index.csv").write_text("\n".join(lines) + "\n")
    return root


MAKERS = {
    **{name: write for name, (write, module) in exports.EXPORTS.items() if name == module},
    "bbbc041seg": bbbc041seg,
    "bdd100k": bdd100k,
    "camvid": camvid,
    "cityscapes": cityscapes,
    "culane": culane,
    "kitti_road": kitti_road,
    "road_marks": road_marks,
    "tusimple": tusimple,
    "image_folder": image_folder,
    "synthetic": lambda root: "",
    "synthetic_cells": lambda root: "",
    "synthetic_smear": lambda root: "",
    "wbc_zheng": wbc_zheng,
    "wbc_zheng_cells": wbc_zheng,
}


@pytest.fixture
def make_root(tmp_path):
    """Name of a data set -> a tiny root of it in a temporary folder."""

    def make(name, **options):
        return MAKERS[name](tmp_path / name, **options)

    return make


@pytest.fixture
def files():
    """The writers, for tests that damage or add files."""

    class Files:
        image = staticmethod(write_image)
        half = staticmethod(half)
        below_sky = staticmethod(below_sky)
        tusimple_line = staticmethod(tusimple_line)

    return Files
