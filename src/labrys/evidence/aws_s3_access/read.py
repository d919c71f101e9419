"""Reads Amazon S3 server access logs: text, and what queries over them export."""

import io
from collections.abc import Iterator
from typing import Final

from labrys.evidence import cloud_event
from labrys.evidence.aws_s3_access.events import recognise
from labrys.evidence.aws_s3_access.line import SHAPE, parse
from labrys.evidence.cloud_table import looks_like_table
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode, lines

_MARKS: Final = (b'"remoteip"', b'"operation"', b'"bucket')
_PEEK: Final = 64 << 10


def sniff(head: bytes, name: str) -> float:
    """How surely these first bytes are this log; the name says nothing."""
    return 0.96 if _is_text(head) else cloud_event.sniff(head, recognise, _MARKS)


def _is_text(head: bytes) -> bool:
    if head[:1] in (b"{", b"[") or b"\0" in head:
        return False
    text = [decode(raw) for _, raw, _ in lines(io.BytesIO(head))]
    if len(text) > 1 and not head.endswith(b"\n"):
        text.pop()
    looked_at = [line for line in text if line.strip()][:20]
    known = sum(parse(line) is not None for line in looked_at)
    return known > 0 and known * 5 >= len(looked_at) * 3


def read(source: Source) -> Iterator[Shaped]:
    """Each request as a row of `aws.s3_access`; what is none is counted or kept as it is."""
    with source.open() as stream:
        head = stream.read(_PEEK)
    if not _is_text(head) and (head[:1] in (b"{", b"[") or looks_like_table(head)):
        yield from cloud_event.read(source, recognise)
        return
    records = Records(source)
    with source.open() as stream:
        for offset, raw, cut in lines(stream):
            if not raw.strip():
                continue
            found = parse(decode(raw))
            if found is None:
                records.unparsed(offset, "longer than 1 MiB" if cut else "not a request", raw)
            else:
                records.add(SHAPE, found[0], time=found[1], offset=offset, size=len(raw) * 2)
            if records.full:
                yield from records.drain()
    yield from records.drain()
