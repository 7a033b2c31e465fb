"""The sound of a camera: a device of its own, in step with the pictures."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from clips import make_clip, picture
from lanes.errors import BadInput
from lanes.video import CameraMode, VideoSink, open_source
from lanes.video import camera as cameras
from lanes.video import microphone as microphones
from lanes.video.lag import Lag
from lanes.video.microphone import Microphone

RATE = 48000
PACKET = RATE // 50
STARTED = 1_700_000_000_000_000
"""The clock of the device: microseconds."""


def packets(folder, seconds):
    """A tone as a sound device gives it: 16 bits, 50 packets a second, on a clock of its own."""
    path = folder / "tone.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", RATE, layout="mono")
        wave = np.sin(np.arange(RATE * seconds) * 440 * 2 * np.pi / RATE) * 10_000
        for number in range(seconds * 50):
            part = wave[None, number * PACKET : (number + 1) * PACKET].astype(np.int16)
            frame = av.AudioFrame.from_ndarray(part, "s16", "mono")
            frame.sample_rate, frame.pts = RATE, number * PACKET
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return av.open(str(path))


class Device:
    """A sound device; `wait(seconds)` lets as much time pass as a packet lasts."""

    def __init__(self, file, wait):
        self.file, self.wait, self.streams = file, wait, file.streams

    def demux(self, streams):
        for number, packet in enumerate(self.file.demux(streams)):
            if not packet.size:
                break
            self.wait(0.02)
            packet.time_base = Fraction(1, 1_000_000)
            packet.pts = packet.dts = STARTED + number * 20_000
            packet.duration = 20_000
            yield packet
        raise av.error.OSError(19, "No such device")

    def close(self):
        self.file.close()


@pytest.fixture
def device(tmp_path, monkeypatch):
    """Make the sound device of the machine: device(seconds, wait)."""

    def make(seconds, wait=time.sleep):
        file = packets(tmp_path, seconds)
        monkeypatch.setattr(microphones, "_open", lambda name: Device(file, wait))

    return make


def test_a_lag_ignores_jitter_and_follows_drift():
    lag = Lag()
    jitter = [Fraction(n % 5, 200) for n in range(200)]
    lags = {lag.after(10 + n + late, Fraction(n)) for n, late in enumerate(jitter)}
    assert lags == {10}
    later = [lag.after(Fraction("10.2") + n, Fraction(n)) for n in range(200, 300)]
    assert later[-1] == pytest.approx(Fraction("10.2"), abs=0.03)
    assert len(set(later)) == 2


def test_packets_have_the_time_at_which_they_were_heard(device, monkeypatch):
    clock, done = [100.0], threading.Event()

    def wait(seconds):
        clock[0] += seconds

    monkeypatch.setattr(microphones.time, "monotonic", lambda: clock[0])
    device(1, wait)
    microphone = Microphone("plughw:1", began=99.5)
    monkeypatch.setattr(microphone.tap, "fail", lambda error: done.set())
    done.wait(10)
    microphone._thread.join(10)
    taken = microphone.tap.take(Fraction(0))
    microphone.close()
    times = [float(packet.pts * packet.time_base) for packet in taken]
    assert times == pytest.approx([0.5 + number / 50 for number in range(50)], abs=0.001)


class Camera:
    """A camera of 25 pictures a second."""

    def __init__(self, index):
        self.number = 0

    def isOpened(self):
        return True

    def get(self, what):
        return {cameras.cv2.CAP_PROP_FPS: 25.0}.get(what, 0.0)

    def read(self):
        self.number += 1
        time.sleep(0.04)
        return True, picture(self.number % 256)

    def release(self):
        pass


@pytest.fixture
def camera(monkeypatch):
    monkeypatch.setattr(cameras.cv2, "VideoCapture", Camera)
    monkeypatch.setattr(cameras, "_linux_cameras", lambda: [0])


def record(path):
    mode = CameraMode(audio="plughw:1")
    with (
        open_source("0", seconds=2, camera=mode) as source,
        VideoSink.like(source, path, audio_from=source.tap) as sink,
    ):
        for frame in source:
            sink.write(frame)
    return sink


def test_a_camera_is_recorded_with_its_sound(tmp_path, camera, device):
    device(5)
    sink = record(tmp_path / "a.mp4")
    assert [warning.endswith("files plays it") for warning in sink.warnings] == [True]
    with av.open(str(tmp_path / "a.mp4")) as container:
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert len(sound) / RATE == pytest.approx(sink.seconds, abs=0.5)
    assert abs(np.fft.rfft(sound)).argmax() * RATE / len(sound) == pytest.approx(440, abs=5)


def test_a_device_that_is_unplugged_is_a_warning(tmp_path, camera, device):
    device(1)
    sink = record(tmp_path / "a.mp4")
    assert "the sound of plughw:1 breaks off: No such device" in sink.warnings
    assert sink.frames > 5


def test_a_device_that_cannot_be_opened_is_refused(camera, monkeypatch):
    with pytest.raises(BadInput, match="sound device plughw:77 cannot be opened .*leave out"):
        open_source("0", camera=CameraMode(audio="plughw:77"))
    monkeypatch.setattr(microphones.sys, "platform", "darwin")
    with pytest.raises(BadInput, match=r"lacks avfoundation|cannot be opened"):
        open_source("0", camera=CameraMode(audio="1"))


def test_files_keep_their_own_sound(tmp_path):
    make_clip(tmp_path / "a.mp4", frames=3)
    with pytest.raises(BadInput, match="keep their own sound"):
        open_source(tmp_path / "a.mp4", camera=CameraMode(audio="plughw:1"))
