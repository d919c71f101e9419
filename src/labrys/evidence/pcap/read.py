"""Reads packet captures as flows (`net.flow`) and what was said in them (`net.dns`, `net.tls`, …)."""

from collections.abc import Iterator
from typing import Final

from labrys.evidence.pcap import capture, net_flow
from labrys.evidence.pcap.flows import Flows
from labrys.evidence.pcap.fragments import Fragments
from labrys.evidence.pcap.network import decode
from labrys.evidence.pcap.packets import Packets
from labrys.evidence.pcap.summary import Summary
from labrys.evidence.pcap.talk import FIXED
from labrys.evidence.pcap.talks import Talks
from labrys.evidence.pcap.tally import Tally
from labrys.evidence.records import Records, Shaped, Source

_UID: Final = 10
_PART: Final = 64
"""Blocks that are summed up in one `net.capture`: about a gigabyte, and a sign of life each."""


def sniff(head: bytes, name: str) -> float:
    """Whether a capture's own first bytes are there."""
    return 0.99 if capture.is_capture(head) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Flows and protocol records; `_offset` is where the first packet of each lies."""
    reader = _Reader(source)
    with source.open() as stream:
        if not capture.is_capture(stream.read(32)):
            reader.tally.note("not a packet capture", 0)
        else:
            stream.seek(0)
            for packets in capture.packets(stream, reader.tally):
                if reader.add(packets):
                    yield from reader.records.drain()
    reader.close()
    yield from reader.records.drain()


class _Reader:
    """What is kept from one block of packets to the next."""

    def __init__(self, source: Source) -> None:
        self.records, self.tally = Records(source, fixed=FIXED), Tally()
        self._prefix = f"C{source.digest[:_UID]}"
        self._flows = Flows(int(source.digest[:16] or "0", 16))
        self._fragments = Fragments()
        self._talks = Talks(self.records, self._prefix)
        self._summary = Summary()
        self._blocks = 0

    def add(self, packets: Packets) -> bool:
        """Read a block; whether the records should be drained."""
        head = decode(packets, self.tally)
        self._fragments.resolve(head, self.tally)
        self._talks.add(head, self._flows.add(head))
        self._summary.add(head, self._end())
        self._blocks += 1
        whole = self._blocks % _PART == 0
        if whole:
            self._sum_up(0)
        return whole or self.records.full

    def close(self) -> None:
        """End all flows and say what was not read."""
        self._flows.close()
        self._sum_up(self._end())
        self.tally.into(self.records)

    def _sum_up(self, more: int) -> None:
        self._summary.into(self.records, self._flows, more)
        self._summary = Summary()

    def _end(self) -> int:
        """Keep the flows that are over; how many."""
        over = self._flows.closed()
        self._talks.end(over)
        net_flow.add(self.records, over, self._prefix)
        return len(over)
