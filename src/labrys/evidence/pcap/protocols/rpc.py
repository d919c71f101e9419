"""Reads calls of DCE/RPC (C706; MS-RPCE), named as in Zeek's `dce_rpc.log`; replies are not read."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from labrys.evidence.pcap.talk import Piece, Talk, emit
from labrys.evidence.records import Records

SHAPE: Final = "net.dce_rpc"
MOST_INTERFACES: Final = 256
"""Interfaces that may be bound in one conversation."""
_REQUEST, _BIND, _ALTER = 0, 11, 14
_FIRST: Final = 1
_MOST_CALLS: Final = 64

Bound = dict[tuple[bytes, int], str]
"""Handle of a pipe and number of a context → the interface."""


def _table() -> tuple[dict[str, str], dict[tuple[str, int], str]]:
    names: dict[str, str] = {}
    operations: dict[tuple[str, int], str] = {}
    for line in files(__package__).joinpath("rpc.txt").read_text("ascii").splitlines():
        if not line.startswith("#"):
            uuid, name, first, *words = line.split()
            names[uuid] = name
            for number, word in enumerate(words, int(first)):
                operations[uuid, number] = word
    return names, operations


_NAMES, _OPERATIONS = _table()


def datagram(talk: Talk, records: Records, piece: Piece, reply: bool) -> None:
    """What one packet of a connection of its own says."""
    if talk.state is None:
        talk.state = {}
    for fields in calls(piece.data, talk.state, b""):
        fields["named_pipe"] = talk.ends[4]  # a port; so does Zeek
        emit(records, talk, SHAPE, fields, piece)


def calls(data: bytes, bound: Bound, handle: bytes) -> Iterator[dict[str, Any]]:
    """The calls in some bytes, one protocol unit after the other; bindings are kept in `bound`."""
    at = 0
    for _ in range(_MOST_CALLS):
        unit = data[at:]
        if len(unit) < 24 or unit[0] != 5 or unit[1] > 1:
            return
        order = "little" if unit[4] & 0x10 else "big"
        size = int.from_bytes(unit[8:10], order)  # type: ignore[arg-type]
        kind, first = unit[2], unit[3] & _FIRST
        if kind in (_BIND, _ALTER):
            _bind(unit, order, bound, handle)
        elif kind == _REQUEST and first:
            context = int.from_bytes(unit[20:22], order)  # type: ignore[arg-type]
            number = int.from_bytes(unit[22:24], order)  # type: ignore[arg-type]
            uuid = bound.get((handle, context), "")
            yield {
                "endpoint": _NAMES.get(uuid, uuid or "unknown"),
                "operation": _OPERATIONS.get((uuid, number), f"unknown-{number}"),
                "opnum": str(number),
            }
        if size < 16:
            return
        at += size


def _bind(unit: bytes, order: Any, bound: Bound, handle: bytes) -> None:
    at = 28
    for _ in range(unit[24] if len(unit) > 24 else 0):
        if at + 24 > len(unit) or len(bound) >= MOST_INTERFACES:
            return
        context = int.from_bytes(unit[at : at + 2], order)
        raw = unit[at + 4 : at + 20]
        uuid = UUID(bytes_le=raw) if order == "little" else UUID(bytes=raw)
        bound[handle, context] = str(uuid)
        at += 24 + 20 * unit[at + 2]
