"""Reads tables of Windows events: a row is read as the JSON object with the same names would be."""

import io
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from labrys.evidence import cloud_table, timestamps
from labrys.evidence.json_stream import BadRecord
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.windows_json import dialects

_LOOK_AT: Final = 5


def sniff(head: bytes, name: str) -> float:
    """Sure when the first rows under a header are Windows events."""
    if not cloud_table.looks_like_table(head):
        return 0.0
    rows = islice(cloud_table.table_rows(io.BytesIO(head)), _LOOK_AT)
    known = [dialects.is_event(row) for _, row in rows if not isinstance(row, BadRecord)]
    return 0.5 + 0.42 * sum(known) / len(known) if any(known) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Every event under the same shape and columns as in EVTX; `_offset` in bytes.

    A row that is no Windows event becomes a `csv.record`.
    """
    records = Records(source)
    with source.open() as stream:
        for offset, row in cloud_table.table_rows(stream):
            if isinstance(row, BadRecord):
                records.unparsed(offset, row.reason, row.raw)
            else:
                _add(records, offset, row)
            if records.full:
                yield from records.drain()
    yield from records.drain()


def _add(records: Records, offset: int, row: dict[str, Any]) -> None:
    size = sum(map(len, row.values())) + 400
    event = dialects.event(dict(row))
    if event is None:
        records.add("csv.record", row, time=timestamps.of_record(row), offset=offset, size=size)
        return
    shape, fields, time, host = event
    records.add(shape, fields, time=time, offset=offset, host=host, size=size)
