"""Steps through ASN.1 in DER (ITU-T X.690), as far as certificates and Kerberos use it."""

from collections.abc import Iterator
from typing import Final, NamedTuple

MOST_PARTS: Final = 1_000
SEQUENCE, SET, OID, INTEGER = 0x30, 0x31, 0x06, 0x02


class Part(NamedTuple):
    """One element: its tag, where its content begins and ends, where the element itself begins."""

    tag: int
    begin: int
    end: int
    start: int


def part(data: bytes, at: int, end: int) -> Part | None:
    """The element at some place; None where there is none that ends in time."""
    if at + 2 > end:
        return None
    tag, length, begin = data[at], data[at + 1], at + 2
    if tag & 31 == 31:
        return None  # long tags: used by none of ours
    if length > 128:
        count = length & 127
        if count > 4 or begin + count > end:
            return None
        length = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    elif length == 128:
        return None  # no length: not DER
    if begin + length > end:
        return None
    return Part(tag, begin, begin + length, at)


def parts(data: bytes, begin: int, end: int) -> Iterator[Part]:
    """The elements between two places, one after the other."""
    for _ in range(MOST_PARTS):
        found = part(data, begin, end)
        if found is None:
            return
        yield found
        begin = found.end


def inside(data: bytes, of: Part) -> list[Part]:
    """The elements in an element."""
    return list(parts(data, of.begin, of.end))


def content(data: bytes, of: Part) -> bytes:
    """The bytes of an element, without tag and length."""
    return data[of.begin : of.end]


def oid(data: bytes) -> str:
    """An object identifier in dots."""
    if not data:
        return ""
    numbers: list[int] = []
    value = 0
    for byte in data[:64]:
        value = value << 7 | byte & 127
        if byte < 128:
            numbers.append(value)
            value = 0
    if not numbers:
        return ""
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))
