"""Open video files and streams, with one-sentence errors for those that cannot be opened."""

from __future__ import annotations

import difflib
import re
import shlex
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from lanes.errors import BadInput, BadVideo

# FFmpeg renders text files as terminal pictures.
_TEXT_CODECS = ("ansi", "bintext", "idf", "xbin")

CAMERA = re.compile(r"(?:/dev/video)?(\d{1,3})")
"""The name of a camera of this machine; the group is its index."""
PLAYLISTS = (".ffconcat", ".m3u", ".m3u8")
"""Suffixes of playlists, which name the files to play."""
_PLAYLIST_HEADS = (b"ffconcat version", b"#EXTM3U")
# FFmpeg's names, https://ffmpeg.org/ffmpeg-formats.html#Demuxers; none of these opens other files.
_CONTAINERS = (
    "mov,matroska,avi,mpegts,mpeg,asf,flv,live_flv,ogg,mxf,gxf,nut,ivf,dv,wtv,rm,swf,nsv,"
    "dhav,gif,apng,yuv4mpegpipe,mpjpeg,mjpeg,h261,h263,h264,hevc,vvc,m4v,mpegvideo,av1,obu,vc1,"
    "jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe,j2k_pipe,"  # a picture is one frame
    "mp3,wav,flac,aac"  # opened so that the error can say "has no video"
)


_ONLY_CONTAINERS = {"format_whitelist": _CONTAINERS}
# https://ffmpeg.org/ffmpeg-protocols.html#http
_ONLY_THIS_ADDRESS = {
    "max_redirects": "0",
    "format_whitelist": f"{_CONTAINERS},rtsp",
    "protocol_whitelist": "rtsp,rtsps,rtp,srtp,udp,http,https,tcp,tls",
}
STDIN = "-"
"""The input that is read from standard input."""


_confined = threading.Event()


def confine_streams() -> None:
    """From now on, open no URL that another one names: for servers that open what visitors ask.

    A stream may not redirect, nor be a playlist. A failure takes as long and reads the same
    whatever its cause, so that nobody can learn which ports of the network are open.
    """
    _confined.set()


def is_url(path: str | Path) -> bool:
    """Whether `path` is the URL of a stream rather than a file."""
    return re.match(r"[a-z][a-z0-9+.-]+://", str(path), re.IGNORECASE) is not None


def is_live(given: str) -> bool:
    """Whether an input is a camera or a stream, which drops frames when it is late."""
    given = without_scheme(given)
    return is_url(given) or CAMERA.fullmatch(given) is not None


def without_scheme(path: str | Path) -> str:
    """The path in a `file://` address; anything else as it is."""
    text = str(path)
    if not text.lower().startswith("file://"):
        return text
    return unquote(text[len("file://") :].removeprefix("localhost"))


def local_path(given: str | Path) -> Path | None:
    """The file, folder or pattern that an input names; None for a camera, stream or stdin, or "".

    >>> local_path("file:///a%20b.mp4")
    PosixPath('/a b.mp4')
    """
    text = str(given)
    if (path := without_scheme(given)) != text:
        return Path(path)
    if is_url(text) or text == STDIN or not text.strip() or CAMERA.fullmatch(text):
        return None
    return Path(text).expanduser()


def playlist_files(path: Path) -> list[Path]:
    """The files that a playlist of the formats ffconcat or M3U names."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        entries = [line.strip() for line in lines]
    if path.suffix.lower() == ".ffconcat":
        entries = [line.removeprefix("file").strip("' ") for line in entries if line[:4] == "file"]
    names = [name for name in entries if name and not name.startswith("#") and not is_url(name)]
    return [path.parent / name for name in names]


def shown(path: str | Path) -> str:
    """The path or URL for use in messages, without user and password.

    Also drops the query, where some cameras take them. A password may contain any character.
    """
    if str(path) == STDIN:
        return "stdin"
    if not is_url(path):
        return str(path)
    return re.split(r"[?#]", re.sub(r"(?<=://).*@", "", str(path)))[0]


def may_reopen(path: str | Path) -> bool:
    """Whether the input can be opened again from its beginning: it is no pipe."""
    return is_url(path) or Path(path).is_file()


def is_file(given: str | Path) -> bool:
    """Whether the input can be read once more for its sound; a pipe or stream cannot."""
    path = local_path(given)
    return path is not None and path.is_file()


_NO_TIMES = 0x80
"""FFmpeg's AVFMT_NOTIMESTAMPS."""


def has_no_times(container: InputContainer) -> bool:
    """Whether the format stores no times, as raw H.264 and MJPEG; FFmpeg makes some up."""
    return bool(container.format.flags & _NO_TIMES) or container.format.name.endswith("_pipe")


def existing(path: str | Path) -> Path:
    """Return `path` if it exists.

    Raises:
        BadInput: it does not exist; names a similar one in the same folder.
    """
    path = Path(path)
    try:
        if path.exists():
            return path
    except OSError as error:  # a name that is too long
        raise BadInput(f"cannot look for {path} ({error.strerror}); check the name") from error
    if path.is_symlink():
        raise BadInput(
            f"{path} is a link to {path.readlink()}, which does not exist; mend the link"
        )
    if not path.parent.is_dir():
        raise BadInput(f"there is no {path}: not even the folder {path.parent} exists")
    names = [entry.name for entry in path.parent.iterdir()]
    close = difflib.get_close_matches(path.name, names, n=1)
    cure = f"did you mean {path.with_name(close[0])}?" if close else "check the spelling"
    raise BadInput(f"there is no {path}; {cure}")


