"""Reads packet captures as flows (`net.flow`) and what was said in them (`net.dns`, `net.tls`, …)."""

from collections.abc import Iterator
from typing import Final

from labrys.evidence.pcap import capture, net_flow
from labrys.evidence.pcap.flows import Flows
from labrys.evidence.pcap.fragments import Fragments
from labrys.evidence.pcap.network import decode
from labrys.evidence.pcap.talk import FIXED
from labrys.evidence.pcap.talks import Talks
from labrys.evidence.pcap.tally import Tally
from labrys.evidence.records import Records, Shaped, Source

_UID: Final = 10


def sniff(head: bytes, name: str) -> float:
    """Whether a capture's own first bytes are there."""
    return 0.99 if capture.is_capture(head) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Flows and protocol records; `_offset` is where the first packet of each lies."""
    records, tally = Records(source, fixed=FIXED), Tally()
    flows, fragments = Flows(int(source.digest[:16] or "0", 16)), Fragments()
    prefix = f"C{source.digest[:_UID]}"
    talks = Talks(records, prefix)

    def end() -> None:
        over = flows.closed()
        talks.end(over)
        net_flow.add(records, over, prefix)

    with source.open() as stream:
        for packets in capture.packets(stream, tally):
            head = decode(packets, tally)
            fragments.resolve(head, tally)
            talks.add(head, flows.add(head))
            end()
            if records.full:
                yield from records.drain()
    flows.close()
    end()
    tally.into(records)
    yield from records.drain()
