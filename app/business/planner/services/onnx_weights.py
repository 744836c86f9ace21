"""The stored arrays of an ONNX file, without the library of 18 MB that reads everything else in it.

ONNX is Protocol Buffers: a model (field 7: graph) has a graph (field 5: initializers) of tensors (field 1: dimensions,
2: type, 8: name, 9: bytes). Quantized arrays are named `<name>_q` and have a `<name>_scale` beside them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_GRAPH, _INITIALIZER, _DIMENSIONS, _TYPE, _NAME, _BYTES = 7, 5, 1, 2, 8, 9
_TYPES: dict[int, Any] = {1: np.float32, 3: np.int8, 7: np.int64}
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def read_weights(path: Path) -> dict[str, Array]:
    """Name -> array, as stored; types that are not used are left out."""
    found = {}
    for number, graph in _fields(memoryview(path.read_bytes())):
        if number == _GRAPH and isinstance(graph, memoryview):
            for inner, tensor in _fields(graph):
                if inner == _INITIALIZER and isinstance(tensor, memoryview):
                    name, array = _tensor(tensor)
                    if array is not None:
                        found[name] = array
    return found


def _tensor(data: memoryview) -> tuple[str, Array | None]:
    shape: list[int] = []
    kind, name, raw = 0, "", b""
    for number, value in _fields(data):
        if number == _DIMENSIONS:
            shape += [value] if isinstance(value, int) else list(_varints(value))
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME and not isinstance(value, int):
            name = bytes(value).decode()
        elif number == _BYTES and not isinstance(value, int):
            raw = bytes(value)
    if kind not in _TYPES or not raw:
        return name, None
    return name, np.frombuffer(raw, _TYPES[kind]).reshape(shape)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, form = tag >> 3, tag & 7
        if form == _VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if form == _LENGTH:
            length, place = _varint(data, place)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}[form]
        yield number, data[place : place + length]
        place += length


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _varints(data: memoryview) -> Iterator[int]:
    place = 0
    while place < len(data):
        value, place = _varint(data, place)
        yield value
