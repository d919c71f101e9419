"""Reads a systemd journal: the `.journal` file itself, and what `journalctl` exports of it.

Of the exports `-o export`, `json`, `json-seq` and `json-pretty`.
"""

import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import orjson

from labrys.evidence.auditd.join import Event, Joiner
from labrys.evidence.journald import native
from labrys.evidence.journald.entry import Fields, audit_record, row
from labrys.evidence.journald.export import Damaged, Entry, entries
from labrys.evidence.json_stream import BadRecord, objects
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode

_EXPORT: Final = re.compile(
    rb"(?:[A-Z0-9_]{1,64}=[^\n]*+\n){1,64}?__REALTIME_TIMESTAMP=\d{1,20}\r?\n"
    rb"|__REALTIME_TIMESTAMP=\d{1,20}\r?\n"
)
_JSON_FIRST: Final = b"{[\x1e"
_OURS: Final = frozenset(["__REALTIME_TIMESTAMP", "__CURSOR"])
_USUAL: Final = frozenset(["_BOOT_ID", "_MACHINE_ID", "_HOSTNAME", "_TRANSPORT"])


def sniff(head: bytes, name: str) -> float:
    """Sure when the first entry has the journal's own time or cursor."""
    if head.startswith(native.MAGIC):
        return 1.0
    start = head[:256].lstrip(b" \t\r\n\xef\xbb\xbf")
    if start[:1] in (b"{", b"[", b"\x1e"):
        return 0.95 if _is_json_entry(head) else 0.0
    return 0.95 if _EXPORT.match(head[:256].lstrip(b"\r\n") + head[256:]) else 0.0


def _is_json_entry(head: bytes) -> bool:
    for _, raw in objects(io.BytesIO(head)):
        if isinstance(raw, BadRecord):
            continue
        names = orjson.loads(raw).keys()
        return bool(names & _OURS) or ("MESSAGE" in names and len(names & _USUAL) > 1)
    return False


def read(source: Source) -> Iterator[Shaped]:
    """One row for each entry; those of the audit system are joined by event, as from its own log."""
    records, joiner = Records(source), Joiner()
    with source.open() as stream:
        for offset, entry in _entries(stream, source.size):
            if isinstance(entry, Damaged | BadRecord):
                records.unparsed(offset, entry.reason, entry.raw)
            else:
                _add(records, joiner, entry, offset)
            if records.full:
                yield from records.drain()
    for event in joiner.rest():
        _add_event(records, event)
    yield from records.drain()


def _add(records: Records, joiner: Joiner, entry: Fields, offset: int) -> None:
    if "_AUDIT_ID" in entry and (record := audit_record(entry)) is not None:
        for event in joiner.add(record, offset, 1000):
            _add_event(records, event)
        return
    shape, fields, time, host = row(entry)
    size = 800 + len(fields.get("message") or "") * 2
    records.add(shape, fields, time=time, offset=offset, host=host, size=size)


def _add_event(records: Records, event: Event) -> None:
    records.add(
        "linux.auditd",
        event.row(),
        time=event.time,
        offset=event.offset,
        host=event.node,
        size=event.size,
    )


def _entries(stream: BinaryIO, size: int) -> Iterator[tuple[int, Fields | Damaged | BadRecord]]:
    head = stream.read(256)
    stream.seek(0)
    if head.startswith(native.MAGIC):
        return _from_bytes(native.entries(stream, size))
    first = head.lstrip(b" \t\r\n\xef\xbb\xbf")[:1]
    if first and first in _JSON_FIRST:
        return _from_json(stream)
    return _from_bytes(entries(stream, size))


def _from_bytes(
    found: Iterator[tuple[int, Entry | Damaged]],
) -> Iterator[tuple[int, Fields | Damaged]]:
    for offset, entry in found:
        yield offset, entry if isinstance(entry, Damaged) else _texts(entry)


def _texts(entry: Entry) -> Fields:
    return {
        name: [decode(item) for item in value] if isinstance(value, list) else decode(value)
        for name, value in entry.items()
    }


def _from_json(stream: BinaryIO) -> Iterator[tuple[int, Fields | BadRecord]]:
    for offset, raw in objects(stream):
        if isinstance(raw, BadRecord):
            yield offset, raw
        else:
            record: dict[str, Any] = orjson.loads(raw)
            yield offset, {name: _value(value) for name, value in record.items()}


def _value(value: Any) -> Any:
    """A value as text: binary ones are lists of bytes, repeated ones lists of values."""
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, list):
        if value and all(type(item) is int and 0 <= item < 256 for item in value):
            return decode(bytes(value))
        return [made for item in value if (made := _value(item)) is not None]
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    return str(value)


def whole(data: bytes) -> int:
    """How many of the bytes are whole entries: lines of JSON, else paragraphs."""
    if data[:1] == b"{":
        return data.rfind(b"\n") + 1
    between = data.rfind(b"\n\n")
    return 0 if between < 0 else between + 2
