"""Makes files of nfcapd for the tests, and the sample beside it.

`python -m labrys.evidence.nfdump.samples.make` writes the sample again.
"""

import bz2
import ipaddress
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import lz4.block  # type: ignore[import-untyped]

from labrys.evidence.nfdump import layout

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

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


def element(kind: int, content: bytes, order: str = "<") -> bytes:
    """A part of a record of layout 2."""
    return struct.pack(f"{order}HH", kind, 4 + len(content)) + content


def record(*parts: bytes, order: str = "<", exporter: int = 0) -> bytes:
    """A record of layout 2."""
    body = b"".join(parts)
    head = (11, 12 + len(body), len(parts), 0, 0, exporter, 0, 9)
    return struct.pack(f"{order}HHHBBHBB", *head) + body


def generic(ports: tuple[int, int], order: str = "<", begin: int = BEGIN * 1000 + 250) -> bytes:
    """What every flow of layout 2 has: one of TCP that took 1.5 seconds."""
    numbers = (begin, begin + 1_500, begin + 60_000, 3, 180, *ports, 6, 0x1B, 0, 8)
    return element(1, struct.pack(f"{order}5Q2H4B", *numbers), order)


PACK: dict[int, Callable[[bytes], bytes]] = {
    0: lambda data: data,
    2: bz2.compress,
    3: lambda data: lz4.block.compress(data, store_size=False),
    4: zstd.compress,
}


def file2(*blocks: bytes, order: str = "<", packed: int = 0, kind: int = 3) -> bytes:
    """A file of layout 2; a block of other data stands behind."""
    head = (0xA50C, 2, 0x01070100, BEGIN, packed, 0, 1, 1, 0, 0, len(blocks))
    made = struct.pack(f"{order}HHIQBBHIQII", *head)
    for body in (*blocks, struct.pack(f"{order}HHI", 0x8001, 8, 0)):
        data = PACK[packed](body)
        made += struct.pack(f"{order}IIHH", 1, len(data), kind, 0) + data
    return made


def sample2(order: str = "<", packed: int = 0) -> bytes:
    """Flows in elements: IPv4 with all sorts, IPv6, one without addresses, one without a flow."""
    v4 = element(2, _address("192.0.2.10", order) + _address("198.51.100.7", order), order)
    v6 = element(3, _address("2001:db8::1", order) + _address("2001:db8::2", order), order)
    back = element(5, struct.pack(f"{order}3Q", 1, 4, 9_000), order)
    mac = element(15, struct.pack(f"{order}4Q", 0x020000000001, 0x020000000002, 0, 0), order)
    misc = element(4, struct.pack(f"{order}II6BH", 5, 6, 24, 16, 0, 0, 0, 3, 0), order)
    user = element(24, b"ann".ljust(66, b"\0") + bytes(2), order)
    unknown = element(9_000, b"12345678", order)
    return file2(
        record(generic((50_000, 443), order), v4, back, mac, misc, exporter=3, order=order)
        + record(generic((50_001, 22), order), unknown, v6, user, order=order),
        record(v4, generic((50_002, 80), order), order=order)
        + record(generic((1, 2), order, begin=1 << 60), order=order)
        + record(v6, order=order),
        order=order, packed=packed,
    )  # fmt: skip


SAMPLES = {"nfcapd.202510090850": sample, "nfcapd.202510090855": sample2}

if __name__ == "__main__":
    for name, made in SAMPLES.items():
        (Path(__file__).parent / name).write_bytes(made())
