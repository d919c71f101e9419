"""Reads the key-value part of a GGUF file: what it is, and the templates that programs will run.

Source: ggml `docs/gguf.md` (versions 2 and 3, little and big endian).
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from labrys.evidence.records import Records, Shaped, Source

_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING: Final = 8
_ARRAY: Final = 9
_MOST_PAIRS: Final = 100_000
_LONGEST: Final = 1 << 20
_MOST_ITEMS: Final = 10_000_000
_NESTED: Final = 4


class _Bad(Exception):
    """The file ends, or says what cannot be."""


def sniff(head: bytes, name: str) -> float:
    """The format begins with bytes of its own."""
    return 1.0 if head.startswith(b"GGUF") else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.file`: names of the keys, the texts of short ones, and the templates."""
    records = Records(source)
    with source.open() as stream:
        row: dict[str, Any] = {"format": "gguf"}
        try:
            _Reader(stream).fill(row)
        except _Bad as why:
            records.unparsed(stream.tell(), f"the key-value part cannot be read: {why}")
        records.add("model.file", row, time=None, offset=0)
    yield from records.drain()


class _Reader:
    """Reads a stream from its beginning."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._order = "<"

    def fill(self, row: dict[str, Any]) -> None:
        """Put into the row what the file says; what came before an error stays."""
        self._take(4)
        version = self._number("I")
        if version & 0xFFFF == 0:
            self._order, version = ">", version >> 24
        row["format_version"] = version
        if version not in (2, 3):
            raise _Bad(f"version {version}")
        row["tensors"] = self._number("Q")
        count = self._number("Q")
        if count > _MOST_PAIRS:
            raise _Bad(f"{count} keys")
        metadata, templates = row.setdefault("metadata", []), row.setdefault("templates", [])
        for _ in range(count):
            key = self._text()
            value = self._value(self._number("I"), 0)
            if key.startswith("tokenizer.chat_template") and isinstance(value, str):
                templates.append(value)
            elif value is not None and len(metadata) < 200:
                metadata.append(f"{key[:200]}={str(value)[:300]}")

    def _value(self, kind: int, depth: int) -> str | None:
        if kind in _SIZES:
            return self._take(_SIZES[kind]).hex()
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY or depth > _NESTED:
            raise _Bad(f"a value of type {kind}")
        inner, count = self._number("I"), self._number("Q")
        if count > _MOST_ITEMS:
            raise _Bad(f"a list of {count}")
        if inner in _SIZES:
            self._skip(_SIZES[inner] * count)
        else:
            for _ in range(count):
                self._value(inner, depth + 1)
        return None

    def _text(self) -> str:
        size = self._number("Q")
        kept = self._take(min(size, _LONGEST))
        self._skip(size - len(kept))
        return kept.decode("utf-8", "replace")

    def _number(self, form: str) -> int:
        made = struct.Struct(self._order + form)
        value: int = made.unpack(self._take(made.size))[0]
        return value

    def _take(self, size: int) -> bytes:
        made = self._stream.read(size)
        if len(made) < size:
            raise _Bad("it ends too early")
        return made

    def _skip(self, size: int) -> None:
        if size > 1 << 40:
            raise _Bad(f"a value of {size} bytes")
        if size:
            self._stream.seek(size - 1, 1)
            self._take(1)
