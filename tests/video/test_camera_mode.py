"""What is asked of a camera and what it gives; files with several video streams."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import pytest

from clips import numbers, picture, read
from lanes.errors import BadInput
from lanes.video import CameraMode, open_source
from lanes.video import camera as cameras

MODES = {
    "YUYV": [(1536, 2304, 2.0), (480, 640, 30.0)],
    "MJPG": [(720, 1280, 30.0), (480, 640, 30.0)],
}


class Camera:
    """A camera whose sizes and rates depend on the format, as a UVC camera's do."""

    def __init__(self, index):
        self.format, self.size, self.fps = "YUYV", (1536, 2304), 2.0
        self.wanted = {}
        self.left = 3

    def isOpened(self):
        return True

    def set(self, what, value):
        if what == cv2.CAP_PROP_FOURCC:
            letters = int(value).to_bytes(4, "little").decode()
            self.format = letters if letters in MODES else self.format
        self.wanted[what] = value
        height = self.wanted.get(cv2.CAP_PROP_FRAME_HEIGHT, self.size[0])
        *self.size, self.fps = min(MODES[self.format], key=lambda mode: abs(mode[0] - height))
        return True

    def get(self, what):
        code = cv2.VideoWriter.fourcc(*self.format)
        return {cv2.CAP_PROP_FPS: self.fps, cv2.CAP_PROP_FOURCC: float(code)}[what]

    def read(self):
        self.left -= 1
        return (True, picture(self.left, tuple(self.size))) if self.left >= 0 else (False, None)

    def release(self):
        self.left = 0


@pytest.fixture(autouse=True)
def camera(monkeypatch):
    monkeypatch.setattr(cameras.cv2, "VideoCapture", Camera)
    monkeypatch.setattr(cameras, "_linux_cameras", lambda: [0])


def test_a_camera_as_it_is():
    with open_source("0") as source:
        assert (source.size, source.rate) == ((1536, 2304), 2)
        assert (source.details, source.warnings) == ("2304x1536, 2 FPS, YUYV", [])


def test_a_camera_in_the_mode_asked_for():
    with open_source("0", camera=CameraMode("1280x720", 30, "mjpg")) as source:
        assert (source.size, source.rate) == ((720, 1280), 30)
        assert (source.details, source.warnings) == ("1280x720, 30 FPS, MJPG", [])


@pytest.mark.parametrize(
    "mode", [CameraMode("1280x720"), CameraMode(fps=30), CameraMode(format="h264")]
)
def test_a_camera_that_has_no_such_mode_says_what_it_gives(mode):
    with open_source("0", camera=mode) as source:
        assert len(source.warnings) == 1
        assert f"camera0 gives {source.details}, not what was asked for" in source.warnings[0]


@pytest.mark.parametrize(
    "mode",
    [CameraMode("720p"), CameraMode("0x720"), CameraMode(fps=0), CameraMode(format="jpeg!")],
)
def test_modes_that_are_none(mode):
    with pytest.raises(BadInput, match="; give "):
        open_source("0", camera=mode)


def test_options_that_do_not_go_with_the_input(tmp_path):
    with pytest.raises(BadInput, match="not a camera; leave out --camera-size"):
        open_source(tmp_path / "a.mp4", camera=CameraMode("640x480"))
    with pytest.raises(BadInput, match="--stream does not go with a camera"):
        open_source("0", stream=1)
    cv2.imwrite(str(tmp_path / "a.png"), picture(0))
    with pytest.raises(BadInput, match="--stream does not go with images"):
        open_source(tmp_path / "a.png", stream=0)


# ------------------------------------------------------------------ several video streams


@pytest.fixture
def both(tmp_path):
    """Two streams in a file: numbers from 0 on, small; numbers from 100 on, large."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for height, width in ((96, 160), (192, 320)):
            stream = container.add_stream("libx264", 25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        for number in range(6):
            for first, stream in zip((0, 100), streams, strict=True):
                image = picture(first + number, (stream.height, stream.width))
                frame = av.VideoFrame.from_ndarray(image, "bgr24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def test_which_of_two_video_streams_is_taken_is_said(both):
    frames, source = read(both)
    taken = [(96, 160), (192, 320)].index(source.size)
    assert numbers(frames)[0] == 100 * taken
    assert len(source.warnings) == 1
    assert (
        f"2 video streams: 0 (160x96), 1 (320x192); number {taken} is taken" in source.warnings[0]
    )


@pytest.mark.parametrize(("number", "size"), [(0, (96, 160)), (1, (192, 320))])
def test_a_video_stream_may_be_chosen(both, number, size):
    frames, source = read(both, stream=number, start=0.08)
    assert (source.size, source.first, source.lost, source.warnings) == (size, 2, 0, [])
    assert numbers(frames) == [100 * number + n for n in range(2, 6)]


@pytest.mark.parametrize("number", [2, -1])
def test_a_video_stream_that_is_missing(both, number):
    with pytest.raises(BadInput, match=rf"no video stream {number}; it has 0 \(160x96\), 1"):
        open_source(both, stream=number)
