"""KServe v2: labels images on a server, such as Triton, OpenVINO Model Server or MLServer.

The device is the server's gRPC address, `grpc://HOST:PORT`, or `grpcs://` with TLS, and `/NAME` if
the server has the model under another name than its card. Without a device, the environment
variable `LANES_KSERVE` has the address. `lanes serve` starts a server.

A server may die and come back: images in flight are sent again. Labels depend on nothing but the
image, so that an image may be labelled twice. See the protocol's open_inference_grpc.proto,
https://github.com/kserve/open-inference-protocol.
"""

from __future__ import annotations

import os
import re
import sys
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from lanes import card as cards
from lanes.backends import _engine
from lanes.errors import BackendError, BadModel, UnknownName
from lanes.plugins import unknown
from lanes.system import ending
from lanes.types import ImageBatch, LabelBatch, Pending

DEVICE = ""
VARIABLE = "LANES_KSERVE"
ADDRESSES = ["grpc://HOST:PORT", "grpcs://HOST:PORT", "grpc://HOST:PORT/NAME"]
PRECISIONS = ("server",)
"""The protocol does not state the precision in which a server runs a network."""
PATIENCE = 60.0
"""Seconds for which images are sent again to a server that does not answer."""
ANSWER_SECONDS = 10.0
"""Seconds after which an image without an answer is sent again."""
RETRY_SECONDS = 0.5
POLL_SECONDS = 0.1
TO_FINISH_SECONDS = 2.0
"""After a signal, the seconds that the program keeps for finishing its files."""
DOWN = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
"""gRPC's states of a server that may answer later."""
STARTING = (*DOWN, "NOT_FOUND")
"""The same once it was down: a server that starts may lack the model at first."""
CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
"""Options of the connection; gRPC itself would wait up to two minutes between two attempts."""


@dataclass(frozen=True)
class Address:
    """A model on a server: `text` as given, `host` with the port, TLS, and the model's name."""

    text: str
    host: str
    tls: bool
    model: str


@dataclass
class _Request:
    """Images on their way; `answer` has the labels, or the error of the newest attempt.

    `failed` is the `time.monotonic()` of that error.
    """

    images: ImageBatch
    pending: Pending
    failed: float = 0.0
    answer: Future[LabelBatch] = field(default_factory=Future)


class KServeBackend(_engine.Engine):
    """See `lanes.types.Backend`; `depth` images are on their way, which a server can batch."""

    name, library = "kserve", "tritonclient"
    depth = 4

    def __init__(self, address: Address, size: tuple[int, int]) -> None:
        """Connect to the model at `address`, which takes images of `size` (height, width).

        Raises:
            BackendError: the server does not answer, or has no such model.
            BadModel: the server's model takes other images.
        """
        super().__init__(address.text, PRECISIONS[0], (1, *size, 3))
        self.address, self.outage = address, _Outage(address.text)
        self.client = grpc.InferenceServerClient(
            address.host, ssl=address.tls, channel_args=CHANNEL
        )
        self.inputs, self.outputs = self._tensors()

    def _tensors(self) -> tuple[str, str]:
        """The names of the model's input and output."""
        model = self.address.model
        try:
            found = self.client.get_model_metadata(model, client_timeout=ANSWER_SECONDS)
        except InferenceServerException as error:
            raise BackendError(
                f"{self.device} has no model {model!r} ready ({error.message()}): start it with "
                "lanes serve, or append /NAME for the name that it has there"
            ) from error
        kinds = [_kinds(found.inputs), _kinds(found.outputs)]
        wanted = [[("UINT8", self.shape[1:])], [("UINT8", self.shape[1:-1])]]
        if kinds != wanted:
            raise BadModel(
                f"{model} on {self.device} takes and gives {kinds[0]} and {kinds[1]}; wanted "
                f"{wanted[0]} and {wanted[1]} for each image: serve the model of this folder"
            )
        return found.inputs[0].name, found.outputs[0].name

    def _start(self, images: ImageBatch, pending: Pending) -> _Request:
        request = _Request(images, pending)
        self._send(request)
        return request

    def _send(self, request: _Request) -> None:
        request.answer = Future()
        tensor = grpc.InferInput(self.inputs, list(request.images.shape), "UINT8")
        tensor.set_data_from_numpy(request.images)
        self.client.async_infer(
            self.address.model,
            [tensor],
            partial(self._receive, request),
            outputs=[grpc.InferRequestedOutput(self.outputs)],
            client_timeout=ANSWER_SECONDS,
        )

    def _receive(self, request: _Request, result: Any, error: Exception | None) -> None:
        """Take an answer, in a thread of gRPC."""
        try:
            if error is not None:
                raise error
            labels = result.as_numpy(self.outputs)
            if labels is None or labels.dtype != "uint8" or labels.shape != self.shape[:-1]:
                got = "nothing" if labels is None else f"{labels.dtype} {labels.shape}"
                wanted = f"uint8 {self.shape[:-1]}"
                raise BackendError(f"{self.device} gives {got}; wanted labels {wanted}")
            request.pending.finished = time.perf_counter()
            request.answer.set_result(labels)
        except Exception as problem:
            request.failed = time.monotonic()
            request.answer.set_exception(problem)

    def _wait(self, request: _Request) -> LabelBatch:
        while True:
            try:
                labels = _result(request.answer)
            except InferenceServerException as error:
                self.outage.wait(error, request.failed)
                self._send(request)
            else:
                self.outage.end()
                return labels

    def close(self) -> None:
        """Accept no more batches; without one in flight, close the connection."""
        super().close()
        if not self.in_flight:
            self.client.close()


