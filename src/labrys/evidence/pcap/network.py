"""IP, the tunnels in it and the transports over it (RFC 791, 8200, 9293, 768, 9260, 792, 4443).

Lengths are those that the headers say, not the captured ones: a capture cut to a few bytes of each
packet gives the same flows as a whole one.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from labrys.evidence.pcap.headers import (
    DONE,
    ETHERNET,
    ICMP,
    ICMP6,
    IP,
    LINK,
    MAPPED,
    SCTP,
    TCP,
    TUNNELS,
    UDP,
    Headers,
)  # fmt: skip
from labrys.evidence.pcap.link import HANDLERS as LINK_HANDLERS
from labrys.evidence.pcap.link import IPV4, IPV6
from labrys.evidence.pcap.packets import Bools, Ints, Packets
from labrys.evidence.pcap.tally import Tally

MOST_LAYERS: Final = 24
"""Headers in one packet; those of a packet with more are an attack on whoever reads it."""

SYN, FIN, RST, ACK = 2, 1, 4, 16

_COUNTERPARTS: Final = (
    (ICMP, {8: 0, 13: 14, 15: 16, 17: 18, 10: 9}),
    (ICMP6, {128: 129, 130: 131, 133: 134, 135: 136, 139: 140, 144: 145}),
)
"""Types of requests → of their answers."""
_VXLAN, _GENEVE, _GTP = 4789, 6081, 2152


def decode(packets: Packets, tally: Tally) -> Headers:
    """Every header of a block, from the link layer to the innermost transport."""
    head = Headers.of(packets, tally)
    active = np.arange(len(packets))
    for _ in range(MOST_LAYERS):
        following = head.next[active]
        for code, handler in _HANDLERS.items():
            which = active[following == code]
            if len(which):
                handler(head, which)
        moved = (head.next[active] != following) | np.isin(following, _REPEATING)
        _left_over(head, active[~moved & (head.next[active] != DONE)])
        active = active[moved & (head.next[active] != DONE)]
        if not len(active):
            return head
    head.drop(active, "more headers than a packet may have")
    return head


def _left_over(head: Headers, which: Ints) -> None:
    """Packets whose next header is none we know."""
    if not len(which):
        return
    codes = head.next[which]
    transport = (codes >= IP) & (codes < LINK)
    _other_transport(head, which[transport])
    which, codes = which[~transport], codes[~transport]
    for code in np.unique(codes)[:64].tolist():
        if code >= LINK:
            head.drop(which[codes == code], f"link type {code - LINK} is not read")
        else:
            head.leave(which[codes == code], _ETHERTYPES.get(code, f"0x{code:04x}"))
    head.leave(which[head.next[which] != DONE], "other")


_ETHERTYPES: Final = {0x0806: "ARP", 0x88CC: "LLDP", 0x8863: "PPPoE discovery", 0x888E: "EAPOL"}


def _ipv4(head: Headers, which: Ints) -> None:
    which = head.room(which, 20, "IPv4")
    wire, at = head.wire, head.at[which]
    first = wire.u8(at)
    size = (first & 15) * 4
    total = wire.u16(at + 2)
    # Zero where the network card cuts segments after the capture.
    total = np.where(total == 0, head.whole[which] - at, total)
    wrong = (first >> 4 != 4) | (size < 20) | (total < size)
    if wrong.any():
        head.drop(which[wrong], "IPv4 header is malformed")
        which, at, size, total = which[~wrong], at[~wrong], size[~wrong], total[~wrong]
    piece = wire.u16(at + 6)
    ends = wire.u64(at + 12)
    _enter(head, which, at + size, at + total)
    head.source[0][which] = head.target[0][which] = 0
    head.source[1][which] = (ends >> np.uint64(32)) | MAPPED
    head.target[1][which] = (ends & np.uint64(0xFFFFFFFF)) | MAPPED
    head.ip_bytes[which] = total
    head.protocol[which] = protocol = wire.u8(at + 9)
    head.next[which] = protocol + IP
    pieces = (piece & 0x3FFF) != 0
    if pieces.any():
        _piece(head, which[pieces], (piece & 0x1FFF)[pieces] != 0, wire.u16(at[pieces] + 4))


def _enter(head: Headers, which: Ints, at: Ints, whole: Ints) -> None:
    """Go into an IP packet: what lies behind its end is padding."""
    head.at[which] = at
    head.whole[which] = whole
    head.end[which] = np.minimum(head.end[which], whole)


def _piece(head: Headers, which: Ints, later: Bools, number: Ints) -> None:
    """A fragment: later ones have no transport header, they get their ports from the first."""
    head.fragment[which] = np.where(later, 2, 1)
    head.fragment_id[which] = number
    rest = which[later]
    head.payload[rest] = head.whole[rest] - head.at[rest]
    head.data[rest] = head.end[rest]  # nothing that could be understood on its own
    head.next[rest] = DONE


def _ipv6(head: Headers, which: Ints) -> None:
    which = head.room(which, 40, "IPv6")
    wire, at = head.wire, head.at[which]
    wrong = wire.u8(at) >> 4 != 6
    if wrong.any():
        head.drop(which[wrong], "IPv6 header is malformed")
        which, at = which[~wrong], at[~wrong]
    length = wire.u16(at + 4)
    total = np.where(length == 0, head.whole[which] - at, length + 40)
    _enter(head, which, at + 40, at + total)
    for place, words in ((8, head.source), (24, head.target)):
        words[0][which] = wire.u64(at + place)
        words[1][which] = wire.u64(at + place + 8)
    head.ip_bytes[which] = total
    head.protocol[which] = protocol = wire.u8(at + 6)
    head.next[which] = protocol + IP


def _option(head: Headers, which: Ints) -> None:
    """An IPv6 extension header."""
    which = head.room(which, 8, "IPv6 extension")
    at = head.at[which]
    _follow(head, which, at, (head.wire.u8(at + 1) + 1) * 8)


def _authentication(head: Headers, which: Ints) -> None:
    which = head.room(which, 12, "AH")
    at = head.at[which]
    _follow(head, which, at, (head.wire.u8(at + 1) + 2) * 4)


def _follow(head: Headers, which: Ints, at: Ints, size: Ints) -> None:
    head.protocol[which] = protocol = head.wire.u8(at)
    head.next[which] = protocol + IP
    head.at[which] = at + size


def _fragment(head: Headers, which: Ints) -> None:
    which = head.room(which, 8, "IPv6 fragment")
    at = head.at[which]
    _follow(head, which, at, np.full(len(which), 8))
    where = head.wire.u16(at + 2)
    pieces = (where & 0xFFF9) != 0
    if pieces.any():
        number = head.wire.u32(at[pieces] + 4)
        _piece(head, which[pieces], (where >> 3 != 0)[pieces], number)


def _tcp(head: Headers, which: Ints) -> None:
    which = head.room(which, 14, "TCP")
    wire, at = head.wire, head.at[which]
    size = (wire.u8(at + 12) >> 4) * 4
    wrong = (size < 20) | (at + size > head.whole[which])
    if wrong.any():
        head.drop(which[wrong], "TCP header is malformed")
        which, at, size = which[~wrong], at[~wrong], size[~wrong]
    _ports(head, which, at)
    head.sequence[which] = wire.u32(at + 4)
    head.flags[which] = wire.u8(at + 13)
    cut = at + 16 > head.end[which]
    head.window[which] = np.where(cut, 1, wire.u16(at + 14))
    _payload(head, which, at + size)


def _ports(head: Headers, which: Ints, at: Ints) -> None:
    both = head.wire.u32(at)
    head.source_port[which] = both >> 16
    head.target_port[which] = both & 0xFFFF
    head.next[which] = DONE


def _payload(head: Headers, which: Ints, data: Ints) -> None:
    head.data[which] = np.minimum(data, head.end[which])
    head.payload[which] = np.maximum(head.whole[which] - data, 0)


def _udp(head: Headers, which: Ints) -> None:
    which = head.room(which, 8, "UDP")
    at = head.at[which]
    _ports(head, which, at)
    _payload(head, which, at + 8)
    ports = np.stack((head.source_port[which], head.target_port[which]))
    for port, enter in ((_VXLAN, _vxlan), (_GENEVE, _geneve), (_GTP, _gtp)):
        inside = which[(ports == port).any(axis=0)]
        if len(inside):
            enter(head, inside[head.at[inside] + 16 <= head.end[inside]])


def _vxlan(head: Headers, which: Ints) -> None:
    at = head.at[which] + 8
    good = head.wire.u8(at) & 0x7F == 8  # a network number, with a group policy or without
    _tunnel(head, which[good], (at + 8)[good], ETHERNET, "vxlan")


def _geneve(head: Headers, which: Ints) -> None:
    at = head.at[which] + 8
    first, kind = head.wire.u8(at), head.wire.u16(at + 2)
    good = (first >> 6 == 0) & np.isin(kind, (0x6558, IPV4, IPV6))
    _tunnel(head, which[good], (at + 8 + (first & 63) * 4)[good], kind[good], "geneve")


def _gtp(head: Headers, which: Ints) -> None:
    at = head.at[which] + 8
    flags = head.wire.u8(at)
    # User data of version 1; of the extension headers none is followed.
    good = (flags & 0xF4 == 0x30) & (head.wire.u8(at + 1) == 255)
    inner = at + 8 + 4 * ((flags & 3) != 0)
    version = head.wire.u8(np.minimum(inner, head.end[which])) >> 4
    good &= (version == 4) | (version == 6)
    _tunnel(head, which[good], inner[good], np.where(version == 4, IPV4, IPV6)[good], "gtp")


def _tunnel(head: Headers, which: Ints, at: Ints, following: Ints | int, name: str) -> None:
    head.at[which] = at
    head.next[which] = following
    head.tunnel[which] = TUNNELS.index(name)
    head.fragment[which] = 0
    head.payload[which] = 0


def _ip_in_ip(head: Headers, which: Ints) -> None:
    _tunnel(head, which, head.at[which], IPV4, "ip")


def _ipv6_in_ip(head: Headers, which: Ints) -> None:
    _tunnel(head, which, head.at[which], IPV6, "6in4")


def _gre(head: Headers, which: Ints) -> None:
    """GRE, also the enhanced one of PPTP (RFC 2784, 2890, 2637), and ERSPAN."""
    which = head.room(which, 4, "GRE")
    at = head.at[which]
    flags, kind = head.wire.u16(at), head.wire.u16(at + 2)
    size = 4 + 4 * (((flags & 0x8000) != 0) * 1 + ((flags & 0x2000) != 0) + ((flags & 0x1000) != 0))
    size = size + 4 * (((flags & 7) == 1) & ((flags & 0x80) != 0))
    erspan = (kind == 0x88BE) | (kind == 0x22EB)
    size = size + np.where(
        kind == 0x22EB, 12, np.where((kind == 0x88BE) & (flags & 0x1000 > 0), 8, 0)
    )
    known = erspan | np.isin(kind, _IN_GRE)
    head.next[which[~known]] = IP + _GRE_PLAIN
    inner = np.where(erspan, ETHERNET, kind)[known]
    _tunnel(head, which[known], (at + size)[known], inner, "gre")


_GRE_PLAIN: Final = 0xFFF
_IN_GRE: Final = (IPV4, IPV6, 0x6558, 0x880B, 0x8847, 0x8848, 0x8100)


def _sctp(head: Headers, which: Ints) -> None:
    which = head.room(which, 8, "SCTP")
    at = head.at[which]
    _ports(head, which, at)
    _payload(head, which, at + 12)


def _icmp(head: Headers, which: Ints) -> None:
    """Types and codes take the place of ports, as Community ID has it."""
    which = head.room(which, 2, "ICMP")
    wire, at = head.wire, head.at[which]
    kind, code = wire.u8(at), wire.u8(at + 1)
    head.source_port[which] = kind
    head.target_port[which] = code
    head.next[which] = DONE
    _payload(head, which, at + 8)


def _other_transport(head: Headers, which: Ints) -> None:
    head.next[which] = DONE
    _payload(head, which, head.at[which])


def counterpart(protocol: Ints, kind: Ints) -> tuple[Ints, Bools]:
    """For ICMP types the type that answers them or that they answer (-1: none); and whether they
    are answers.
    """
    other = np.full(len(kind), -1, np.int64)
    answers = np.zeros(len(kind), np.bool_)
    for number, pairs in _COUNTERPARTS:
        same = protocol == number
        for request, answer in pairs.items():
            other[same & (kind == request)] = answer
            answered = same & (kind == answer)
            other[answered] = request
            answers |= answered
    return other, answers


_HANDLERS: Final[dict[int, Callable[[Headers, Ints], None]]] = {
    **LINK_HANDLERS,
    IPV4: _ipv4,
    IPV6: _ipv6,
    **{IP + number: _option for number in (0, 43, 60, 135, 139, 140)},
    IP + 44: _fragment,
    IP + 51: _authentication,
    IP + 4: _ip_in_ip,
    IP + 41: _ipv6_in_ip,
    IP + 47: _gre,
    IP + TCP: _tcp,
    **{IP + number: _udp for number in (UDP, 136)},
    **{IP + number: _sctp for number in (SCTP, 33)},
    **{IP + number: _icmp for number in (ICMP, ICMP6)},
}
_REPEATING: Final = [
    *(0x8100, 0x88A8, 0x9100, 0x9200, 0x8847, 0x8848, IPV4, IPV6, ETHERNET),
    *(IP + number for number in (0, 43, 60, 135, 139, 140, 51)),
]
"""Headers that may stand behind one of the same kind."""
