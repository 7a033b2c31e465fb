"""Adds class probabilities to an exported network, which gives labels alone.

The labels are the ArgMax of logits, whose softmax over the classes gives the probabilities. The
base install has no `onnx`, so this reads only what it needs of the file, an encoded protocol
buffer, and appends the new nodes: decoders merge consecutive messages and join their lists. See
https://protobuf.dev/programming-guides/encoding, and
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto for the field numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lanes.card import CURE
from lanes.errors import BadModel

SCORES = "lanes/scores"
"""The name of the new output: float16 (1, C, ...), 0..1, the classes' sum is 1."""
PASSED = ("Cast", "Reshape", "Squeeze")
"""Operators between ArgMax and the labels."""
OLDEST_OPSET = 13
"""Softmax over one axis came with it."""
CLASS_AXIS = 1
FLOAT16, INT = 10, 2
"""ONNX's numbers for a tensor's type and an attribute's."""
VARINT, BYTES, SIZES = 0, 2, {1: 8, 5: 4}
"""Protobuf's kinds of values: a number, bytes after their length, or of a fixed size."""


def with_scores(path: Path) -> bytes:
    """The ONNX file `path` with one output more, `SCORES`.

    Raises:
        BadModel: it cannot be read, or its labels are not the ArgMax of logits.
    """
    network = path.read_bytes()
    try:
        logits = _logits(memoryview(network))
    except (LookupError, ValueError) as error:
        raise BadModel(f"{path} is not a valid ONNX file ({error!r}): {CURE}") from error
    if logits is None:
        raise BadModel(
            f"{path} has no class probabilities: its labels are not the ArgMax of logits (of opset "
            f"{OLDEST_OPSET} or newer); label without scores, or use a model of lanes export"
        )
    return network + _message(7, _softmax(logits))


def _logits(model: memoryview) -> str | None:
    """The name of the tensor whose ArgMax the labels are; None if they are something else."""
    # Fields of a model: 7 graph, 8 opset; of a graph: 1 node, 12 output; of a node: 1 input,
    # 2 output, 4 operator, 5 attribute; of an attribute: 1 name, 3 number.
    parts = list(_fields(model))
    opsets = {"".join(_texts(v, 1)): _number(v, 2) for n, v in parts if n == 8}
    graph = [field for n, value in parts if n == 7 for field in _fields(value)]
    makers = {output: node for n, node in graph if n == 1 for output in _texts(node, 2)}
    (name,) = [text for n, value in graph if n == 12 for text in _texts(value, 1)]
    while (node := makers.pop(name, None)) is not None:
        (kind,), name = _texts(node, 4), _texts(node, 1)[0]
        if kind == "ArgMax" and _axis(node) == CLASS_AXIS and opsets[""] >= OLDEST_OPSET:
            return name
        if kind not in PASSED:
            break
    return None


def _axis(node: memoryview) -> int:
    attributes = [value for n, value in _fields(node) if n == 5]
    return next((_number(one, 3) for one in attributes if _texts(one, 1) == ["axis"]), 0)


def _softmax(logits: str) -> bytes:
    """A graph of two nodes and one output, to be merged into the network's."""
    axis = _text(1, "axis") + _int(3, CLASS_AXIS) + _int(20, INT)
    half = _text(1, "to") + _int(3, FLOAT16) + _int(20, INT)
    tensor = _message(1, _int(1, FLOAT16))
    exact = f"{SCORES}/exact"
    return (
        _message(1, _text(1, logits) + _text(2, exact) + _text(4, "Softmax") + _message(5, axis))
        + _message(1, _text(1, exact) + _text(2, SCORES) + _text(4, "Cast") + _message(5, half))
        + _message(12, _text(1, SCORES) + _message(2, tensor))
    )


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """The number and value of each field: an int, or the bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        size, at = _varint(message, at) if key & 7 == BYTES else (SIZES[key & 7], at)
        if at + size > len(message):
            raise ValueError("it ends early")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at `at`, 7 bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def _texts(message: memoryview, number: int) -> list[str]:
    return [str(value, "utf-8") for n, value in _fields(message) if n == number]


def _number(message: memoryview, number: int) -> int:
    """The last value of a field, which counts; 0 if there is none."""
    return next((value for n, value in reversed([*_fields(message)]) if n == number), 0)


def _encoded(value: int) -> bytes:
    """The opposite of `_varint`."""
    return bytes([value & 127 | 128]) + _encoded(value >> 7) if value > 127 else bytes([value])


def _int(number: int, value: int) -> bytes:
    return _encoded(number << 3 | VARINT) + _encoded(value)


def _message(number: int, content: bytes) -> bytes:
    return _encoded(number << 3 | BYTES) + _encoded(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())
