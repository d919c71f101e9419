"""Says of flow records that go one way who began the connection, and joins what came back to it.

Clouds write a record for each direction: what a client sends, and what it is answered. Detectors
want one flow: who asked, whom, and what each side sent. TCP flags tell where they are recorded (a
SYN without ACK is the client's), else the ports do: services live on known ports, clients on high
ones. The columns are called as in Zeek's `conn.log`; a record that was joined to another keeps its
own row, marked `answer`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ROLE: Final = "flow_role"
"""`request`, or `answer` for a record whose numbers are in that of the request."""
_SYN: Final = 0x02
_RST: Final = 0x04
_ACK: Final = 0x10
_EPHEMERAL: Final = 32_768
_SERVICES: Final = np.array(
    [
        *(1433, 1521, 2049, 2375, 2376, 2379, 3128, 3268, 3269, 3306, 3389, 5060, 5432, 5601, 5672),
        *(5900, 5985, 5986, 6379, 6443, 8000, 8080, 8081, 8443, 8888, 9000, 9042, 9092, 9200, 9300),
        *(10250, 11211, 27017),
    ]
)
"""Ports from 1024 on that services are known for."""
_APART: Final = 600_000
"""An answer begins at most so many milliseconds before or after its request."""
_PROTOCOLS: Final = {
    "1": "icmp",
    "2": "igmp",
    "4": "ipip",
    "6": "tcp",
    "17": "udp",
    "41": "ipv6",
    "47": "gre",
    "50": "esp",
    "51": "ah",
    "58": "icmp6",
    "89": "ospf",
    "103": "pim",
    "112": "vrrp",
    "132": "sctp",
}
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Names:
    """Which columns of a format hold what; `scope` is where a record was taken."""

    src: str
    dst: str
    src_port: str
    dst_port: str
    protocol: str
    size: str
    packets: str
    scope: tuple[str, ...] = ()
    flags: str = ""
    refused: tuple[str, str] = ("", "")
    """A column, and what it says of a record that was not let through."""


def unturned(fields: dict[str, Any], names: Names) -> dict[str, Any]:
    """One record with the same columns, read alone: as it goes, for nothing is known around it."""
    made: dict[str, Any] = {ROLE: "request"}
    for column, name in (
        *(("id.orig_h", names.src), ("id.orig_p", names.src_port), ("id.resp_h", names.dst)),
        *(("id.resp_p", names.dst_port), ("orig_bytes", names.size), ("orig_pkts", names.packets)),
    ):
        if fields.get(name) not in (None, "", "-"):
            made[column] = fields[name]
    if names.protocol in fields:
        number = str(fields[names.protocol])
        made["proto"] = _PROTOCOLS.get(number, number)
    if fields.get(names.refused[0]) == names.refused[1] != "":
        made["conn_state"] = "REJ"
    return fields | made


def with_sides(batch: pa.RecordBatch, names: Names) -> pa.RecordBatch:
    """The batch with `id.orig_h`, `id.orig_p`, `id.resp_h`, `id.resp_p`, `proto`, `orig_bytes`,
    `orig_pkts`, `resp_bytes`, `resp_pkts`, `conn_state` and `flow_role` added, as text.

    Rows without two addresses get none of them.
    """
    have = {name: batch.column(name) for name in batch.schema.names}
    count = batch.num_rows
    src, dst = (_text(have, name, count) for name in (names.src, names.dst))
    there = pc.fill_null(pc.and_(pc.is_valid(src), pc.is_valid(dst)), False)
    proto = _proto(_text(have, names.protocol, count))
    ports = [_numbers(have, name, count) for name in (names.src_port, names.dst_port)]
    flags = _numbers(have, names.flags, count)
    column, word = names.refused
    refused = pc.fill_null(pc.equal(_text(have, column, count), word), False)
    times = pc.fill_null(batch.column("_time"), 0).to_numpy(zero_copy_only=False)
    turned = _turned(ports[0], ports[1], flags)
    scope = [_text(have, name, count) for name in names.scope]
    flow, backward = _flows(
        [*scope, proto], (src, dst), ports, turned, times, there.to_numpy(zero_copy_only=False)
    )
    answers = _answers(flow, backward, refused.to_numpy(zero_copy_only=False), times)
    back = pa.array(backward)
    numbers = {
        name: _numbers(have, column, count)
        for name, column in (("bytes", names.size), ("pkts", names.packets))
    }
    made: dict[str, pa.Array] = {
        "id.orig_h": pc.if_else(back, dst, src),
        "id.orig_p": _shown(np.where(backward, ports[1], ports[0])),
        "id.resp_h": pc.if_else(back, src, dst),
        "id.resp_p": _shown(np.where(backward, ports[0], ports[1])),
        "proto": proto,
    }
    for name, values in numbers.items():
        made[f"orig_{name}"] = _shown(np.where(backward, -1, values))
        came = np.where(answers >= 0, values[answers], -1)
        made[f"resp_{name}"] = _shown(np.where(backward, values, came))
    made["conn_state"] = _states(refused, flags, answers)
    joined = np.zeros(count, bool)
    joined[answers[answers >= 0]] = True
    made[ROLE] = pc.if_else(pa.array(joined), "answer", "request")
    made = {name: pc.if_else(there, column, None) for name, column in made.items()}
    kept = {name: column for name, column in have.items() if name not in made}
    return pa.RecordBatch.from_arrays([*kept.values(), *made.values()], names=[*kept, *made])


def _text(have: Mapping[str, pa.Array], name: str, count: int) -> pa.Array:
    """A column of text, `-` and nothing being null."""
    found = have.get(name)
    if found is None:
        return pa.nulls(count, pa.string())
    return pc.if_else(pc.is_in(found, value_set=pa.array(["-", ""])), None, found)


def _numbers(have: Mapping[str, pa.Array], name: str, count: int) -> Ints:
    """A column of whole numbers; -1 where there is none."""
    text = _text(have, name, count)
    plain = pc.match_substring_regex(text, r"^[0-9]{1,18}$")
    values = pc.cast(pc.if_else(plain, text, None), pa.int64())
    made: Ints = pc.fill_null(values, -1).to_numpy(zero_copy_only=False)
    return made


def _shown(values: Ints) -> pa.Array:
    return pc.cast(pa.array(values, mask=values < 0), pa.string())


def _proto(text: pa.Array) -> pa.Array:
    """Protocols by name, as Zeek says them; those of other numbers stay numbers."""
    distinct = pc.utf8_lower(text).dictionary_encode()
    made = [_PROTOCOLS.get(each, each) for each in distinct.dictionary.to_pylist()]
    return pa.array(made, pa.string()).take(distinct.indices)


def _turned(src: Ints, dst: Ints, flags: Ints) -> Ints:
    """Whether a record goes from the server to the client: 1 yes, -1 no, 0 who knows."""
    server, client = _rank(src), _rank(dst)
    made = np.sign(server - client)
    known = (flags >= 0) & ((flags & _SYN) > 0)
    return np.where(known, np.where((flags & _ACK) > 0, 1, -1), made).astype(np.int64)


def _rank(port: Ints) -> Ints:
    """How much a port is a service's."""
    made = np.where(np.isin(port, _SERVICES), 3, np.where(port < _EPHEMERAL, 1, 0))
    return np.where(port < 0, 0, np.where((port > 0) & (port < 1024), 4, made)).astype(np.int64)


