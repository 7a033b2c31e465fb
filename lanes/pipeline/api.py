"""What `lanes` offers to Python: a model to call, the main job as one function, scoring."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import cv2
import numpy as np

from lanes import assets, backends, segmenter
from lanes.colour import default_colour, from_bgr
from lanes.errors import BadInput
from lanes.images.read import read_picture
from lanes.lines.camera import read_calibration
from lanes.pipeline.follow_lane import FollowLane
from lanes.pipeline.label_video import Options, Summary, annotate, check_options
from lanes.pipeline.labelled import Labelled, Step, labelled
from lanes.pipeline.stages import prefetch, segment, timed
from lanes.segmenter import Segmenter
from lanes.types import Frame, Image
from lanes.video import open_source
from lanes.video.opening import is_url

if TYPE_CHECKING:
    from lanes.metrics.evaluate import Evaluation

COLOURS = 3
PATHS = ("labels", "masks", "json", "calibration", "events", "event_clips", "lines_output")
"""Options of `label_video` that may be strings."""


class Model(Segmenter):
    """A model that is called with images; made by `lanes.load`.

    An image is a path, an array, or an image of PIL. Arrays are uint8: BGR (H, W, 3) as OpenCV
    reads them, BGRA (H, W, 4), of which the alpha is not used, or grey (H, W).
    """

    @overload
    def __call__(self, image: str | Path | Image, *, scores: bool = False) -> Labelled: ...
    @overload
    def __call__(
        self, image: list[Any] | tuple[Any, ...], *, scores: bool = False
    ) -> list[Labelled]: ...
    @overload
    def __call__(self, image: Any, *, scores: bool = False) -> Any: ...
    def __call__(self, image: Any, *, scores: bool = False) -> Any:
        """Label one image, or each of a list, in which the engine is never idle between two.

        With `scores`, a result's `scores` are the class probabilities. The first such call loads a
        second engine.

        Raises:
            BadInput: a file cannot be read, or is not an image.
            BadModel, BackendError: the network or the backend has no class probabilities.
        """
        model = self.scored() if scores else self
        if isinstance(image, list | tuple):
            return list(self._labelled(map(_frame_of, image), model))
        (result,) = self._labelled([_frame_of(image)], model)
        return result

    def stream(
        self,
        given: str | Path,
        *,
        start: float | None = None,
        end: float | None = None,
        max_frames: int | None = None,
        infer_every: int = 1,
        scores: bool = False,
        steps: Iterable[Step] = (),
        calibration: str | Path | None = None,
    ) -> Iterator[Labelled]:
        """Label a video, camera, address or folder of images frame by frame, in order.

        `start` and `end` are seconds. A camera or stream gives its newest frame. With `infer_every`
        N the network labels every Nth frame, and optical flow carries its labels to the others.
        `scores` are as for one image; the frames between have none. `steps` change each result: see
        `lanes.pipeline.labelled`. A result's `lines` and `lane` follow the lane through the video,
        in metres too with the `calibration` of the camera (`lanes.lines.camera.read_calibration`).

        Raises:
            BadConfig: the calibration has a wrong value.
            BadInput, BadVideo: it cannot be opened or read.
            BadModel, BackendError: the network or the backend has no class probabilities.
        """
        model = self.scored() if scores else self
        camera = None if calibration is None else read_calibration(calibration)
        steps = [*steps, FollowLane(camera).attach]
        with open_source(given, start, end, max_frames) as source:
            frames = prefetch(timed(source), newest=source.live)
            # Closed before the source is: its thread must not read from a source that is gone.
            with closing(frames):
                yield from self._labelled(frames, model, infer_every, source.live, steps)

    def _labelled(
        self,
        frames: Iterable[Frame],
        model: Segmenter,
        infer_every: int = 1,
        live: bool = False,
        steps: Iterable[Step] = (),
    ) -> Iterator[Labelled]:
        results = segment(frames, model, infer_every, at_once=lambda: live)
        with closing(results):
            yield from labelled(results, self.task, steps=steps)

    def __repr__(self) -> str:
        engine = f"{self.backend.name} {self.backend.precision} on {self.backend.device}"
        return f"<lanes model {self.card.name}: {engine}, {self.card.resize}>"


def load(
    model: str | Path = assets.DEFAULT_MODEL,
    backend: str = "auto",
    precision: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    hint: str = backends.LATENCY,
) -> Model:
    """Load an included model or a model folder, ready to be called with images.

    `lanes.backends.load` says what the other arguments may be. `hint` is "latency" for cameras,
    where the newest image counts, or "throughput" for files, where all do.

    Example:
        >>> with lanes.load() as model:                 # doctest: +SKIP
        ...     model("road.jpg").draw()

    Raises:
        UnknownName: no model, backend, precision or device has that name.
        BadModel: the model folder is broken.
        MissingDependency: the backend's library is not installed.
    """
    loaded = segmenter.load(str(model), backend, precision, device, threads, hint)
    return Model(loaded.card, loaded.backend, loaded.load_scored)


def label_video(
    given: str | Path,
    output: str | Path | None = None,
    *,
    model: str | Path | Segmenter = assets.DEFAULT_MODEL,
    options: Options | None = None,
    **changes: Any,
) -> Summary:
    """Label every frame of `given` and write the video with the labels drawn on it.

    `given` is a video, a camera, an address, or images. `output` defaults to `NAME_lanes.mp4`
    beside it. `changes` are fields of `Options`, such as `masks="masks"`, `json="frames.jsonl"`,
    `start=60` or `overwrite=True`. The summary holds the output, frames, FPS, warnings, departures
    and lane changes (`events`), and the IoU if `labels` are given.

    Example:
        >>> lanes.label_video("drive.mp4", "drive_lanes.mp4").fps   # doctest: +SKIP

    Raises:
        BadInput, BadVideo: the input cannot be read, or the options do not go together.
        BadOutput: a result cannot be written; nothing half-written is left.
    """
    for name in PATHS:
        if isinstance(changes.get(name), str):
            changes[name] = Path(changes[name])
    try:
        chosen = replace(options or Options(), **changes)
    except TypeError as error:
        known = ", ".join(Options.__dataclass_fields__)
        raise BadInput(f"{', '.join(changes)}: wanted options among {known}") from error
    chosen = replace(chosen, output=Path(output)) if output else chosen
    check_options([str(given)], chosen)
    with ExitStack() as stack:
        if not isinstance(model, Segmenter):
            loaded = segmenter.load(str(model), hint=backends.THROUGHPUT)
            model = stack.enter_context(loaded)
        summary = annotate(str(given), model, chosen)
    if summary.signal not in (0, signal.SIGINT):
        # It ends the caller's program, too, now that the file is whole.
        signal.raise_signal(summary.signal)
    return summary


def evaluate(
    model: str | Path | Segmenter,
    dataset: str,
    root: str | Path = "",
    split: str = "val",
    backend: str = "auto",
    precision: str = "auto",
    device: str | None = None,
) -> Evaluation:
    """Score a model on the `split` of a data set; `root` is its folder, if it has one.

    `backend`, `precision` and `device` are as in `load`; a loaded model already has its own.

    Example:
        >>> lanes.evaluate("lanes-fcn-lite", "image_folder", "my_data")   # doctest: +SKIP

    Raises:
        UnknownName: no model, data set, split, backend, precision or device has that name.
        BadDataset: images or labels are missing or contradict each other.
        BadInput: the data set is of another task than the model, or a loaded model comes with a
            `backend`, `precision` or `device`.
    """
    # Imported here: tables and charts are not needed to label a video.
    from lanes.metrics import evaluate as evaluation

    engine = backend, precision, device
    if isinstance(model, Segmenter) and engine != ("auto", "auto", None):
        raise BadInput(
            f"got a loaded model and the engine {engine}: give the model's name or folder, or "
            "choose the engine in lanes.load"
        )
    opened = evaluation.open_dataset(dataset, str(root), split)
    if isinstance(model, Segmenter):
        return evaluation.evaluate(model, opened, dataset, split)
    with segmenter.load(str(model), *engine) as loaded:
        return evaluation.evaluate(loaded, opened, dataset, split)


def _frame_of(given: Any) -> Frame:
    """A frame that holds an image; see `Model` for what may be one."""
    image = _bgr(given)
    colour = default_colour(image.shape[0])
    name = Path(given).stem if isinstance(given, str | Path) else ""
    return Frame(from_bgr(image, colour), colour, 0, 0, Fraction(1), name, image=image)


def _bgr(given: Any) -> Image:
    if isinstance(given, str | Path):
        if is_url(str(given)):
            raise BadInput(f"{given} is an address; wanted a file: download it first")
        return read_picture(Path(given).expanduser())
    if hasattr(given, "convert") and hasattr(given, "getexif"):
        from PIL import ImageOps  # which whoever gives an image of PIL has

        upright = ImageOps.exif_transpose(given).convert("RGB")
        return np.ascontiguousarray(np.asarray(upright)[..., ::-1])
    if not isinstance(given, np.ndarray) or given.dtype != np.uint8 or not given.size:
        what = f"{given.dtype} {given.shape}" if isinstance(given, np.ndarray) else type(given)
        raise BadInput(
            f"got {what}; wanted a path, an image of PIL, or a uint8 array (H, W, 3) in BGR"
        )
    if given.ndim == 2:
        return np.asarray(cv2.cvtColor(given, cv2.COLOR_GRAY2BGR), np.uint8)
    if given.ndim != 3 or given.shape[2] not in (COLOURS, COLOURS + 1):
        raise BadInput(f"got an array {given.shape}; wanted (H, W, 3) in BGR, (H, W, 4) or (H, W)")
    return np.ascontiguousarray(given[..., :COLOURS])
