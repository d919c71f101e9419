"""Finds every pickle in a run of bytes, one behind the other, and walks through each.

After a stop, another pickle may follow. After what makes no sense, the next place where a pickle could
begin is tried: whoever breaks a stream behind its payload has run it by then.
"""

from collections.abc import Iterator
from typing import Any, Final

from labrys.evidence.pickle.facts import Stream
from labrys.evidence.pickle.machine import Machine
from labrys.evidence.pickle.opcodes import AFTER_PROTOCOL, STEPS

MOST_STEPS: Final = 20_000_000
_MOST_STREAMS: Final = 10_000
_MOST_RESTARTS: Final = 1_000


def streams(data: Any) -> Iterator[Stream]:
    """Every pickle in `data` (bytes, or anything that is sliced like it), one behind the other."""
    at, budget, restarts = 0, MOST_STEPS, 0
    for _ in range(_MOST_STREAMS):
        machine = Machine(data, at, budget, STEPS)
        stream = machine.run()
        yield stream
        budget -= stream.steps
        at = stream.end
        if not stream.stopped:
            restarts += 1
            at = _next_start(data, max(at, stream.offset + 1))
        else:
            at = _behind(data, at)
        if at >= len(data) or budget <= 0 or restarts > _MOST_RESTARTS:
            return


def _behind(data: Any, at: int) -> int:
    """Where another pickle begins behind one that stopped; the end where there is none."""
    size = len(data)
    while at < size and data[at] in b"\0 \r\n\t":
        at += 1
    if at >= size or _starts(data, at):
        return at
    return _next_start(data, at)


def _next_start(data: Any, at: int) -> int:
    """The next place where a pickle could begin, by the opcode of protocols 2 to 5 or a GLOBAL."""
    while at < len(data):
        found = data.find(b"\x80", at)
        name = data.find(b"c", at)
        if found < 0 and name < 0:
            return len(data)
        at = min(place for place in (found, name) if place >= 0)
        if _starts(data, at):
            return at
        at += 1
    return len(data)


def _starts(data: Any, at: int) -> bool:
    head = bytes(data[at : at + 400])
    if head[:1] == b"\x80":
        return len(head) > 2 and 2 <= head[1] <= 5 and head[2] in AFTER_PROTOCOL
    lines = head.split(b"\n", 2)
    if head[:1] in b"ci(" and len(lines) == 3:
        first = lines[0].lstrip(b"(")
        return first[:1] in b"ci" and _is_name(first[1:]) and _is_name(lines[1])
    return False


def _is_name(raw: bytes) -> bool:
    return 0 < len(raw) < 200 and raw.replace(b".", b"_").replace(b"_", b"a").isalnum()
