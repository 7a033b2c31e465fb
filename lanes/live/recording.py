"""Records what is played; at most one recording at a time, started and stopped at any time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from lanes.errors import BadOutput
from lanes.live.control import Control
from lanes.pipeline.labelled import Labelled
from lanes.pipeline.lane_outputs import EventTable
from lanes.pipeline.outputs import JsonLines, VideoOutput
from lanes.pipeline.recorder import Recorder
from lanes.system.threads import share, usable_cores
from lanes.video import Quality, Source, VideoSink
from lanes.video.opening import local_path, may_reopen
from lanes.video.places import check_apart
from lanes.video.sound import Tap


class Recording:
    """Starts and stops recordings. Thread-safe.

    `given` is the input, None for a custom source; its sound is recorded, too. At the end of a
    recording `tell` gets a sentence for each thing that it could not keep. `read` are the inputs,
    which it must not replace.
    """

    def __init__(
        self,
        control: Control,
        quality: Quality,
        tell: Callable[[str], None],
        given: str | Path | None,
        read: Sequence[str | Path],
    ) -> None:
        self._control, self._quality, self._tell = control, quality, tell
        self._given, self._read = given, read
        self._recorder: Recorder | None = None
        self._warnings: list[str] = []

    @property
    def path(self) -> Path | None:
        """The file being recorded; None if there is no recording."""
        recorder = self._recorder
        return recorder.path if recorder else None

    def start(
        self, video: Path | None, json: Path | None, overwrite: bool, events: Path | None = None
    ) -> None:
        """Record what is played from now on.

        Raises:
            BadOutput: a file cannot be created, a recording is running, or nothing is played yet.
        """
        with self._control.changed:
            source = self._control.source
        if source is None:
            raise BadOutput(
                f"cannot record {video or json or events} yet: no frame has arrived; wait for one"
            )
        if self._recorder:
            raise BadOutput(f"{self._recorder.path} is being recorded: stop that recording first")
        recorder = self._new(source, video, json, events, overwrite)
        with self._control.changing():
            self._recorder = recorder

    def write(self, result: Labelled) -> None:
        """Record a result, if a recording is running.

        Raises:
            BadOutput: the result cannot be written; the recording has ended, its files are removed.
        """
        if recorder := self._recorder:
            try:
                recorder.write(result)
            except BadOutput:
                with self._control.changing():
                    self._recorder = None
                raise

    def stop(self) -> None:
        """Complete the files; raises `BadOutput` if that fails."""
        with self._control.changed:
            recorder, self._recorder = self._recorder, None
        if recorder:
            recorder.finish()
            for warning in self._warnings:
                self._tell(warning)

    def _sound(self, source: Source) -> str | Path | Tap | None:
        """Where the sound is: a file is read once more, so that it follows cuts."""
        given = self._given
        if given is None or source.live or not may_reopen(given):
            return source.tap
        return local_path(given) or given

    def _new(
        self,
        source: Source,
        video: Path | None,
        json: Path | None,
        events: Path | None,
        overwrite: bool,
    ) -> Recorder | None:
        """A recorder for the given files; None if there are none."""
        path = video or json or events
        self._warnings = []
        if path is None:
            return None
        check_apart(self._read, [path for path in (video, json, events) if path])
        with ExitStack() as stack:
            recorder = stack.enter_context(Recorder(path))
            if video:
                sink = VideoSink.like(
                    source,
                    video,
                    quality=self._quality,
                    audio_from=self._sound(source),
                    overwrite=overwrite,
                    threads=share(usable_cores()).encode,
                )
                self._warnings = sink.warnings
                if source.tap and source.lost_since is not None:
                    sink.warnings.append(f"{source.name} was lost: its sound is not recorded")
                recorder.add(VideoOutput(sink, needs_frames=False))
            if json:
                recorder.add(JsonLines(json, overwrite))
            if events:
                recorder.add(EventTable(events, overwrite))
            stack.pop_all()
        return recorder
