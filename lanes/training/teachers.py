"""Run two published networks over a data set's frames and cache their output for training.

Both run in OpenVINO in fp32. The output for a frame is one PNG, `CACHE/<set>/<stem>.png`: 8 bits,
3 channels in OpenCV's order, 640x360, each 255 x a probability:

- 0 paint: class "mark" of road-segmentation-adas-0001 (Intel Open Model Zoo, Apache-2.0), which
  marks visible paint, including crossings, arrows and stop lines;
- 1 line and 2 drivable: TwinLiteNet+ small (MIT), which draws lines through gaps and vehicles.

The cache derives from the frames, so their terms apply to it, and it stays out of the repository.
`lanes.datasets._lane_targets` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lanes.datasets import _files
from lanes.datasets._lane_targets import SIZE, cache_file
from lanes.errors import BackendError, BadModel
from lanes.system.atomic import make_folder
from lanes.types import Image
from lanes.video.output_files import write_image

PAINT_FILE, LINE_FILE = "road-segmentation-adas-0001.xml", "twinlitenetplus_small.onnx"
PAINT_SIZE = (512, 896)
MARK = 3
"""The paint class among the paint teacher's four classes."""
PADDING, GREY = 12, 114
"""Padding rows above and below the picture for the line teacher, and their value."""
Teach = Callable[[Image], NDArray[np.uint8]]


class Teachers:
    """Both networks, ready to run; call it with a frame."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        """Load the networks of `folder`.

        Raises:
            BadModel: a file is missing or is not a network.
        """
        # OpenVINO takes a second to import.
        import openvino

        core = openvino.Core()
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        requests = []
        for name in (PAINT_FILE, LINE_FILE):
            path = folder / name
            if not path.is_file():
                raise BadModel(f"no teacher {path}: give a folder with {name}")
            try:
                network = core.read_model(path)
                requests.append(core.compile_model(network, "CPU", options).create_infer_request())
            except RuntimeError as error:
                raise BadModel(
                    f"OpenVINO cannot read {path}: {error}; download it again"
                ) from error
        self._paint, self._line = requests

    def __call__(self, image: Image) -> NDArray[np.uint8]:
        """The teachers' maps for `image` (H, W, 3): uint8 (360, 640, 3), see the module."""
        try:
            self._paint.infer([paint_input(image)])
            self._line.infer([line_input(image)])
        except RuntimeError as error:
            raise BackendError(f"a teacher failed in openvino: {error}") from error
        marks = np.array(self._paint.get_output_tensor(0).data[0, MARK])
        line, drivable = (
            probability_of(np.array(self._line.get_tensor(name).data)) for name in ("ll", "da")
        )
        return joined(marks, line, drivable)


def paint_input(image: Image) -> NDArray[np.float32]:
    """The paint teacher's input (1, 3, 512, 896): BGR 0..255."""
    return _planes(_resized(image, PAINT_SIZE))


def line_input(image: Image) -> NDArray[np.float32]:
    """The line teacher's input (1, 3, 384, 640): RGB 0..1, padded with grey above and below."""
    rows = ((PADDING, PADDING), (0, 0), (0, 0))
    padded = np.pad(_resized(image, SIZE)[..., ::-1], rows, constant_values=GREY)
    return _planes(padded) / np.float32(255)


def probability_of(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability (360, 640) of the second of two channels (1, 2, 384, 640), without padding."""
    yes = logits[0, 1] - logits[0, 0]
    # A softmax over two channels is the logistic function of their difference.
    return np.asarray(1 / (1 + np.exp(-np.clip(yes, -50, 50))), np.float32)[PADDING:-PADDING]


def joined(
    paint: NDArray[np.float32], line: NDArray[np.float32], drivable: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Join probabilities 0..1 of any size into one picture (360, 640, 3), 255 x each."""
    maps = [_resized(each, SIZE) for each in (paint, line, drivable)]
    return np.asarray(np.rint(np.clip(np.stack(maps, -1), 0, 1) * 255), np.uint8)


def fill(
    cache: Path,
    name: str,
    frames: Mapping[str, Path],
    teach: Teach,
    tick: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> int:
    """Cache the output of `teach` for `frames` (stem -> image file) of the data set `name`.

    Existing files are kept, so an interrupted run can continue. Returns the number of new files.
    `tick` receives the frames done, their total, and a note for the progress bar.

    Raises:
        BadDataset: a frame cannot be read.
        BadOutput: the cache cannot be written.
    """
    new = 0
    for done, (stem, path) in enumerate(frames.items(), 1):
        file = cache_file(cache, name, stem)
        if not file.exists():
            make_folder(file.parent)
            write_image(file, teach(_files.read_image(path)))
            new += 1
        tick(done, len(frames), "")
    return new


def _resized(values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    if values.shape[:2] == size:
        return values
    smaller = values.shape[0] > size[0]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, size[::-1], interpolation=way))


def _planes(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)
