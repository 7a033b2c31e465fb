"""Write frames as H.264 video that plays in browsers, with the sound of the source."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from pathlib import Path
from statistics import median_low
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from lanes.colour import Matrix, Planes, YuvColour, from_bgr, to_bgr
from lanes.errors import BadOutput
from lanes.system import ending
from lanes.types import Frame, Image, Size
from lanes.video.audio import AudioCopy
from lanes.video.base import UNSPECIFIED, Source
from lanes.video.fit import even, letterboxed, to_picture
from lanes.video.growing import GrowingFile
from lanes.video.opening import shown
from lanes.video.places import check_output
from lanes.video.sound import Tap

Quality: TypeAlias = Literal["fast", "balanced", "best"]

# Options of libx264. At 1280x720, balanced takes about 5 times the CPU time of fast for 0.6 times
# the bytes; best takes 14 times, for 0.8 times the bytes and less loss. The constant quantiser (qp)
# of fast needs no analysis of the picture, unlike a rate factor (crf): that saves up to a third.
_QUALITIES: dict[Quality, dict[str, str]] = {
    "fast": {"preset": "ultrafast", "qp": "22"},
    "balanced": {"preset": "veryfast", "crf": "21"},
    "best": {"preset": "medium", "crf": "18"},
}
_LOOKAHEAD: dict[Quality, int] = {"fast": 0, "balanced": 10, "best": 40}
"""The presets' own lookahead, in frames."""
_TO_ENCODE = 0.8
"""Seconds that must be left, once the process was asked to end, to encode what is waiting."""
# Matrix, primaries and transfer in the numbers of ITU-T H.273.
_TAGS: dict[Matrix, tuple[int, int, int]] = {
    "bt601": (6, 6, 6),
    "bt709": (1, 1, 1),
    "bt2020": (9, 9, 14),
}


