"""Frames of video files and network streams, through PyAV."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import chain, islice
from math import inf
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from lanes.errors import AfterEnd, BadInput, BadVideo
from lanes.types import Frame
from lanes.video.base import UNSPECIFIED, Cut, Source, rate_of
from lanes.video.decoded import Deinterlacer, Orientation, PlaneReader, colour_of
from lanes.video.decoder import Clock, Decoder, time_of
from lanes.video.losses import between, stretches
from lanes.video.opening import (
    conversion,
    has_no_times,
    is_url,
    listed,
    may_reopen,
    open_container,
    shown,
    video_stream,
    video_streams,
)
from lanes.video.sound import Tap
from lanes.video.stated import stated_duration, stated_frames, stated_rate
from lanes.video.tone_map import ToneMap, hdr_transfer

_ASSUMED_RATE = Fraction(25)
"""Frames a second of streams that state none; also FFmpeg's assumption."""


class VideoSource(Source):
    """The frames of a video file or a network stream.

    Times are the file's own. Streams without times (raw H.264, MJPEG) get them from `fps`, their
    own rate, or their arrival if they are live. Interlaced frames are deinterlaced, stored
    rotations applied, and all pixel formats converted to 8-bit 4:2:0, keeping range and matrix.
    High dynamic range (HLG, PQ) becomes standard range. Damaged parts are skipped and counted.
    `stream` is the number of the video stream, from 0. `tap_sound` makes `tap`, the packets of
    sound that are met on the way. `threads` decode (0 = FFmpeg's choice). A
    network that is silent for `timeout` seconds counts as the end of the stream.

    Raises:
        BadInput: there is no such file, it has nothing from `start` to `end`, or it has times and
            `fps` is given.
        BadVideo: it is not a video.
    """

    def __init__(
        self,
        path: str | Path,
        start: float | None = None,
        end: float | None = None,
        max_frames: int | None = None,
        *,
        seconds: float | None = None,
        fps: float | None = None,
        stream: int | None = None,
        tap_sound: bool = False,
        threads: int = 0,
        timeout: float = 10.0,
    ) -> None:
        # FFmpeg crashes if a container is closed while a thread reads from it.
        self._reading = threading.RLock()
        self._cut = Cut.of(start, end, max_frames, seconds)
        self._threads = threads
        self._path = shown(path)
        self.name = Path(self._path).stem
        self.warnings = []
        self._read_to: float | Fraction = 0
        self._noted = self._assumed = False
        self._container = open_container(path, timeout)
        try:
            reopen = partial(open_container, path, timeout) if may_reopen(path) else None
            self._choose(path, stream)
            if tap_sound and self._container.streams.audio:
                self.tap = Tap(self._path, list(self._container.streams.audio))
            self._describe(self._stream, is_url(path), fps, reopen)
            self._frames = self._begin()
        except BaseException:
            self._container.close()
            raise

    def __next__(self) -> Frame:
        with self._reading:
            return super().__next__()

    def close(self) -> None:
        """Release the file or stream; waits for another thread that reads a frame."""
        with self._reading:
            self._note_losses()
            super().close()
            if self.tap:
                self.tap.forget_streams()
            self._container.close()

    def _choose(self, path: str | Path, number: int | None) -> None:
        """Take one of the video streams; say which if there are several."""
        self._stream = video_stream(self._container, path, number)
        streams = video_streams(self._container)
        if number is None and len(streams) > 1:
            taken = streams.index(self._stream)
            self.warnings.append(
                f"{self._path} has {len(streams)} video streams: {listed(streams)}; number {taken} "
                "is taken, --stream takes another"
            )

    def _describe(
        self,
        stream: VideoStream,
        is_stream: bool,
        fps: float | None,
        reopen: Callable[[], InputContainer] | None,
    ) -> None:
        """Set attributes from the container; the stream is unusable after the container closes."""
        stream.codec_context.thread_count = self._threads
        self.sample_aspect_ratio = Fraction(stream.sample_aspect_ratio or 1)
        self._stream_duration = stated_duration(stream)
        whole = self._stream_duration
        if whole is None and self._container.duration:
            whole = self._container.duration / av.time_base
        self.live = is_stream and whole is None
        # Threads that share the slices of one frame do not delay it; not all videos have slices.
        stream.thread_type = "SLICE" if self.live else "AUTO"
        self._decoder = self._new_decoder(stream, fps, None if self.live else reopen)
        self.duration = self._cut.seconds_of(whole)
        stated = stated_frames(self._container, stream)
        self.frames = self._cut.frames_of(stated, whole, self.rate)
        self.frames_exact = bool(stated) and "mp4" in self._container.format.name

    def _new_decoder(
        self,
        stream: VideoStream,
        fps: float | None,
        reopen: Callable[[], InputContainer] | None,
    ) -> Decoder:
        """The decoder, and the `rate` and `time_base` of its frames."""
        untimed = has_no_times(self._container)
        if fps is not None and not untimed:
            raise BadInput(f"{self._path} has times of its own; leave out --fps")
        clock = None
        self.rate = stated_rate(stream, untimed) if fps is None else rate_of(fps)
        if untimed and self.live and fps is None:
            self.rate, clock = None, Clock(self.time_base)
        elif untimed:
            self.time_base = 1 / (self.rate or _ASSUMED_RATE)
            self._assumed = fps is None and not stream.codec_context.framerate
        else:
            self.time_base = Fraction(stream.time_base or self.time_base)
        self.own_times = self.live and clock is None
        step = max(1, round(1 / ((self.rate or _ASSUMED_RATE) * self.time_base)))
        return Decoder(
            self._container,
            stream,
            step,
            self.time_base,
            counted=untimed,
            clock=clock,
            reopen=reopen,
            tap=self.tap.add if self.tap else None,
        )

    def _begin(self) -> Iterator[Frame]:
        """Decode the first frame, set the attributes that depend on it, and return all frames."""
        pictures = self._progressive(self._decoder.frames(self._cut.start))
        first = next(pictures, None)
        if first is None:
            raise self._nothing()
        pictures = chain([first], pictures)
        if transfer := hdr_transfer(first):
            self.warnings.append(f"{self._path} is HDR ({transfer}): converted to standard range")
            pictures = map(ToneMap(first, self.time_base), pictures)
            first = next(pictures)
            pictures = chain([first], pictures)
        orientation = Orientation.of(first)
        self.first, self.origin = self._decoder.first, float(self._origin * self.time_base)
        self._planes = PlaneReader(orientation, self._threads)
        if self.live:
            # A stream is joined between key frames: damage before the first frame does not count.
            self._decoder.losses.damaged.clear()
        self.colour = colour_of(first)
        self.primaries = first.color_primaries or UNSPECIFIED
        self.transfer = first.color_trc or UNSPECIFIED
        self.size = (first.height, first.width)
        if orientation.transpose:
            self.size = (first.width, first.height)
            self.sample_aspect_ratio = 1 / self.sample_aspect_ratio
        return self._read(pictures)

    def _nothing(self) -> BadInput:
        if self._decoder.origin is None or not self._cut.start:
            cure = "check whether a player can show it"
            if is_url(self._path):
                cure = "or its server cannot seek to its index: download it, and give the file"
            return BadVideo(
                f"{self._path} has no frame that can be decoded: it is empty, cut off or damaged; "
                + cure
            )
        seconds = self._stream_duration
        length = f", which lasts {seconds:.2f} s" if seconds else ""
        return AfterEnd(
            f"the start, {float(self._cut.start):g} s, is after the end of {self._path}{length}; "
            "give an earlier start"
        )

    def _progressive(self, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        deinterlacer = Deinterlacer(self.time_base)
        try:
            for frame in frames:
                if frame.interlaced_frame and not deinterlacer.used:
                    self.warnings.append(f"{self._path} is interlaced: deinterlaced")
                yield from deinterlacer(frame)
            yield from deinterlacer.flush()
        except av.FFmpegError as error:
            raise BadVideo(
                f"{self._path} is interlaced and cannot be deinterlaced ({error.strerror}); "
                f"convert it: {conversion(self._path, '-vf yadif')}"
            ) from error

    def _read(self, pictures: Iterator[av.VideoFrame]) -> Iterator[Frame]:
        """The frames up to the end of the cut."""
        stop: float | Fraction = inf
        for index, picture in enumerate(islice(pictures, self._cut.max_frames)):
            time = time_of(picture)
            if index == 1 and self._assumed:
                self.warnings.append(
                    f"{self._path} states no frame rate: {float(_ASSUMED_RATE):g} FPS are assumed; "
                    "give the right one with --fps"
                )
            if not index:
                end = self._cut.stop((time - self._origin) * self.time_base)
                stop = inf if end is None else self._origin + end / self.time_base
            if time >= stop:
                self._read_to = stop
                break
            self._read_to = time + 1
            yield self._frame(picture, index)
        if self._decoder.at_end:
            self._read_to = stop
        self._note_losses()

    @property
    def _origin(self) -> int:
        return self._decoder.origin or 0

    def _frame(self, picture: av.VideoFrame, index: int) -> Frame:
        try:
            planes, colour = self._planes(picture)
        except (av.FFmpegError, ValueError) as error:
            raise BadVideo(
                f"{self._path} has {picture.format.name} pixels, which cannot be read; "
                f"convert it: {conversion(self._path, '-pix_fmt yuv420p')}"
            ) from error
        return Frame(planes, colour, index, time_of(picture), self.time_base)

    def _never_met(self) -> list[int]:
        """The times of frames that the file states and that its packets lack."""
        name, stream = self._container.format.name, self._stream
        if stream.frames and "mp4" in name and self._decoder.last is not None:
            entries = (entry for entry in stream.index_entries if not entry.is_discard)
            later = [entry.timestamp for entry in entries if entry.timestamp > self._decoder.last]
            return later if self._decoder.at_end else []
        unmet = self._decoder.places.unmet(stream) if name == "avi" else []
        return max(unmet, self._cut_off() if self._decoder.at_end else [], key=len)

    def _cut_off(self) -> list[int]:
        """The times of the frames that should follow the last packet of a file that was cut off."""
        if self._stream_duration is None or self.rate is None:
            return []
        end, step = self._decoder.end, 1 / (self.rate * self.time_base)
        rest = self._origin + round(self._stream_duration / self.time_base) - end
        # Stated durations are rough; a file more than a second too short was cut off.
        count = round(rest / step) if rest * self.time_base > 1 else 0
        return [end + round(step * number) for number in range(count)]

    def _note_losses(self) -> None:
        """Report the losses of the frames that were read, once."""
        if self._noted:
            return
        self._noted = True
        losses = self._decoder.losses
        part = (self._origin + self._cut.start / self.time_base, self._read_to)
        times = [*losses.times, *self._never_met()]
        self.lost = between(times, *part)
        seconds = (float((time - self._origin) * self.time_base) for time in times)
        self.unread = stretches(seconds, float(1 / (self.rate or _ASSUMED_RATE)))
        if self.lost:
            self.warnings.append(
                f"{self.lost} frames of {self._path} could not be read: "
                "the file is cut off or damaged"
            )
        if damaged := between(losses.damaged, *part):
            self.warnings.append(
                f"{damaged} frames of {self._path} are damaged and only partly shown"
            )
        if self._decoder.silent:
            self.warnings.append(f"{self._path} sent nothing more: treated as its end")
