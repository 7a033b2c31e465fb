"""The sound of a microphone of this machine, through FFmpeg's input devices.

https://ffmpeg.org/ffmpeg-devices.html#Input-Devices
"""

from __future__ import annotations

import os
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from lanes.errors import BadInput
from lanes.video.lag import Lag
from lanes.video.sound import Tap

_DEVICES = {"darwin": ("avfoundation", ":{}"), "win32": ("dshow", "audio={}")}
_LINUX = ("alsa", "{}")
_ALSA = Path("/usr/share/alsa/alsa.conf")
_TO_STOP = 1.0
"""Seconds that a driver may take to give its next packet."""


class Microphone:
    """Reads `device` in a thread; `tap` has its packets, timed in seconds since `began`.

    `began` is a time of `time.monotonic`. `device` is a name of ALSA (plughw:1), AVFoundation or
    DirectShow.

    Raises:
        BadInput: there is no such device, or it gives no sound.
    """

    def __init__(self, device: str, began: float) -> None:
        self._began = Fraction(began)
        self._container = _open(device)
        self._streams = list(self._container.streams.audio)[:1]
        self.tap = Tap(device, self._streams)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, name="microphone", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, and release the device unless its driver hangs."""
        self._ended.set()
        self._thread.join(_TO_STOP)
        if not self._thread.is_alive():
            self.tap.forget_streams()
            self._container.close()

    def _read(self) -> None:
        lag = Lag()
        try:
            for packet in self._container.demux(self._streams):
                if self._ended.is_set():
                    return
                if packet.size and packet.pts is not None:
                    self.tap.add([self._timed(packet, lag)])
            self.tap.fail(av.error.EOFError(0, "the device gave no more"))
        except av.FFmpegError as error:
            self.tap.fail(error)

    def _timed(self, packet: Packet[Stream], lag: Lag) -> Packet[Stream]:
        """The packet with the time at which its sound was heard."""
        tick = Fraction(packet.time_base)
        arrived = Fraction(time.monotonic()) - self._began
        own = Fraction(packet.pts or 0) * tick
        lasts = (packet.duration or 0) * tick
        packet.pts = packet.dts = round((own + lag.after(arrived - lasts, own)) / tick)
        return packet


def _open(device: str) -> InputContainer:
    if sys.platform == "linux" and _ALSA.exists():
        # PyAV's wheels look for it where they were built.
        os.environ.setdefault("ALSA_CONFIG_PATH", str(_ALSA))
    kind, name = _DEVICES.get(sys.platform, _LINUX)
    try:
        container = av.open(name.format(device), format=kind)
    except av.FFmpegError as error:
        raise _cannot(device, error.strerror) from error
    except ValueError as error:  # an unknown format
        raise BadInput(
            f"this build of PyAV cannot record sound here: it lacks {kind}; leave out --audio"
        ) from error
    if not container.streams.audio:
        container.close()
        raise _cannot(device, "it has no sound")
    return container


def _cannot(device: str, why: str | None) -> BadInput:
    cure = "arecord -L lists them" if sys.platform == "linux" else "check its name"
    return BadInput(
        f"the sound device {device} cannot be opened ({why}); {cure}; leave out --audio to record "
        "without sound"
    )
