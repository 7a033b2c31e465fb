"""Reading images and cameras, and recognising kinds of input."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from clips import make_clip, number_of, picture
from lanes.colour import YuvColour
from lanes.errors import BadInput, BadVideo
from lanes.video import CameraSource, ImagesSource, VideoSource, camera, open_source


@pytest.fixture
def folder(tmp_path):
    """Images 1, 2, 3 and 10 of several sizes; sorting the names by letters would be wrong."""
    images = tmp_path / "drive"
    images.mkdir()
    for number, size in ((1, (96, 160)), (2, (97, 131)), (10, (200, 160)), (3, (96, 160))):
        cv2.imwrite(str(images / f"img{number}.png"), picture(number, size))
    (images / "notes.txt").write_text("not an image")
    (images / ".hidden.png").write_text("not an image")
    return images


def read(*args, **options):
    with ImagesSource(*args, **options) as source:
        return list(source), source


def numbers(frames):
    return [number_of(frame) for frame in frames]


# ------------------------------------------------------------------ images


def test_folder(folder):
    frames, source = read(folder)
    assert numbers(frames) == [1, 2, 3, 10]
    assert [frame.name for frame in frames] == ["img1", "img2", "img3", "img10"]
    assert [frame.size for frame in frames] == [(96, 160), (97, 131), (96, 160), (200, 160)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(n, 25) for n in range(4)]
    assert {frame.colour for frame in frames} == {source.colour} == {YuvColour("bt601", False)}
    assert (source.size, source.rate, source.frames) == ((96, 160), 25, 4)
    assert (source.duration, source.live, source.lost, source.warnings) == (0.16, False, 0, [])
    assert source.name == "drive"


def test_the_network_sees_the_image_itself(folder):
    frames, _ = read(folder)
    assert (frames[1].bgr == picture(2, (97, 131))).all()
    assert frames[1].planes[1].shape == (49, 66)


def test_glob(folder, monkeypatch):
    assert numbers(read(folder / "img[12].png")[0]) == [1, 2]
    assert numbers(read(str(folder.parent / "**" / "*1*.png"))[0]) == [1, 10]
    monkeypatch.chdir(folder)
    assert numbers(read("img*")[0]) == [1, 2, 3, 10]


def test_list_keeps_its_order(folder):
    frames, source = read([folder / "img3.png", str(folder / "img1.png")])
    assert numbers(frames) == [3, 1]
    assert source.name == "drive"


def test_one_image(folder):
    frames, source = read(folder / "img10.png")
    assert numbers(frames) == [10]
    assert (source.name, source.frames, source.size) == ("img10", 1, (200, 160))


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ({"start": 0.04}, [2, 3, 10]),
        ({"start": 0.05}, [3, 10]),
        ({"end": 0.08}, [1, 2]),
        ({"end": 0.09}, [1, 2, 3]),
        ({"start": 0.04, "max_frames": 2}, [2, 3]),
    ],
)
def test_cut_of_images(folder, cut, expected):
    frames, source = read(folder, **cut)
    assert numbers(frames) == expected
    assert source.frames == len(expected)
    assert frames[0].seconds >= cut.get("start", 0)


def test_cut_after_the_last_image(folder):
    with pytest.raises(BadInput, match="after the last of 4 images"):
        read(folder, start=1)


def test_other_rate(folder):
    frames, source = read(folder, rate=Fraction(10))
    assert (frames[3].seconds, source.rate, source.duration) == (0.3, 10, 0.4)


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "bmp", "tif", "webp", "ppm"])
def test_kinds_of_images(tmp_path, suffix):
    path = tmp_path / f"bild ä.{suffix}"
    path.write_bytes(cv2.imencode(f".{suffix.lower()}", picture(5))[1])
    frames, _ = read(tmp_path)
    assert numbers(frames) == [5]
    assert frames[0].name == "bild ä"


@pytest.mark.parametrize("shape", [(96, 160), (96, 160, 4)], ids=["gray", "alpha"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_gray_alpha_and_16_bit(tmp_path, shape, kind):
    value = 40 if kind == np.uint8 else 40 * 257
    pixels = np.full(shape, value, kind)
    if len(shape) == 3:
        pixels[..., 3] = np.iinfo(kind).max  # opaque
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    frames, _ = read(tmp_path)
    assert frames[0].bgr.dtype == np.uint8
    assert (frames[0].bgr == 40).all()


def test_16_bit_frames_keep_one_scale(tmp_path):
    for name, value in (("a", 40 * 257), ("b", 255 * 257)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((96, 160), value, np.uint16))
    frames, _ = read(tmp_path)
    assert [int(frame.bgr.mean()) for frame in frames] == [40, 255]


def test_orientation_in_exif_is_undone(tmp_path):
    path = tmp_path / "phone.jpg"
    jpeg = cv2.imencode(".jpg", cv2.rotate(picture(6), cv2.ROTATE_90_COUNTERCLOCKWISE))[1]
    # Tag 0x112 (orientation), a short, 6: turn it clockwise to show it.
    tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    exif = b"\xff\xe1" + (8 + len(tiff)).to_bytes(2, "big") + b"Exif\0\0" + tiff
    path.write_bytes(jpeg[:2].tobytes() + exif + jpeg[2:].tobytes())
    frames, source = read(path)
    assert source.size == (96, 160)
    assert numbers(frames) == [6]


def test_large_images_are_bt709(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((720, 8, 3), np.uint8))
    assert read(tmp_path)[1].colour == YuvColour("bt709", False)


def test_an_image_that_cannot_be_read_is_left_out(folder):
    (folder / "img2.png").write_text("not an image")
    (folder / "img4.png").touch()
    frames, source = read(folder)
    assert numbers(frames) == [1, 3, 10]
    assert [frame.pts for frame in frames] == [0, 2, 4]
    assert source.lost == 2
    assert "img2.png is damaged, or not an image" in source.warnings[0]


def test_no_image_can_be_read(tmp_path, capfd):
    (tmp_path / "a.png").write_text("not an image")
    with pytest.raises(
        BadInput, match=r"none of the 1 images can be read; the first was skipped: .*a.png"
    ):
        read(tmp_path)
    assert capfd.readouterr() == ("", "")  # OpenCV would add a page of its own


def test_no_images(folder, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInput, match=r"empty holds no file at all and no image; images end in"):
        read(empty)
    (empty / "a.txt").touch()
    with pytest.raises(BadInput, match=r"empty holds 1 other file and no image"):
        read(empty)
    with pytest.raises(BadInput, match=r"\*.jpg fits no file at all and no image"):
        read(folder / "*.jpg")
    with pytest.raises(BadInput, match="the list of images is empty"):
        read([])
    with pytest.raises(BadInput, match=r"there is no .*img22.png; did you mean .*img2.png"):
        read(folder / "img22.png")
    with pytest.raises(BadInput, match=r"there is no .*img22.png"):
        read([folder / "img1.png", folder / "img22.png"])


def test_images_of_one_name_are_reported(folder):
    cv2.imwrite(str(folder / "img1.jpg"), picture(1))
    assert "several images are called img1" in read(folder)[1].warnings[0]


# ------------------------------------------------------------------ cameras


class FakeCapture:
    """A camera of 30 pictures a second, with five of them."""

    def __init__(self, index):
        self.left = list(range(5)) if index == 0 else []
        self.index = index

    def isOpened(self):
        return self.index in (0, 7)

    def read(self):
        if not self.left:
            return False, None
        return True, picture(self.left.pop(0))

    def get(self, _):
        return 29.97

    def release(self):
        self.left = []


@pytest.fixture
def fake_camera(monkeypatch):
    """Cameras 0 (which works) and 7 (in use), and a clock that each picture advances by 0.1 s."""
    ticks = iter(np.arange(100, 200, 0.1).tolist())
    monkeypatch.setattr(camera.cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(camera, "_linux_cameras", lambda: [0, 7])
    monkeypatch.setattr(camera.time, "monotonic", lambda: next(ticks))


@pytest.mark.usefixtures("fake_camera")
def test_camera():
    with open_source("0") as source:
        frames = list(source)
    assert numbers(frames) == [0, 1, 2, 3, 4]
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=1e-4)
    assert (source.live, source.rate, source.size) == (True, Fraction(30000, 1001), (96, 160))
    assert (source.frames, source.duration, source.name) == (None, None, "camera0")
    assert (frames[2].bgr == picture(2)).all()
    assert "no more pictures" in source.warnings[0]


@pytest.mark.usefixtures("fake_camera")
def test_camera_for_some_seconds():
    with open_source("/dev/video0", start=0.05, end=0.25) as source:
        assert numbers(source) == [1, 2]
        assert source.duration == pytest.approx(0.2)
    with CameraSource(0, max_frames=2) as source:
        assert numbers(source) == [0, 1]
        assert source.warnings == []


@pytest.mark.usefixtures("fake_camera")
def test_camera_in_use():
    with pytest.raises(BadVideo, match="camera 7 opens but gives no picture"):
        open_source("7")


@pytest.mark.usefixtures("fake_camera")
@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_camera_that_is_missing(monkeypatch, platform):
    monkeypatch.setattr(camera.sys, "platform", platform)
    there = "0, 7" if platform == "linux" else "0"
    with pytest.raises(BadVideo, match=rf"there is no camera 3 that opens; there are: {there}$"):
        open_source("3")


def test_camera_that_is_missing_on_this_machine(capfd):
    with pytest.raises(BadVideo, match="there is no camera 99"):
        open_source("99")
    assert capfd.readouterr() == ("", "")  # OpenCV would warn on its own


@pytest.mark.parametrize(
    ("rounded", "exact"),
    [
        (29.97, Fraction(30000, 1001)),
        (30.0, Fraction(30)),
        (59.94, Fraction(60000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (15.0, Fraction(15)),
        (7.5, Fraction(15, 2)),
        (0.0, None),
        (-1.0, None),
        (90000.0, None),
    ],
)
def test_standard_rate(rounded, exact):
    assert camera.standard_rate(rounded) == exact


# ------------------------------------------------------------------ kinds of input


def test_open_source_recognises_inputs(folder, tmp_path, monkeypatch):
    video = make_clip(tmp_path / "a.mp4", 2)
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "0", 2, format="mp4")
    kinds = {
        str(video): VideoSource,
        f"file://{video}": VideoSource,
        "a.mp4": VideoSource,
        "./0": VideoSource,
        "drive": ImagesSource,
        "drive/img1.png": ImagesSource,
        "dri*/img?.png": ImagesSource,
    }
    for name, kind in kinds.items():
        with open_source(name, max_frames=1) as source:
            assert type(source) is kind, name
    with pytest.raises(BadInput, match="is not a file"):
        VideoSource(folder)
