"""Pictures that laboratories also have: `lanes image` counts each, or says why not."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from lanes.synthetic.road import demo_scene
from lanes.synthetic.road import render as render_road
from lanes.synthetic.smear import render, smear
from smears import label_images, rows_of, said

tifffile = pytest.importorskip("tifffile")
pytestmark = pytest.mark.timeout(600)  # thirteen pictures in one run, on a busy machine
SIZE = (304, 400)
SLIDE = (225, 220, 228)
DEBRIS, PHOTO, NAME = "debris.png", "street.jpg", "12bit.tif"


def drawn():
    return render(smear(5, diameter=45.0), SIZE).image


def one_cell():
    image = np.full((*SIZE, 3), SLIDE, np.uint8)
    cv2.circle(image, (200, 150), 24, (130, 110, 190), cv2.FILLED)
    return cv2.GaussianBlur(image, (0, 0), 1.5)


def debris():
    image = np.full((*SIZE, 3), SLIDE, np.uint8)
    for x, y in np.random.default_rng(1).integers(10, 300, (40, 2)):
        cv2.line(image, (int(x), int(y)), (int(x) + 5, int(y) + 3), (90, 80, 90), 2)
    return image


def write_12_bits(path, image):
    """A grey TIFF of packed 12-bit values."""
    pairs = (cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint16) * 16).reshape(-1, 2)
    first, second = pairs.T
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1)
    content, (height, width) = packed.astype(np.uint8).tobytes(), image.shape[:2]
    tags = {256: width, 257: height, 258: 12, 259: 1, 262: 1, 273: 8 + 6 + 12 * 9, 277: 1,
            278: height, 279: len(content)}  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    path.write_bytes(head + entries + bytes(4) + content)


def write_cmyk(path, image):
    light = 255 - image[..., ::-1]
    inks = np.dstack([light, np.zeros(SIZE, np.uint8)])
    tifffile.imwrite(path, inks, photometric="separated", tile=(128, 128))


def write_turned(path, image):
    """A JPEG with EXIF orientation 6, as a phone on its side saves it."""
    content = cv2.imencode(".jpg", np.rot90(image).copy(), [cv2.IMWRITE_JPEG_QUALITY, 98])[1]
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 274, 3, 1, 6, 0) + bytes(4)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    path.write_bytes(b"\xff\xd8" + segment + content.tobytes()[2:])


def write_pyramid(path, image, cut=False):
    options = {"tile": (128, 128), "compression": "zlib", "photometric": "rgb"}
    with tifffile.TiffWriter(path) as file:
        file.write(image[..., ::-1], subifds=1, **options)
        file.write(image[::2, ::2, ::-1], subfiletype=1, **options)
    if cut:
        with tifffile.TiffFile(path) as file:
            middle = file.pages[0].subifds[0]
        path.write_bytes(path.read_bytes()[: middle + 10])


def write_broken(path, image):
    write_pyramid(path, image)
    with tifffile.TiffFile(path) as file:
        place, count = file.pages[0].dataoffsets[5], file.pages[0].databytecounts[5]
    content = path.read_bytes()
    path.write_bytes(content[:place] + bytes(count) + content[place + count :])


def write_all(folder):
    image = drawn()
    write = {
        "plain.png": image,
        "empty.png": np.full((*SIZE, 3), SLIDE, np.uint8),
        "one.png": one_cell(),
        DEBRIS: debris(),
        PHOTO: render_road(demo_scene(), (360, 640))[0],
        "black.png": np.zeros((*SIZE, 3), np.uint8),
        "alpha.png": np.dstack([image, np.full(SIZE, 255, np.uint8)]),
    }
    for name, picture in write.items():
        assert cv2.imwrite(str(folder / name), picture)
    write_12_bits(folder / NAME, image)
    write_cmyk(folder / "cmyk.tif", image)
    write_turned(folder / "turned.jpg", image)
    write_pyramid(folder / "pyramid.tif", image)
    write_pyramid(folder / "cut.tif", image, cut=True)
    write_broken(folder / "broken.tif", image)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Rows by picture, the cells drawn, and the finished command."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "in").mkdir()
    write_all(folder / "in")
    words = [folder / "in", "-o", folder / "out", "--backend", "openvino"]
    done = label_images(*words, model="cells-count")
    rows = {row["image"]: row for row in rows_of(folder / "out" / "summary.csv")}
    return rows, int(rows["plain.png"]["cells"]), done


@pytest.mark.parametrize(
    ("name", "least", "most"),  # shares of the cells of the plain picture
    [
        ("alpha.png", 1, 1),
        ("pyramid.tif", 1, 1),
        ("cut.tif", 1, 1),
        ("cmyk.tif", 0.8, 1.2),
        ("turned.jpg", 0.8, 1.2),
        (NAME, 0.5, 1.5),
        ("broken.tif", 0.5, 1.2),
        ("empty.png", 0, 0),
        ("black.png", 0, 0),
    ],
)
def test_cells_are_counted_in_odd_files(labelled, name, least, most):
    rows, cells, _ = labelled
    assert least * cells <= int(rows[name]["cells"]) <= most * cells


def test_one_cell_is_one(labelled):
    assert int(labelled[0]["one.png"]["cells"]) == 1


@pytest.mark.parametrize("name", [DEBRIS, PHOTO])
def test_what_is_no_smear_has_no_cells_or_a_warning(labelled, name):
    row = labelled[0][name]
    assert row["cells"] == "0" or row["warning"]


def test_a_broken_tile_is_named_and_the_rest_done(labelled):
    rows, _, done = labelled
    assert len(rows) == 13
    assert done.exit_code == 1
    assert "broken.tif: 1 of 12 tiles damaged, left blank" in said(done)
    assert "Traceback" not in done.output
