"""Damaged and hostile captures, and what flows say."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.pcap import capture, flows, read, talks
from labrys.evidence.pcap.samples import make
from labrys.evidence.registry import choose
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLES = sorted(path for path in (HERE / "samples").iterdir() if path.suffix == ".pcap")


def rows_of(path: Path) -> list[Row]:
    return testing.rows(read.read, path)


def read_rows(tmp_path: Path, packets: Sequence[make.Timed] | bytes, shape: str = "") -> list[Row]:
    data = packets if isinstance(packets, bytes) else make.pcap(packets)
    path = tmp_path / "some.pcap"
    path.write_bytes(data)
    return [row for row in rows_of(path) if not shape or row["shape"] == shape]


def flow(tmp_path: Path, *frames: bytes, gap: int = 10**6) -> list[Row]:
    timed = [(make.BEGIN + number * gap, frame) for number, frame in enumerate(frames)]
    return read_rows(tmp_path, timed, "net.flow")


def segment(flags: int, payload: bytes = b"", *, reply: bool = False, sequence: int = 5) -> bytes:
    ports = (443, 50_000) if reply else (50_000, 443)
    ends = (make.SERVER, make.CLIENT) if reply else (make.CLIENT, make.SERVER)
    packet = make.ip(*ends, 6, make.tcp(*ports, sequence, flags, payload))
    return make.ethernet(packet, back=reply)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_are_as_made(path: Path) -> None:
    assert path.read_bytes() == make.SAMPLES[path.name]()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_captures_are_known_by_their_content(path: Path) -> None:
    chosen = choose(path.read_bytes()[: 1 << 16], "picture.png")
    assert chosen is not None
    assert chosen.id == "pcap"


S, SA, A, F, R = make.SYN, make.SYN | make.ACK, make.ACK, make.FIN | make.ACK, make.RST


@pytest.mark.parametrize(
    ("packets", "state", "history"),
    [
        ([(S, 0)], "S0", "S"),
        ([(S, 0), (R | A, 1)], "REJ", "Sr"),
        ([(S, 0), (SA, 1)], "S1", "Sh"),
        ([(S, 0), (SA, 1), (A, 0)], "S1", "ShA"),
        ([(S, 0), (SA, 1), (A, 0), (F, 0)], "S2", "ShAF"),
        ([(S, 0), (SA, 1), (A, 0), (F, 1)], "S3", "ShAf"),
        ([(S, 0), (SA, 1), (A, 0), (F, 0), (F, 1)], "SF", "ShAFf"),
        ([(S, 0), (SA, 1), (A, 0), (R, 0)], "RSTO", "ShAR"),
        ([(S, 0), (SA, 1), (A, 0), (R, 1)], "RSTR", "ShAr"),
        ([(S, 0), (R, 0)], "RSTOS0", "SR"),
        ([(S, 0), (F, 0)], "SH", "SF"),
        ([(SA, 1), (R, 1)], "RSTRH", "^hr"),
        ([(SA, 1), (F, 1)], "SHR", "^hf"),
        ([(A, 0), (A, 1)], "OTH", "Aa"),
        ([(A, 1), (A, 0)], "OTH", "^aA"),
    ],
)
def test_states_and_histories_are_zeeks(
    tmp_path: Path, packets: list[tuple[int, int]], state: str, history: str
) -> None:
    (row,) = flow(tmp_path, *(segment(flags, reply=bool(reply)) for flags, reply in packets))
    assert (row["conn_state"], row["history"]) == (state, history)
    assert (row["id.orig_h"], row["id.orig_p"]) == (make.CLIENT, "50000")


def test_a_new_connection_on_the_same_ports_is_a_new_flow(tmp_path: Path) -> None:
    rows = flow(
        tmp_path,
        *(segment(S, sequence=5), segment(R, reply=True), segment(S, sequence=5)),  # tried again
        *(segment(S, sequence=99), segment(SA, reply=True)),
    )
    assert [(row["orig_pkts"], row["conn_state"]) for row in rows] == [("2", "REJ"), ("1", "S1")]


def test_a_pause_longer_than_the_timeout_ends_a_flow(tmp_path: Path) -> None:
    frames = [segment(A)] * 3
    assert len(flow(tmp_path, *frames, gap=flows.IDLE_TCP)) == 1
    assert len(flow(tmp_path, *frames, gap=flows.IDLE_TCP + 10**9)) == 3
    datagram = make.ethernet(make.ip(make.CLIENT, make.SERVER, 17, make.udp(5_000, 6_000, b"x")))
    assert len(flow(tmp_path, *[datagram] * 3, gap=flows.IDLE_OTHER + 10**9)) == 3


def test_a_flow_of_more_than_a_day_is_one_for_each(tmp_path: Path) -> None:
    rows = flow(tmp_path, *[segment(A)] * 900, gap=200 * 10**9)
    assert [row["orig_pkts"] for row in rows] == ["432", "432", "36"]


def test_who_began_is_told_by_ports_where_no_syn_was_seen(tmp_path: Path) -> None:
    def ends(source: int, target: int, protocol: int = 6) -> tuple[str, str]:
        body = make.tcp(source, target, 1, A) if protocol == 6 else make.udp(source, target, b"x")
        (row,) = flow(tmp_path, make.ethernet(make.ip(make.CLIENT, make.SERVER, protocol, body)))
        return row["id.orig_p"], row["id.resp_p"]

    assert ends(443, 1_025) == ("1025", "443")
    assert ends(9_999, 50_000) == ("50000", "9999")
    assert ends(49_667, 52_000) == ("52000", "49667")
    assert ends(53, 40_000, 17) == ("40000", "53")
    assert ends(9_999, 50_000, 17) == ("9999", "50000")


def test_lengths_are_of_the_headers_not_of_what_was_captured(tmp_path: Path) -> None:
    frames = [(make.BEGIN, segment(A, bytes(1_000)))]
    (row,) = read_rows(tmp_path, make.pcap(frames, snap=60), "net.flow")
    assert (row["orig_bytes"], row["orig_ip_bytes"]) == ("1000", "1040")
    summary = read_rows(tmp_path, make.pcap(frames, snap=60), "net.capture")[0]
    assert (summary["cut_packets"], summary["bytes"]) == ("1", "1054")


def test_later_fragments_belong_to_the_flow_of_the_first(tmp_path: Path) -> None:
    whole = make.udp(1_111, 2_222, bytes(32))
    pieces = [(0x2000, whole[:16]), (0x2002, whole[16:32]), (0x0004, whole[32:])]
    frames = [
        make.ethernet(make.ip(make.CLIENT, make.SERVER, 17, data, number=7, piece=piece))
        for piece, data in pieces
    ]
    for order in ((0, 1, 2), (2, 1, 0)):
        (row,) = flow(tmp_path, *(frames[number] for number in order))
        assert (row["orig_pkts"], row["orig_bytes"], row["id.resp_p"]) == ("3", "32", "2222")
    lost = read_rows(tmp_path, [(make.BEGIN, frames[1])])
    assert lost[-1]["reason"] == "fragments without the first of their packet"


def test_later_fragments_of_ipv6(tmp_path: Path) -> None:
    whole = make.udp(1_111, 2_222, bytes(24))
    frames = [
        make.ethernet(make.ip6("2001:db8::1", "2001:db8::2", 44, head + data), 0x86DD)
        for head, data in (
            (b"\x11\0\0\x01\0\0\0\x09", whole[:16]),
            (b"\x11\0\0\x10\0\0\0\x09", whole[16:]),
        )
    ]
    (row,) = flow(tmp_path, *frames)
    assert (row["orig_pkts"], row["orig_bytes"], row["id.resp_p"]) == ("2", "24", "2222")


def test_community_ids_are_those_of_the_specification(tmp_path: Path) -> None:
    """The baseline of https://github.com/corelight/community-id-spec (seed 0)."""
    cases = (
        (make.ip("128.232.110.120", "66.35.250.204", 6, make.tcp(34855, 80, 1, A)), 0x0800,
         "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (make.ip("66.35.250.204", "128.232.110.120", 6, make.tcp(80, 34855, 1, A)), 0x0800,
         "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (make.ip("192.168.1.52", "8.8.8.8", 17, make.udp(54585, 53, b"x")), 0x0800,
         "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        (make.ip("192.168.0.89", "192.168.0.1", 1, make.icmp(8, 0)), 0x0800,
         "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
        (make.ip("192.168.0.1", "192.168.0.89", 1, make.icmp(0, 0)), 0x0800,
         "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
    )  # fmt: skip
    for packet, kind, wanted in cases:
        (row,) = flow(tmp_path, make.ethernet(packet, kind))
        assert row["community_id"] == wanted


@pytest.mark.parametrize(("order", "nano"), [("<", False), (">", False), ("<", True), (">", True)])
def test_every_kind_of_pcap_gives_the_same(tmp_path: Path, order: str, nano: bool) -> None:
    def plain(row: Row) -> Row:
        return {key: one for key, one in row.items() if key not in ("_id", "uid", "_source")}

    wanted = [plain(row) for row in read_rows(tmp_path, make.office())]
    data = make.pcap(make.office(), order=order, nano=nano)
    assert [plain(row) for row in read_rows(tmp_path, data)] == wanted


def link(number: int, head: bytes, packet: bytes) -> tuple[int, bytes]:
    return number, head + packet


V4 = make.ip(make.CLIENT, make.SERVER, 17, make.udp(5_000, 6_000, b"abc"))
V6 = make.ip6("2001:db8::1", "2001:db8::2", 17, make.udp(5_000, 6_000, b"abc"))
ETHER = make.ethernet(V4)


@pytest.mark.parametrize(
    ("number", "frame"),
    [
        link(0, b"\x02\0\0\0", V4),
        link(0, b"\0\0\0\x02", V4),
        link(108, b"\0\0\0\x18", V6),
        link(9, b"\xff\x03\x00\x21", V4),
        link(9, b"\x21", V4),
        link(9, b"\x00\x57", V6),
        link(12, b"", V4),
        link(101, b"", V6),
        link(228, b"", V4),
        link(113, b"\0\0\0\1\0\6\2\0\0\0\0\1\0\0\x08\0", V4),
        link(276, b"\x86\xdd\0\0\0\0\0\1\0\1\0\6\2\0\0\0\0\1\0\0", V6),
        link(104, b"\x0f\0\x08\0", V4),
        link(51, b"\x11\0\0\1\0\x20\0\x21", V4),
        link(1, ETHER[:12] + b"\x88\x64\x11\0\0\1\0\x20\0\x57", V6),
        link(1, ETHER[:12] + b"\x88\xa8\0\x05\x81\0\0\x06\x08\0", V4),
        link(1, ETHER[:12] + b"\x88\x47\0\0\x10\0\0\0\x21\xff", V4),
        link(1, ETHER[:12] + b"\x88\x47\0\0\x11\xff\0\0\0\0", ETHER),
        link(1, ETHER[:12] + b"\0\x40\xaa\xaa\x03\0\0\0\x08\0", V4),
        link(105, b"\x08\x01" + bytes(22) + b"\xaa\xaa\x03\0\0\0\x08\0", V4),
        link(127, b"\0\0\x09\0\0\0\0\0\0\x88\x02" + bytes(24) + b"\xaa\xaa\x03\0\0\0\x86\xdd", V6),
        link(109, b"\0\0\0\2" + bytes(8), V4),
        link(117, b"\x3d\x02" + bytes(62), V4),
    ],
)
def test_link_layers(tmp_path: Path, number: int, frame: bytes) -> None:
    data = make.pcap([(make.BEGIN, frame)], link=number)
    (row,) = read_rows(tmp_path, data, "net.flow")
    assert (row["id.orig_p"], row["id.resp_p"], row["orig_bytes"]) == ("5000", "6000", "3")


@pytest.mark.parametrize(
    ("packet", "tunnel"),
    [
        (make.ip("192.0.2.8", "192.0.2.9", 4, V4), "ip"),
        (make.ip("192.0.2.8", "192.0.2.9", 41, V6), "6in4"),
        (make.ip("192.0.2.8", "192.0.2.9", 47, b"\0\0\x08\0" + V4), "gre"),
        (make.ip("192.0.2.8", "192.0.2.9", 47, b"\x20\0\x86\xdd\0\0\0\1" + V6), "gre"),
        (make.ip("192.0.2.8", "192.0.2.9", 47, b"\x10\0\x88\xbe" + bytes(12) + ETHER), "gre"),
        (make.ip("192.0.2.8", "192.0.2.9", 17, make.udp(9, 4789, b"\x08" + bytes(7) + ETHER)), "vxlan"),
        (make.ip("192.0.2.8", "192.0.2.9", 17,
                 make.udp(9, 6081, b"\x01\0\x65\x58" + bytes(8) + ETHER)), "geneve"),
        (make.ip("192.0.2.8", "192.0.2.9", 17,
                 make.udp(9, 2152, b"\x30\xff\0\x20\0\0\0\1" + V4)), "gtp"),
        (make.ip6("2001:db8::8", "2001:db8::9", 0, b"\x3c\0" + bytes(6) + b"\x11\0" + bytes(6) + V6[40:]),
         ""),
    ],
)  # fmt: skip
def test_tunnels(tmp_path: Path, packet: bytes, tunnel: str) -> None:
    kind = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    (row,) = flow(tmp_path, make.ethernet(packet, kind))
    assert (row["id.orig_p"], row["id.resp_p"], row["orig_bytes"]) == ("5000", "6000", "3")
    assert row.get("tunnel", "") == tunnel


def test_two_captures_one_after_the_other_are_both_read(tmp_path: Path) -> None:
    one = make.pcap([(make.BEGIN, ETHER)])
    two = make.pcap([(make.BEGIN + 10**12, ETHER)], order=">")
    assert len(read_rows(tmp_path, one + two, "net.flow")) == 2


def test_after_a_hole_the_rest_is_read(tmp_path: Path) -> None:
    frames = [(make.BEGIN + n * 10**9, segment(A, bytes(n))) for n in range(50)]
    for data in (make.pcap(frames), ng(frames)):
        at = len(data) // 2
        hurt = data[:at] + bytes(range(256)) + data[at + 100 :]
        (row,) = read_rows(tmp_path, hurt, "net.flow")
        assert 45 <= int(row["orig_pkts"]) <= 49
        reasons = [row["reason"] for row in read_rows(tmp_path, hurt, "unparsed")]
        assert any(reason.startswith("bytes between") for reason in reasons)


def ng(frames: Sequence[make.Timed]) -> bytes:
    blocks = [make.enhanced(time // 1_000, frame) for time, frame in frames]
    return b"".join((make.section(), make.interface(), *blocks))


def test_more_flows_than_are_kept_end_early_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows, "MOST_OPEN", 100)
    monkeypatch.setattr(capture.packets, "__defaults__", (4_000,))
    frames = [
        (make.BEGIN + n, make.ethernet(make.ip(make.CLIENT, make.SERVER, 6, make.tcp(n, 80, 1, S))))
        for n in range(1, 1_000)
    ]
    rows = read_rows(tmp_path, frames)
    assert sum(row["shape"] == "net.flow" for row in rows) == 999
    assert int(rows[-1]["flows_ended_early"]) == 899


def test_more_conversations_than_are_kept_are_read_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talks, "MOST_TALKS", 5)
    monkeypatch.setattr(talks, "MOST_BYTES", 2_000)
    frames = [
        one
        for n in range(40)
        for one in make.connection(
            b"GET /%d HTTP/1.1\r\n" % n + b"a: b\r\n" * 90, b"", 80, source=1_000 + n
        )
    ]
    found = read_rows(tmp_path, sorted(frames), "net.http")
    assert {row["uri"] for row in found} == {f"/{n}" for n in range(40)}


def test_clocks_that_jump_and_times_beyond_all_bounds(tmp_path: Path) -> None:
    times = [make.BEGIN, make.BEGIN - 10**18, make.BEGIN + 2 * 10**18, 0, make.BEGIN]
    rows = read_rows(tmp_path, [(time, segment(A)) for time in times], "net.flow")
    assert sum(int(row["orig_pkts"]) for row in rows) == 5
    block = make.enhanced((1 << 64) - 1, segment(A))
    (row,) = read_rows(tmp_path, make.section() + make.interface() + block, "net.flow")
    assert "_time" not in row


MUTATED = [path.read_bytes() for path in SAMPLES]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(MUTATED), st.integers(0, 1 << 32))
def test_mutated_captures_never_raise_and_read_the_same_twice(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, seed: int
) -> None:
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 30)):
        at = chance.randrange(len(changed))
        what = chance.randrange(4)
        if what == 0:
            del changed[at : at + chance.randrange(40)]
        elif what == 1:
            changed[at:at] = changed[chance.randrange(len(changed)) :][: chance.randrange(200)]
        else:
            changed[at] = chance.choice((0, 1, 255, chance.randrange(256)))
    path = tmp_path_factory.getbasetemp() / "mutated.pcap"
    path.write_bytes(bytes(changed))
    found = rows_of(path)
    assert found
    assert found == rows_of(path)
    assert len({row["_id"] for row in found}) == len(found)
    assert all(0 <= row["_offset"] <= len(changed) for row in found)
