"""What a file states of its video: rate, duration and frames. All may be wrong."""

from __future__ import annotations

import re
from fractions import Fraction

from av.container import InputContainer
from av.video.stream import VideoStream


def stated_rate(stream: VideoStream, untimed: bool) -> Fraction | None:
    """The stream's frames per second; the mean if they vary."""
    mean, nominal = (Fraction(rate or 0) for rate in (stream.average_rate, stream.guessed_rate))
    # A longer last frame shifts the mean slightly: 2996/100 for 30000/1001. Without times, the mean
    # is FFmpeg's assumption.
    near = untimed or abs(mean - nominal) <= nominal / 500
    rate = nominal if near else mean or nominal
    # Some cameras state their clock's tick rate instead.
    return rate if 0 < rate <= 1000 else None


def stated_duration(stream: VideoStream) -> float | None:
    """The stated duration of the stream in seconds; Matroska files have a tag for it."""
    if stream.frames and stream.container.format.name == "avi" and stream.time_base:
        # FFmpeg takes the duration of a file that was cut off from its size.
        return float(stream.frames * stream.time_base)
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if tag is None:
        return None
    hours, minutes, seconds = (float(part) for part in tag.groups())
    return 3600 * hours + 60 * minutes + seconds


def stated_frames(container: InputContainer, stream: VideoStream) -> int | None:
    """The number of frames to show, as stated by the file."""
    if not stream.frames:
        return None
    if "mp4" in container.format.name:
        # An edit list may drop frames at the beginning and end.
        return sum(not entry.is_discard for entry in stream.index_entries)
    return stream.frames
