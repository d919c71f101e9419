"""Reads flows that Argus' `ra` has written as text, such as the CTU data sets' binetflow files.

The columns keep Argus' names. Beside them stand the same things as Zeek would say them: who began
(Argus' arrow may point either way), what each side sent, and how it ended.
"""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.csv_table import read as csv_table
from labrys.evidence.records import Shaped, Source

SHAPE: Final = "argus.flow"
_NEEDED: Final = frozenset(["StartTime", "SrcAddr", "DstAddr", "Proto"])
_SIDES: Final = (
    ("id.orig_h", "id.resp_h", "SrcAddr", "DstAddr"),
    ("id.orig_p", "id.resp_p", "Sport", "Dport"),
    ("orig_bytes", "resp_bytes", "SrcBytes", "DstBytes"),
    ("orig_pkts", "resp_pkts", "SrcPkts", "DstPkts"),
)
_STATES: Final = {
    "CON": "SF", "INT": "S0", "REQ": "S0", "ACC": "S1", "EST": "S1", "FIN": "SF", "CLO": "SF",
    "RST": "RSTO", "TIM": "S0", "URP": "OTH", "ECO": "OTH", "ECR": "OTH", "RSP": "SHR",
}  # fmt: skip
_ZEEK: Final = frozenset(
    ["S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"]
)


def sniff(head: bytes, name: str) -> float:
    """Whether the first line names Argus' columns."""
    line = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode("latin-1")
    names = {one.strip() for mark in ",\t" for one in line.split(mark)}
    return 0.97 if names >= _NEEDED else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Each flow as a row of `argus.flow`; `_offset` in bytes."""
    for shape, batch in csv_table.read(source):
        if shape == csv_table.SHAPE:
            yield SHAPE, with_sides(batch)
        else:
            yield shape, batch


def with_sides(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with columns for originator and responder added."""
    have = {name: batch.column(name) for name in batch.schema.names}
    for total, part in (("TotBytes", "Bytes"), ("TotPkts", "Pkts")):
        if total in have and f"Src{part}" in have and f"Dst{part}" not in have:
            have[f"Dst{part}"] = _difference(have[total], have[f"Src{part}"])
    made: dict[str, pa.Array] = {}
    back = _backward(have.get("Dir"), batch.num_rows)
    for origin, response, source, target in _SIDES:
        here, there = have.get(source), have.get(target)
        if here is None or there is None:
            continue
        if source == "Sport":
            here, there = _ports(here), _ports(there)
        made[origin] = pc.if_else(back, there, here)
        made[response] = pc.if_else(back, here, there)
    if "Proto" in have:
        made["proto"] = pc.utf8_lower(have["Proto"])
    if "State" in have and "Proto" in have:
        made["conn_state"] = _states(have["State"], made["proto"])
    added = {name: column for name, column in made.items() if name not in batch.schema.names}
    return pa.RecordBatch.from_arrays(
        [*batch.columns, *added.values()], names=[*batch.schema.names, *added]
    )


def _backward(arrows: pa.Array | None, count: int) -> pa.Array:
    """Whether the arrow points at the source."""
    if arrows is None:
        return pa.repeat(False, count)
    plain = pc.utf8_trim_whitespace(arrows)
    return pc.fill_null(pc.is_in(plain, value_set=pa.array(["<-", "<?"])), False)


def _difference(total: pa.Array, part: pa.Array) -> pa.Array:
    numbers = []
    for text in (total, part):
        plain = pc.match_substring_regex(text, r"^[0-9]{1,18}$")
        numbers.append(pc.cast(pc.if_else(plain, text, None), pa.int64()))
    return pc.cast(pc.max_element_wise(pc.subtract(*numbers), 0, skip_nulls=False), pa.string())


def _ports(texts: pa.Array) -> pa.Array:
    """Ports as decimal numbers: Argus writes types of ICMP, and some ports, in hex."""
    distinct = texts.dictionary_encode()
    made = [_port(text) for text in distinct.dictionary.to_pylist()]
    return pa.array(made, pa.string()).take(distinct.indices)


def _port(text: str) -> str | None:
    plain = text.strip()
    if plain[:2].lower() == "0x" and len(plain) <= 6:
        try:
            return str(int(plain, 16))
        except ValueError:
            return None
    return plain if plain.isdecimal() else None


def _states(states: pa.Array, protocols: pa.Array) -> pa.Array:
    """How each flow ended, in Zeek's words."""
    pairs = pc.binary_join_element_wise(
        pc.fill_null(protocols, ""), pc.fill_null(states, ""), "\x1f"
    ).dictionary_encode()
    made = []
    for pair in pairs.dictionary.to_pylist():
        protocol, _, state = pair.partition("\x1f")
        made.append(state_of(state, protocol.strip()))
    return pa.array(made, pa.string()).take(pairs.indices)


def state_of(state: str, protocol: str) -> str | None:
    """Zeek's word for a state of Argus: a name, or the flags of both sides, `S_RA`."""
    state = state.strip()
    if state in _ZEEK:
        return state
    if "_" not in state:
        made = _STATES.get(state)
        return "S1" if made == "SF" and state == "CON" and protocol == "tcp" else made
    if protocol != "tcp":
        return "OTH"
    sent, _, back = state.partition("_")
    signs: tuple[tuple[str, str, str], ...]
    opened, accepted = "S" in sent, "S" in back
    if opened and accepted:
        ended = {(True, True): "SF", (True, False): "S2", (False, True): "S3"}
        closed = ended.get(("F" in sent, "F" in back), "S1")
        signs = (("R", back, "RSTR"), ("R", sent, "RSTO"), ("", "", closed))
    elif opened:
        signs = (("R", back, "REJ"), ("R", sent, "RSTOS0"), ("F", sent, "SH"), ("", "", "S0"))
    elif accepted:
        signs = (("R", back, "RSTRH"), ("", "", "SHR"))
    else:
        signs = (("", "", "OTH"),)
    return next(name for flag, side, name in signs if flag in side)
