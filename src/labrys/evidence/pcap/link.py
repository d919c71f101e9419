"""Link layers and what lies between them and IP (https://www.tcpdump.org/linktypes.html).

Each function takes a block and the numbers of the packets that have its header next.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from labrys.evidence.pcap.headers import DONE, ETHERNET, LINK, TUNNELS, Headers
from labrys.evidence.pcap.packets import Ints

IPV4, IPV6 = 0x0800, 0x86DD
PPP: Final = LINK + 9
_LEAST_ETHERTYPE: Final = 0x600
_PPP_TYPES: Final = {0x21: IPV4, 0x57: IPV6, 0x281: 0x8847, 0x283: 0x8848}
_FAMILIES: Final = {2: IPV4, 24: IPV6, 28: IPV6, 30: IPV6, 10: IPV6}
"""AF_INET, and what AF_INET6 is on the systems that write it."""


def ethernet(head: Headers, which: Ints) -> None:
    """Ethernet II, or IEEE 802.3 with a SNAP header."""
    which = head.room(which, 14, "Ethernet")
    at, wire = head.at[which], head.wire
    head.target_mac[which] = (wire.u16(at) << 32) | wire.u32(at + 2)
    head.source_mac[which] = (wire.u16(at + 6) << 32) | wire.u32(at + 8)
    head.at[which] = at + 14
    kind = wire.u16(at + 12)
    head.next[which] = kind
    lengths = kind < _LEAST_ETHERTYPE
    if lengths.any():
        _llc(head, which[lengths])


def _llc(head: Headers, which: Ints) -> None:
    """An LLC header; only SNAP leads to anything of ours (IEEE 802.2, RFC 1042)."""
    at = head.at[which]
    snap = (at + 8 <= head.end[which]) & (head.wire.u32(at) >> 8 == 0xAAAA03)
    head.leave(which[~snap], "802.2")
    which = which[snap]
    head.next[which] = head.wire.u16(head.at[which] + 6)
    head.at[which] += 8


def vlan(head: Headers, which: Ints) -> None:
    """An 802.1Q tag; of several the outermost counts."""
    which = head.room(which, 4, "VLAN")
    at = head.at[which]
    seen = head.vlan[which]
    head.vlan[which] = np.where(seen < 0, head.wire.u16(at) & 0xFFF, seen)
    head.next[which] = head.wire.u16(at + 2)
    head.at[which] = at + 4


def mpls(head: Headers, which: Ints) -> None:
    """One label; below the last is IP, or Ethernet behind a control word (RFC 3032, 4448)."""
    which = head.room(which, 5, "MPLS")
    at = head.at[which]
    bottom = (head.wire.u8(at + 2) & 1) == 1
    version = head.wire.u8(at + 4) >> 4
    head.at[which] = at + 4
    inner = np.select([version == 4, version == 6, version == 0], [IPV4, IPV6, ETHERNET], DONE)
    head.next[which] = np.where(bottom, inner, head.next[which])
    word = which[bottom & (version == 0)]
    head.at[word] += 4
    head.tunnel[which] = TUNNELS.index("mpls")


def pppoe(head: Headers, which: Ints) -> None:
    """A PPPoE session (RFC 2516)."""
    which = head.room(which, 8, "PPPoE")
    head.at[which] += 6
    head.tunnel[which] = TUNNELS.index("pppoe")
    _ppp_type(head, which)


def ppp(head: Headers, which: Ints) -> None:
    """PPP, in HDLC-like framing or without (RFC 1661, 1662)."""
    which = head.room(which, 4, "PPP")
    framed = head.wire.u16(head.at[which]) == 0xFF03
    head.at[which] += 2 * framed
    _ppp_type(head, which)


def _ppp_type(head: Headers, which: Ints) -> None:
    at = head.at[which]
    short = (head.wire.u8(at) & 1) == 1  # the protocol field may be compressed to a byte
    kind = np.where(short, head.wire.u8(at), head.wire.u16(at))
    head.at[which] = at + np.where(short, 1, 2)
    _translate(head, which, kind, _PPP_TYPES, "PPP control")


def _translate(head: Headers, which: Ints, kind: Ints, to: dict[int, int], else_: str) -> None:
    made = np.full(len(which), DONE, np.int64)
    for code, following in to.items():
        made[kind == code] = following
    head.next[which] = made
    head.leave(which[made == DONE], else_)


def hdlc(head: Headers, which: Ints) -> None:
    """Cisco HDLC."""
    which = head.room(which, 4, "HDLC")
    head.next[which] = head.wire.u16(head.at[which] + 2)
    head.at[which] += 4


def null(head: Headers, which: Ints) -> None:
    """BSD loopback: an address family in some host's byte order."""
    which = head.room(which, 4, "loopback")
    family = head.wire.u32(head.at[which])
    family = np.where(family > 0xFFFF, family >> 24, family)
    head.at[which] += 4
    _translate(head, which, family, _FAMILIES, "loopback")


