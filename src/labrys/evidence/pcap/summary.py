"""What a part of a capture holds besides flows, as a record of the shape `net.capture`."""

from typing import Final

from labrys.evidence.pcap.flows import MOST_OPEN, Flows
from labrys.evidence.pcap.headers import Headers
from labrys.evidence.pcap.talk import stamp
from labrys.evidence.records import Records

SHAPE: Final = "net.capture"


class Summary:
    """Counts packets while they are read."""

    def __init__(self) -> None:
        self._packets = self._bytes = self._cut = self._ip = self._flows = 0
        self._begin, self._end = -1, -1
        self._offset = -1
        self._links: set[int] = set()
        self._others: dict[str, int] = {}

    def add(self, head: Headers, flows: int) -> None:
        """Take in a block, and how many flows ended with it."""
        packets = head.packets
        self._flows += flows
        if not len(packets):
            return
        self._packets += len(packets)
        if self._offset < 0:
            self._offset = int(packets.offset[0])
        self._bytes += int(packets.length.sum())
        self._cut += int((packets.end - packets.start < packets.length).sum())
        self._ip += int((head.protocol >= 0).sum())
        known = packets.time[packets.time > 0]
        if len(known):
            first = int(known.min())
            self._begin = first if self._begin < 0 else min(self._begin, first)
            self._end = max(self._end, int(known.max()))
        self._links.update(set(packets.link.tolist()))
        for kind, count in head.others.items():
            self._others[kind] = self._others.get(kind, 0) + count

    def into(self, records: Records, flows: Flows, more: int) -> None:
        """Keep the record; `more` flows ended last."""
        if not self._packets:
            return
        fields = {
            "packets": self._packets,
            "bytes": self._bytes,
            "ip_packets": self._ip,
            "cut_packets": self._cut or None,
            "other_packets": [f"{kind}={count}" for kind, count in self._others.items()] or None,
            "link_types": sorted(self._links),
            "first_packet": stamp(self._begin),
            "last_packet": stamp(self._end),
            "flows": self._flows + more,
        }
        if flows.early:
            fields["flows_ended_early"] = flows.early
            fields["note"] = f"of more than {MOST_OPEN} flows at a time the quietest were ended"
        time = None if self._begin < 0 else self._begin // 1_000_000
        records.add(SHAPE, fields, time=time, offset=self._offset)
