"""Reads Windows events that some tool wrote as JSON, one a line or in any other arrangement."""

import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import orjson

from labrys.evidence import json_stream, timestamps, windows_document
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.values import flatten
from labrys.evidence.windows_json import dialects

_LOOK_AT: Final = 5
_MARK: Final = b'"Event"'
_SPACE: Final = b"\xef\xbb\xbf \t\r\n"
_MARKS: Final = (
    re.compile(rb'"(?:EventID|event_id)"\s*:'),
    re.compile(rb'"(?:Channel|channel|Provider)"\s*:'),
)


def sniff(head: bytes, name: str) -> float:
    """How many of the first objects are Windows events."""
    documents = [
        orjson.loads(raw)
        for _, raw in islice(json_stream.objects(io.BytesIO(head)), _LOOK_AT)
        if isinstance(raw, bytes)
    ]
    if not documents:  # the first record may be longer than what we are shown
        begun = head.lstrip(_SPACE).startswith((b"{", b"["))
        return 0.6 if begun and all(mark.search(head) for mark in _MARKS) else 0.0
    known = [dialects.is_event(document) for document in documents]
    return 0.5 + 0.45 * sum(known) / len(known) if any(known) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Every event under the same shape and columns as in EVTX; `_offset` in bytes.

    An object that is no Windows event becomes a `json.record`.
    """
    records = Records(source, fixed=windows_document.FIXED)
    with source.open() as stream:
        for offset, raw in json_stream.objects(stream):
            if isinstance(raw, bytes):
                _add(records, offset, raw)
            else:
                records.unparsed(offset, raw.reason, raw.raw)
            if records.full:
                yield from records.drain()
    yield from records.drain()


def _add(records: Records, offset: int, raw: bytes) -> None:
    if _MARK in raw[:32] and (placed := windows_document.usual(raw)) is not None:
        shape, fixed, fields, time, host = placed
    else:
        document, fixed = orjson.loads(raw), None
        event = dialects.event(document)
        if event is None:
            # Telling may have used the document up.
            fields = flatten(orjson.loads(raw))
            event = "json.record", fields, timestamps.of_record(fields), None
        shape, fields, time, host = event
    records.add(shape, fields, time=time, offset=offset, host=host, size=len(raw), fixed=fixed)
