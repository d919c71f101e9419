"""Reads packet captures as flows (`net.flow`) and what was said in them (`net.dns`, `net.tls`, …)."""

from collections.abc import Iterator

from labrys.evidence.pcap import capture
from labrys.evidence.records import Shaped, Source


def sniff(head: bytes, name: str) -> float:
    """Whether a capture's own first bytes are there."""
    return 0.99 if capture.is_capture(head) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Flows and protocol records; `_offset` is where the first packet of each lies."""
    from labrys.evidence.pcap.reader import Reader  # only those who read need all of it

    reader = Reader(source)
    with source.open() as stream:
        if not capture.is_capture(stream.read(32)):
            reader.tally.note("not a packet capture", 0)
        else:
            stream.seek(0)
            for packets in capture.packets(stream, reader.tally):
                yield from reader.add(packets)
    yield from reader.close()
