"""Tells an alert that is written down in several places by what it says, not by where it stands.

One sensor may write an alert to eve.json, to fast.log and, through an agent, to Wazuh's alerts. The
time in all three is that of the packet, so time, signature and both ends name the alert.
"""

from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

_LENGTH = 20


def name(time: pa.Array, rule: pa.Array, ends: list[pa.Array], protocol: pa.Array) -> pa.Array:
    """A text for each alert that its copies share; null where not enough is known.

    `ends`: address and port of the one side, then of the other. Which of them is the source depends
    on who writes, so they are put in order. What stands for ports in ICMP is written by some only.
    """
    protocol = pc.utf8_lower(pc.fill_null(protocol, ""))
    portless = pc.match_substring(protocol, "icmp")
    one, other = (
        pc.binary_join_element_wise(address, pc.if_else(portless, "", pc.fill_null(port, "")), ">")
        for address, port in zip(ends[::2], ends[1::2], strict=True)
    )
    first = pc.less(one, other)
    whole = pc.binary_join_element_wise(
        time.cast(pa.string()),
        rule,
        pc.if_else(first, one, other),
        pc.if_else(first, other, one),
        protocol,
        "|",
    )
    return pa.array(
        [None if text is None else _short(text) for text in whole.to_pylist()], pa.string()
    )


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_LENGTH]
