"""Flows as records of the shape `net.flow`, named as in Zeek's `conn.log`.

https://docs.zeek.org/en/master/logs/conn.html says what `conn_state` and `history` mean.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.pcap import columns, flow_rows
from labrys.evidence.pcap.flow_rows import FIRSTS, LETTERS, NEVER, Rows
from labrys.evidence.pcap.headers import ICMP, ICMP6, SCTP, TCP, TUNNELS, UDP
from labrys.evidence.pcap.network import counterpart
from labrys.evidence.pcap.packets import Bools, Ints, Words
from labrys.evidence.pcap.services import SERVICES
from labrys.evidence.records import Records
from labrys.evidence.values import MULTI

SHAPE: Final = "net.flow"
_FLAGS: Final = "FSRPAUEC"
_FLAG_TEXTS: Final = [
    "".join(letter for bit, letter in enumerate(_FLAGS) if flags >> bit & 1) or None
    for flags in range(256)
]
_PROTOCOLS: Final = {
    ICMP: "icmp", 2: "igmp", 4: "ipip", TCP: "tcp", UDP: "udp", 41: "ipv6", 47: "gre", 50: "esp",
    51: "ah", ICMP6: "icmp", 88: "eigrp", 89: "ospf", 103: "pim", 112: "vrrp", SCTP: "sctp",
    33: "dccp", 136: "udplite",
}  # fmt: skip
PROTOCOL_NAMES: Final = [_PROTOCOLS.get(number, str(number)) for number in range(256)]


def uids(prefix: str, first: Ints) -> list[str]:
    """What ties a flow to its protocol records: the file, and where in it the flow begins."""
    return [f"{prefix}{number:x}" for number in first.tolist()]


def add(records: Records, rows: Rows, prefix: str) -> None:
    """Keep flows as records."""
    if not len(rows):
        return
    high = rows["from_high"]
    protocol = flow_rows.protocol(rows)
    origin, response = ends(rows)
    ports = _ports(rows, protocol)
    absent = rows["last"] <= 0
    made: dict[str, pa.Array] = {
        "ts": columns.seconds(rows["start"], absent),
        "uid": pa.array(uids(prefix, rows["first"]), pa.string()),
        "id.orig_h": origin,
        "id.orig_p": columns.numbers(ports[0]),
        "id.resp_h": response,
        "id.resp_p": columns.numbers(ports[1]),
        "proto": columns.chosen(protocol, PROTOCOL_NAMES),
        "service": columns.chosen(rows["service"], [name or None for name in SERVICES]),
        "duration": columns.seconds(rows["last"] - rows["start"], absent),
    }
    for name, column in (("bytes", "bytes"), ("pkts", "packets"), ("ip_bytes", "ip_bytes")):
        made[f"orig_{name}"], made[f"resp_{name}"] = map(columns.numbers, _by_role(rows, column))
    tcp = protocol == TCP
    made["conn_state"] = _states(rows, tcp, protocol)
    made["history"] = _histories(rows)
    for role, flags in zip(("orig", "resp"), _by_role(rows, "flags"), strict=True):
        made[f"{role}_tcp_flags"] = columns.chosen(np.where(tcp, flags, 0) & 255, _FLAG_TEXTS)
    made["first_sizes"], made["first_gaps"] = _firsts(rows)
    made["vlan"] = columns.numbers(rows["vlan"], rows["vlan"] < 0)
    made["tunnel"] = columns.chosen(rows["tunnel"], [name or None for name in TUNNELS])
    for role, place in (("orig", high), ("resp", ~high)):
        mac = np.where(place, rows["macs"][:, 1], rows["macs"][:, 0])
        made[f"{role}_l2_addr"] = columns.macs(mac)
    made["community_id"] = _community_ids(rows, protocol, ports)
    kept = {name: column for name, column in made.items() if column.null_count < len(rows)}
    times = columns.milliseconds(rows["start"])
    records.add_columns(SHAPE, kept, times=times, offsets=rows["offset"])


def ends(rows: Rows) -> tuple[pa.Array, pa.Array]:
    """The addresses of originators and responders."""
    high, words = rows["from_high"], rows["ends"]
    both = columns.addresses(
        np.concatenate((words[:, 0], words[:, 2])), np.concatenate((words[:, 1], words[:, 3]))
    )
    count = len(rows)
    origin = np.arange(count) + np.where(high, count, 0)
    response = np.arange(count) + np.where(high, 0, count)
    return both.take(pa.array(origin)), both.take(pa.array(response))


def _by_role(rows: Rows, name: str) -> tuple[Ints, Ints]:
    low, greater, high = rows[name][:, 0], rows[name][:, 1], rows["from_high"]
    return np.where(high, greater, low), np.where(high, low, greater)


def _ports(rows: Rows, protocol: Ints) -> tuple[Ints, Ints]:
    """Ports of originator and responder; of ICMP the type, and its counterpart or the code."""
    last = rows["ends"][:, 4].astype(np.int64)
    low, greater, high = last >> 16 & 0xFFFF, last & 0xFFFF, rows["from_high"]
    ours, theirs = np.where(high, greater, low), np.where(high, low, greater)
    icmp = (protocol == ICMP) | (protocol == ICMP6)
    kind, code = ours >> 8, ours & 0xFF
    other, _ = counterpart(protocol, kind)
    return (
        np.where(icmp, kind, ours),
        np.where(icmp, np.where(other >= 0, other, code), theirs),
    )


def _community_ids(rows: Rows, protocol: Ints, ports: tuple[Ints, Ints]) -> pa.Array:
    words = rows["ends"].copy()
    icmp = np.flatnonzero((protocol == ICMP) | (protocol == ICMP6))
    if len(icmp):
        _icmp_ends(words, rows, icmp, protocol, ports)
    return columns.community_ids(words, protocol)


def _icmp_ends(
    words: Words, rows: Rows, icmp: Ints, protocol: Ints, ports: tuple[Ints, Ints]
) -> None:
    """ICMP as Community ID orders it: by address, then type; what has no answer stays as sent."""
    kind, answer = ports[0][icmp], ports[1][icmp]
    high = rows["from_high"][icmp]
    other, _ = counterpart(protocol[icmp], kind)
    turned = high & (other < 0)
    for left, right in ((0, 2), (1, 3)):
        low_word, high_word = words[icmp, left].copy(), words[icmp, right].copy()
        words[icmp, left] = np.where(turned, high_word, low_word)
        words[icmp, right] = np.where(turned, low_word, high_word)
    swapped = high & (other >= 0)
    first, second = np.where(swapped, answer, kind), np.where(swapped, kind, answer)
    words[icmp, 4] = (first << 16 | second).astype(np.uint64)


def _states(rows: Rows, tcp: Bools, protocol: Ints) -> pa.Array:
    """The state of each connection in the end, as Zeek calls it."""
    size = len(LETTERS)
    high = rows["from_high"]
    known = rows["history"] < NEVER

    def has(letter: str, *, reply: bool) -> Bools:
        place = LETTERS.index(letter)
        made: Bools = np.where(high ^ reply, known[:, place + size], known[:, place])
        return made

    syn, synack = has("s", reply=False), has("h", reply=True)
    fin, fin_back = has("f", reply=False), has("f", reply=True)
    rst, rst_back = has("r", reply=False), has("r", reply=True)
    sent, answered = (packets > 0 for packets in _by_role(rows, "packets"))
    plain = (protocol == UDP) | (protocol == SCTP)
    states = {
        "OTH": ~tcp & ~plain,
        "SF": (plain & sent & answered) | (syn & synack & fin & fin_back & ~rst & ~rst_back),
        "S0": (plain & sent) | (tcp & syn & ~answered & ~fin & ~rst),
        "SHR": plain | (tcp & ~syn & synack & fin_back),
        "REJ": syn & ~synack & rst_back,
        "RSTOS0": syn & ~synack & rst,
        "RSTO": syn & synack & rst & ~(rst_back & _earlier(rows, high)),
        "RSTR": syn & synack & rst_back,
        "RSTRH": ~syn & synack & rst_back,
        "SH": syn & ~synack & fin,
        "S2": syn & synack & fin & ~fin_back,
        "S3": syn & synack & fin_back & ~fin,
        "S1": syn & synack & ~fin,
    }
    codes = np.select(list(states.values()), list(range(len(states))), 0)
    return columns.chosen(codes, list(states))


def _earlier(rows: Rows, high: Bools) -> Bools:
    """Whether the responder's RST came before the originator's."""
    place, size = LETTERS.index("r"), len(LETTERS)
    low, greater = rows["history"][:, place], rows["history"][:, place + size]
    made: Bools = np.where(high, low < greater, greater < low)
    return made


def _histories(rows: Rows) -> pa.Array:
    """The letters in the order they first came, the originator's in capitals."""
    size = len(LETTERS)
    firsts = rows["history"]
    mine = np.where(rows["from_high"][:, None], np.roll(firsts, size, axis=1), firsts)
    # Of letters that one packet gave the order is that of `LETTERS`.
    order = np.argsort(mine, axis=1, kind="stable")
    letters = np.frombuffer((LETTERS.upper() + LETTERS).encode(), "S1")[order]
    letters = np.where(np.take_along_axis(mine, order, axis=1) < NEVER, letters, b"")
    texts = np.ascontiguousarray(letters).view(f"S{2 * size}").reshape(-1)
    texts = np.char.add(np.where(rows["flipped"], b"^", b""), texts)
    distinct, which = np.unique(texts, return_inverse=True)
    return columns.chosen(which, [text.decode() or None for text in distinct.tolist()])


def _firsts(rows: Rows) -> tuple[pa.Array, pa.Array]:
    """Payload sizes of the first packets that have any, the responder's negative; and the
    milliseconds between them.
    """
    count = np.minimum(rows["loads"].sum(axis=1), FIRSTS)
    offsets = pa.array(np.concatenate(([0], np.cumsum(count))).astype(np.int32))
    kept = np.arange(FIRSTS) < count[:, None]
    sign = np.where(rows["from_high"], -1, 1)[:, None]
    made = []
    for values in (rows["sizes"] * sign, rows["gaps"] // 1_000_000):
        texts = pc.cast(pa.array(values[kept]), pa.string())
        joined = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), MULTI)
        made.append(pc.if_else(pa.array(count > 0), joined, None))
    return made[0], made[1]
