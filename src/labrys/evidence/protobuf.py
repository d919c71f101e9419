"""Walks through the fields of a message of Protocol Buffers without knowing its schema.

Only lengths and numbers are looked at; texts are given as where they begin and end. Source: Protocol
Buffers, "Encoding".
"""

from collections.abc import Iterator
from typing import Any, Final

Fields = Iterator[tuple[int, int, Any]]
_BYTES: Final = 2


class Malformed(Exception):
    """No message of Protocol Buffers."""


def fields(data: Any, start: int, end: int, *, cut: bool = False) -> Fields:
    """Number, wire type and value of each field: an int, or begin and end of its bytes.

    `cut`: `data` is only the beginning of the message. Raises `Malformed`.
    """
    at = start
    while at < end:
        key, at = _varint(data, at, end)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise Malformed("a field without a number")
        if kind == 0:
            value, at = _varint(data, at, end)
            yield number, kind, value
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
            yield number, kind, None
        elif kind == _BYTES:
            size, at = _varint(data, at, end)
            if at + size > end and not cut:
                raise Malformed("a field beyond its message")
            yield number, kind, (at, at + size)
            at += size
        else:
            raise Malformed(f"a wire type {kind}")


def _varint(data: Any, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= end or shift > 63:
            raise Malformed("a number that does not end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
