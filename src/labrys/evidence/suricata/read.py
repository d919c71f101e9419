"""Reads Suricata's EVE log: alerts, flows and protocol records in JSON (Suricata User Guide)."""

from collections.abc import Iterator
from typing import Any, Final

from labrys.evidence.json_stream import BadRecord
from labrys.evidence.ndjson.rows import flat, loaded, sample, shape_of
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.timestamps import parse

_COMPANIONS: Final = frozenset(("src_ip", "dest_ip", "flow_id", "pcap_cnt", "in_iface", "proto"))


def sniff(head: bytes, name: str) -> float:
    """How surely this is an EVE log: by the fields of its first objects."""
    if b'"event_type"' not in head:
        return 0.0
    records = sample(head)
    return 0.95 * sum(map(_is_event, records)) / len(records) if records else 0.0


def _is_event(record: dict[str, Any]) -> bool:
    kind = record.get("event_type")
    if not isinstance(kind, str) or not isinstance(record.get("timestamp"), str):
        return False
    return kind in record or not _COMPANIONS.isdisjoint(record)


def read(source: Source) -> Iterator[Shaped]:
    """The source's events, `suricata.<event_type>`; `_offset` in bytes."""
    records = Records(source)
    with source.open() as stream:
        for offset, size, record in loaded(stream):
            if isinstance(record, BadRecord):
                records.unparsed(offset, record.reason, record.raw)
            else:
                kind, host = record.get("event_type"), record.get("host")
                records.add(
                    shape_of("suricata", kind if isinstance(kind, str) else None),
                    flat(record),
                    time=parse(record.get("timestamp")),
                    offset=offset,
                    host=host if isinstance(host, str) else None,
                    size=size,
                )
            if records.full:
                yield from records.drain()
    yield from records.drain()