def open_container(path: str | Path, timeout: float) -> InputContainer:
    """Open a video file or a URL.

    A network may be silent for `timeout` seconds, now and later; files have no limit.

    Raises:
        BadInput: there is no such file, or it may not be read.
        BadVideo: it is not a video, or the URL does not respond.
    """
    if str(path) == STDIN:
        if sys.stdin is None or sys.stdin.isatty():
            raise BadInput("- is standard input, but no video is piped into it; name a file")
        return _open(Path(STDIN), "pipe:0", _ONLY_CONTAINERS)
    return _open_url(str(path), timeout) if is_url(path) else open_file(path)


def open_file(path: str | Path) -> InputContainer:
    """Open a video file, or a playlist with a suffix of `PLAYLISTS`.

    Playlists with other suffixes are refused: otherwise an uploaded file could open other files.

    Raises:
        BadInput: there is no such file, or it may not be read.
        BadVideo: it is not a video.
    """
    path = existing(path)
    if not (path.is_file() or path.is_fifo()):
        raise BadInput(f"{path} is not a file; give a video file, a folder of images or a URL")
    playlist = path.suffix.lower() in PLAYLISTS
    # Absolute, because FFmpeg would take "12:30.mp4" for a protocol.
    return _open(path, str(path.absolute()), {} if playlist else _ONLY_CONTAINERS)


def _open(path: Path, address: str, options: dict[str, str]) -> InputContainer:
    try:
        return av.open(address, options=options, metadata_errors="replace")
    except av.error.PermissionError as error:
        raise BadInput(f"{path} may not be read; allow it with chmod +r") from error
    except av.FFmpegError as error:
        raise BadVideo(_why_no_video(path)) from error


def url_options(url: str) -> dict[str, str]:
    """FFmpeg's options for a URL; all that open one need them."""
    # Over UDP a lost packet damages the picture; prefer TCP if the camera offers it.
    options = {"rtsp_flags": "prefer_tcp"} if url.lower().startswith("rtsp") else {}
    return options | _ONLY_THIS_ADDRESS if _confined.is_set() else options


def _open_url(url: str, timeout: float) -> InputContainer:
    began = time.monotonic()
    try:
        return av.open(url, timeout=timeout, options=url_options(url), metadata_errors="replace")
    except av.FFmpegError as error:
        if _confined.is_set():
            time.sleep(max(0.0, began + timeout - time.monotonic()))
            raise BadVideo(
                f"{shown(url)} cannot be opened as a stream: check the URL, and that the camera or "
                "server is on; HTTP redirects and playlists are not followed"
            ) from error
        # The error of a timeout depends on the protocol.
        if time.monotonic() - began >= timeout:
            raise BadVideo(
                f"{shown(url)} did not answer within {timeout:g} s; "
                "check the URL, and that the camera or server is on"
            ) from error
        raise BadVideo(f"{shown(url)} cannot be opened: {error.strerror}; check the URL") from error


def _why_no_video(path: Path) -> str:
    if not path.is_file():
        return (
            f"what came through {shown(path)} cannot be read as a video while it arrives: send "
            "Matroska or MPEG-TS (ffmpeg -f matroska -), or give a file"
        )
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return f"{path} is not a video: the file is empty; download or record it again"
    if head[4:8] == b"ftyp":
        return (
            f"{path} is an MP4 without its index (moov), because the recording or download was cut "
            "off; get it again, or try a repair tool such as untrunc"
        )
    if head.startswith(_PLAYLIST_HEADS):
        return (
            f"{path} is not a video: it is a playlist without the suffix of one "
            f"({', '.join(PLAYLISTS)}); give the video itself"
        )
    kind = "it holds text" if _is_text(head) else "its format is not supported"
    return f"{path} is not a video: {kind}; give a file that a video player opens"


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)


def video_streams(container: InputContainer) -> list[VideoStream]:
    """The video streams; cover pictures of songs do not count."""
    return [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]


def video_stream(
    container: InputContainer, path: str | Path, number: int | None = None
) -> VideoStream:
    """The video stream with this `number`, counted from 0; by default the one that players show.

    Raises:
        BadInput: there are streams, but none with this number.
        BadVideo: there is no video stream, or it cannot be decoded.
    """
    streams = video_streams(container)
    if not streams:
        kinds = {stream.type for stream in container.streams}
        held = " and ".join(sorted(kinds - {"video"})) or (
            "a cover picture" if kinds else "nothing"
        )
        raise BadVideo(f"{shown(path)} has no video, it holds {held}; give a file with video")
    if number is not None and not 0 <= number < len(streams):
        raise BadInput(f"{shown(path)} has no video stream {number}; it has {listed(streams)}")
    best = container.streams.best("video")
    stream = next((stream for stream in streams if stream is best), streams[0])
    stream = stream if number is None else streams[number]
    if stream.codec_context is None:
        raise BadVideo(
            f"{shown(path)} has a codec that this build of FFmpeg cannot decode; "
            f"convert it with another build: {conversion(path, '-c:v libx264')}"
        )
    if stream.codec_context.name in _TEXT_CODECS:
        raise BadVideo(f"{path} is not a video: it holds text; give a file that a player opens")
    return stream


def listed(streams: list[VideoStream]) -> str:
    """The streams' numbers and sizes, for use in messages."""
    return ", ".join(
        f"{number} ({stream.width}x{stream.height})" if stream.codec_context else str(number)
        for number, stream in enumerate(streams)
    )


def conversion(path: str | Path, options: str) -> str:
    """The ffmpeg command that converts `path` with `options` to a copy in the current folder."""
    copy = Path(Path(shown(path)).stem + "_converted.mp4")
    return f"ffmpeg -i {shlex.quote(shown(path))} {options} {shlex.quote(str(copy))}"
