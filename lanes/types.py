"""The arrays and records that modules exchange, with their shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lanes import colour

Image: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) BGR, 0..255."""
LabelMap: TypeAlias = NDArray[np.uint8]
"""(H, W) class ids of a task; loss and metrics ignore 255."""
InstanceMap: TypeAlias = NDArray[np.uint16]
"""(H, W): the id of each pixel's thing, 1..65535; 0 = no thing."""
ImageBatch: TypeAlias = NDArray[np.uint8]
"""(N, H, W, 3) BGR, 0..255, at the network's input size."""
LabelBatch: TypeAlias = NDArray[np.uint8]
"""(N, H, W) class ids, at the network's input size."""
ScoreMap: TypeAlias = NDArray[np.float16]
"""(C, H, W): the probability of each class of a task, 0..1; a pixel's sum is 1 up to rounding."""
ScoreBatch: TypeAlias = NDArray[np.float16]
"""(N, C, H, W), as `ScoreMap`, at the network's input size."""
Size: TypeAlias = tuple[int, int]
"""(height, width) in pixels."""

IGNORE = 255
BACKGROUND = "background"
"""The name of the class that is the rest of a picture; a class 0 of another name is a class."""


@dataclass(frozen=True)
class LabelClass:
    """One class of a task: its name and its BGR colour in the overlay.

    `alpha` scales the overlay's opacity for this class (0 draws nothing). `line` marks thin lines
    among one's own classes, which are scored as such.
    """

    name: str
    colour: tuple[int, int, int]
    alpha: float = 1.0
    line: bool = False


@dataclass(frozen=True)
class Things:
    """The label ids of countable things; the rest is "stuff" (Kirillov et al. 2019).

    A thing consists of pixels of `classes`. The area of the class `nucleus` is also reported on its
    own. `border` separates touching things; its pixels belong to the nearest thing. Instances below
    `least` x the typical area in the image are dropped: specks, or shreds cut off by the edge.
    `kinds`: a thing with a nucleus is a white cell, one without a red cell.
    """

    classes: tuple[int, ...]
    nucleus: int | None = None
    border: int | None = None
    least: float = 0.0
    kinds: bool = False

    def among(self, known: int) -> Things:
        """The things of a model that knows only the first `known` classes."""
        nucleus = self.nucleus if (self.nucleus or 0) < known else None
        return replace(
            self,
            classes=tuple(label for label in self.classes if label < known),
            nucleus=nucleus,
            kinds=self.kinds and nucleus is not None,
        )


class Unit(StrEnum):
    """The unit of a task's measure; a share is 0..1."""

    SHARE = "share"
    PIXELS = "pixels"
    COUNT = "count"


PictureKind: TypeAlias = Literal["view", "slide"]
"""What pictures show: a view along a road from a car, or a slide under a microscope."""


