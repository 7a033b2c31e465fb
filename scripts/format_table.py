"""The same 40 labelled photos in nine exports: each is checked, read and compared.

40 frames of BDD100K's "train" are written as nine tools would write them, and 40 of other drives
into `others/val`. Each export goes through `lanes data check`; if it is refused, the lines that the
message shows are written into labels.toml. The table says which format was found, after how many
lines and seconds, and the IoU of drivable ground with the truth: 1 for masks, while the outlines of
LabelMe and CVAT are simplified to a pixel. Train one of them then:

    lanes train --data FOLDER/labelme --minutes 3
    lanes export runs/labelme/best.pt models/labelme
    lanes evaluate models/labelme image_folder=FOLDER/others
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from lanes import datasets, plugins
from lanes.datasets import bdd100k
from lanes.datasets._files import SPLITS, image_files
from lanes.doctor.data import convert, first_labels
from lanes.system.atomic import make_folder
from lanes.types import Image, LabelMap

NAMES = ("background", "drivable")
COLOURS = ((0, 0, 0), (64, 128, 64))
"""Of the classes, as RGB."""


class Frame(NamedTuple):
    """An image file and its ids (H, W): 1 is drivable."""

    image: Path
    ids: LabelMap


Frames: TypeAlias = Sequence[Frame]


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code, 1 if an export is not read."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="BDD100K's folder")
    parser.add_argument("folder", type=Path, help="a new folder for the exports")
    parser.add_argument("--frames", type=int, default=40)
    given = parser.parse_args(argv)
    photos, others = chosen(given.root, given.frames)
    write_ids(given.folder / "others" / "val", others)
    print("| export | format found | lines to write | check, s | IoU with the truth |")
    print("|---|---|---|---|---|")
    failed = False
    for name, write in EXPORTS.items():
        root = given.folder / name.replace(" ", "-")
        make_folder(root)
        write(root, photos)
        row = checked(root, photos)
        failed |= row is None
        print(f"| {name} | {row or 'not read'} |", flush=True)
    return int(failed)


def chosen(root: Path, count: int) -> tuple[list[Frame], list[Frame]]:
    """Twice `count` frames of BDD100K, each of another drive."""
    dataset = bdd100k.open(root, "train")
    drives = {drive: index for index, drive in reversed(list(enumerate(dataset.groups)))}
    spread = np.linspace(0, len(drives) - 1, 2 * count).round().astype(int)
    indices = [sorted(drives.values())[k] for k in spread]
    found = [Frame(dataset.images[i], dataset[i].targets) for i in indices]
    return found[::2], found[1::2]


def checked(root: Path, frames: Frames) -> str | None:
    """The cells of a row of the table; None if the export cannot be read."""
    command = [sys.executable, "-m", "lanes.cli", "data", "check", str(root)]
    lines = 0
    started = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True)
    if shown := re.search(r"^\[\w+\]\n(?:.+ = .+\n)+", ended.stdout, re.MULTILINE):
        rules = shown[0]
        lines = rules.count("\n")
        (root / "labels.toml").write_text(rules, encoding="utf-8")
        started = time.perf_counter()
        ended = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if ended.returncode:
        print(ended.stdout, ended.stderr, file=sys.stderr)
        return None
    return f"`{datasets.detect(root)}` | {lines} | {seconds:.1f} | {agreement(root, frames):.4f}"


def agreement(root: Path, frames: Frames) -> float:
    """The IoU of drivable ground as read from `root` with the truth, over all images."""
    truth = {frame.image.stem: frame.ids > 0 for frame in frames}
    module = plugins.load("datasets", datasets.detect(root))
    both = either = 0
    for split in SPLITS:
        dataset = module.open(root, split)
        for index, file in enumerate(image_files(dataset)):
            read = ~dataset.TARGETS[dataset[index].targets][..., 0]
            wanted = truth.pop(file.stem)
            both += int((read & wanted).sum())
            either += int((read | wanted).sum())
    return 0.0 if truth else both / either


def write_ids(root: Path, frames: Frames) -> None:
    """Masks of ids: images and labels."""
    _masks(root, frames, "images", "labels/{stem}.png", lambda ids: ids)


def write_binary(root: Path, frames: Frames) -> None:
    """Masks of 0 and 255."""
    _masks(root, frames, "images", "masks/{stem}.png", lambda ids: ids * np.uint8(255))


def write_colours(root: Path, frames: Frames) -> None:
    """CVAT's "Segmentation mask 1.1": colours, and labelmap.txt."""
    table = np.array(COLOURS, np.uint8)[:, ::-1]
    place = "SegmentationClass/{stem}.png"
    _masks(root, frames, "JPEGImages", place, lambda ids: table[ids])
    rows = [f"{n}:{','.join(map(str, c))}::" for n, c in zip(NAMES, COLOURS, strict=True)]
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\n" + "\n".join(rows) + "\n")


