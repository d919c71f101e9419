"""Fields of many records as columns of text."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.netflow.templates import VARIABLE, Field, Template
from labrys.evidence.pcap import columns

Cells = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
_NTP: Final = 2_208_988_800  # seconds from 1900 to 1970
_FLAGS: Final = "FSRPAUEC"
FLAG_TEXTS: Final = [
    "".join(letter for bit, letter in enumerate(_FLAGS) if number >> bit & 1) or None
    for number in range(256)
]


def cut(body: bytes, template: Template) -> tuple[list[Any], Ints]:
    """The records of a set: for each field the cells of all of them, and where each record begins.

    Where all fields are of fixed length cells are an array with a row for each record; else they
    are found one after the other.
    """
    if not template.fixed:
        return _cut(body, template)
    size = template.size
    count = len(body) // size
    whole = np.frombuffer(body, np.uint8, count * size).reshape(count, size)
    cells, at = [], 0
    for one in template.fields:
        cells.append(whole[:, at : at + one.size])
        at += one.size
    return cells, np.arange(count, dtype=np.int64) * size


def _cut(body: bytes, template: Template) -> tuple[list[Any], Ints]:
    made: list[list[bytes]] = [[] for _ in template.fields]
    starts: list[int] = []
    at = 0
    while at + template.size <= len(body):
        begin, record = at, []
        for one in template.fields:
            size = one.size
            if size == VARIABLE:
                size = body[at] if at < len(body) else 0
                at += 1
                if size == 255:
                    size = int.from_bytes(body[at : at + 2], "big")
                    at += 2
            record.append(body[at : at + size])
            at += size
        if at > len(body):
            break
        starts.append(begin)
        for cells, value in zip(made, record, strict=True):
            cells.append(value)
    return list(made), np.array(starts, np.int64)


def as_cells(part: Any, size: int) -> Cells:
    """A field's cells as an array, whichever way they were found."""
    if isinstance(part, list):
        return np.frombuffer(b"".join(part), np.uint8).reshape(len(part), size)
    made: Cells = part
    return made


def numbers(cells: Cells) -> npt.NDArray[np.uint64]:
    """Big-endian numbers of up to eight bytes."""
    made = np.zeros(len(cells), np.uint64)
    for place in range(cells.shape[1]):
        made = made << np.uint64(8) | cells[:, place]
    return made


def text(of: Field, cells: Cells) -> pa.Array:
    """A field's column."""
    if of.kind == "n":
        return pc.cast(pa.array(numbers(cells)), pa.string())
    if of.kind == "t" and cells.shape[1] <= 8:
        return _seconds(nanoseconds(of, cells))
    if of.kind == "a" and cells.shape[1] in (4, 16):
        return _addresses(cells)
    if of.kind == "m" and cells.shape[1] == 6:
        return columns.macs(numbers(cells).astype(np.int64))
    return pa.array([word(of.kind, row.tobytes()) for row in cells], pa.string())


def word(kind: str, value: bytes) -> str:
    """A value of any length."""
    if kind == "s":
        plain = value.rstrip(b"\0").decode("utf-8", "backslashreplace")
        return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in plain)
    if kind == "n" and len(value) <= 8:
        return str(int.from_bytes(value, "big"))
    return value.hex()


def _addresses(cells: Cells) -> pa.Array:
    if cells.shape[1] == 4:
        upper = np.zeros(len(cells), np.uint64)
        lower = numbers(cells) | np.uint64(0xFFFF << 32)
    else:
        upper, lower = numbers(cells[:, :8]), numbers(cells[:, 8:])
    return columns.addresses(upper, lower)


def nanoseconds(of: Field, cells: Cells) -> Ints:
    """A time since 1970; 0 where it is out of range."""
    plain = numbers(cells)
    if of.name.endswith(("Microseconds", "Nanoseconds")) and cells.shape[1] == 8:
        seconds = (plain >> np.uint64(32)).astype(np.int64) - _NTP
        part = (plain & np.uint64(0xFFFFFFFF)).astype(np.float64) * (1e9 / (1 << 32))
        known = (seconds >= 0) & (seconds < 1 << 33)
        made: Ints = np.where(known, seconds, 0) * 1_000_000_000 + part.astype(np.int64)
        return np.where(known, made, 0)
    unit = 1_000_000_000 if of.name.endswith("Seconds") else 1_000_000
    known = plain < np.uint64((1 << 33) * (1_000_000_000 // unit))
    return np.where(known, plain, np.uint64(0)).astype(np.int64) * unit


def _seconds(times: Ints) -> pa.Array:
    return columns.seconds(times, times <= 0)


def flags(cells: Cells) -> pa.Array:
    """TCP flags as letters."""
    return columns.chosen(numbers(cells) & np.uint64(0xFF), FLAG_TEXTS)
