"""Unpacks LZO1X, as nfcapd packs with by default.

The format: Documentation/staging/lzo.rst of the Linux kernel.
"""

from typing import Final

_FAR: Final = 16_384
_LONGEST: Final = 16 << 20
"""Bytes repeated at a time."""


def unpack(data: bytes, most: int) -> bytes:
    """What was packed, of at most about `most` bytes.

    Raises ValueError where the data end too early, reach back too far or hold more.
    """
    out = bytearray()
    try:
        _run(data, out, most)
    except IndexError:
        raise ValueError("the data end too early") from None
    return bytes(out)


def _run(data: bytes, out: bytearray, most: int) -> None:
    at = after = 0
    if data[0] >= 18:
        count = data[0] - 17
        out += data[1 : 1 + count]
        at, after = 1 + count, min(count, 4)
    while len(out) <= most:
        code = data[at]
        at += 1
        if code < 16 and after == 0:
            count, at = _long(data, at, code, 15)
            out += data[at : at + count + 3]
            at, after = at + count + 3, 4
            if at > len(data):
                raise IndexError
            continue
        if code >= 64:
            size = (code >> 5) + 1
            back, rest = (data[at] << 3) + (code >> 2 & 7) + 1, code & 3
            at += 1
        elif code >= 16:
            mask = 31 if code >= 32 else 7
            size, at = _long(data, at, code & mask, mask)
            word = data[at] | data[at + 1] << 8
            size, at, rest = size + 2, at + 2, word & 3
            back = (word >> 2) + (1 if code >= 32 else _FAR + ((code & 8) << 11))
            if code < 32 and back == _FAR:
                return  # the end
        else:
            size, rest = (3, code & 3) if after == 4 else (2, code & 3)
            back = (data[at] << 2) + (code >> 2) + (2_049 if after == 4 else 1)
            at += 1
        _repeat(out, back, size)
        out += data[at : at + rest]
        at, after = at + rest, rest
    raise ValueError("more than it may hold")


def _long(data: bytes, at: int, count: int, whole: int) -> tuple[int, int]:
    """A length that goes on where its bits are all zero, and where what follows it begins."""
    if count:
        return count, at
    count = whole
    while data[at] == 0:
        count, at = count + 255, at + 1
    if count > _LONGEST:
        raise ValueError("it repeats too much")
    return count + data[at], at + 1


def _repeat(out: bytearray, back: int, size: int) -> None:
    """Say again what was said `back` bytes ago; the two may overlap."""
    begin = len(out) - back
    if begin < 0:
        raise ValueError("it reaches back too far")
    if size <= back:
        out += out[begin : begin + size]
    else:
        out += (out[begin:] * (size // back + 1))[:size]
