"""The columns that decoding fills in, one number for each packet, and what is left to decode.

Addresses are 128 bits in two words; an IPv4 address is the IPv6 address it is mapped to.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from labrys.evidence.pcap.packets import Ints, Packets, Wire, Words
from labrys.evidence.pcap.tally import Tally

MAPPED: Final = np.uint64(0xFFFF << 32)
"""The lower word of an IPv4 address is this and its 32 bits (RFC 4291, 2.5.5.2)."""

TCP, UDP, SCTP, ICMP, ICMP6 = 6, 17, 132, 1, 58

# What a packet goes on with, `Headers.next`: an EtherType, an IP protocol, a link type, or nothing.
IP: Final = 1 << 16
LINK: Final = 2 << 16
DONE: Final = 3 << 16
"""Nothing more to decode: the packet is complete, or not of interest."""
ETHERNET: Final = LINK + 1


@dataclass(slots=True)
class Headers:
    """A block being decoded. `at` is where the next header begins, `end` where known bytes do."""

    packets: Packets
    tally: Tally
    wire: Wire
    at: Ints
    end: Ints
    next: Ints
    whole: Ints  # where the IP packet ends, captured or not
    source: list[Words]
    target: list[Words]
    protocol: Ints  # -1: not IP
    source_port: Ints
    target_port: Ints
    payload: Ints  # bytes of payload on the wire
    data: Ints  # where they begin
    ip_bytes: Ints
    flags: Ints
    sequence: Ints
    window: Ints
    vlan: Ints  # -1: none
    tunnel: Ints  # 0: none, else an index of `TUNNELS`
    source_mac: Ints  # -1: unknown
    target_mac: Ints
    fragment: Ints  # 0: whole, 1: the first, 2: a later one
    fragment_id: Ints
    others: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, packets: Packets, tally: Tally) -> "Headers":
        """With nothing decoded yet."""
        count = len(packets)

        def zeros() -> Ints:
            return np.zeros(count, np.int64)

        def absent() -> Ints:
            return np.full(count, -1, np.int64)

        def words() -> list[Words]:
            return [np.zeros(count, np.uint64), np.zeros(count, np.uint64)]

        return cls(
            packets, tally, Wire(packets.raw), packets.start.copy(), packets.end.copy(),
            packets.link + LINK, packets.start + packets.length,
            words(), words(), absent(), zeros(), zeros(), zeros(), packets.end.copy(), zeros(),
            zeros(), zeros(), zeros(), absent(), zeros(), absent(), absent(), zeros(), zeros(),
        )  # fmt: skip

    def room(self, which: Ints, size: int, what: str) -> Ints:
        """Those of which `size` bytes were captured from `at` on; the others end here."""
        short = self.at[which] + size > self.end[which]
        if short.any():
            self.drop(which[short], f"packet cut inside its {what} header")
            return which[~short]
        return which

    def drop(self, which: Ints, reason: str) -> None:
        """Give packets up, because they are broken."""
        if len(which):
            self.next[which] = DONE
            self.protocol[which] = -1
            self.tally.note(reason, int(self.packets.offset[which[0]]), len(which))

    def leave(self, which: Ints, kind: str) -> None:
        """Leave packets that are well but none of ours."""
        if len(which):
            self.next[which] = DONE
            self.others[kind] = self.others.get(kind, 0) + len(which)


TUNNELS: Final = ("", "ip", "6in4", "gre", "vxlan", "geneve", "gtp", "pppoe", "mpls")
