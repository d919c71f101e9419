"""Reads the header of a safetensors file and says what does not belong to the format.

Eight bytes of length, a JSON header that says where each tensor lies, the tensors, and nothing else:
bytes between or behind them are somebody's own, and a pickle there runs in whoever opens it as one.

Source: Hugging Face safetensors, "Format" (the tensors cover the buffer without holes or overlap).
"""

import mmap
import struct
from collections.abc import Iterator
from typing import Any, Final

import orjson

from labrys.evidence.pickle.read import SHAPE, rows
from labrys.evidence.records import Records, Shaped, Source

_LONGEST: Final = 100_000_000
"""Bytes of a header that the format allows."""
_LENGTH: Final = struct.Struct("<Q")
_MOST_READ: Final = 64 << 20


def sniff(head: bytes, name: str) -> float:
    """A length that can be, and behind it a JSON object whose first key can be one of the format."""
    if len(head) < 10:
        return 0.0
    (length,) = _LENGTH.unpack(head[:8])
    if not 2 <= length <= _LONGEST or head[8:9] != b"{":
        return 0.0
    start = head[8:200].replace(b" ", b"")
    known = start.startswith((b'{"', b"{}")) and (b'"dtype"' in head or b'"__metadata__"' in head)
    return 0.97 if known else 0.5 if start.startswith(b"{}") else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.file`, and one of `model.pickle` for each pickle behind the tensors."""
    records = Records(source)
    with source.open() as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        length = int.from_bytes(data[:8], "little")
        header = _header(data, length)
        if header is None:
            records.unparsed(0, "its header is no JSON object, or ends beyond the file")
        else:
            row, end = _described(header, 8 + length, len(data))
            records.add("model.file", row, time=None, offset=0)
            if end < len(data):
                for found, offset in rows(bytes(data[end : end + _MOST_READ])):
                    if found["names"]:
                        records.add(SHAPE, found, time=None, offset=end + offset)
    yield from records.drain()


def _header(data: Any, length: int) -> dict[str, Any] | None:
    if 8 + length > len(data):
        return None
    try:
        header = orjson.loads(data[8 : 8 + length])
    except orjson.JSONDecodeError:
        return None
    return header if isinstance(header, dict) else None


def _described(header: dict[str, Any], start: int, size: int) -> tuple[dict[str, Any], int]:
    said = header.get("__metadata__")
    spans, problems = [], []
    for name, each in header.items():
        if name == "__metadata__":
            continue
        span = each.get("data_offsets") if isinstance(each, dict) else None
        if span is None or not _is_span(span):
            problems.append("a tensor without a place")
            continue
        spans.append((span[0], span[1]))
    end = 0
    for low, high in sorted(spans):
        if low > end:
            problems.append("bytes between tensors that belong to none")
        elif low < end:
            problems.append("tensors that overlap")
        end = max(end, high)
    if start + end > size:
        problems.append("tensors beyond the end of the file")
    behind = max(0, size - start - end)
    row = {
        "format": "safetensors",
        "tensors": len(spans),
        "metadata": [f"{key}={value}" for key, value in said.items()][:200]
        if isinstance(said, dict)
        else None,
        "trailing_bytes": behind or None,
        "oddities": sorted(set(problems)),
    }
    return row, min(size, start + end)


def _is_span(span: Any) -> bool:
    return (
        isinstance(span, list)
        and len(span) == 2
        and all(isinstance(each, int) and each >= 0 for each in span)
        and span[0] <= span[1]
    )