def raw(head: Headers, which: Ints) -> None:
    """IP without anything before it."""
    which = head.room(which, 1, "IP")
    version = head.wire.u8(head.at[which]) >> 4
    _translate(head, which, version, {4: IPV4, 6: IPV6}, "raw")


def cooked(head: Headers, which: Ints) -> None:
    """Linux "cooked" capture."""
    which = head.room(which, 16, "SLL")
    at = head.at[which]
    _cooked_mac(head, which, head.wire.u16(at + 4), at + 6)
    _cooked_type(head, which, head.wire.u16(at + 2), head.wire.u16(at + 14))
    head.at[which] = at + 16


def cooked2(head: Headers, which: Ints) -> None:
    """Linux "cooked" capture, version 2."""
    which = head.room(which, 20, "SLL2")
    at = head.at[which]
    _cooked_mac(head, which, head.wire.u8(at + 11), at + 12)
    _cooked_type(head, which, head.wire.u16(at + 8), head.wire.u16(at))
    head.at[which] = at + 20


def _cooked_mac(head: Headers, which: Ints, size: Ints, at: Ints) -> None:
    mac = (head.wire.u16(at) << 32) | head.wire.u32(at + 2)
    head.source_mac[which] = np.where(size == 6, mac, -1)


def _cooked_type(head: Headers, which: Ints, hardware: Ints, kind: Ints) -> None:
    gre = hardware == 778  # ARPHRD_IPGRE: the type is GRE's
    head.next[which] = np.where(gre | (kind >= _LEAST_ETHERTYPE), kind, DONE)
    head.leave(which[~gre & (kind < _LEAST_ETHERTYPE)], "802.2")


def radiotap(head: Headers, which: Ints) -> None:
    """A Radiotap header before 802.11."""
    which = head.room(which, 8, "Radiotap")
    at = head.at[which]
    low, high = head.wire.u8(at + 2), head.wire.u8(at + 3)  # little-endian
    head.at[which] = at + np.maximum(low | (high << 8), 8)
    head.next[which] = LINK + 105


def wireless(head: Headers, which: Ints) -> None:
    """802.11: data frames that are not encrypted."""
    which = head.room(which, 24, "802.11")
    at, wire = head.at[which], head.wire
    control, flags = wire.u8(at), wire.u8(at + 1)
    data = ((control & 0x0C) == 0x08) & ((control & 0x40) == 0) & ((flags & 0x40) == 0)
    head.leave(which[~data], "802.11")
    which, at, control, flags = which[data], at[data], control[data], flags[data]
    size = (
        24
        + 6 * ((flags & 3) == 3)
        + 2 * ((control & 0x80) > 0)
        + 4 * (((control & 0x80) > 0) & ((flags & 0x80) > 0))
    )
    first, second, third = ((wire.u16(at + n) << 32) | wire.u32(at + n + 2) for n in (4, 10, 16))
    head.target_mac[which] = np.where(flags & 1, third, first)
    head.source_mac[which] = np.where(flags & 2, third, second)
    head.at[which] = at + size
    _llc(head, head.room(which, 8, "LLC"))


def encrypted_log(head: Headers, which: Ints) -> None:
    """OpenBSD's enc(4): address family, index, flags."""
    which = head.room(which, 12, "enc")
    family = head.wire.u32(head.at[which])
    family = np.where(family > 0xFFFF, family >> 24, family)
    head.at[which] += 12
    _translate(head, which, family, _FAMILIES, "enc")


def firewall_log(head: Headers, which: Ints) -> None:
    """OpenBSD's pflog(4): its own length first, then the address family."""
    which = head.room(which, 4, "pflog")
    at = head.at[which]
    family = head.wire.u8(at + 1)
    head.at[which] = at + (head.wire.u8(at) + 3 & ~3)
    _translate(head, which, family, _FAMILIES, "pflog")


HANDLERS: Final[dict[int, Callable[[Headers, Ints], None]]] = {
    **dict.fromkeys((ETHERNET, 0x6558), ethernet),
    **dict.fromkeys((LINK, LINK + 108), null),
    **dict.fromkeys((LINK + 12, LINK + 14, LINK + 101, LINK + 228, LINK + 229), raw),
    **dict.fromkeys((PPP, LINK + 50), ppp),
    **dict.fromkeys((0x8100, 0x88A8, 0x9100, 0x9200), vlan),
    **dict.fromkeys((0x8847, 0x8848), mpls),
    0x8864: pppoe,
    0x880B: ppp,
    LINK + 51: pppoe,
    LINK + 104: hdlc,
    LINK + 105: wireless,
    LINK + 109: encrypted_log,
    LINK + 113: cooked,
    LINK + 117: firewall_log,
    LINK + 127: radiotap,
    LINK + 276: cooked2,
}