def write_palette(root: Path, frames: Frames) -> None:
    """Pascal VOC's layout: palette PNGs."""
    _images(root / "JPEGImages", frames)
    make_folder(root / "SegmentationClass")
    for frame in frames:
        mask = Picture.fromarray(frame.ids)
        mask.putpalette([value for colour in COLOURS for value in colour])
        mask.save(root / "SegmentationClass" / f"{frame.image.stem}.png")


def write_roboflow(root: Path, frames: Frames) -> None:
    """Roboflow's "Semantic Segmentation Masks": train and valid, each with _classes.csv."""
    tenth = max(len(frames) // 10, 1)
    for part, some in (("train", frames[tenth:]), ("valid", frames[:tenth])):
        _masks(root / part, some, "", "{stem}_mask.png", lambda ids: ids)
        rows = "".join(f"{k}, {name}\n" for k, name in enumerate(NAMES))
        (root / part / "_classes.csv").write_text("Pixel Value, Class\n" + rows)


def write_outlines(root: Path, frames: Frames, tool: str) -> None:
    """LabelMe's or CVAT's polygons."""
    _images(root, frames)
    task = plugins.task("lanes")
    following = iter(frames)

    def truth(image: Image) -> LabelMap:
        return next(following).ids

    first_labels.write([root / f.image.name for f in frames], truth, task, tool, root, False)


def write_converted(root: Path, frames: Frames, to: str) -> None:
    """What `lanes data convert --to coco|yolo` makes of the masks of ids."""
    masks = root.with_name(f"{root.name}-masks")
    write_ids(masks, frames)
    module = plugins.load("datasets", "image_folder")
    convert.convert({split: module.open(masks, split) for split in SPLITS}, root, to)
    shutil.rmtree(masks)


def _masks(
    root: Path,
    frames: Frames,
    images: str,
    place: str,
    values: Callable[[LabelMap], NDArray[np.uint8]],
) -> None:
    _images(root / images, frames)
    for frame in frames:
        path = root / place.format(stem=frame.image.stem)
        make_folder(path.parent)
        cv2.imwrite(str(path), values(frame.ids))


def _images(folder: Path, frames: Frames) -> None:
    make_folder(folder)
    for frame in frames:
        shutil.copyfile(frame.image, folder / frame.image.name)


EXPORTS: Mapping[str, Callable[[Path, Frames], None]] = {
    "ids": write_ids,
    "masks of 0 and 255": write_binary,
    "palette": write_palette,
    "colours": write_colours,
    "Roboflow": write_roboflow,
    "labelme": lambda root, frames: write_outlines(root, frames, "labelme"),
    "cvat": lambda root, frames: write_outlines(root, frames, "cvat"),
    "coco": lambda root, frames: write_converted(root, frames, "coco"),
    "yolo": lambda root, frames: write_converted(root, frames, "yolo"),
}
"""By name, as in the table."""


if __name__ == "__main__":
    sys.exit(main())
