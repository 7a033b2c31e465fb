"""Labels one input of a batch; its results appear in one step."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from dataclasses import dataclass, fields, replace
from pathlib import Path

from lanes import assets, backends, segmenter, tasks
from lanes import card as cards
from lanes.draw.overlay import ALPHA
from lanes.errors import BackendError, BadInput, LanesError
from lanes.pipeline import label_images, label_video
from lanes.pipeline.batch.manifest import DONE, FAILED, UNFINISHED, Row, Stamp
from lanes.pipeline.lane_options import LaneOptions, LinesFormat, check_lane_options
from lanes.pipeline.tidy import tidy
from lanes.plugins import DISTRIBUTION
from lanes.system.atomic import writing
from lanes.system.machine import versions
from lanes.system.threads import share
from lanes.video import Quality
from lanes.video.images import is_image

JSON, MASKS, EVENTS, EVENT_CLIPS = "frames.jsonl", "masks", "events.csv", "events"
LINES = {"tusimple": "lines.json", "culane": "lines"}
"""Names in an input's folder; the lines by their format."""


@dataclass(frozen=True)
class Recipe(LaneOptions):
    """How the inputs of a batch are labelled; see `lanes batch --help`.

    `masks`, `json`, `events` and `event_clips` say what to write, besides the video, about each.
    """

    model: str = assets.DEFAULT_MODEL
    backend: str = "auto"
    precision: str = "auto"
    device: str | None = None
    quality: Quality = "fast"
    alpha: float | None = None
    hud: bool = True
    infer_every: int = 1
    tidy: bool = False
    masks: bool = False
    json: bool = False
    events: bool = False
    event_clips: bool = False
    lines_format: LinesFormat | None = None
    um_per_pixel: float | None = None

    @property
    def options(self) -> str:
        """The options that differ from the defaults, as they stand in the manifest."""
        given = ((field, getattr(self, field.name)) for field in fields(self))
        changed = {field.name: value for field, value in given if value != field.default}
        return " ".join(f"{name}={value}" for name, value in changed.items() if name != "model")

    def check(self) -> None:
        """Check the options before anything is labelled.

        Raises:
            BadInput, UnknownName, BadModel: an option is out of range, or the model is broken.
            MissingDependency: a library that measures cells is not installed.
        """
        card = cards.read(assets.model_folder(self.model))
        label_images.check_options([], card, Path(os.devnull) / "none", self._of_images())
        options = self._of_videos(Path(os.devnull), "none")
        label_video.check_options([], options)
        check_lane_options(options, tasks.load(card.task))

    def _of_images(self) -> label_images.ImageOptions:
        return label_images.ImageOptions(self.um_per_pixel, self.alpha)

    def _of_videos(self, work: Path, stem: str) -> label_video.Options:
        """The options for a video of the name `stem`, with its results in the folder `work`."""
        shared = {field.name: getattr(self, field.name) for field in fields(LaneOptions)}
        return label_video.Options(
            **shared,
            output=work / f"{stem}_lanes.mp4",
            masks=work / MASKS if self.masks else None,
            json=work / JSON if self.json else None,
            events=work / EVENTS if self.events else None,
            event_clips=work / EVENT_CLIPS if self.event_clips else None,
            lines_format=self.lines_format,
            lines_output=work / LINES[self.lines_format] if self.lines_format else None,
            quality=self.quality,
            alpha=ALPHA if self.alpha is None else self.alpha,
            hud=self.hud,
            infer_every=self.infer_every,
            steps=[tidy] if self.tidy else [],
        )


@dataclass(frozen=True)
class Job:
    """An input to label into the folder `output`, relative to `outdir`, of all results.

    `size` is in bytes; with `checksum`, the row has the input's SHA-256.
    """

    input: Path
    outdir: Path
    output: str
    size: int = 0
    checksum: bool = False


class Labeller:
    """Labels jobs with one loaded model; lives in a process of its own."""

    def __init__(self, recipe: Recipe, threads: int) -> None:
        self.recipe, self.threads = recipe, threads
        self._model: segmenter.Segmenter | None = None

    def start(self) -> None:
        """Load the model; raises the errors of `lanes.segmenter.load`."""
        recipe = self.recipe
        engine = recipe.backend, recipe.precision, recipe.device
        self._model = segmenter.load(recipe.model, *engine, self.threads, backends.THROUGHPUT)

    def do(self, job: Job) -> Row:
        """Label an input; its folder appears when all is in it. An error is in the row.

        Raises:
            BackendError: a signal ended the work.
        """
        row = new_row(job, self.recipe)
        work = job.outdir / UNFINISHED / uuid.uuid4().hex
        began = time.perf_counter()
        try:
            frames, warnings = self._label(job.input, work)
            _move(work, job.outdir / job.output)
        except (LanesError, OSError) as error:
            if isinstance(error, BackendError):
                raise
            return failed(row, str(error))
        finally:
            shutil.rmtree(work, ignore_errors=True)
        seconds = time.perf_counter() - began
        return replace(
            row,
            frames=frames,
            seconds=round(seconds, 3),
            fps=round(frames / seconds, 2),
            warnings=_one_line("; ".join(warnings)),
        )

    def _label(self, path: Path, work: Path) -> tuple[int, list[str]]:
        """Write the results of an input to the new folder `work`: frames and warnings."""
        with writing(work):
            work.mkdir(parents=True)
        return self._label_image(path, work) if is_image(path) else self._label_video(path, work)

    def _label_image(self, path: Path, work: Path) -> tuple[int, list[str]]:
        items = label_images.find_items([str(path)])
        done = label_images.label_images(items, self.model, work, self.recipe._of_images())
        _check_whole(done.signal)
        if done.skipped:
            raise BadInput(done.skipped[0])
        return done.images, [*done.warnings, *done.damaged]

    def _label_video(self, path: Path, work: Path) -> tuple[int, list[str]]:
        options = replace(self.recipe._of_videos(work, path.stem), threads=share(self.threads))
        summary = label_video.annotate(str(path), self.model, options)
        _check_whole(summary.signal)
        return summary.frames, summary.warnings

    @property
    def model(self) -> segmenter.Segmenter:
        """The loaded model."""
        assert self._model is not None, "start() comes first"
        return self._model


def new_row(job: Job, recipe: Recipe) -> Row:
    """The row of an input that is to be labelled as it now is."""
    stamp = Stamp.of(job.input, job.checksum)
    version = versions([DISTRIBUTION]).get(DISTRIBUTION, "")
    return Row(
        input=str(job.input),
        state=DONE,
        output=job.output,
        model=recipe.model,
        version=version,
        options=recipe.options,
        **vars(stamp),
    )


def failed(row: Row, error: str) -> Row:
    """The row of an input that could not be labelled."""
    return replace(row, state=FAILED, error=_one_line(error), output="")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _check_whole(signal: int) -> None:
    if signal:
        raise BackendError(f"its worker got signal {signal}")


def _move(work: Path, folder: Path) -> None:
    """Put the whole folder `work` in the place of an older one."""
    with writing(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.replace(work, folder)
