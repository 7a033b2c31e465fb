"""The arrays and small records that pass between the rooms, each named once with its shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lanes import colour

Image: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) BGR, 0..255."""
LabelMap: TypeAlias = NDArray[np.uint8]
"""(H, W) class ids of a task; 255 is ignored by loss and metrics."""
InstanceMap: TypeAlias = NDArray[np.uint16]
"""(H, W): 0 = none, else the id of one thing, 1..65535."""
ImageBatch: TypeAlias = NDArray[np.uint8]
"""(N, H, W, 3) BGR, 0..255, at the network's input size."""
LabelBatch: TypeAlias = NDArray[np.uint8]
"""(N, H, W) class ids, at the network's input size."""
Size: TypeAlias = tuple[int, int]
"""(height, width) in pixels."""

IGNORE = 255


@dataclass(frozen=True)
class LabelClass:
    """One class of a task: its name and the BGR colour that the overlay draws it in.

    `alpha` scales the overlay's opacity for this class (0 draws nothing).
    """

    name: str
    colour: tuple[int, int, int]
    alpha: float = 1.0


@dataclass(frozen=True)
class Things:
    """Which label ids make up what can be counted; the rest is "stuff" (Kirillov et al. 2019).

    A pixel of a thing is one of `classes`, all of them parts of one thing. `nucleus` is the one of
    them whose area is also told alone. `border` is no class of its own: it parts things that touch,
    and its pixels belong to the nearest one. What is smaller than the share `least` of the
    picture's typical thing is none: a speck, or a shred of what the picture's edge cuts.
    """

    classes: tuple[int, ...]
    nucleus: int | None = None
    border: int | None = None
    least: float = 0.0


@dataclass(frozen=True)
class Task:
    """What the pixels mean. The index in `classes` is the label id; 0 is the background.

    `measure(labels)` gives the numbers that a HUD or dashboard shows, by name. `things` says how
    labels become instances (`lanes.cells.instances`); None where nothing is counted.
    """

    name: str
    classes: tuple[LabelClass, ...]
    measure: Callable[[LabelMap], dict[str, float]]
    things: Things | None = None
    later: int = 0
    """Of a model made before: so many classes came later. Truth may hold their ids."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names in order of their ids."""
        return tuple(c.name for c in self.classes)


@dataclass(frozen=True)
class Sample:
    """One training pair; augmentation moves all its arrays alike.

    `image` (H, W, 3) BGR. `targets` uint8 (H, W): ids into the data set's table `TARGETS`, a
    boolean array (K, C): the classes that a pixel may be. `soft` uint8 (C, H, W): 255 times a
    teacher's probability of every class of the task; all 0 where the teacher says nothing.
    `instances` uint16 (H, W): which thing it belongs to, 0 = none.
    """

    image: Image
    targets: NDArray[np.uint8]
    soft: NDArray[np.uint8] | None = None
    instances: InstanceMap | None = None


@dataclass(frozen=True)
class Measure:
    """What truth can judge: pixels of the `targets` ids against those of the predicted `classes`.

    `lines` marks thin classes, which get the tolerant F4 beside IoU.
    """

    targets: tuple[int, ...]
    classes: tuple[int, ...]
    lines: bool = False


class Dataset(Protocol):
    """Samples by index; torch's DataLoader takes one as it is.

    `TASK` is a task's name. `TARGETS` (K, C) says which classes each target id may be; a full row
    is "unknown". `MEASURES` are the figures that this truth can give.
    """

    TASK: str
    TARGETS: NDArray[np.bool_]
    MEASURES: Mapping[str, Measure]

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Sample: ...


@dataclass
class Frame:
    """One upright picture of a video: its 4:2:0 planes as decoded, and when it is shown.

    `planes` are Y (H, W), U and V (ceil(H/2), ceil(W/2)), uint8; `colour` says how they become
    BGR. `pts` counts in `time_base` seconds. `index` counts the frames of the source from 0;
    `name` is the file's stem where each frame is a file. `image` is the BGR picture that the
    planes were made of, where there was one (an image file, a camera). `captured` is the
    `time.perf_counter()` at which the frame came from its source, 0.0 where nobody noted it.
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

    @property
    def size(self) -> Size:
        """Height and width of the upright picture."""
        height, width = self.planes[0].shape
        return height, width

    @property
    def seconds(self) -> float:
        """When the frame is shown, in seconds of the source's clock."""
        return float(self.pts * self.time_base)

    @cached_property
    def bgr(self) -> Image:
        """The picture as BGR (H, W, 3): `image`, or made of the planes on first use and kept."""
        return colour.to_bgr(self.planes, self.colour) if self.image is None else self.image

    def drawn_on(self) -> None:
        """Forget what the planes were made of and `bgr`, for the planes have been changed."""
        self.image = None
        self.__dict__.pop("bgr", None)


@dataclass
class Result:
    """A frame with its labels and the seconds that each stage took.

    The labels are at the network's size, or the frame's where the network takes tiles.

    `inferred` tells whether the network labelled this very frame, or an earlier one's labels were
    carried along.
    """

    frame: Frame
    labels: LabelMap
    seconds: dict[str, float]
    inferred: bool = True


@dataclass
class Pending:
    """A batch that a backend works on: what `submit` gives and `result` takes.

    `submitted` and `finished` are `time.perf_counter()` readings; `finished` is 0.0 until then.
    """

    request: Any
    submitted: float
    finished: float = 0.0


class Backend(Protocol):
    """What runs an exported model: uint8 images in, uint8 labels out.

    Results are taken in the order of submission; at most `depth` batches are in flight, a further
    `submit` is a `BackendError`. `device` and `precision` say what really runs ("cpu", "bf16").
    One of `any_size` takes images of other sizes than the network's, too.
    """

    name: str
    device: str
    precision: str
    depth: int
    any_size: bool

    def submit(self, images: ImageBatch) -> Pending:
        """Begin to label `images`, which must not change until the result is taken."""

    def result(self, pending: Pending) -> LabelBatch:
        """Wait for a batch; raises `BackendError` if the engine failed."""

    def __call__(self, images: ImageBatch) -> LabelBatch:
        """`submit` and `result` together."""

    def close(self) -> None:
        """Free the engine."""
