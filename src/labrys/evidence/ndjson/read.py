"""Reads JSON records of any kind, one a line (RFC 8259, ndjson)."""

from collections.abc import Iterator

import orjson

from labrys.evidence.ndjson.rows import records_of
from labrys.evidence.records import Shaped, Source

_MARKS = b"\xef\xbb\xbf \t\r\n"


def sniff(head: bytes, name: str) -> float:
    """Whether the first line is one JSON object; anything that knows its fields knows better."""
    line = head.lstrip(_MARKS).split(b"\n", 1)[0].strip()
    if not line.startswith(b"{"):
        return 0.0
    try:
        return 0.3 if isinstance(orjson.loads(line), dict) else 0.0
    except orjson.JSONDecodeError:
        return 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Each object as a row of `json.record`, nested names dotted; `_offset` in bytes."""
    return records_of(source)