@dataclass
class _Outage:
    """An outage of the server `where`; `since` is when it began, None while the server answers.

    `answered` is the time of its last answer, by `time.monotonic()`.
    """

    where: str
    since: float | None = None
    answered: float = 0.0

    def wait(self, error: InferenceServerException, failed: float) -> None:
        """Wait until it is time for the next attempt, after `error` at the time `failed`.

        Raises:
            InferenceServerException: another attempt would not help.
            BackendError: the server has not answered for `PATIENCE`.
        """
        state = str(error.status()).removeprefix("StatusCode.")
        if state not in (DOWN if self.since is None else STARTING):
            raise error
        if failed < self.answered:  # broken off together with others, before it came back
            return
        if self.since is None:
            self.since = time.monotonic()
            _say(f"{self.where} does not answer ({state}): trying again for {PATIENCE:.0f} s")
        if time.monotonic() - self.since > PATIENCE:
            raise BackendError(
                f"{self.where} has not answered for {PATIENCE:.0f} s ({error.message()}): start it "
                "again, or choose another --backend"
            ) from error
        until = time.monotonic() + RETRY_SECONDS
        while time.monotonic() < until:
            _end_if_asked()
            time.sleep(POLL_SECONDS)

    def end(self) -> None:
        """Note an answer."""
        if self.since is not None:
            _say(f"{self.where} answers again after {time.monotonic() - self.since:.0f} s")
            self.since = None
        self.answered = time.monotonic()


def precisions(device: str = DEVICE) -> tuple[str, ...]:
    """Always "server"; does not connect.

    Raises:
        BackendError: there is no address.
        UnknownName: `device` is not an address.
    """
    _address(device)
    return PRECISIONS


def load(
    folder: Path, precision: str = "auto", device: str = DEVICE, threads: int | None = None
) -> KServeBackend:
    """Connect to the server that has the model of `folder`; see `lanes.backends.load`.

    Reads only the card: whether the server has these weights cannot be seen. `threads` have no
    effect on a server.

    Raises:
        BackendError: there is no address, no answer, or no such model.
        BadModel: the model there takes other images.
    """
    _engine.check_precision("kserve", precision, precisions(device))
    card = cards.read(folder)
    return KServeBackend(_address(device, cards.server_name(card.name)), card.resize.size)


def _address(device: str, model: str = "") -> Address:
    text = device or os.environ.get(VARIABLE, "")
    if not text:
        raise BackendError(
            f"backend kserve needs the address of a server: --device {ADDRESSES[0]}, or {VARIABLE} "
            "in the environment"
        )
    match = re.fullmatch(r"(grpcs?)://([^/\s]+:\d+)(?:/([^/\s]+))?", text)
    if match is None:
        raise UnknownName(unknown("backend kserve", text, ADDRESSES))
    return Address(text, match[2], match[1] == "grpcs", match[3] or model)


def _kinds(tensors: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Type and shape of each tensor, without the size of the batch."""
    return [(tensor.datatype, tuple(tensor.shape)[1:]) for tensor in tensors]


def _result(answer: Future[LabelBatch]) -> LabelBatch:
    while not answer.done():
        with suppress(TimeoutError):
            return answer.result(POLL_SECONDS)
        _end_if_asked()
    return answer.result()


def _end_if_asked() -> None:
    """Give up waiting if a signal asked the program to end: its files must be finished in time."""
    if ending.seconds_left() < TO_FINISH_SECONDS:
        raise KeyboardInterrupt


def _say(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
