"""Reads web servers' access logs: NCSA common and combined, W3C extended (IIS), JSON."""

import io
from collections.abc import Iterator
from typing import Any, Final

import orjson

from labrys.evidence import timestamps
from labrys.evidence.json_stream import BadRecord, objects
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode, lines
from labrys.evidence.values import flatten
from labrys.evidence.web_access import common, json_record, proxy
from labrys.evidence.web_access.w3c import Layout

SHAPE: Final = "web.access"
_SPACE: Final = b" \t\r\n\0\xef\xbb\xbf\xff\xfe"


def sniff(head: bytes, name: str) -> float:
    """Sure when nearly all of the first lines are requests in one of the formats."""
    first = head[:8].lstrip(_SPACE)[:1]
    if first in (b"{", b"["):
        return _sniff_json(head)
    text = [decode(raw) for _, raw, _ in lines(io.BytesIO(head))]
    if len(text) > 1 and not head.endswith(b"\n"):
        text.pop()
    looked_at = [line for line in text if line.strip("\0 \t")][:40]
    layout = Layout()
    for line in looked_at:
        if line.startswith("#"):
            layout.directive(line)
    if layout.names:
        return 0.95 if layout.is_web and looked_at[0].startswith("#") else 0.0
    matching = sum(common.is_strict(line) or proxy.parse(line) is not None for line in looked_at)
    return 0.9 if matching and matching * 5 >= len(looked_at) * 3 else 0.0


def _sniff_json(head: bytes) -> float:
    seen = matching = 0
    for _, raw in objects(io.BytesIO(head)):
        if isinstance(raw, BadRecord):  # what the head ends in is one
            continue
        seen += 1
        matching += json_record.parse(orjson.loads(raw)) is not None
        if seen == 5:
            break
    return 0.88 if matching and matching * 5 >= seen * 4 else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """One row for each request; a line that tells of none is unparsed."""
    with source.open() as stream:
        is_json = stream.read(8).lstrip(_SPACE)[:1] in (b"{", b"[")
        stream.seek(0)
        records = Records(source)
        rows = _json(stream, records) if is_json else _text(stream, records)
        for _ in rows:
            if records.full:
                yield from records.drain()
    yield from records.drain()


def _text(stream: Any, records: Records) -> Iterator[None]:
    layout = Layout()
    add, parse = records.add, common.parse
    for offset, raw, cut in lines(stream):
        line = decode(raw)
        if line[:1] == "\0" or line[-1:] == "\0":  # IIS fills its last block with them
            line = line.strip("\0")
        if not line or line.isspace():
            continue
        if line[0] == "#":
            layout.directive(line)
            continue
        found = (layout.parse(line) if layout.names else None) or parse(line) or proxy.parse(line)
        if found is None:
            reason = "longer than 1 MiB" if cut else "not a request"
            records.unparsed(offset, reason, raw)
        else:
            fields, time = found
            host = fields.get("s-computername") if layout.names else None
            host = host if isinstance(host, str) else None
            add(SHAPE, fields, time=time, offset=offset, host=host, size=len(raw) + 200)
        yield


def _json(stream: Any, records: Records) -> Iterator[None]:
    for offset, raw in objects(stream):
        if isinstance(raw, BadRecord):
            records.unparsed(offset, raw.reason, raw.raw)
            yield
            continue
        record = orjson.loads(raw)
        found = json_record.parse(record)
        if found is None:  # a message of the server itself, among its requests
            fields = flatten(record)
            time = timestamps.of_record(fields)
            records.add("json.record", fields, time=time, offset=offset, size=len(raw))
        else:
            fields, time, host = found
            records.add(SHAPE, fields, time=time, offset=offset, host=host, size=len(raw) * 2)
        yield
