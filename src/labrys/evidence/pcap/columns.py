"""Numbers as the text columns that records are made of."""

import base64
import hashlib
import socket
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.pcap.headers import ICMP, ICMP6, MAPPED, SCTP, TCP, UDP
from labrys.evidence.pcap.packets import Bools, Ints, Words
from labrys.evidence.timestamps import EARLIEST, LATEST

_MAPPED_MASK: Final = np.uint64(0xFFFFFFFF_00000000)
_WITH_PORTS: Final = (TCP, UDP, SCTP, ICMP, ICMP6)


def numbers(values: npt.NDArray[Any], missing: Bools | None = None) -> pa.Array:
    """Whole numbers in digits; null where missing."""
    return pc.cast(pa.array(values, mask=missing), pa.string())


def seconds(nanoseconds: Ints, missing: Bools | None = None) -> pa.Array:
    """Nanoseconds as seconds with six digits behind the point, as Zeek writes them."""
    whole, part = np.divmod(nanoseconds // 1_000, 1_000_000)
    digits = pc.utf8_lpad(pc.cast(pa.array(part), pa.string()), 6, "0")
    made = pc.binary_join_element_wise(pc.cast(pa.array(whole), pa.string()), digits, ".")
    return made if missing is None else pc.if_else(pa.array(missing), None, made)


def milliseconds(nanoseconds: Ints) -> pa.Array:
    """Nanoseconds since 1970 as the milliseconds of `_time`; null where unknown (0)."""
    made = nanoseconds // 1_000_000
    known = (made > 0) & (made >= EARLIEST) & (made < LATEST)
    return pa.array(made, mask=~known)


def chosen(codes: npt.NDArray[Any], names: Sequence[str | None]) -> pa.Array:
    """The name of each code."""
    return pa.array(names, pa.string()).take(pa.array(codes.astype(np.int64)))


def macs(values: Ints) -> pa.Array:
    """48 bits as `00:11:22:33:44:55`; null where they are not known."""
    distinct, which = np.unique(values, return_inverse=True)
    names = [None if one < 0 else one.to_bytes(6, "big").hex(":") for one in distinct.tolist()]
    return chosen(which.reshape(-1), names)


def addresses(upper: Words, lower: Words) -> pa.Array:
    """IP addresses as text."""
    order = np.lexsort((lower, upper))
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (np.diff(upper[order]) != 0) | (np.diff(lower[order]) != 0)
    which = np.empty(len(order), np.int64)
    which[order] = np.cumsum(begins) - 1
    first = order[begins]
    pairs = zip(upper[first].tolist(), lower[first].tolist(), strict=True)
    return chosen(which, [address(one, other) for one, other in pairs])


def address(upper: int, lower: int) -> str:
    """One IP address as text."""
    if upper == 0 and lower >> 32 == 0xFFFF:
        return socket.inet_ntop(socket.AF_INET, (lower & 0xFFFFFFFF).to_bytes(4, "big"))
    return socket.inet_ntop(socket.AF_INET6, (upper << 64 | lower).to_bytes(16, "big"))


def community_ids(ends: Words, protocol: Ints) -> pa.Array:
    """Community ID 1 with seed 0, of flows whose ends are `ends` in the order of their hash.

    https://github.com/corelight/community-id-spec
    """
    v4 = (ends[:, 0] == 0) & (ends[:, 1] & _MAPPED_MASK == MAPPED)
    v4 &= (ends[:, 2] == 0) & (ends[:, 3] & _MAPPED_MASK == MAPPED)
    ports = np.isin(protocol, _WITH_PORTS)
    made: list[str | None] = [None] * len(ends)
    for short in (True, False):
        for ported in (True, False):
            at = np.flatnonzero((v4 == short) & (ports == ported))
            for place, seed in zip(
                at.tolist(), _seeds(ends[at], protocol[at], short, ported), strict=True
            ):
                digest = hashlib.sha1(seed, usedforsecurity=False).digest()
                made[place] = "1:" + base64.b64encode(digest).decode()
    return pa.array(made, pa.string())


def _seeds(ends: Words, protocol: Ints, short: bool, ported: bool) -> list[bytes]:
    """What is hashed for each flow: seed, addresses, protocol, padding, ports."""
    parts: list[npt.NDArray[np.uint8]] = [np.zeros((len(ends), 2), np.uint8)]
    words = ends[:, :4].astype(">u8").view(np.uint8).reshape(len(ends), 4, 8)
    parts += [words[:, 1, 4:], words[:, 3, 4:]] if short else [words[:, n] for n in range(4)]
    parts.append(np.stack((protocol, np.zeros_like(protocol)), axis=1).astype(np.uint8))
    if ported:
        both = (ends[:, 4] & np.uint64(0xFFFFFFFF)).astype(">u4")
        parts.append(both.view(np.uint8).reshape(-1, 4))
    whole = np.ascontiguousarray(np.concatenate(parts, axis=1))
    width = whole.shape[1]
    data = whole.tobytes()
    return [data[at : at + width] for at in range(0, len(data), width)]
