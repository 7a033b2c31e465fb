"""ONNX file -> TensorRT engine: parsing, typing, building, with a progress bar.

Networks are strongly typed: TensorRT computes in the types that the file states. TensorRT 11 knows
nothing else; 10 needs a flag for it, which 11 accepts and ignores.
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
"""Words in TensorRT's messages when the GPU is out of memory."""


class _Log(trt.ILogger):  # type: ignore[misc]
    """Collects TensorRT's errors for our messages and drops everything else."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.errors: list[str] = []

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """TensorRT calls this from any of its threads."""
        if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
            self.errors.append(msg)

    def take(self) -> str:
        """The errors since the last call, as one line."""
        errors, self.errors = self.errors, []
        return "; ".join(" ".join(error.split()) for error in errors) or "no reason given"


LOG = _Log()
"""The only logger: TensorRT uses the first it gets for the whole process."""


@dataclass(frozen=True)
class Built:
    """A new serialised engine, and the kernel timings of its build.

    `float_layers` counts the layers with weights that are fp32 in the network.
    """

    engine: bytes
    timings: bytes
    float_layers: int


class _Bar(trt.IProgressMonitor):  # type: ignore[misc]
    """Shows the progress of a build and can cancel it."""

    def __init__(self, progress: Progress) -> None:
        trt.IProgressMonitor.__init__(self)
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}
        self.interrupted = False

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """TensorRT calls this when a phase begins."""
        self.tasks[phase_name] = self.progress.add_task(phase_name, total=num_steps)

    def step_complete(self, phase_name: str, step: int) -> bool:
        """TensorRT calls this after each step of a phase; returning False cancels the build."""
        if phase_name in self.tasks:  # TensorRT cannot handle a Python exception
            self.progress.update(self.tasks[phase_name], completed=step + 1)
        return not self.interrupted

    def phase_finish(self, phase_name: str) -> None:
        """TensorRT calls this when a phase ends, complete or not."""
        if phase_name in self.tasks:
            self.progress.remove_task(self.tasks.pop(phase_name))

    def interrupt(self, *_: object) -> None:
        """Cancel the build at its next step."""
        self.interrupted = True


@contextmanager
def _progress() -> Iterator[_Bar]:
    """A progress bar that also cancels the build on Ctrl-C: an exception cannot cross TensorRT.

    Raises:
        KeyboardInterrupt: at the end, if Ctrl-C was pressed during the build.
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
    """Build an engine for this thread's GPU; takes seconds to minutes.

    `onnx` is the network: the content of `path`, or its conversion to half. `timings` come from an
    earlier build and save time where they apply.

    Raises:
        BadModel: the network cannot be read, or contradicts its card.
        BackendError: TensorRT does not support a node, the GPU is out of memory, ...
        KeyboardInterrupt: Ctrl-C was pressed during the build.
    """
    builder = trt.Builder(LOG)
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    _parse(network, onnx, path)
    config = configured(builder, timings)
    LOG.take()  # timings that do not apply are not build errors
    with _progress() as bar:
        config.progress_monitor = bar
        serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise refusal(f"build {path}")
    return Built(bytes(serialized), _timings(config), _float_layers(network))


def configured(builder: trt.Builder, timings: bytes) -> trt.IBuilderConfig:
    """The build configuration: no TF32, details for the inspector, timings of earlier builds."""
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # on by default; 10 bits instead of fp32's 23
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    cache = config.create_timing_cache(timings)
    if not (cache and config.set_timing_cache(cache, ignore_mismatch=False)):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    return config


def refusal(task: str) -> BackendError:
    """The error for a `task` that TensorRT failed at, with its messages."""
    reason = LOG.take()
    if any(word in reason.lower() for word in MEMORY_WORDS):
        return out_of_memory(f"cannot {task}: {reason}")
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
        if error.node_name():  # otherwise the file itself is broken
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
