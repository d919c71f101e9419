"""Reads files of appliances' messages that no syslog head precedes: CEF, LEEF, `name=value`, commas."""

import io
from collections.abc import Iterator
from typing import Final

from labrys.evidence.appliance.message import bare
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode, lines

_LOOKED: Final = 40


def sniff(head: bytes, name: str) -> float:
    """Sure when nearly all of the first lines are messages of appliances that we know."""
    text = [decode(raw) for _, raw, _ in lines(io.BytesIO(head))]
    if len(text) > 1 and not head.endswith(b"\n"):
        text.pop()
    looked_at = [line for line in text if line.strip("\0 \t")][:_LOOKED]
    known = sum(bare(line) is not None for line in looked_at)
    return 0.92 if known and known * 5 >= len(looked_at) * 4 else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """One row a message, under its maker's names and ours; `_offset` in bytes."""
    records = Records(source)
    with source.open() as stream:
        for offset, raw, cut in lines(stream):
            line = decode(raw)
            if not line.strip("\0 \t\r"):
                continue
            event = None if cut else bare(line)
            if event is None:
                reason = "longer than 1 MiB" if cut else "no message of an appliance"
                records.unparsed(offset, reason, raw)
            else:
                records.add(
                    event.shape,
                    event.fields,
                    time=event.time,
                    offset=offset,
                    host=event.host,
                    size=len(raw) * 2 + 200,
                )
            if records.full:
                yield from records.drain()
    yield from records.drain()
