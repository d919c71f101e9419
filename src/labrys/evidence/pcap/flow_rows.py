"""A flow as a row of numbers: rows of parts of a flow can be put together in any number of steps.

Numbers in pairs are for the two ends, the one with the lesser address first; who began is a column.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[Any]

LETTERS: Final = "shadfrwq"
"""What is noted of a packet, as Zeek's `history` has it: SYN, SYN+ACK, ACK without data, data, FIN,
RST, zero window, SYN with FIN or RST."""
FIRSTS: Final = 8
"""How many sizes and gaps of a flow's packets with payload are kept."""
NEVER: Final = np.iinfo(np.int64).max

FLOW: Final = np.dtype(
    [
        ("ends", np.uint64, (5,)),
        ("digest", np.uint64),
        ("first", np.int64),  # running number of the first packet in the file
        ("offset", np.int64),
        ("start", np.int64),  # nanoseconds
        ("last", np.int64),
        ("seen", np.int64),  # time of the packet last met
        ("base", np.int64),  # what the active timeout counts from
        ("from_high", np.bool_),  # the end with the greater address is the originator
        ("flipped", np.bool_),  # the first packet was the responder's
        ("packets", np.int64, (2,)),
        ("ip_bytes", np.int64, (2,)),
        ("bytes", np.int64, (2,)),
        ("loads", np.int64, (2,)),  # packets with payload
        ("flags", np.int64, (2,)),
        ("history", np.int64, (2 * len(LETTERS),)),  # the first packet with each letter
        ("sizes", np.int64, (FIRSTS,)),
        ("gaps", np.int64, (FIRSTS,)),
        ("load_first", np.int64),
        ("load_last", np.int64),
        ("isn", np.int64),  # of the last SYN, -1: none
        ("closing", np.bool_),  # FIN or RST after the last SYN
        ("service", np.int64),
        ("vlan", np.int64),
        ("tunnel", np.int64),
        ("macs", np.int64, (2,)),
    ]
)


def protocol(rows: Rows) -> npt.NDArray[np.int64]:
    """The IP protocol of each flow."""
    made: npt.NDArray[np.int64] = (rows["ends"][:, 4] >> np.uint64(32)).astype(np.int64)
    return made


def joined(before: Rows, after: Rows) -> Rows:
    """Flows and the parts that follow each, as one."""
    made = before.copy()
    for name in ("packets", "ip_bytes", "bytes", "loads"):
        made[name] += after[name]
    made["flags"] |= after["flags"]
    made["start"] = np.minimum(before["start"], after["start"])
    made["last"] = np.maximum(before["last"], after["last"])
    made["seen"] = after["seen"]
    made["history"] = np.minimum(before["history"], after["history"])
    synced = after["isn"] >= 0
    made["isn"] = np.where(synced, after["isn"], before["isn"])
    made["closing"] = after["closing"] | (before["closing"] & ~synced)
    early = (before["service"] == 0) & (before["loads"].sum(axis=1) < 2 * FIRSTS)
    made["service"] = np.where(early, after["service"], before["service"])
    _join_firsts(made, before, after)
    return made


def _join_firsts(made: Rows, before: Rows, after: Rows) -> None:
    had, more = before["loads"].sum(axis=1), after["loads"].sum(axis=1)
    row = np.flatnonzero((had < FIRSTS) & (more > 0))
    for number in range(FIRSTS):
        place = had[row] + number
        fits = (place < FIRSTS) & (number < more[row])
        at, to = row[fits], place[fits]
        made["sizes"][at, to] = after["sizes"][at, number]
        made["gaps"][at, to] = after["gaps"][at, number]
        if number == 0:
            begun = had[at] > 0
            pause = after["load_first"][at] - before["load_last"][at]
            made["gaps"][at, to] = np.where(begun, pause, 0)
    first = (had == 0) & (more > 0)
    made["load_first"] = np.where(first, after["load_first"], before["load_first"])
    made["load_last"] = np.where(more > 0, after["load_last"], before["load_last"])