def _flows(
    same: list[pa.Array],
    ends: tuple[pa.Array, pa.Array],
    ports: list[Ints],
    turned: Ints,
    times: Ints,
    there: Any,
) -> tuple[Ints, Any]:
    """For each record the number of its flow, whichever way it goes, and whether it goes back."""
    count = len(turned)
    addresses = pa.chunked_array(ends).dictionary_encode().combine_chunks()
    codes = pc.fill_null(addresses.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    src, dst = codes[:count] * 65_536 + ports[0], codes[count:] * 65_536 + ports[1]
    low, high = np.minimum(src, dst), np.maximum(src, dst)
    columns = [low, high]
    for each in same:
        indices = each.dictionary_encode().indices
        columns.append(pc.fill_null(indices, -1).to_numpy(zero_copy_only=False).astype(np.int64))
    _, flow = np.unique(np.stack(columns), axis=1, return_inverse=True)
    flow = np.where(there, flow.reshape(-1), -1).astype(np.int64)
    # Where neither end is known for a service, who speaks first asks.
    order = np.lexsort((np.arange(count), times, flow))
    first = np.r_[True, flow[order][1:] != flow[order][:-1]] if count else np.zeros(0, bool)
    speaker = np.empty(count, np.int64)
    speaker[order] = src[order][first][np.cumsum(first) - 1] if count else 0
    backward = np.where(turned == 0, (src != speaker) & (flow >= 0), turned > 0)
    return flow, backward.astype(bool)


def _answers(flow: Ints, backward: Any, refused: Any, times: Ints) -> Ints:
    """For each request the record of its answer, or -1: the n-th of a flow answers the n-th."""
    made = np.full(len(flow), -1, np.int64)
    sides = []
    for back in (False, True):
        rows = np.flatnonzero((backward == back) & (flow >= 0) & ~refused)
        rows = rows[np.lexsort((rows, times[rows], flow[rows]))]
        begins = np.r_[True, flow[rows][1:] != flow[rows][:-1]] if len(rows) else rows.astype(bool)
        starts = np.flatnonzero(begins)
        place = np.arange(len(rows)) - starts[np.cumsum(begins) - 1] if len(rows) else rows
        sides.append((rows, flow[rows] * (len(flow) + 1) + place))
    (asked, wanted), (answered, given) = sides
    _, here, there = np.intersect1d(wanted, given, assume_unique=True, return_indices=True)
    near = np.abs(times[asked[here]] - times[answered[there]]) <= _APART
    made[asked[here][near]] = answered[there][near]
    return made


def _states(refused: pa.Array, flags: Ints, answers: Ints) -> pa.Array:
    """Zeek's word where it is known how it went: REJ for what was not let through, or reset."""
    back = np.where(answers >= 0, flags[answers], -1)
    reset = (back >= 0) & ((back & _RST) > 0) & ((back & _SYN) == 0) & ((flags & _SYN) > 0)
    stood = (back >= 0) & ((back & _SYN) > 0)
    return pc.if_else(
        pc.or_(refused, pa.array(reset)), "REJ", pc.if_else(pa.array(stood), "SF", None)
    )
