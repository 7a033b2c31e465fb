"""Writes a model repository: the folder from which Triton Inference Server serves a network.

    ROOT/NAME/config.pbtxt      name, tensors, batching, instances
    ROOT/NAME/1/model.onnx      version 1 of the network
    ROOT/NAME/1/model.py        only for the platform "python"

OpenVINO Model Server reads ROOT/NAME as well, and ignores the configuration. See
https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_repository.md and
model_configuration.md beside it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lanes import assets, plugins
from lanes import card as cards
from lanes.backends import _cache, _engine
from lanes.backends.onnxruntime import session_options
from lanes.errors import BadInput, BadOutput, UnknownName
from lanes.system.atomic import atomic_folder

PLATFORMS = {"onnxruntime": 'platform: "onnxruntime_onnx"', "python": 'backend: "python"'}
"""What runs the network in the server, and how config.pbtxt says so: Triton's ONNX Runtime, or its
Python backend with the `onnxruntime` of pip."""
SCRIPT = Path(__file__).with_name("triton_model.py")
BATCH = 8
"""The largest batch that the server puts together of images that wait."""
DELAY_US = 2000
"""Microseconds that an image waits for others to batch it with."""


@dataclass(frozen=True)
class Repository:
    """A written repository: the model's `folder` in it, and the largest `batch`.

    The batch is 0 if the network takes single images only.
    """

    folder: Path
    batch: int

    @property
    def batching(self) -> str:
        """In words, how many images the server labels at once."""
        if self.batch:
            return f"up to {self.batch} images at once"
        return "one image at a time, as this network labels a batch otherwise than its images"


def write(
    folder: Path, root: Path, platform: str = "onnxruntime", instances: int = 1
) -> Repository:
    """Write the model of `folder` as `root`/NAME, with `instances` that label at the same time.

    The server may batch images if the network gives each image of a batch the labels that it gives
    the image alone, which is tried.

    Raises:
        UnknownName: `platform` is not one of `PLATFORMS`.
        BadInput: `instances` is below 1.
        BadModel: `folder` is not a model folder, or its network cannot be read.
        BadOutput: `root`/NAME exists, or cannot be written.
        MissingDependency: onnx is not installed.
    """
    if platform not in PLATFORMS:
        raise UnknownName(plugins.unknown("--platform", platform, list(PLATFORMS)))
    if instances < 1:
        raise BadInput(f"--instances {instances}: wanted 1 or more")
    card, path = cards.read(folder), _engine.onnx_path(folder)
    name = cards.server_name(card.name)
    place = root / name
    if place.exists():
        raise BadOutput(f"{place} exists: choose another folder, or remove it")
    batched = _batched(path, card.resize.size)
    batch = 0 if batched is None else BATCH
    with atomic_folder(place, overwrite=False) as part:
        version = part / "1"
        version.mkdir()
        (part / "config.pbtxt").write_text(_config(path, card, platform, batch, instances))
        (version / cards.ONNX).write_bytes(batched or path.read_bytes())
        if platform == "python":
            shutil.copy(SCRIPT, version / "model.py")
    return Repository(place, batch)


def cached(folder: Path, platform: str, instances: int) -> Path:
    """The root of a repository with the model of `folder`, in the user's cache; else as `write`."""
    card, network = cards.read(folder), _cache.digest(_engine.onnx_path(folder))
    key = _cache.key(SCRIPT.read_text(), card, network, platform, instances)
    root = assets.cache_folder("serve") / key[:16]
    if not (root / cards.server_name(card.name)).exists():
        write(folder, root, platform, instances)
    return root


def _config(path: Path, card: cards.ModelCard, platform: str, batch: int, instances: int) -> str:
    images, labels = _tensor_names(path)
    # With a batch size, Triton adds that dimension itself.
    height, width = card.resize.size
    first = "" if batch else "1, "
    lines = [
        f'name: "{cards.server_name(card.name)}"',
        PLATFORMS[platform],
        f"max_batch_size: {batch}",
        f'input [{{ name: "{images}" data_type: TYPE_UINT8 dims: [{first}{height}, {width}, 3] }}]',
        f'output [{{ name: "{labels}" data_type: TYPE_UINT8 dims: [{first}{height}, {width}] }}]',
        f"instance_group [{{ count: {instances} kind: KIND_CPU }}]",
    ]
    if batch:
        lines.append(f"dynamic_batching {{ max_queue_delay_microseconds: {DELAY_US} }}")
    return "\n".join(lines) + "\n"


def _tensor_names(path: Path) -> tuple[str, str]:
    """The names of a network's input and output."""
    session = _session(path, str(path))
    return session.get_inputs()[0].name, session.get_outputs()[0].name


def _session(path: Path, network: str | bytes) -> Any:
    import onnxruntime

    with _engine.reading(path, "onnxruntime"):
        return onnxruntime.InferenceSession(network, session_options())


def _batched(path: Path, size: tuple[int, int]) -> bytes | None:
    """The network with a free batch size; None if that would change labels."""
    alone = _session(path, str(path))
    network = _with_free_batch(path)
    # Of unlike brightness, for networks that measure it over the whole batch.
    noise = np.random.default_rng(0).integers(0, 256, (3, *size, 3))
    images = (noise * np.array([1.0, 0.5, 0.1])[:, None, None, None]).astype(np.uint8)
    wanted = [_labels(alone, image[None]) for image in images]
    try:
        found = _labels(_session(path, network), images)
    except Exception:  # ONNX Runtime's errors have no common base
        return None
    return network if np.array_equal(found, np.concatenate(wanted)) else None


def _labels(session: Any, images: Any) -> Any:
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def _with_free_batch(path: Path) -> bytes:
    """The network with an unnamed size in place of the 1 of its batches."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise plugins.missing("a model repository", "onnx") from error
    with _engine.reading(path, "onnx"):
        model = onnx.load(path)
    del model.graph.value_info[:]
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for constant in model.graph.initializer:
        if constant.name in shapes:
            shape = numpy_helper.to_array(constant).copy()
            if len(shape) > 1 and shape[0] == 1:
                shape[0] = -1
                constant.CopyFrom(numpy_helper.from_array(shape, constant.name))
    network: bytes = model.SerializeToString()
    return network
