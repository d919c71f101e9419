"""Puts the steps together: packets to headers, flows and conversations, and those to records."""

from collections.abc import Iterator
from typing import Final

from labrys.evidence.pcap import net_flow
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
_TOGETHER: Final = 20_000
"""Flows that become records at a time."""


class Reader:
    """What is kept from one block of packets to the next."""

    def __init__(self, source: Source) -> None:
        self.records, self.tally = Records(source, fixed=FIXED), Tally()
        self._prefix = f"C{source.digest[:_UID]}"
        self._flows = Flows(int(source.digest[:16] or "0", 16))
        self._fragments = Fragments()
        self._talks = Talks(self.records, self._prefix)
        self._summary = Summary()
        self._blocks = 0

    def add(self, packets: Packets) -> Iterator[Shaped]:
        """Read a block."""
        head = decode(packets, self.tally)
        self._fragments.resolve(head, self.tally)
        self._talks.add(head, self._flows.add(head))
        self._summary.add(head)
        yield from self._end()
        self._blocks += 1
        if self._blocks % _PART == 0:
            self._sum_up()
            yield from self.records.drain()

    def close(self) -> Iterator[Shaped]:
        """End all flows and say what was not read."""
        self._flows.close()
        yield from self._end()
        self._sum_up()
        self.tally.into(self.records)
        yield from self.records.drain()

    def _sum_up(self) -> None:
        self._summary.into(self.records, self._flows.early)
        self._summary = Summary()

    def _end(self) -> Iterator[Shaped]:
        """Keep the flows that are over."""
        over = self._flows.closed()
        self._talks.end(over)
        self._summary.flows += len(over)
        for begin in range(0, len(over), _TOGETHER):
            net_flow.add(self.records, over[begin : begin + _TOGETHER], self._prefix)
            if self.records.full:
                yield from self.records.drain()
        if self.records.full:
            yield from self.records.drain()
