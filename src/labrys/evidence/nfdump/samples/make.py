"""Makes files of nfcapd for the tests, and the sample beside it.

`python -m labrys.evidence.nfdump.samples.make` writes the sample again.
"""

import bz2
import ipaddress
import struct
from collections.abc import Sequence
from pathlib import Path

from labrys.evidence.nfdump import layout

BEGIN = 1_760_000_000


def _address(text: str, order: str) -> bytes:
    address = ipaddress.ip_address(text)
    if address.version == 4:
        return struct.pack(f"{order}I", int(address))
    return struct.pack(f"{order}QQ", int(address) >> 64, int(address) & (1 << 64) - 1)


def extension_map(number: int, kinds: Sequence[int], order: str = "<") -> bytes:
    """Which extensions the flows with this map have."""
    size = sum(one[2] for kind in kinds for one in layout.EXTENSIONS[kind])
    kinds = [*kinds, 0]
    kinds += [0] * (len(kinds) % 2)
    return struct.pack(f"{order}HHHH{len(kinds)}H", 2, 8 + 2 * len(kinds), number, size, *kinds)


def flow(
    source: str,
    target: str,
    ports: tuple[int, int],
    *,
    number: int = 0,
    more: bytes = b"",
    order: str = "<",
    wide: bool = False,
) -> bytes:
    """One flow of TCP that took 1.5 seconds: three packets, 180 bytes."""
    flags = (1 if ":" in source else 0) | (6 if wide else 0)
    counts = struct.pack(f"{order}{'QQ' if wide else 'II'}", 3, 180)
    body = _address(source, order) + _address(target, order) + counts + more
    head = struct.pack(
        f"{order}HHHHHHIIBBBBHHHBB", 10, 32 + len(body), flags, number, 250, 750, BEGIN, BEGIN + 1,
        0, 0x1B, 6, 8, *ports, 1, 0, 0,
    )  # fmt: skip
    return head + body


def file(*blocks: bytes, order: str = "<", flags: int = 0) -> bytes:
    """A file of data blocks."""
    head = struct.pack(f"{order}HHII128s", 0xA50C, 1, flags, len(blocks), b"made") + bytes(136)
    packed = [bz2.compress(one) if flags & 8 else one for one in blocks]
    made = [struct.pack(f"{order}IIHH", 1, len(one), 2, 0) + one for one in packed]
    return head + b"".join(made)


def sample(order: str = "<", flags: int = 0) -> bytes:
    """Flows of IPv4 and IPv6 with extensions, one whose map is missing, and a record of no flow."""
    more = struct.pack(f"{order}IIHH", 5, 6, 7, 8) + _address("192.0.2.254", order)
    mac = struct.pack(f"{order}QQ", 0x020000000001, 0x020000000002)
    return file(
        extension_map(0, (5, 6, 23), order)
        + extension_map(1, (20, 17), order)
        + flow("192.0.2.10", "198.51.100.7", (50_000, 443), more=more, order=order)
        + flow("2001:db8::1", "2001:db8::2", (50_001, 22), number=1, order=order, wide=True,
               more=mac + struct.pack(f"{order}Q", 9_000)),
        struct.pack(f"{order}HHI", 7, 8, 0)
        + flow("192.0.2.11", "198.51.100.7", (50_002, 80), number=9, order=order),
        order=order, flags=flags,
    )  # fmt: skip


SAMPLES = {"nfcapd.202510090850": sample}

if __name__ == "__main__":
    for name, made in SAMPLES.items():
        (Path(__file__).parent / name).write_bytes(made())
