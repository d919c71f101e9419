"""Reads access logs of AWS load balancers: application, network and classic ones."""

import io
from collections.abc import Iterator

from labrys.evidence.aws_elb.line import parse
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode, lines


def sniff(head: bytes, name: str) -> float:
    """Sure when most of the first lines are such a log's."""
    if head[:1] in (b"{", b"[", b"#") or b"\0" in head:
        return 0.0
    text = [decode(raw) for _, raw, _ in lines(io.BytesIO(head))]
    if len(text) > 1 and not head.endswith(b"\n"):
        text.pop()
    looked_at = [line for line in text if line.strip()][:20]
    known = sum(parse(line) is not None for line in looked_at)
    return 0.96 if known and known * 5 >= len(looked_at) * 3 else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Each request as a row of `web.access`, each connection as one of `aws.nlb`."""
    records = Records(source)
    with source.open() as stream:
        for offset, raw, cut in lines(stream):
            if not raw.strip():
                continue
            found = parse(decode(raw))
            if found is None:
                reason = "longer than 1 MiB" if cut else "not a line of a load balancer"
                records.unparsed(offset, reason, raw)
            else:
                shape, fields, time = found
                records.add(shape, fields, time=time, offset=offset, size=len(raw) * 3)
            if records.full:
                yield from records.drain()
    yield from records.drain()
