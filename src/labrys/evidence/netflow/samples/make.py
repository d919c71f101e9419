"""Makes NetFlow and IPFIX messages for the tests, and the samples beside it.

`python -m labrys.evidence.netflow.samples.make` writes the samples again.
"""

import ipaddress
import struct
from collections.abc import Sequence
from pathlib import Path

SENT = 1_760_000_000


def address(text: str) -> bytes:
    """An address in bytes."""
    return ipaddress.ip_address(text).packed


def v5_record(source: str, target: str, ports: tuple[int, int], packets: int, size: int) -> bytes:
    """One flow of version 5, TCP, from 9 to 8 seconds before the message."""
    return struct.pack(
        ">4s4s4sHHIIIIHHBBBBHHBBH", address(source), address(target), bytes(4), 1, 2, packets, size,
        91_000, 92_000, *ports, 0, 0x1B, 6, 0, 64_500, 64_501, 24, 24, 0,
    )  # fmt: skip


def v5(*records: bytes) -> bytes:
    """A message of version 5, sent 100 seconds after the exporter started."""
    head = struct.pack(">HHIIIIBBH", 5, len(records), 100_000, SENT, 500_000_000, 7, 0, 3, 0)
    return head + b"".join(records)


def flowset(number: int, body: bytes) -> bytes:
    """A set, padded to four bytes."""
    body += b"\0" * (-len(body) % 4)
    return struct.pack(">HH", number, 4 + len(body)) + body


def template(number: int, fields: Sequence[tuple[int, int] | tuple[int, int, int]]) -> bytes:
    """A template record; fields are number, length and enterprise."""
    out = [struct.pack(">HH", number, len(fields))]
    for element, size, *enterprise in fields:
        out.append(struct.pack(">HH", element | (0x8000 if enterprise else 0), size))
        out += [struct.pack(">I", one) for one in enterprise]
    return b"".join(out)


def v9(count: int, *sets: bytes) -> bytes:
    """A message of version 9."""
    return struct.pack(">HHIIII", 9, count, 100_000, SENT, 8, 42) + b"".join(sets)


def ipfix(*sets: bytes) -> bytes:
    """An IPFIX message."""
    body = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(body), SENT, 9, 43) + body


V9_FIELDS = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (22, 4), (21, 4), (999, 3))
IPFIX_FIELDS = (
    (27, 16), (28, 16), (7, 2), (11, 2), (4, 1), (6, 2), (152, 8), (153, 8), (1, 8), (2, 8),
    (1, 8, 29305), (2, 8, 29305), (96, 0xFFFF), (56, 6), (5, 4, 12345),
)  # fmt: skip


def routers() -> bytes:
    """Messages of versions 5 and 9."""
    data = b"".join(
        address("192.0.2.10") + address("198.51.100.7") + struct.pack(">HHB", 40_000 + n, 53, 17)
        + struct.pack(">IIII", 120, 2, 91_000, 92_500) + b"abc" for n in range(2)
    )  # fmt: skip
    unknown = flowset(300, bytes(12))
    return b"".join((
        v5(
            v5_record("192.0.2.10", "198.51.100.7", (50_000, 443), 10, 1_500),
            v5_record("198.51.100.7", "192.0.2.10", (443, 50_000), 8, 9_000),
        ),
        v9(1, flowset(0, template(256, V9_FIELDS))),
        v9(3, flowset(256, data), unknown),
        v5(v5_record("192.0.2.11", "198.51.100.7", (50_001, 22), 1, 60)),
    ))  # fmt: skip


def probe() -> bytes:
    """IPFIX: flows in both directions, text of any length, options, and a cut end."""
    flow = (
        address("2001:db8::1") + address("2001:db8::2") + struct.pack(">HHBH", 50_000, 443, 6, 0x13)
        + struct.pack(">QQQQQQ", SENT * 1000 - 5_000, SENT * 1000 - 1_000, 700, 7, 9_000, 9)
        + b"\x05https" + b"\x02\0\0\0\0\x01" + b"\0\0\0\x07"
    )  # fmt: skip
    options = struct.pack(">HHH", 257, 2, 1) + struct.pack(">HHHH", 144, 4, 82, 8)
    message = ipfix(
        flowset(2, template(256, IPFIX_FIELDS)),
        flowset(3, options),
        flowset(257, struct.pack(">I", 1) + b"eth0\0\0\0\0"),
        struct.pack(">HH", 256, 4 + 2 * len(flow)) + flow * 2,
    )
    return message + message[:30]


SAMPLES = {"routers.nf": routers, "probe.ipfix": probe}

if __name__ == "__main__":
    for file, made in SAMPLES.items():
        (Path(__file__).parent / file).write_bytes(made())
