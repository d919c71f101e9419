"""The scan by columns against a plain decoder and a plain flow table, packet by packet."""

import hashlib
import ipaddress
import random
import struct
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence.pcap import capture, pcapng
from labrys.evidence.pcap.columns import address
from labrys.evidence.pcap.network import decode
from labrys.evidence.pcap.read import read
from labrys.evidence.pcap.samples import make
from labrys.evidence.pcap.tally import Tally
from labrys.evidence.records import Source

ADDRESSES = ("192.0.2.1", "192.0.2.2", "198.51.100.200", "203.0.113.5")
ADDRESSES6 = ("2001:db8::1", "fe80::2", "2001:db8::ffff:1")
PORTS = (53, 80, 443, 40_000, 50_000, 50_001)


class Seen(NamedTuple):
    protocol: int
    source: str
    target: str
    ports: tuple[int, int]
    payload: int
    flags: int


def plain(frame: bytes, length: int, link: int = 1) -> Seen | None:
    """One packet, step by step, without any cleverness; None where it is no IP or broken."""
    try:
        return _plain(frame, length, link)
    except (IndexError, struct.error, ValueError):
        return None


def _take(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise IndexError
    return data[at : at + size]


def _plain(data: bytes, length: int, link: int) -> Seen | None:
    at, kind, whole, seen = 0, 0, length, None
    if link == 1:
        kind = struct.unpack(">H", _take(data, 0, 14)[12:])[0]
        at = 14
    else:
        kind = 0x0800 if _take(data, 0, 1)[0] >> 4 == 4 else 0x86DD
    for _ in range(24):
        if kind in (0x8100, 0x88A8):
            kind = struct.unpack(">H", _take(data, at, 4)[2:])[0]
            at += 4
            continue
        if kind == 0x6558:
            kind = struct.unpack(">H", _take(data, at, 14)[12:])[0]
            at += 14
            continue
        if kind == 0x0800:
            head = _take(data, at, 20)
            size, total = (head[0] & 15) * 4, struct.unpack(">H", head[2:4])[0]
            total = total or whole - at
            if head[0] >> 4 != 4 or size < 20 or total < size:
                return None
            piece = struct.unpack(">H", head[6:8])[0]
            protocol = head[9]
            ends = (str(ipaddress.ip_address(head[12:16])), str(ipaddress.ip_address(head[16:20])))
            whole = at + total
            data = data[:whole]
            at += size
            if piece & 0x1FFF:
                return Seen(protocol, *ends, (0, 0), whole - at, 0)
        elif kind == 0x86DD:
            head = _take(data, at, 40)
            if head[0] >> 4 != 6:
                return None
            total = struct.unpack(">H", head[4:6])[0]
            whole = at + 40 + total if total else whole
            data = data[:whole]
            protocol = head[6]
            ends = (str(ipaddress.ip_address(head[8:24])), str(ipaddress.ip_address(head[24:40])))
            at += 40
        else:
            return None
        while protocol in (0, 43, 60):
            head = _take(data, at, 8)
            protocol, at = head[0], at + (head[1] + 1) * 8
        if protocol == 47:
            flags, kind = struct.unpack(">HH", _take(data, at, 4))
            assert flags == 0
            assert kind not in (0x880B, 0x8847, 0x8848, 0x88BE, 0x22EB)
            if kind not in (0x0800, 0x86DD, 0x6558, 0x8100):
                return Seen(47, *ends, (0, 0), whole - at, 0)
            at += 4
            continue
        if protocol == 4:
            kind = 0x0800
            continue
        if protocol == 41:
            kind = 0x86DD
            continue
        if protocol == 6:
            head = _take(data, at, 14)
            size = (head[12] >> 4) * 4
            if size < 20 or at + size > whole:
                return None
            seen = Seen(6, *ends, struct.unpack(">HH", head[:4]), whole - at - size, head[13])
        elif protocol == 17:
            head = _take(data, at, 8)
            ports = struct.unpack(">HH", head[:4])
            if 4789 in ports and _take(data, at + 8, 8)[0] & 0x7F == 8:
                kind, at = 0x6558, at + 16
                continue
            seen = Seen(17, *ends, ports, max(whole - at - 8, 0), 0)
        elif protocol in (1, 58):
            head = _take(data, at, 2)
            seen = Seen(protocol, *ends, (head[0], head[1]), max(whole - at - 8, 0), 0)
        else:
            seen = Seen(protocol, *ends, (0, 0), max(whole - at, 0), 0)
        return seen
    return None


def packet(chance: random.Random) -> bytes:
    """A frame with any layers, its ends few so that flows come about."""
    payload = bytes(chance.randrange(60))
    ports = (chance.choice(PORTS), chance.choice(PORTS))
    what = chance.randrange(10)
    if what < 5:
        flags = chance.choice((2, 18, 16, 24, 17, 4, 20))
        body, protocol = make.tcp(*ports, chance.randrange(1 << 32), flags, payload), 6
    elif what < 8:
        body, protocol = make.udp(*ports, payload), 17
    else:
        body, protocol = make.icmp(chance.choice((8, 0, 3, 128)), 0, bytes(8)), 1
    if chance.random() < 0.3:
        source, target = chance.sample(ADDRESSES6, 2)
        protocol = 58 if protocol == 1 else protocol
        if chance.random() < 0.3:
            body, protocol = bytes([protocol, 0]) + bytes(6) + body, chance.choice((0, 60))
        made, kind = make.ip6(source, target, protocol, body), 0x86DD
    else:
        source, target = chance.sample(ADDRESSES, 2)
        options = bytes(4 * chance.randrange(3))
        made, kind = make.ip(source, target, protocol, body, options=options), 0x0800
    inside = chance.randrange(8)
    if inside == 0:
        made, kind = make.ip("192.0.2.8", "192.0.2.9", 41 if kind == 0x86DD else 4, made), 0x0800
    elif inside == 1:
        head = struct.pack(">HH", 0, kind)
        made, kind = make.ip("192.0.2.8", "192.0.2.9", 47, head + made), 0x0800
    elif inside == 2:
        inner = bytes([8]) + bytes(7) + make.ethernet(made, kind)
        made, kind = make.ip("192.0.2.8", "192.0.2.9", 17, make.udp(5_000, 4789, inner)), 0x0800
    for tag in range(chance.randrange(3)):
        made, kind = make.vlan(made, tag + 5, kind), 0x8100
    return make.ethernet(made, kind) + bytes(chance.choice((0, 0, 6)))


def spoilt(frame: bytes, chance: random.Random) -> bytes:
    """The frame with some bytes changed or cut off."""
    data = bytearray(frame)
    for _ in range(chance.randrange(4)):
        data[chance.randrange(12, len(data))] = chance.randrange(256)
    return bytes(data)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 40), st.booleans(), st.sampled_from((262_144, 200, 96, 60)))
