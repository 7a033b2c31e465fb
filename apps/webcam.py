"""`lanes webcam`: label a camera or stream live, controlled by keys.

The main thread draws the newest result of `lanes.live`; a slow screen skips frames. The displayed
latency runs from a frame's arrival from the camera or stream to its hand-over to the window or
browser.
"""

from __future__ import annotations

import threading
import time
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from lanes import assets, backends, segmenter
from lanes.errors import BadInput, BadOutput, LanesError, ended_by
from lanes.live.player import ENDS, Live, LiveOptions, Snapshot, hud_lines
from lanes.live.screen import SWAP_WHEEL, Page, Screen, Window, why_no_window
from lanes.pipeline.labelled import Look
from lanes.pipeline.lane_options import LaneOptions, check_lane_options
from lanes.pipeline.tidy import tidy
from lanes.segmenter import Segmenter
from lanes.system import ending
from lanes.system.meters import LatencyMeter
from lanes.system.threads import opencv_threads, share, usable_cores
from lanes.types import Image
from lanes.video import CameraMode
from lanes.video.opening import shown
from lanes.video.output_files import write_image

TITLE = "lanes webcam"
KEYS = {
    " ": "pause",
    "o": "overlay",
    "m": "next model",
    "s": "snapshot",
    "r": "record",
    "h": "help",
    "q": "quit",
}
TICK_SECONDS = 0.02
"""How often to poll for keys between frames."""
REDRAW_SECONDS = 0.25
"""Redraw this often without a new frame, because the text may have changed."""
MESSAGE_SECONDS = 5.0
FIGURES_SECONDS = 0.5
"""Update the figures this often; faster is unreadable."""


@dataclass(frozen=True)
class WebcamOptions:
    """The options of `lanes webcam`; see its --help.

    `engine` is (backend, precision, device, threads), as in `lanes.segmenter.load`.
    """

    source: str = "0"
    model: str = assets.DEFAULT_MODEL
    engine: tuple[str, str, str | None, int | None] = ("auto", "auto", None, None)
    alpha: float = 0.5
    window: bool = True
    browser: bool = False
    port: int = 0
    record: Path | None = None
    seconds: float | None = None
    overwrite: bool = False
    tidied: bool = False
    camera: CameraMode | None = None
    lane: LaneOptions = LaneOptions()


def run(options: WebcamOptions, opened: Callable[[Viewer], None] = lambda viewer: None) -> int:
    """Run until q, end of file or time limit; return the exit code.

    `opened` is called with the viewer once its screen is open.

    Raises:
        LanesError: the camera, model or file is unusable; no half-written file is left.
    """
    _check(options)
    # File names may look like rich markup: print everything verbatim.
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    with ExitStack() as stack:
        stack.enter_context(opencv_threads(share(usable_cores()).opencv))
        models = stack.enter_context(Models(options))
        end = stack.enter_context(ending.finishing())
        playing = LiveOptions(
            video=options.record,
            overwrite=options.overwrite,
            alpha=options.alpha,
            real_time=True,
            steps=[tidy] if options.tidied else [],
            camera=options.camera,
            **vars(options.lane),
        )
        live = stack.enter_context(Live(options.source, models.first, playing))
        if not _await_first(live, options.source, console):
            return ended_by(end.number)
        screen = _screen(options, console) if options.window else None
        if screen:
            stack.callback(screen.close)
        viewer = Viewer(live, models, screen, options, console)
        opened(viewer)
        viewer.run()
        live.close()
        viewer.finish()
        return ended_by(end.number) if end.number else 0


def _check(options: WebcamOptions) -> None:
    if not 0 <= options.alpha <= 1:
        raise BadInput(f"--alpha {options.alpha}: wanted 0 (invisible) to 1 (opaque)")
    if options.seconds is not None and options.seconds <= 0:
        raise BadInput(f"--seconds {options.seconds}: wanted more than 0")
    if not options.window and options.record is None:
        raise BadInput("--no-window has no output: add --record FILE.mp4")
    check_lane_options(options.lane)


