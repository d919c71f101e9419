"""Reads files of queries that DNS servers keep: Windows' debug log, BIND's query log."""

import io
from collections.abc import Iterator

from labrys.evidence.dns_server.line import parse
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode, lines
from labrys.evidence.timestamps import parse as moment

_HEAD = "dns server log file creation"


def sniff(head: bytes, name: str) -> float:
    """Sure when most lines with a date tell of a query; the log's legend may come first."""
    text = [decode(raw) for _, raw, _ in lines(io.BytesIO(head))][:200]
    dated = [line for line in text if line[:1].isdigit() and ":" in line[:30]][:40]
    known = sum(parse(line) is not None for line in dated)
    if text and text[0].lower().startswith(_HEAD):
        return 0.93
    return 0.9 if known and known * 5 >= len(dated) * 3 else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Each query or answer as a row of `dns.query`, any other line as a `text.line`."""
    records = Records(source)
    with source.open() as stream:
        for offset, raw, _ in lines(stream):
            line = decode(raw)
            if not line.strip("\0 \t\r"):
                continue
            if (found := parse(line)) is None:
                time = moment(line[:22].strip(), near=source.modified)
                records.add(
                    "text.line", {"line": line}, time=time, offset=offset, size=len(raw) + 80
                )
            else:
                records.add("dns.query", found[0], time=found[1], offset=offset, size=len(raw) * 2)
            if records.full:
                yield from records.drain()
    yield from records.drain()
