"""Reads the error logs of nginx and Apache."""

import io
from collections.abc import Iterator

from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode, lines
from labrys.evidence.web_error.line import parse


def sniff(head: bytes, name: str) -> float:
    """Sure when most of the first lines are of an error log; stack traces stand between them."""
    text = [decode(raw) for _, raw, _ in lines(io.BytesIO(head))]
    if len(text) > 1 and not head.endswith(b"\n"):
        text.pop()
    looked_at = [line for line in text if line.strip("\0 \t")][:40]
    known = sum(parse(line) is not None for line in looked_at)
    return 0.9 if known and known * 2 >= len(looked_at) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Each message as a row of `web.error`; what has no head (a trace) as a `text.line`."""
    records = Records(source)
    last: int | None = None
    with source.open() as stream:
        for offset, raw, _ in lines(stream):
            line = decode(raw)
            if not line.strip("\0 \t\r"):
                continue
            if (found := parse(line)) is None:
                records.add(
                    "text.line", {"line": line}, time=last, offset=offset, size=len(raw) + 80
                )
            else:
                fields, last = found
                records.add("web.error", fields, time=last, offset=offset, size=len(raw) * 2)
            if records.full:
                yield from records.drain()
    yield from records.drain()