def _await_first(live: Live, source: str, console: Console) -> bool:
    """Wait for the first labels, even if the source drops out; raise the error if it fails.

    False if a signal asks for the end before.
    """
    with console.status(Text(f"opening {shown(source)}")):
        now = live.wait(0, TICK_SECONDS)
        while now.result is None and now.state not in ENDS and not ending.asked():
            now = live.wait(0, TICK_SECONDS)
    if now.error:
        raise now.error
    return now.result is not None


def _screen(options: WebcamOptions, console: Console) -> Screen:
    """A window if OpenCV supports them, else a browser page."""
    why = why_no_window()
    if not (why or options.browser):
        return Window(TITLE)
    page = Page(TITLE, KEYS, options.port)
    if why:
        console.print(f"no window: {why}")
        if "headless" in why:
            console.print(f"for a window: {SWAP_WHEEL}")
    console.print(f"live view: {page.url}")
    if why is None or "display" not in why:
        threading.Thread(target=webbrowser.open, args=(page.url,), daemon=True).start()
    return page


class Models:
    """The models that key m cycles through, loaded on first use and kept."""

    def __init__(self, options: WebcamOptions) -> None:
        names = [name for name in assets.model_names() if name != options.model]
        self._names, self._engine = [options.model, *names], options.engine
        self._loaded: dict[str, Segmenter] = {}
        self._place, self._loading = 0, threading.Lock()
        self.first = self._load(options.model)

    def next(self, then: Callable[[Segmenter], None], failed: Callable[[str], None]) -> str | None:
        """Load the next model in the background, pass it to `then`, and return its name.

        Returns None if a model is already loading. `failed` receives the reason if loading fails.
        """
        if not self._loading.acquire(blocking=False):
            return None
        self._place = (self._place + 1) % len(self._names)
        name = self._names[self._place]

        def load() -> None:
            try:
                then(self._load(name))
            except LanesError as error:
                failed(f"{name}: {error}")
            finally:
                self._loading.release()

        threading.Thread(target=load, name="load", daemon=True).start()
        return name

    def _load(self, name: str) -> Segmenter:
        if name not in self._loaded:
            self._loaded[name] = segmenter.load(name, *self._engine, backends.LATENCY)
        return self._loaded[name]

    def __enter__(self) -> Models:
        return self

    def __exit__(self, *error: object) -> None:
        # Loading cannot be cancelled, so wait for it.
        with self._loading:
            for loaded in self._loaded.values():
                loaded.close()