@dataclass(frozen=True)
class Task:
    """The meaning of the pixels. The index in `classes` is the label id; 0 is the background.

    `measure(labels)` returns the numbers for a HUD or dashboard, by name: shares, unless `units`
    has another unit for the name. `things` says how labels become instances
    (`lanes.cells.instances`); None if the task counts nothing. `surface` are the ids of a surface
    that should be in one piece, its ground first (`lanes.images.regions`). `lines` says that its
    labels hold lane lines, as those of the task `lanes` do (`lanes.lines`). `pictures` is the kind
    of pictures that it is for; None if it may be any.
    """

    name: str
    classes: tuple[LabelClass, ...]
    measure: Callable[[LabelMap], dict[str, float]]
    things: Things | None = None
    surface: tuple[int, ...] = ()
    lines: bool = False
    pictures: PictureKind | None = None
    later: int = 0
    """For an older model: the number of classes added since. Truth may contain their ids."""
    units: Mapping[str, Unit] = field(default_factory=dict, hash=False)

    def unit_of(self, measure: str) -> Unit:
        """The unit of the measure of that name."""
        return self.units.get(measure, Unit.SHARE)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class names, in order of their ids."""
        return tuple(c.name for c in self.classes)


@dataclass(frozen=True)
class Sample:
    """One training sample; augmentation transforms all its arrays together.

    `image` (H, W, 3) BGR. `targets` uint8 (H, W): ids into the data set's table `TARGETS`, a
    boolean array (K, C): the classes that a pixel may be. `soft` uint8 (C, H, W): 255 times a
    teacher's probability of each class of the task; all 0 where the teacher gives none.
    `instances` uint16 (H, W): the thing that each pixel belongs to; 0 = no thing.
    """

    image: Image
    targets: NDArray[np.uint8]
    soft: NDArray[np.uint8] | None = None
    instances: InstanceMap | None = None


@dataclass(frozen=True)
class Measure:
    """One figure to score: pixels with the ids `targets` against the predicted `classes`.

    `lines` marks thin classes, which get the tolerant F4 as well as IoU.
    """

    targets: tuple[int, ...]
    classes: tuple[int, ...]
    lines: bool = False


class Dataset(Protocol):
    """Samples by index; works directly with torch's DataLoader.

    `TASK` is a task's name. `TARGETS` (K, C) says which classes each target id may be; a row of all
    True means "unknown". `MEASURES` are the figures that this truth supports.
    """

    TASK: str
    TARGETS: NDArray[np.bool_]
    MEASURES: Mapping[str, Measure]

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Sample: ...


@dataclass
class Frame:
    """One upright video frame: its 4:2:0 planes as decoded, and its presentation time.

    `planes` are Y (H, W), U and V (ceil(H/2), ceil(W/2)), uint8; `colour` says how to convert them
    to BGR. `pts` counts in units of `time_base` seconds. `index` counts the frames of the source
    from 0; `name` is the file's stem, `path` its path, if each frame is a file. `image` is the BGR
    image that the planes were made from, if any (an image file, a camera). `captured` is the
    `time.perf_counter()` reading when the source delivered the frame, 0.0 if not recorded.
    """

    planes: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
    colour: colour.YuvColour
    index: int
    pts: int
    time_base: Fraction
    name: str = ""
    decode_seconds: float = 0.0
    captured: float = 0.0
    image: Image | None = None
    path: Path | None = None

    @property
    def size(self) -> Size:
        """Height and width of the upright frame."""
        height, width = self.planes[0].shape
        return height, width

    @property
    def seconds(self) -> float:
        """Presentation time in seconds, on the source's clock."""
        return float(self.pts * self.time_base)

    @cached_property
    def bgr(self) -> Image:
        """The frame as BGR (H, W, 3): `image`, or converted from the planes on first use."""
        return colour.to_bgr(self.planes, self.colour) if self.image is None else self.image

    def drawn_on(self) -> None:
        """Drop `image` and the cached `bgr`: call this after changing the planes."""
        self.image = None
        self.__dict__.pop("bgr", None)


@dataclass
class Result:
    """A frame with its labels and the seconds that each stage took.

    The labels have the network's size, or the frame's if the network takes tiles. `inferred` is
    True if the network labelled this frame, False if it carries an earlier frame's labels.
    `scores` has the labels' size; None if the segmenter gives none.
    """

    frame: Frame
    labels: LabelMap
    seconds: dict[str, float]
    inferred: bool = True
    scores: ScoreMap | None = None


Side: TypeAlias = Literal["ego left", "ego right", "next left", "next right"]
"""Which line it is: a border of the own lane, or the far border of a lane next to it."""
Kind: TypeAlias = Literal["solid", "dashed", "double"]
Colour: TypeAlias = Literal["white", "yellow"]


@dataclass(frozen=True)
class LaneLine:
    """One lane line of a frame.

    `points` (N, 2) are x, y in the frame's pixels on the line's smooth curve, from the bottom
    upwards; the curve bridges gaps and vehicles. `side` is None for lines farther out, `kind` and
    `colour` where they are unknown. `confidence`, 0..1, falls with the share of the curve that
    was not seen. `track` is the same number for the same line in all frames; None without tracking.
    """

    points: NDArray[np.float32]
    side: Side | None
    kind: Kind | None
    colour: Colour | None
    confidence: float
    track: int | None = None

    def x_at(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """The x in pixel rows (N,); NaN below and above the line."""
        x, y = self.points.T
        return np.asarray(np.interp(rows, y[::-1], x[::-1], left=np.nan, right=np.nan))


@dataclass
class Pending:
    """A batch in flight in a backend: `submit` returns it, `result` takes it.

    `submitted` and `finished` are `time.perf_counter()` readings; `finished` is 0.0 at first.
    `result` fills in `scores`, if the backend was loaded with them.
    """

    request: Any
    submitted: float
    finished: float = 0.0
    scores: ScoreBatch | None = None


class Backend(Protocol):
    """Runs an exported model: uint8 images in, uint8 labels out.

    Take results in the order of submission. At most `depth` batches may be in flight; another
    `submit` raises `BackendError`. `device` and `precision` are those in use ("cpu", "bf16").
    `any_size` means that it also takes images of other sizes than the network's.
    """

    name: str
    device: str
    precision: str
    depth: int
    any_size: bool

    def submit(self, images: ImageBatch) -> Pending:
        """Start labelling `images`, which must not change until the result is taken."""

    def result(self, pending: Pending) -> LabelBatch:
        """Wait for a batch; raises `BackendError` if the engine failed."""

    def __call__(self, images: ImageBatch) -> LabelBatch:
        """`submit` and `result` together."""

    def close(self) -> None:
        """Free the engine."""
