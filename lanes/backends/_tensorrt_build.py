"""ONNX file -> TensorRT engine: parsing, typing, building, with a progress bar.

Networks are strongly typed: TensorRT computes in the types that the file states. That is all that
TensorRT 11 knows; 10 is asked for it by a flag, which 11 keeps and ignores.
See https://docs.nvidia.com/deeplearning/tensorrt, "Strongly Typed Networks".
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tensorrt as trt
from rich.console import Console
from rich.progress import Progress, TaskID

from lanes import card as cards
from lanes.backends import _engine
from lanes.backends._tensorrt_gpu import INSTEAD, out_of_memory
from lanes.errors import BackendError, BadModel

MEMORY_WORDS = ("outofmemory", "out of memory", "memory allocation", "cudamalloc")
"""What TensorRT's messages say when the GPU's memory is full."""


class _Log(trt.ILogger):  # type: ignore[misc]
    """Keeps TensorRT's errors for our messages, and its chatter from the user's screen."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.errors: list[str] = []

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Called by TensorRT, from any of its threads."""
        if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
            self.errors.append(msg)

    def take(self) -> str:
        """The errors since the last call, as one line."""
        told, self.errors = self.errors, []
        return "; ".join(" ".join(line.split()) for line in told) or "no reason given"


LOG = _Log()
"""The one logger: TensorRT keeps the first that it is given for the whole process."""


@dataclass(frozen=True)
class Built:
    """A new engine, serialised, and what was measured while choosing its kernels.

    `float_layers` counts the layers with weights that the network has in fp32.
    """

    engine: bytes
    timings: bytes
    float_layers: int


class _Bar(trt.IProgressMonitor):  # type: ignore[misc]
    """Shows how far a build is, and ends it when it is told to."""

    def __init__(self, progress: Progress) -> None:
        trt.IProgressMonitor.__init__(self)
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}
        self.interrupted = False

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """Called by TensorRT when a part of the work begins."""
        self.tasks[phase_name] = self.progress.add_task(phase_name, total=num_steps)

    def step_complete(self, phase_name: str, step: int) -> bool:
        """Called by TensorRT after each step of a part; False ends the build."""
        if phase_name in self.tasks:  # an error here would reach TensorRT, which knows none
            self.progress.update(self.tasks[phase_name], completed=step + 1)
        return not self.interrupted

    def phase_finish(self, phase_name: str) -> None:
        """Called by TensorRT when a part of the work ends, done or not."""
        if phase_name in self.tasks:
            self.progress.remove_task(self.tasks.pop(phase_name))

    def interrupt(self, *_: object) -> None:
        """End the build at its next step."""
        self.interrupted = True


@contextmanager
def _progress() -> Iterator[_Bar]:
    """A progress bar on the screen; Ctrl-C ends the build by it, for TensorRT knows no exceptions.

    Raises:
        KeyboardInterrupt: at the end, if Ctrl-C was pressed meanwhile.
    """
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = _Bar(progress)
        ours = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, bar.interrupt) if ours else None
        try:
            yield bar
        finally:
            if ours:
                signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    if bar.interrupted:
        raise KeyboardInterrupt


def build(path: Path, onnx: bytes, timings: bytes = b"") -> Built:
    """Build an engine for the GPU of this thread; takes seconds to minutes.

    `onnx` is the network: what the file `path` holds, or the same typed in half. `timings` are
    those of an earlier build, which save time where they fit.

    Raises:
        BadModel: the network cannot be read, or contradicts its card.
        BackendError: TensorRT does not support a node, the GPU's memory does not suffice, ...
        KeyboardInterrupt: Ctrl-C was pressed meanwhile.
    """
    builder = trt.Builder(LOG)
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    _parse(network, onnx, path)
    config = configured(builder, timings)
    LOG.take()  # timings that do not fit are no error of the build
    with _progress() as bar:
        config.progress_monitor = bar
        serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise refusal(f"build {path}")
    return Built(bytes(serialized), _timings(config), _float_layers(network))


def configured(builder: trt.Builder, timings: bytes) -> trt.IBuilderConfig:
    """How to build: fp32 as it is, all that the inspector can tell, timings of earlier builds."""
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # 10 bits instead of fp32's 23, and on by default
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    cache = config.create_timing_cache(timings)
    if not (cache and config.set_timing_cache(cache, ignore_mismatch=False)):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    return config


def refusal(task: str) -> BackendError:
    """The error for what TensorRT could not do, by its own messages."""
    reason = LOG.take()
    if any(word in reason.lower() for word in MEMORY_WORDS):
        return out_of_memory(f"to {task}: {reason}")
    return BackendError(f"tensorrt {trt.__version__} cannot {task}: {reason}; {INSTEAD}")


def _parse(network: trt.INetworkDefinition, onnx: bytes, path: Path) -> None:
    parser = trt.OnnxParser(network, LOG)
    if not parser.parse(onnx):
        raise _not_parsed(parser, path)
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    _engine.check_network(path, _kinds(inputs), _kinds(outputs))


def _kinds(tensors: list[trt.ITensor]) -> list[_engine.TensorKind]:
    return [(tensor.dtype.name.lower(), list(tensor.shape)) for tensor in tensors]


def _not_parsed(parser: trt.OnnxParser, path: Path) -> BackendError | BadModel:
    LOG.take()
    reason = "no reason given"
    errors: list[trt.ParserError]
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    for error in errors:
        reason = " ".join(error.desc().split())
        if error.node_name():  # else the file itself is at fault
            return BackendError(
                f"tensorrt {trt.__version__} does not support the node {error.node_name()!r} "
                f"({error.node_operator()}) of {path}: {reason}; export the model without it, or "
                f"{INSTEAD}"
            )
    return BadModel(f"tensorrt cannot read {path} ({reason}): {cards.CURE}")


def _timings(config: trt.IBuilderConfig) -> bytes:
    cache = config.get_timing_cache()
    return bytes(cache.serialize()) if cache else b""


def _float_layers(network: trt.INetworkDefinition) -> int:
    kinds = trt.LayerType
    weighted = (kinds.CONVOLUTION, kinds.DECONVOLUTION, kinds.MATRIX_MULTIPLY)
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    types = [layer.get_output(0).dtype for layer in layers if layer.type in weighted]
    return types.count(trt.DataType.FLOAT)