@dataclass
class Viewer:
    """Draws the newest frame, handles keys, counts the frames shown."""

    live: Live
    models: Models
    screen: Screen | None
    options: WebcamOptions
    console: Console
    shown: int = 0
    to_screen: LatencyMeter = field(default_factory=lambda: LatencyMeter(300))
    saved: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.overlay, self.help = True, False
        self.message, self.message_until = "", 0.0
        self.notices_said = 0
        self.figures: tuple[float, list[str]] = (0.0, [])
        if self.options.record:
            self.saved.append(self.options.record)

    def run(self) -> None:
        """Show frames until the source ends, the user quits or a signal comes."""
        drawn_at, frames = 0.0, 0
        while not ending.asked():
            now = self.live.wait(frames, TICK_SECONDS)
            if now.error:
                raise now.error
            if now.state in ENDS or self._out_of_time():
                return
            self._say_notices(now)
            newer = now.frames > frames
            if self.screen and (newer or time.monotonic() - drawn_at > REDRAW_SECONDS):
                self._show(now, newer)
                drawn_at = time.monotonic()
            frames = now.frames
            while self.screen and (key := self.screen.key()):
                if key == "q":
                    return
                self._press(key, now)

    def finish(self) -> None:
        """Print a summary; raise the error if the pipeline failed."""
        now = self.live.snapshot()
        seconds = time.monotonic() - self.began
        line = f"{now.frames} frames labelled in {seconds:.1f} s, {now.dropped} dropped"
        if self.screen:
            line += f", {self.shown} shown"
        if self.to_screen.count:
            p50, p95 = (self.to_screen.percentile(p) * 1e3 for p in (50, 95))
            line += f"; to the screen p50 {p50:.0f} ms, p95 {p95:.0f} ms"
        self.console.print(line)
        self._say_notices(now)
        if now.error:
            raise now.error
        for path in self.saved:
            if path.exists():
                self.console.print(f"written: {path}")

    def _out_of_time(self) -> bool:
        limit = self.options.seconds
        return limit is not None and time.monotonic() - self.began >= limit

    def _say_notices(self, now: Snapshot) -> None:
        """Report lost and recovered sources, in the picture and the terminal."""
        fresh = now.noticed - self.notices_said
        for notice in now.notices[-fresh:] if fresh else ():
            self._say(notice)
        self.notices_said = now.noticed

    def _say(self, message: str) -> None:
        self.message, self.message_until = message, time.monotonic() + MESSAGE_SECONDS
        self.console.print(message)

    def _show(self, now: Snapshot, newer: bool) -> None:
        assert self.screen is not None
        picture = self._picture(now, self._lines(now))
        self.screen.show(picture)
        self.shown += newer
        # Files are read ahead, so latency only makes sense for live sources.
        if newer and now.live and now.result:
            self.to_screen.add(time.perf_counter() - now.result.frame.captured)

    def _picture(self, now: Snapshot, lines: list[str]) -> Image:
        """The newest frame with its labels and the text `lines`."""
        assert now.result is not None
        birdseye = self.options.lane.birdseye and self.overlay
        look = Look(self.live.alpha, lines=tuple(lines), birdseye=birdseye)
        return now.result.looking(look).drawn.bgr

    def _lines(self, now: Snapshot) -> list[str]:
        clock = time.monotonic()
        if clock - self.figures[0] > FIGURES_SECONDS:
            lines = hud_lines(replace(now, consistency={}))
            if self.to_screen.count:
                ms = self.to_screen.percentile(50) * 1e3
                lines.append(f"to the screen {ms:.0f} ms")
            self.figures = clock, lines
        lines = [*self.figures[1], self.live.segmenter.card.name]
        if now.recording:
            lines.append(f"recording {now.recording.name}")
        if self.live.paused:
            lines.append("paused")
        if now.state == "lost":
            lines.append("lost")
        if clock < self.message_until:
            lines.append(self.message)
        if self.help:
            lines += [f"{key.strip() or 'space'}  {name}" for key, name in KEYS.items()]
        return [line.encode("ascii", "replace").decode() for line in lines]

    def _press(self, key: str, now: Snapshot) -> None:
        match key:
            case " ":
                self.live.resume() if self.live.paused else self.live.pause()
            case "o":
                self.overlay = not self.overlay
                self.live.alpha = self.options.alpha if self.overlay else 0.0
            case "m":
                name = self.models.next(self.live.switch, self._say)
                self._say(f"loading {name}" if name else "still loading a model")
            case "s":
                self._guarded(lambda: self._snapshot(now))
            case "r":
                self._guarded(lambda: self._record(now))
            case "h":
                self.help = not self.help

    def _guarded(self, action: Callable[[], None]) -> None:
        """Report a failed write without stopping the viewer."""
        try:
            action()
        except BadOutput as error:
            self._say(str(error))

    def _snapshot(self, now: Snapshot) -> None:
        path = _named(now.name, ".png")
        write_image(path, self._picture(now, []))
        self._note(path)

    def _record(self, now: Snapshot) -> None:
        if now.recording:
            self.live.stop_recording()
            self._say(f"written: {now.recording}")
            return
        path = _named(now.name, ".mp4")
        self.live.record(path)
        self._note(path)

    def _note(self, path: Path) -> None:
        self.saved.append(path)
        self._say(f"{'recording' if path.suffix == '.mp4' else 'written:'} {path}")


def _named(name: str, suffix: str) -> Path:
    """An unused, timestamped file name in the current folder."""
    stem = f"{name}_{time.strftime('%Y%m%d-%H%M%S')}"
    paths = (Path(f"{stem}{again}{suffix}") for again in ("", *(f"-{n}" for n in range(2, 99))))
    return next(path for path in paths if not path.exists())
