"""Makes packets and captures for the tests, byte by byte, and the samples beside it.

`python -m labrys.evidence.pcap.samples.make` writes the samples again.
"""

import hashlib
import ipaddress
import struct
from collections.abc import Sequence
from pathlib import Path

CLIENT, SERVER, RESOLVER = "192.0.2.10", "198.51.100.7", "192.0.2.53"
SYN, ACK, PSH, FIN, RST = 2, 16, 8, 1, 4
BEGIN = 1_760_000_000_000_000_000
Timed = tuple[int, bytes]
"""Nanoseconds since 1970, and a frame."""


def ethernet(payload: bytes, kind: int = 0x0800, *, back: bool = False) -> bytes:
    """An Ethernet frame between two made-up cards."""
    ends = (b"\x02\0\0\0\0\x02", b"\x02\0\0\0\0\x01")
    to, source = ends[::-1] if back else ends
    return to + source + struct.pack(">H", kind) + payload


def vlan(payload: bytes, tag: int, kind: int = 0x0800) -> bytes:
    """What follows an EtherType 0x8100."""
    return struct.pack(">HH", tag, kind) + payload


def ip(
    source: str,
    target: str,
    protocol: int,
    payload: bytes,
    *,
    number: int = 1,
    piece: int = 0,
    options: bytes = b"",
) -> bytes:
    """An IPv4 packet; `piece` is the flags and the offset of a fragment as they are written."""
    size = 20 + len(options)
    return (
        struct.pack(
            ">BBHHHBBH4s4s", 0x40 | size // 4, 0, size + len(payload), number, piece, 64, protocol, 0,
            ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed,
        )
        + options + payload
    )  # fmt: skip