def test_headers_are_those_of_the_plain_decoder(
    tmp_path_factory: pytest.TempPathFactory, seed: int, spoil: bool, snap: int
) -> None:
    chance = random.Random(seed)
    frames = [packet(chance) for _ in range(40)]
    if spoil:
        frames = [spoilt(frame, chance) for frame in frames]
    path = tmp_path_factory.getbasetemp() / "reference.pcap"
    path.write_bytes(make.pcap([(make.BEGIN, frame) for frame in frames], snap=snap))
    with path.open("rb") as stream:
        (block,) = capture.packets(stream, Tally())
    head = decode(block, Tally())
    for number, frame in enumerate(frames):
        kept = frame[:snap]
        if spoil and not _covered(kept):
            continue
        wanted = plain(kept, len(frame))
        found = None
        if head.protocol[number] >= 0:
            found = Seen(
                int(head.protocol[number]),
                address(int(head.source[0][number]), int(head.source[1][number])),
                address(int(head.target[0][number]), int(head.target[1][number])),
                (int(head.source_port[number]), int(head.target_port[number])),
                int(head.payload[number]),
                int(head.flags[number]),
            )
        assert found == wanted, (number, frame.hex())


def _covered(frame: bytes) -> bool:
    """Whether a spoilt frame stays within what the plain decoder knows."""
    try:
        plain(frame, len(frame))
    except AssertionError:
        return False
    kinds = {frame[at : at + 2] for at in range(12, min(len(frame) - 1, 120))}
    rare = {b"\x88\x47", b"\x88\x48", b"\x88\x64", b"\x88\x0b", b"\x17\xc1", b"\x08\x68"}
    protocols = {33, 44, 51, 132, 135, 136, 139, 140}
    numbers = set(frame[14:120])
    return not kinds & rare and not numbers & protocols and frame[12:14] in (b"\x08\0", b"\x86\xdd")


