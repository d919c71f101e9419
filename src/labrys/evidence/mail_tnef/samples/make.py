"""Makes the sample: `python make.py` writes it beside itself. Nobody ever sent it."""

import struct
from pathlib import Path

SENT = (1_772_600_767 + 11_644_473_600) * 10_000_000


def attribute(name: int, value: bytes, level: int = 1) -> bytes:
    """An attribute of a stream."""
    head = struct.pack("<BII", level, name, len(value))
    return head + value + struct.pack("<H", sum(value) % 65536)


def prop(name: int, kind: int, value: bytes) -> bytes:
    """A property: text, bytes or a time."""
    made = struct.pack("<HH", kind, name)
    if kind == 0x40:
        return made + value
    return made + struct.pack("<II", 1, len(value)) + value + bytes(-len(value) % 4)


def wide(text: str) -> bytes:
    """Text as properties hold it."""
    return text.encode("utf-16-le") + b"\0\0"


def properties(*each: bytes) -> bytes:
    """A list of properties."""
    return struct.pack("<I", len(each)) + b"".join(each)


def sample() -> bytes:
    """A message with a sender, a time, a link and an attached program."""
    told = properties(
        prop(0x0C1A, 0x1F, wide("Ann Example")),
        prop(0x0C1F, 0x1F, wide("ann@firm.example")),
        prop(0x0E04, 0x1F, wide("bob@corp.example")),
        prop(0x0039, 0x40, struct.pack("<Q", SENT)),
        prop(0x1013, 0x102, b"<p>Pay <a href='https://shop.example/x'>here</a></p>"),
    )
    named = properties(prop(0x3707, 0x1F, wide("invoice.exe")))
    return b"".join(
        (
            b"\x78\x9f\x3e\x22\1\0",
            attribute(0x00089006, struct.pack("<I", 0x10000)),
            attribute(0x00069007, struct.pack("<II", 1252, 0)),
            attribute(0x00018004, b"An invoice\0"),
            attribute(0x00069003, told),
            attribute(0x00069002, bytes(14), 2),
            attribute(0x0006800F, b"MZ" + bytes(60), 2),
            attribute(0x00069005, named, 2),
        )
    )


if __name__ == "__main__":
    (Path(__file__).parent / "winmail.dat").write_bytes(sample())
