"""Reads the alerts that Suricata and Snort write one a line: fast.log, alert_fast.

Sources: Suricata User Guide, Snort manuals. The columns are those of Suricata's EVE log.
"""

import io
from collections.abc import Iterator
from itertools import islice

from labrys.evidence.alert_fast.line import parse
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode, lines


def sniff(head: bytes, name: str) -> float:
    """Sure when nearly all of the first lines are alerts."""
    if b"[**]" not in head:
        return 0.0
    found = [decode(raw) for _, raw, _ in islice(lines(io.BytesIO(head)), 40) if raw.strip()]
    seen = found[:-1] if len(found) > 1 and not head.endswith(b"\n") else found
    alerts = sum(parse(line, None) is not None for line in seen)
    return 0.95 if alerts and alerts * 5 >= len(seen) * 4 else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """One row for each alert, of shape `suricata.alert`; `_offset` in bytes."""
    records = Records(source)
    with source.open() as stream:
        for offset, raw, cut in lines(stream):
            if not raw.strip():
                continue
            found = parse(decode(raw), source.modified)
            if found is None or cut:
                records.unparsed(offset, "not an alert of Suricata or Snort", raw)
            else:
                fields, time = found
                size = len(raw) + 300
                records.add("suricata.alert", fields, time=time, offset=offset, size=size)
            if records.full:
                yield from records.drain()
    yield from records.drain()