def table(frames: list[tuple[int, bytes]]) -> Counter[tuple[Any, ...]]:
    """Flows of valid frames without fragments, put together one by one."""
    flows: list[dict[str, Any]] = []
    open_flows: dict[Any, dict[str, Any]] = {}
    for time, frame in frames:
        seen = plain(frame, len(frame))
        assert seen is not None
        ends = ((seen.source, seen.ports[0]), (seen.target, seen.ports[1]))
        if seen.protocol in (1, 58):
            answers, asks = ({0: 8}, 8) if seen.protocol == 1 else ({129: 128}, 128)
            kind = answers.get(seen.ports[0], seen.ports[0])
            code = 0 if kind == asks else seen.ports[1]
            ends = ((seen.source, (kind, code)), (seen.target, (kind, code)))  # type: ignore[assignment]
        key = (seen.protocol, frozenset(ends)) if ends[0] != ends[1] else (seen.protocol, ends[0])
        syn = seen.protocol == 6 and seen.flags & 0x17 == 2
        sequence = _sequence(frame) if seen.protocol == 6 else 0
        flow = open_flows.get(key)
        idle = (300 if seen.protocol == 6 else 60) * 10**9
        if flow is not None and (
            time - flow["seen"] > idle or (syn and flow["closing"] and sequence != flow["isn"])
        ):
            flow = None
        if flow is None:
            flow = {
                "key": key,
                "packets": Counter(),
                "bytes": Counter(),
                "closing": False,
                "isn": -1,
            }
            flow["start"] = time
            flows.append(flow)
            open_flows[key] = flow
        flow["seen"] = time
        if syn and sequence != flow["isn"]:
            flow["closing"], flow["isn"] = False, sequence
        if seen.protocol == 6 and seen.flags & 5:
            flow["closing"] = True
        flow["packets"][ends[0]] += 1
        flow["bytes"][ends[0]] += seen.payload
    return Counter(
        (flow["start"] // 1000, flow["seen"] // 1000 - flow["start"] // 1000, *_ends(flow))
        for flow in flows
    )


def _ends(flow: dict[str, Any]) -> tuple[Any, ...]:
    packets = tuple(sorted(count for count in flow["packets"].values()))
    sizes = tuple(sorted(size for size in flow["bytes"].values() if size))
    return flow["key"][0] if flow["key"][0] != 58 else 1, packets, sizes


def _sequence(frame: bytes) -> int:
    """The sequence number of a frame of `make`: it stands before the fields that follow it."""
    seen = plain(frame, len(frame))
    assert seen is not None
    ports = struct.pack(">HH", *seen.ports)
    at = 14
    while True:
        at = frame.index(ports, at)
        if frame[at + 12 : at + 14] == bytes([0x50, seen.flags]):
            return int(struct.unpack(">I", frame[at + 4 : at + 8])[0])
        at += 1


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 40), st.sampled_from((700, 3_000, 1 << 24)))
def test_flows_are_those_of_the_plain_table_in_blocks_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, seed: int, chunk: int
) -> None:
    chance = random.Random(seed)
    time, frames = make.BEGIN, []
    for _ in range(150):
        time += chance.choice((1_000, 10**6, 10**9, 10**9, 70 * 10**9, 301 * 10**9))
        frames.append((time, packet(chance)))
    original = capture.CHUNK
    path = tmp_path_factory.getbasetemp() / "flows.pcap"
    for data in (make.pcap(frames, nano=True), pcapng_of(frames)):
        path.write_bytes(data)
        capture.CHUNK = chunk  # type: ignore[misc]
        capture.packets.__defaults__ = (chunk,)
        try:
            rows = flow_rows(path)
        finally:
            capture.CHUNK = original  # type: ignore[misc]
            capture.packets.__defaults__ = (original,)
        assert Counter(map(summed, rows)) == table(frames)


def pcapng_of(frames: list[tuple[int, bytes]]) -> bytes:
    out = [make.section(), make.interface(1, make.option(pcapng._TSRESOL, b"\x09"))]
    return b"".join((*out, *(make.enhanced(time, frame) for time, frame in frames)))


def flow_rows(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    source = Source(path, path.name, hashlib.sha256(data).hexdigest(), len(data))
    return [
        row for shape, batch in read(source) for row in batch.to_pylist() if shape == "net.flow"
    ]


def summed(row: dict[str, Any]) -> tuple[Any, ...]:
    numbers = {"tcp": 6, "udp": 17, "icmp": 1}
    packets = sorted(count for role in ("orig", "resp") if (count := int(row[f"{role}_pkts"])))
    sizes = sorted(size for role in ("orig", "resp") if (size := int(row[f"{role}_bytes"])))
    whole, _, part = row["ts"].partition(".")
    microseconds = int(whole) * 10**6 + int(part)
    seconds, _, part = row["duration"].partition(".")
    duration = int(seconds) * 10**6 + int(part)
    return microseconds, duration, numbers[row["proto"]], tuple(packets), tuple(sizes)