class VideoSink:
    """Writes frames to a video file: H.264, 4:2:0, index in front, colour and aspect tags.

    The file has a hidden temporary name until it is complete, when the `with` block ends, also by
    Ctrl-C. Any other exception removes it. What is on the disk can be played at any moment; what a
    killed run left is named by the next one (`lanes.video.recover`). The first frame is second 0;
    frames keep their exact times (in .mkv to the millisecond). Frames of other sizes than `size`
    are letterboxed; odd sides get their last line or column repeated (4:2:0 needs even sides).
    `quality` is fast (ultrafast, QP 22), balanced (veryfast, CRF 21) or best (medium, CRF 18). The
    sound of `audio_from` (a file, a URL, or a source's `tap`), on the same clock as the frames, is
    copied for the duration of the video; what players may not play becomes AAC. `warnings` lists
    everything that could not be kept.

    Raises:
        BadOutput: here or in `write` and `close`; no file is left behind.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        size: Size,
        rate: Fraction | None,
        colour: YuvColour,
        time_base: Fraction | None = None,
        sample_aspect_ratio: Fraction = Fraction(1),
        primaries: int = UNSPECIFIED,
        transfer: int = UNSPECIFIED,
        quality: Quality = "fast",
        audio_from: str | Path | Tap | None = None,
        overwrite: bool = False,
        threads: int = 0,
    ) -> None:
        inputs = [audio_from] if isinstance(audio_from, str | Path) else []
        self.path = check_output(path, overwrite=overwrite, inputs=inputs)
        self.size, self.colour = size, colour
        self.rate = rate or Fraction(25)
        self.time_base = time_base or (1 / rate if rate else Fraction(1, 90_000))
        self.frames = 0
        self.warnings: list[str] = []
        self._primaries, self._transfer = primaries, transfer
        self._sample_aspect_ratio = sample_aspect_ratio
        self._quality, self._threads = quality, threads
        # The times between the last frames, in ticks.
        self._tick = max(1, round(1 / (self.rate * self.time_base)))
        self._steps = deque([self._tick], maxlen=25)
        self._zero, self._last = Fraction(0), -1
        self._picture: av.VideoFrame | None = None
        self._audio: AudioCopy | None = None
        self._file = GrowingFile(self.path, overwrite, self.warnings)
        try:
            self._open(audio_from)
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        except BaseException:
            self.abort()
            raise

    @classmethod
    def like(cls, source: Source, path: str | Path, **options: Any) -> Self:
        """A sink with the size, rate, time base, colours and aspect of `source`."""
        return cls(
            path,
            size=source.size,
            rate=source.rate,
            colour=source.colour,
            time_base=source.time_base,
            sample_aspect_ratio=source.sample_aspect_ratio,
            primaries=source.primaries,
            transfer=source.transfer,
            **options,
        )

    def write(self, frame: Frame | Planes | Image, cut: bool = False) -> None:
        """Write one frame; bare planes or BGR (H, W, 3) get their times from the sink's rate.

        After a `cut`, as a pause or a seek, the frame comes one frame after the last, and the sound
        goes on with it.

        Raises:
            BadOutput: the file cannot be written, or is already closed.
        """
        if isinstance(frame, np.ndarray):
            frame = from_bgr(frame, self.colour)
        container = self._file.container
        if container is None:
            raise BadOutput(f"{self.path} is already closed; open a new VideoSink")
        picture = self._picture = to_picture(self._fitted(frame), self._picture)
        time = self._time_of(frame, cut)
        if self.frames == 1:
            self._steps.clear()
        if self.frames:
            self._steps.append(time - self._last)
        picture.pts = self._last = time
        picture.time_base = self.time_base
        picture.duration = self._step
        self.frames += 1
        try:
            self._mux(container, self._stream.encode(picture))
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Finish the file and give it its final name.

        Raises:
            BadOutput: the file cannot be finished, or has no frames.
        """
        container = self._file.container
        if container is None:
            return
        if not self.frames:
            self.abort()
            raise BadOutput(f"{self.path} was not written: it got no frames; write at least one")
        try:
            self._finish(container)
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        except KeyboardInterrupt:
            self._file.keep()
            raise

    def abort(self) -> None:
        """Remove the unfinished file. Does nothing after the file is finished."""
        self._close_sound()
        self._file.remove()

    def _close_sound(self) -> None:
        audio, self._audio = self._audio, None
        if audio is not None:
            audio.close()

    def _finish(self, container: OutputContainer) -> None:
        """Write what the encoder holds, and name the file; in less time if a signal came."""
        for packet in self._stream.codec_context.encode_lazy(None):
            self._mux(container, [packet])
            if ending.seconds_left() < _TO_ENCODE:
                self.warnings.append(f"the last frames of {self.path} are left out: no time")
                break
        if self._audio is not None:
            self._audio.finish((self._last + self._step) * self.time_base)
        self._close_sound()
        self.path = self._file.finish(container)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        interrupted = exc_type is not None and issubclass(exc_type, KeyboardInterrupt)
        interrupted |= ending.asked()
        try:
            if self.frames if interrupted else exc_type is None:
                self.close()
        finally:
            self.abort()

    @property
    def seconds(self) -> float:
        """The length of the video so far: the last frame lasts as long as most before it."""
        return float((self._last + self._step) * self.time_base) if self.frames else 0.0

    @property
    def _step(self) -> int:
        return median_low(self._steps)

    def _open(self, audio_from: str | Path | Tap | None) -> None:
        """Start the file, without sound if the format cannot hold it."""
        if audio_from is None:
            self._begin(None)
            return
        try:
            self._begin(audio_from)
        except av.FFmpegError as error:
            name = audio_from.name if isinstance(audio_from, Tap) else shown(audio_from)
            self._close_sound()
            self._file.close()
            self._begin(None)
            self.warnings.append(f"the sound of {name} is left out: {error.strerror}")

    def _begin(self, audio_from: str | Path | Tap | None) -> None:
        """Open the file and write its header."""
        container = self._file.open()
        self._stream = self._video_stream(container)
        if audio_from is not None:
            self._audio = AudioCopy(audio_from, container, self.warnings)
        self._file.begin(container)

    def _video_stream(self, container: OutputContainer) -> VideoStream:
        height, width = even(self.size)
        # A killed process loses the frames that the encoder looks ahead: at most a second's, with
        # 8 for reordering and threads.
        ahead = min(_LOOKAHEAD[self._quality], max(4, int(self.rate * 3 / 5) - 8))
        options = {**_QUALITIES[self._quality], "rc-lookahead": str(ahead)}
        stream = container.add_stream("libx264", self.rate, options, width=width, height=height)
        matrix, primaries, transfer = _TAGS[self.colour.matrix]
        context = stream.codec_context
        context.pix_fmt = "yuv420p"
        context.time_base = self.time_base
        context.sample_aspect_ratio = self._sample_aspect_ratio
        context.colorspace = matrix
        context.color_primaries = primaries if self._primaries == UNSPECIFIED else self._primaries
        context.color_trc = transfer if self._transfer == UNSPECIFIED else self._transfer
        context.color_range = ColorRange.JPEG if self.colour.full_range else ColorRange.MPEG
        # x264's own default; PyAV's default is slices, whose borders reduce quality.
        context.thread_type = "FRAME"
        context.thread_count = self._threads
        return stream

    def _fitted(self, frame: Frame | Planes) -> Planes:
        """The frame's planes in the file's colour and size."""
        planes = frame.planes if isinstance(frame, Frame) else frame
        if isinstance(frame, Frame) and frame.colour != self.colour:
            planes = from_bgr(to_bgr(planes, frame.colour), self.colour)
        if planes[0].shape != self.size:
            planes = letterboxed(planes, even(self.size), self.colour.full_range)
        return planes

    def _time_of(self, frame: Frame | Planes, cut: bool) -> int:
        """The frame's time in the file's time base; always later than the last frame's."""
        if isinstance(frame, Frame):
            seconds = frame.pts * frame.time_base
        else:
            seconds = self.frames / self.rate
        if not self.frames or cut:
            self._go_on(seconds)
        return max(round((seconds - self._zero) / self.time_base), self._last + 1)

    def _go_on(self, seconds: Fraction) -> None:
        """Place second `seconds` of the source after the last frame, with its sound."""
        begin = (self._last + self._tick) * self.time_base if self.frames else Fraction(0)
        self._zero = seconds - begin
        if self._audio is not None:
            self._audio.start(self._zero, begin)

    def _mux(self, container: OutputContainer, packets: list[Packet[VideoStream]]) -> None:
        """Write encoded pictures interleaved with the sound up to their time."""
        for packet in packets:
            seconds = (packet.dts or 0) * Fraction(packet.time_base)
            # Else FFmpeg has the last frame last as long as the mean of all.
            packet.duration = packet.duration or self._step
            container.mux(packet)
            if self._audio is not None:
                self._audio.copy_until(seconds)

    def _failure(self, error: av.FFmpegError | OSError) -> BadOutput:
        """Remove the unfinished file and return the error to raise."""
        self._close_sound()
        return self._file.failure(error)
