"""Write frames as H.264 video that plays in browsers, with the sound of the source."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
from collections import deque
from fractions import Fraction
from pathlib import Path
from statistics import median_low
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, cast

import av
import numpy as np
from av.container import OutputContainer
from av.container.core import Flags
from av.packet import Packet
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from lanes.colour import Matrix, Planes, YuvColour, from_bgr, to_bgr
from lanes.errors import BadOutput
from lanes.system import ending
from lanes.types import Frame, Image, Size
from lanes.video.audio import AudioCopy
from lanes.video.base import UNSPECIFIED, Source
from lanes.video.faststart import faststart
from lanes.video.fit import even, letterboxed, to_picture
from lanes.video.opening import shown
from lanes.video.part import Part, copy_name
from lanes.video.places import FORMATS, check_output
from lanes.video.recover import left_over, salvage
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
# While they grow, the files are made of fragments, so that what is on the disk plays at any moment.
# https://ffmpeg.org/ffmpeg-formats.html#Fragmentation
_FRAGMENTS = {
    "movflags": "+frag_keyframe+delay_moov+default_base_moof",  # delay_moov: edit lists, and AC-3
    "frag_duration": "200000",  # microseconds
}
_CLUSTERS = {"cluster_time_limit": "200"}  # milliseconds
# Neither FFmpeg's buffer, nor waiting for sound that has ended, may hold back pictures.
_AT_ONCE = {"flush_packets": "1", "max_interleave_delta": "500000"}
# Seconds that must be left, once the process was asked to end, to go on with a step.
_TO_ENCODE, _TO_COPY = 0.8, 0.4
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
        self._steps = deque([max(1, round(1 / (self.rate * self.time_base)))], maxlen=25)
        self._zero, self._last = Fraction(0), -1
        self._picture: av.VideoFrame | None = None
        self._audio: AudioCopy | None = None
        self._container: OutputContainer | None = None
        self._part = self._new_part(overwrite)
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

    def write(self, frame: Frame | Planes | Image) -> None:
        """Write one frame; bare planes or BGR (H, W, 3) get their times from the sink's rate.

        Raises:
            BadOutput: the file cannot be written, or is already closed.
        """
        if isinstance(frame, np.ndarray):
            frame = from_bgr(frame, self.colour)
        if self._container is None:
            raise BadOutput(f"{self.path} is already closed; open a new VideoSink")
        picture = self._picture = to_picture(self._fitted(frame), self._picture)
        time = self._time_of(frame)
        if self.frames == 1:
            self._steps.clear()
        if self.frames:
            self._steps.append(time - self._last)
        picture.pts = self._last = time
        picture.time_base = self.time_base
        picture.duration = self._step
        self.frames += 1
        try:
            self._mux(self._container, self._stream.encode(picture))
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Finish the file and give it its final name.

        Raises:
            BadOutput: the file cannot be finished, or has no frames.
        """
        if self._container is None:
            return
        if not self.frames:
            self.abort()
            raise BadOutput(f"{self.path} was not written: it got no frames; write at least one")
        try:
            self._finish(self._container)
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        except KeyboardInterrupt:
            self._part.keep()
            raise
        self._container = None

    def abort(self) -> None:
        """Remove the unfinished file. Does nothing after the file is finished."""
        self._close_files()
        self._part.remove()

    def _close_files(self) -> None:
        container, self._container = self._container, None
        audio, self._audio = self._audio, None
        if audio is not None:
            audio.close()
        if container is not None:
            with contextlib.suppress(av.FFmpegError, OSError):
                container.close()

    def _finish(self, container: OutputContainer) -> None:
        """Write what the encoder holds, and name the file; in less time if a signal came."""
        for packet in self._stream.codec_context.encode_lazy(None):
            self._mux(container, [packet])
            if ending.seconds_left() < _TO_ENCODE:
                self.warnings.append(f"the last frames of {self.path} are left out: no time")
                break
        if self._audio is not None:
            self._audio.finish((self._last + self._step) * self.time_base)
            self._audio.close()
        container.close()
        if self._part.file.failed:
            raise self._part.file.failed
        given, plain = self.path, self._plain()
        if ending.seconds_left() > _TO_COPY:
            _to_disk(plain or self._part.hidden)
        self.path = self._part.name(plain)
        if self.path != given:
            self.warnings.append(f"{given} was made by another program meanwhile: see {self.path}")

    def _plain(self) -> Path | None:
        """A plain MP4 or MOV file with its index in front; None if it cannot be made."""
        kind, copy = FORMATS[self.path.suffix.lower()], copy_name(self._part.hidden)
        if kind == "matroska":
            return None
        try:
            if faststart(self._part.hidden, copy, kind, lambda: ending.seconds_left() - _TO_COPY):
                return copy
            why = "there was no time"
        except (av.FFmpegError, OSError) as error:
            why = error.strerror or str(error)
        self.warnings.append(f"{self.path} plays, but its index is not in front ({why})")
        return None

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

    def _new_part(self, overwrite: bool) -> Part:
        part = Part(self.path, overwrite, salvage)
        folder = self.path.absolute().parent
        if part.recovered:
            self.warnings.append(f"an earlier run was killed: its video is {part.recovered} now")
        if others := [left for left in left_over(folder) if left != part.hidden]:
            self.warnings.append(
                f"{folder} holds {len(others)} unfinished files of killed runs: "
                f"name them by lanes recover {shlex.quote(str(folder))}"
            )
        return part

    def _open(self, audio_from: str | Path | Tap | None) -> None:
        """Start the file, without sound if the format cannot hold it."""
        if audio_from is None:
            self._begin(None)
            return
        try:
            self._begin(audio_from)
        except av.FFmpegError as error:
            name = audio_from.name if isinstance(audio_from, Tap) else shown(audio_from)
            self._close_files()
            self._begin(None)
            self.warnings.append(f"the sound of {name} is left out: {error.strerror}")

    def _begin(self, audio_from: str | Path | Tap | None) -> None:
        """Open the file and write its header."""
        kind = FORMATS[self.path.suffix.lower()]
        options = _AT_ONCE | (_CLUSTERS if kind == "matroska" else _FRAGMENTS)
        self._part.file.truncate(0)
        self._part.file.seek(0)
        container = av.open(self._part.file, "w", format=kind, container_options=options)
        self._container = container
        self._stream = self._video_stream(container)
        if audio_from is not None:
            self._audio = AudioCopy(audio_from, container, self.warnings)
        container.start_encoding()
        # Switched off by delay_moov, but AAC of transport streams needs its filter.
        container.flags |= cast(int, Flags.auto_bsf.value)
        self._part.head = self._part.hidden.stat().st_size

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

    def _time_of(self, frame: Frame | Planes) -> int:
        """The frame's time in the file's time base; always later than the last frame's."""
        if isinstance(frame, Frame):
            seconds = frame.pts * frame.time_base
            if not self.frames:
                self._zero = seconds
            time = round((seconds - self._zero) / self.time_base)
        else:
            time = round(self.frames / (self.rate * self.time_base))
        if not self.frames and self._audio is not None:
            self._audio.start(self._zero)
        return max(time, self._last + 1)

    def _mux(self, container: OutputContainer, packets: list[Packet[VideoStream]]) -> None:
        """Write encoded pictures interleaved with the sound up to their time."""
        for packet in packets:
            seconds = (packet.dts or 0) * Fraction(packet.time_base)
            container.mux(packet)
            if self._audio is not None:
                self._audio.copy_until(seconds)

    def _failure(self, error: av.FFmpegError | OSError) -> BadOutput:
        """Remove the unfinished file and return the error to raise."""
        folder = self.path.absolute().parent
        free = shutil.disk_usage(folder).free // 2**20 if folder.is_dir() else 0
        self.abort()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return BadOutput(
                f"{self.path} cannot be written: the disk is full ({free} MiB free in {folder}); "
                "free some space or choose another folder; the unfinished file was removed"
            )
        return BadOutput(
            f"{self.path} cannot be written: {error.strerror}; the unfinished file was removed"
        )


def _to_disk(path: Path) -> None:
    """Have the system write all of the file, so that a power cut after its renaming is harmless."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
