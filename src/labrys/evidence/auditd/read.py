"""Reads the Linux audit daemon's log (audit.log), also as `ausearch` prints it."""

import re
from collections.abc import Iterator
from typing import Final

from labrys.evidence.auditd.join import Event, Joiner, whole_events
from labrys.evidence.auditd.record import LONGEST, parse
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode, lines

SHAPE: Final = "linux.auditd"
_LINE: Final = re.compile(
    rb"(?:node=\S{1,255} )?type=[\w\[\]]{1,40} msg=audit\([\d./: ]{1,40}:\d{1,20}\) ?:"
)
_BETWEEN: Final = re.compile(rb"----|time->.{0,60}")
"""What `ausearch` writes between events."""


def sniff(head: bytes, name: str) -> float:
    """Sure when the first lines are audit records."""
    found = [line for line in head.splitlines()[:40] if line.strip()][:20]
    matching = sum(1 for line in found if _LINE.match(line) or _BETWEEN.fullmatch(line))
    return 0.95 if matching and matching * 5 >= len(found) * 4 else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """One row for each audit event; a line that is no audit record is unparsed."""
    records, joiner = Records(source), Joiner()
    with source.open() as stream:
        for offset, raw, cut in lines(stream, LONGEST):
            record = None if cut else parse(decode(raw))
            if record is None:
                if raw.strip() and not _BETWEEN.fullmatch(raw):
                    reason = "longer than an audit record" if cut else "not an audit record"
                    records.unparsed(offset, reason, raw)
            else:
                for event in joiner.add(record, offset, len(raw)):
                    _add(records, event)
            if records.full:
                yield from records.drain()
    for event in joiner.rest():
        _add(records, event)
    yield from records.drain()


def _add(records: Records, event: Event) -> None:
    records.add(
        SHAPE, event.row(), time=event.time, offset=event.offset, host=event.node, size=event.size
    )


def whole(data: bytes) -> int:
    """How many of the bytes are whole events: the last is left until another follows or it ends."""
    return whole_events(data)
