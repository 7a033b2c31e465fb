"""ONNX Runtime: runs the exported graph on any CPU, and on devices its build has providers for.

See https://onnxruntime.ai, "Execution Providers". The build of `pip install onnxruntime` runs on
the CPU; others (onnxruntime-gpu, -directml, -openvino, ...) replace it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from lanes.backends import _engine, _scores_graph
from lanes.errors import BackendError, UnknownName
from lanes.plugins import unknown
from lanes.types import ImageBatch

PRECISIONS = ("fp32",)
CPU = "cpu"
END = "ExecutionProvider"
FATAL = 4
"""Log only fatal messages: all others are raised as well."""


class OnnxRuntimeBackend(_engine.ThreadedEngine):
    """See `lanes.types.Backend`."""

    name = library = "onnxruntime"

    def __init__(self, session: onnxruntime.InferenceSession, device: str, precision: str) -> None:
        """Run `session`, whose input is uint8 (1, H, W, 3)."""
        super().__init__(device, precision, session.get_inputs()[0].shape)
        self.session = session
        self.input_name = session.get_inputs()[0].name

    def _run(self, begun: ImageBatch) -> Sequence[NDArray[Any]]:
        outputs: list[NDArray[Any]] = self.session.run(None, {self.input_name: begun})
        return outputs


def precisions(device: str = CPU, folder: Path | None = None) -> tuple[str, ...]:
    """The precisions of `device`; int8 too if `folder` has a quantised network."""
    _provider(device)
    return _engine.with_int8(PRECISIONS, folder)


def load(
    folder: Path,
    precision: str = "auto",
    device: str = CPU,
    threads: int | None = None,
    scores: bool = False,
) -> OnnxRuntimeBackend:
    """Load `model.onnx` of `folder`; see `lanes.backends.load`.

    `device` is a provider of this build: "CUDAExecutionProvider", or "cuda" for short.

    Raises:
        BackendError: the provider does not start, or takes no part of the network.
    """
    _engine.onnx_path(folder)
    provider = _provider(device)
    _engine.check_precision("onnxruntime", precision, (*PRECISIONS, _engine.INT8))
    path = _engine.network_path(folder, precision)
    options = session_options(threads)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    network = _scores_graph.with_scores(path) if scores else str(path)
    with _engine.reading(path, "onnxruntime"):
        # The fallback would silently run on the CPU, apart from one printed line.
        session = onnxruntime.InferenceSession(
            network, options, providers=[provider], enable_fallback=0
        )
    _engine.check_network(
        path,
        [(_dtype(tensor.type), tensor.shape) for tensor in session.get_inputs()],
        [(_dtype(tensor.type), tensor.shape) for tensor in session.get_outputs()],
        scores,
    )
    _check_use(session, provider)
    precision = PRECISIONS[0] if precision == "auto" else precision
    return OnnxRuntimeBackend(session, _short(provider), precision)


def session_options(threads: int | None = None) -> onnxruntime.SessionOptions:
    """The options for every network: `threads` CPU threads (None: all cores)."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = threads or 0
    # Spinning threads would take cores from decoding and encoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _provider(device: str) -> str:
    """The provider's full name; raises `UnknownName` if this build does not have it."""
    have: dict[str, str] = {_short(name): name for name in onnxruntime.get_available_providers()}
    short = _short(device)
    if short not in have:
        raise UnknownName(unknown("backend onnxruntime as installed", device, sorted(have)))
    return have[short]


def _short(provider: str) -> str:
    return provider.lower().removesuffix(END.lower())


def _check_use(session: onnxruntime.InferenceSession, provider: str) -> None:
    """Raise `BackendError` unless `provider` runs at least part of the network."""
    if provider not in session.get_providers():
        raise BackendError(
            f"onnxruntime could not start {provider} and would run on the CPU: install the "
            "libraries that this build needs (for cuda: CUDA and cuDNN), or use --device cpu"
        )
    if not hasattr(session, "get_provider_graph_assignment_info"):  # before 1.24
        return
    used = {part.ep_name for part in session.get_provider_graph_assignment_info()}
    if used and provider not in used:
        raise BackendError(
            f"{provider} supports no part of the network; {' and '.join(sorted(used))} would run "
            f"all of it: use --device {_short(min(used))}"
        )


def _dtype(kind: str) -> str:
    return kind.removeprefix("tensor(").removesuffix(")")
