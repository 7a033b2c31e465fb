"""Write frames as H.264 video that plays in browsers, with the sound of the source."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections import deque
from collections.abc import Iterable
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
from lanes.types import Frame, Image, Size
from lanes.video.audio import AudioCopy
from lanes.video.base import UNSPECIFIED, Source
from lanes.video.fit import even, letterboxed, to_picture
from lanes.video.opening import shown
from lanes.video.sound import Tap

Quality: TypeAlias = Literal["fast", "balanced", "best"]

# Preset and constant rate factor of libx264. At 1280x720, balanced takes about 5 times the CPU time
# of fast for 0.7 times the bytes; best takes 14 times, for the same bytes as fast and less loss.
_QUALITIES: dict[Quality, tuple[str, str]] = {
    "fast": ("ultrafast", "23"),
    "balanced": ("veryfast", "21"),
    "best": ("medium", "18"),
}
_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
# Matrix, primaries and transfer in the numbers of ITU-T H.273.
_TAGS: dict[Matrix, tuple[int, int, int]] = {
    "bt601": (6, 6, 6),
    "bt709": (1, 1, 1),
    "bt2020": (9, 9, 14),
}


def check_output(
    path: str | Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> Path:
    """Return `path` if a video can be written there.

    Raises:
        BadOutput: the suffix is not a video's, the folder is missing or not writable, the file
            exists and `overwrite` is False, or it is one of the `inputs`.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise BadOutput(f"{path} must end in one of {', '.join(_FORMATS)}, such as {path.stem}.mp4")
    try:
        _check_place(path, overwrite, inputs)
    except BadOutput:
        raise
    except OSError as error:
        raise BadOutput(
            f"cannot write in {path.parent} ({error.strerror}); choose another folder or name"
        ) from error
    return path


def _check_place(path: Path, overwrite: bool, inputs: Iterable[str | Path]) -> None:
    if path.is_dir():
        raise BadOutput(f"{path} is a folder; give the name of a file in it")
    for source in inputs:
        if path.exists() and Path(source).exists() and path.samefile(source):
            raise BadOutput(f"{path} is the input itself; give the output another name")
    if path.exists() and not overwrite:
        raise BadOutput(f"{path} exists already; overwrite it (--overwrite) or give another name")
    if not path.parent.is_dir():
        raise BadOutput(f"there is no folder {path.parent}; create it: mkdir -p {path.parent}")
    temporary = _temporary(path)
    temporary.open("xb").close()
    temporary.unlink()


def _temporary(path: Path) -> Path:
    """The temporary file, in the same folder, so that renaming it is atomic."""
    # Shortened, because the name may already have the maximum length.
    return path.with_name(f".{path.stem[:50]}.part-{os.getpid()}{path.suffix}")


class VideoSink:
    """Writes frames to a video file: H.264, 4:2:0, index in front, colour and aspect tags.

    The file has a hidden temporary name until it is complete, when the `with` block ends, also by
    Ctrl-C. Any other exception removes it. The first frame is second 0; frames keep their exact
    times (in .mkv to the millisecond). Frames of other sizes than `size` are letterboxed; odd sides
    get their last line or column repeated (4:2:0 needs even sides). `quality` is fast (ultrafast,
    CRF 23), balanced (veryfast, CRF 21) or best (medium, CRF 18). The sound of `audio_from` (a file, an
    address, or a source's `tap`), on the same clock as the frames, is copied for the duration of
    the video; what players may not play becomes AAC. `warnings` lists everything that could not be
    kept.

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
        self._temporary = _temporary(self.path.absolute())
        self._audio: AudioCopy | None = None
        self._container: OutputContainer | None = None
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
        picture = to_picture(self._fitted(frame))
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
            self._mux(self._container, self._stream.encode(None))
            if self._audio is not None:
                self._audio.finish((self._last + self._step) * self.time_base)
            self._container.close()
            self._temporary.replace(self.path)
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        self._container = None

    def abort(self) -> None:
        """Remove the unfinished file. Does nothing after the file is finished."""
        container, self._container = self._container, None
        audio, self._audio = self._audio, None
        if audio is not None:
            audio.close()
        if container is None:
            return
        # Remove it before closing, where the system allows that: closing would first move the
        # index of a long file to the front.
        for step in (self._remove, container.close, self._remove):
            with contextlib.suppress(av.FFmpegError, OSError):
                step()

    def _remove(self) -> None:
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        interrupted = exc_type is not None and issubclass(exc_type, KeyboardInterrupt)
        try:
            if exc_type is None or (interrupted and self.frames):
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
            self.abort()
            self._begin(None)
            self.warnings.append(f"the sound of {name} is left out: {error.strerror}")

    def _begin(self, audio_from: str | Path | Tap | None) -> None:
        """Open the file and write its header."""
        kind = _FORMATS[self.path.suffix.lower()]
        options = {} if kind == "matroska" else {"movflags": "+faststart"}
        container = av.open(str(self._temporary), "w", format=kind, container_options=options)
        self._container = container
        self._stream = self._video_stream(container)
        if audio_from is not None:
            self._audio = AudioCopy(audio_from, container, self.warnings)
        container.start_encoding()

    def _video_stream(self, container: OutputContainer) -> VideoStream:
        preset, crf = _QUALITIES[self._quality]
        height, width = even(self.size)
        options = {"preset": preset, "crf": crf}
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