def ip6(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    """An IPv6 packet."""
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload


def tcp(
    source: int, target: int, sequence: int, flags: int, payload: bytes = b"", window: int = 512
) -> bytes:
    """A TCP segment."""
    ack = 1 if flags & ACK else 0
    return (
        struct.pack(">HHIIBBHHH", source, target, sequence, ack, 0x50, flags, window, 0, 0)
        + payload
    )


def udp(source: int, target: int, payload: bytes) -> bytes:
    """A UDP datagram."""
    return struct.pack(">HHHH", source, target, 8 + len(payload), 0) + payload


def icmp(kind: int, code: int, payload: bytes = b"\0\x01\0\x01ping") -> bytes:
    """An ICMP message."""
    return struct.pack(">BBH", kind, code, 0) + payload


def pcap(
    packets: Sequence[Timed],
    *,
    order: str = "<",
    nano: bool = False,
    link: int = 1,
    snap: int = 262_144,
) -> bytes:
    """A pcap file."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    out = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snap, link)]
    for time, data in packets:
        seconds, part = divmod(time, 1_000_000_000)
        kept = data[:snap]
        head = (seconds, part if nano else part // 1000, len(kept), len(data))
        out.append(struct.pack(f"{order}IIII", *head) + kept)
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A block of a pcapng file."""
    body += b"\0" * (-len(body) % 4)
    size = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + size + body + size


def section(order: str = "<") -> bytes:
    """The header of a pcapng section."""
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = 1, options: bytes = b"", order: str = "<", snap: int = 0) -> bytes:
    """The description of an interface."""
    return block(1, struct.pack(f"{order}HHI", link, 0, snap) + options, order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """An option in a block."""
    return struct.pack(f"{order}HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def enhanced(ticks: int, data: bytes, number: int = 0, order: str = "<", length: int = 0) -> bytes:
    """A packet in a pcapng file, `ticks` in its interface's unit."""
    head = (number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), length or len(data))
    return block(6, struct.pack(f"{order}IIIII", *head) + data, order)


def simple(data: bytes, order: str = "<") -> bytes:
    """A packet without a time."""
    return block(3, struct.pack(f"{order}I", len(data)) + data, order)


def old(ticks: int, data: bytes, number: int = 0, order: str = "<") -> bytes:
    """A packet as pcapng once wrote it."""
    head = (number, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(2, struct.pack(f"{order}HHIIII", *head) + data, order)


def name(text: str) -> bytes:
    """A name in DNS."""
    labels = [label.encode() for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(number: int, asked: str, kind: int = 1, flags: int = 0x0100) -> bytes:
    """A DNS query."""
    return struct.pack(">6H", number, flags, 1, 0, 0, 0) + name(asked) + struct.pack(">HH", kind, 1)


def answer(
    number: int, asked: str, kind: int, values: Sequence[tuple[int, bytes]], code: int = 0
) -> bytes:
    """A DNS response whose records point back at the question."""
    head = struct.pack(">6H", number, 0x8180 | code, 1, len(values), 0, 0)
    records = b"".join(
        b"\xc0\x0c" + struct.pack(">HHIH", one, 1, 60, len(data)) + data for one, data in values
    )
    return head + name(asked) + struct.pack(">HH", kind, 1) + records


def connection(
    asks: bytes,
    says: bytes,
    port: int,
    *,
    begin: int = BEGIN,
    source: int = 50_000,
    mss: int = 1_400,
    client: str = CLIENT,
    server: str = SERVER,
) -> list[Timed]:
    """A whole TCP connection: opened, one side speaks, then the other, closed by both."""
    packets: list[Timed] = []
    there, back = 1_000, 9_000

    def send(flags: int, payload: bytes = b"", *, reply: bool = False) -> None:
        nonlocal there, back
        ports = (port, source) if reply else (source, port)
        ends = (server, client) if reply else (client, server)
        segment = tcp(*ports, back if reply else there, flags, payload)
        time = begin + len(packets) * 1_000_000
        packets.append((time, ethernet(ip(*ends, 6, segment), back=reply)))
        moved = len(payload) + bool(flags & (SYN | FIN))
        there, back = (there, back + moved) if reply else (there + moved, back)

    send(SYN)
    send(SYN | ACK, reply=True)
    send(ACK)
    for text, reply in ((asks, False), (says, True)):
        for at in range(0, len(text), mss):
            send(ACK | PSH, text[at : at + mss], reply=reply)
            send(ACK, reply=not reply)
    send(FIN | ACK)
    send(FIN | ACK, reply=True)
    send(ACK)
    return packets


def vector(data: bytes, size: int) -> bytes:
    """Bytes behind their length."""
    return len(data).to_bytes(size, "big") + data


def client_hello(host: str, session: bytes = b"") -> bytes:
    """A ClientHello message with a GREASE value in each list."""
    server = vector(b"\0" + vector(host.encode(), 2), 2)
    extensions = (
        (0x1A1A, b""), (0, server), (10, vector(bytes.fromhex("2a2a001d0017"), 2)),
        (11, b"\x01\x00"), (13, vector(bytes.fromhex("04030804"), 2)),
        (16, vector(vector(b"h2", 1) + vector(b"http/1.1", 1), 2)),
        (43, vector(bytes.fromhex("3a3a03040303"), 1)),
    )  # fmt: skip
    body = b"\x03\x03" + bytes(range(32)) + vector(session, 1)
    body += vector(bytes.fromhex("0a0a13011302c02f"), 2) + b"\x01\x00"
    body += vector(
        b"".join(struct.pack(">H", kind) + vector(data, 2) for kind, data in extensions), 2
    )
    return b"\x01" + vector(body, 3)


def server_hello(version: int = 0x0303, cipher: int = 0xC02F) -> bytes:
    """A ServerHello message; TLS 1.3 says its version in an extension."""
    extensions = struct.pack(">HH", 0xFF01, 1) + b"\0"
    if version == 0x0304:
        extensions = struct.pack(">HHH", 43, 2, version)
    body = struct.pack(">H", min(version, 0x0303)) + bytes(range(32, 64)) + b"\0"
    return b"\x02" + vector(body + struct.pack(">HB", cipher, 0) + vector(extensions, 2), 3)


def certificates(*chain: bytes) -> bytes:
    """A Certificate message of TLS 1.2."""
    return b"\x0b" + vector(vector(b"".join(vector(one, 3) for one in chain), 3), 3)


def record(kind: int, data: bytes) -> bytes:
    """A TLS record."""
    return bytes([kind]) + b"\x03\x03" + vector(data, 2)


def der(tag: int, *parts: bytes) -> bytes:
    """An ASN.1 element."""
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 128 | size]) + len(body).to_bytes(size, "big") + body


def _named(common: str) -> bytes:
    organisation = der(0x31, der(0x30, der(6, b"\x55\x04\x0a"), der(0x0C, b"Example, Inc.")))
    return der(
        0x30,
        organisation,
        der(0x31, der(0x30, der(6, b"\x55\x04\x03"), der(0x0C, common.encode()))),
    )


def certificate(subject: str, issuer: str) -> bytes:
    """A certificate with a made-up key and signature."""
    algorithm = der(0x30, der(6, bytes.fromhex("2a864886f70d01010b")), der(5))
    validity = der(0x30, der(0x17, b"250101000000Z"), der(0x18, b"20350101000000Z"))
    key = der(0x30, algorithm, der(3, b"\0" + hashlib.sha256(subject.encode()).digest()))
    names = der(0x30, der(0x82, subject.encode()), der(0x87, bytes([192, 0, 2, 1])))
    extension = der(0x30, der(6, b"\x55\x1d\x11"), der(4, names))
    body = der(
        0x30, der(0xA0, der(2, b"\x02")), der(2, b"\x0a\xbc"), algorithm, _named(issuer), validity,
        _named(subject), key, der(0xA3, der(0x30, extension)),
    )  # fmt: skip
    return der(0x30, body, algorithm, der(3, b"\0signature"))


def office() -> list[Timed]:
    """A name looked up, a page fetched, a TLS connection, a ping, an ARP request."""
    packets: list[Timed] = []
    asked = udp(53_000, 53, question(7, "www.example.com"))
    said = udp(53, 53_000, answer(7, "www.example.com", 1, [(1, bytes([198, 51, 100, 7]))]))
    packets.append((BEGIN - 9_000_000, ethernet(ip(CLIENT, RESOLVER, 17, asked))))
    packets.append((BEGIN - 4_000_000, ethernet(ip(RESOLVER, CLIENT, 17, said), back=True)))
    request = b"GET /a?b=1 HTTP/1.1\r\nHost: www.example.com:80\r\nUser-Agent: test/1\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"
    packets += connection(request, response, 80)
    opening = (
        record(22, client_hello("www.example.com")) + record(20, b"\1") + record(22, bytes(40))
    )
    own = certificate("www.example.com", "Example CA")
    reply = (
        record(22, server_hello() + certificates(own)) + record(20, b"\1") + record(23, bytes(99))
    )
    packets += connection(opening, reply, 443, begin=BEGIN + 10**9, source=50_001)
    for number, kind in enumerate((8, 0)):
        ends = (CLIENT, SERVER) if kind else (SERVER, CLIENT)
        packets.append(
            (BEGIN + 2 * 10**9 + number, ethernet(ip(*ends, 1, icmp(kind, 0)), back=not kind))
        )
    packets.append((BEGIN + 3 * 10**9, ethernet(bytes(28), 0x0806)))
    return packets


def interfaces() -> bytes:
    """A pcapng file: two sections of different byte order, clocks and links of their own."""
    query = ip6("2001:db8::1", "2001:db8::35", 17, udp(40_000, 53, question(9, "ipv6.example", 28)))
    tagged = ethernet(vlan(ip(CLIENT, SERVER, 17, udp(9_999, 40_001, b"x" * 30)), 42), 0x8100)
    whole = udp(1_111, 2_222, bytes(24))
    pieces = [
        ip(CLIENT, SERVER, 17, whole[:16], number=5, piece=0x2000),
        ip(CLIENT, SERVER, 17, whole[16:], number=5, piece=2),
    ]
    nanoseconds = option(9, b"\x09") + option(0, b"")
    return b"".join((
        section(), interface(), interface(101, nanoseconds),
        enhanced(BEGIN // 1000, tagged), enhanced(BEGIN + 1_000, query, 1),
        simple(ethernet(ip(SERVER, CLIENT, 17, udp(40_001, 9_999, b"y")))),
        old(BEGIN // 1000 + 5, tagged),
        section(">"), interface(101, option(14, struct.pack(">q", 3_600), ">"), ">"),
        *(enhanced(BEGIN // 1000 + n, piece, 0, ">") for n, piece in enumerate(pieces)),
    ))  # fmt: skip


def broken() -> bytes:
    """A hole of zeros in the middle, a header that lies, and an end inside a packet."""
    packets = office()
    whole = pcap(packets)
    first = 24 + sum(16 + len(data) for _, data in packets[:8])
    lies = ethernet(b"\x44" + ip(CLIENT, SERVER, 17, udp(1, 2, b""))[1:])
    return whole[:first] + bytes(300) + whole[first:] + pcap([(BEGIN, lies)])[24:] + whole[-70:-20]


SAMPLES = {
    "office.pcap": lambda: pcap(office()),
    "interfaces.pcap": interfaces,
    "broken.pcap": broken,
}

if __name__ == "__main__":
    for file, made in SAMPLES.items():
        (Path(__file__).parent / file).write_bytes(made())
