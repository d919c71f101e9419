"""What is read out of conversations, message by message."""

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.pcap.protocols import der, dns, hello, http, quic, tls, x509
from labrys.evidence.pcap.protocols.hello import Hello
from labrys.evidence.pcap.samples import make
from labrys.evidence.pcap.talk import Piece, Stream
from labrys.evidence.pcap.test_read import read_rows
from labrys.evidence.values import MULTI


def fields(message: dns.Message | None) -> dict[str, Any]:
    assert message is not None
    return message.fields


def test_answers_of_all_kinds() -> None:
    values = [
        (1, bytes([192, 0, 2, 1])),
        (28, bytes(15) + b"\1"),
        (5, make.name("alias.example")),
        (15, b"\0\x0a" + make.name("mail.example")),
        (33, bytes(6) + make.name("srv.example")),
        (16, b"\x03abc\x02\x1e\x01"),
        (10, b"\xde\xad"),
        (2, b"\xc0\x0c"),
    ]
    found = fields(dns.parse(make.answer(1, "Www.Example", 255, values)[2:]))
    assert found["query"] == "Www.Example"
    assert found["answers"].split(MULTI) == [
        *("192.0.2.1", "::1", "alias.example", "mail.example", "srv.example"),
        *("TXT 3 abc TXT 2 \\x1e\\x01", "<NULL> dead", "Www.Example"),
    ]
    assert found["answer_types"] == MULTI.join(
        ("A", "AAAA", "CNAME", "MX", "SRV", "TXT", "NULL", "NS")
    )


def test_pointers_that_lead_nowhere_end() -> None:
    for pointer in (b"\xc0\x0c", b"\xc0\x0e", b"\xff\xff", b"\xc0"):
        assert dns.parse(struct.pack(">5H", 0x0100, 1, 0, 0, 0) + pointer + b"\0\1\0\1") is None
    long = b"".join(b"\x3f" + b"a" * 63 for _ in range(5)) + b"\0"
    assert dns.parse(struct.pack(">5H", 0x0100, 1, 0, 0, 0) + long + b"\0\1\0\1") is None


def test_a_cut_answer_gives_what_is_there() -> None:
    whole = make.answer(1, "a.example", 1, [(1, bytes(4)), (1, bytes(4))])
    assert fields(dns.parse(whole[2:-3]))["answers"] == f"0.0.0.0{MULTI}<A> 00"


def test_netbios_names() -> None:
    letters = "".join(
        chr(65 + (byte >> 4)) + chr(65 + (byte & 15)) for byte in b"FILESERVER     \x20"
    )
    query = make.question(3, letters, 32)
    assert fields(dns.parse(query[2:], netbios=True))["query"] == "FILESERVER<20>"
    assert fields(dns.parse(query[2:], netbios=True))["qtype_name"] == "NB"


def test_questions_and_answers_meet(tmp_path: Path) -> None:
    def frame(data: bytes, *, reply: bool = False) -> bytes:
        ports = (53, 40_000) if reply else (40_000, 53)
        ends = (make.RESOLVER, make.CLIENT) if reply else (make.CLIENT, make.RESOLVER)
        return make.ethernet(make.ip(*ends, 17, make.udp(*ports, data)), back=reply)

    frames = [
        frame(make.question(1, "a.example")),
        frame(make.question(2, "b.example")),
        frame(make.answer(2, "B.example", 1, [(1, bytes(4))]), reply=True),
        frame(make.answer(9, "c.example", 1, [], 3), reply=True),
    ]
    rows = read_rows(
        tmp_path, [(make.BEGIN + n * 10**6, one) for n, one in enumerate(frames)], "net.dns"
    )
    found = {row["query"]: (row.get("rcode_name"), row.get("rtt")) for row in rows}
    assert found == {
        "B.example": ("NOERROR", "0.001000"),
        "c.example": ("NXDOMAIN", None),
        "a.example": (None, None),
    }


def test_dns_over_tcp_in_pieces(tmp_path: Path) -> None:
    asked = b"".join(make.vector(make.question(n, f"n{n}.example"), 2) for n in range(3))
    said = b"".join(
        make.vector(make.answer(n, f"n{n}.example", 1, [(1, bytes(4))]), 2) for n in range(3)
    )
    rows = read_rows(tmp_path, make.connection(asked, said, 53, mss=25), "net.dns")
    assert [(row["query"], row["rcode_name"], row["proto"]) for row in rows] == [
        (f"n{n}.example", "NOERROR", "tcp") for n in range(3)
    ]


def test_requests_and_responses_on_one_connection(tmp_path: Path) -> None:
    asked = b"GET /1 HTTP/1.1\r\nHost: h:8080\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n"
    asked += (
        b"X" * (100 - len(asked)) + b"POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    )
    said = (
        b"HTTP/1.1 100 Continue\r\n\r\n".ljust(100, b"x")
        + b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"
    )
    rows = read_rows(tmp_path, make.connection(asked, said, 8_000, mss=100), "net.http")
    assert [(row["method"], row["uri"], row.get("status_code")) for row in rows] == [
        ("GET", "/1", "302"),
        ("POST", "/2", None),
    ]
    assert (rows[0]["host"], rows[0]["username"], rows[0]["password"]) == (
        "h",
        "user",
        "<password>",
    )
    assert (rows[0]["info_code"], rows[0]["location"]) == ("100", "/x")
    assert "secret" not in str(rows)


def test_a_head_in_many_packets_and_one_that_never_ends(tmp_path: Path) -> None:
    head = b"GET /long HTTP/1.1\r\n" + b"X-Filler: y\r\n" * 60 + b"Host: late.example\r\n\r\n"
    (row,) = read_rows(tmp_path, make.connection(head, b"", 80, mss=120), "net.http")
    assert row["host"] == "late.example"
    endless = b"GET /" + b"a" * 40_000
    (row,) = read_rows(tmp_path, make.connection(endless, b"", 80), "net.http")
    assert row["uri"].startswith("/aaa")


def test_ja4_is_that_of_its_specification() -> None:
    """The example in https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md."""
    numbers = "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
    kinds = "001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b 000a 0015"
    signatures = bytes.fromhex("0403 0804 0401 0503 0805 0501 0806 0601")
    contents = {
        0x10: make.vector(make.vector(b"h2", 1), 2),
        0x0D: make.vector(signatures, 2),
        0x2B: make.vector(bytes.fromhex("03040303"), 1),
    }
    offered = [(int(kind, 16), contents.get(int(kind, 16), b"")) for kind in kinds.split()]
    made = Hello(0x0303, [int(number, 16) for number in numbers.split()], offered)
    assert hello.ja4(made) == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_ja3_is_that_of_its_specification() -> None:
    """The example in the README of https://github.com/salesforce/ja3."""
    numbers = "47,53,5,10,49161,49162,49171,49172,50,56,19,4"
    offered = [
        (0, b""),
        (10, make.vector(struct.pack(">3H", 23, 24, 25), 2)),
        (11, b"\x01\x00"),
    ]
    made = Hello(769, [int(number) for number in numbers.split(",")], offered)
    assert hello.ja3(made) == "ada70206e40642a3e4461f35503241d5"
    assert hello.ja3(Hello(769, [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99])) == (
        "de350869b8c85de67a350c8d186f11e6"
    )


def test_a_handshake_in_many_records_and_packets(tmp_path: Path) -> None:
    own = make.certificate("self.example", "self.example")
    message = make.server_hello() + make.certificates(own, make.certificate("b", "c"))
    said = b"".join(make.record(22, message[at : at + 100]) for at in range(0, len(message), 100))
    said += make.record(20, b"\1")
    asked = make.record(22, make.client_hello("self.example")) + make.record(20, b"\1")
    (row,) = read_rows(tmp_path, make.connection(asked, said, 4_433, mss=90), "net.tls")
    assert (row["self_signed"], row["validation_status"]) == ("T", "self signed certificate")
    assert len(row["cert_chain_fps"].split(MULTI)) == 2
    assert (row["established"], row["proto"]) == ("T", "tcp")


def test_alerts_and_servers_that_say_no(tmp_path: Path) -> None:
    asked = make.record(22, make.client_hello("no.example"))
    (row,) = read_rows(tmp_path, make.connection(asked, make.record(21, b"\2\x28"), 443), "net.tls")
    assert (row["last_alert"], row["established"]) == ("handshake_failure", "F")
    assert (row["server_name"], row["offered_version"]) == ("no.example", "TLSv13")


def test_version_13_is_told_by_its_extension(tmp_path: Path) -> None:
    asked = make.record(22, make.client_hello("x.example")) + make.record(23, bytes(9))
    said = make.record(22, make.server_hello(0x0304, 0x1301)) + make.record(23, bytes(9))
    (row,) = read_rows(tmp_path, make.connection(asked, said, 443), "net.tls")
    assert (row["version"], row["cipher"]) == ("TLSv13", "TLS_AES_128_GCM_SHA256")


def test_a_hello_that_is_cut_has_no_fingerprint(tmp_path: Path) -> None:
    asked = make.record(22, make.client_hello("cut.example"))
    packets = make.pcap(make.connection(asked, make.record(22, make.server_hello()), 443), snap=140)
    (row,) = read_rows(tmp_path, packets, "net.tls")
    assert row["server_name"] == "cut.example"
    assert "ja3" not in row
    assert "ja4" not in row
    assert "ja3s" in row


def test_giant_records_are_no_tls() -> None:
    assert tls.parse(b"\x16\x03\x01\xff\xff" + bytes(100)).messages == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (0, 2, 1, 1), (0, 0, 1, 2)])
def test_streams_put_pieces_in_order(order: tuple[int, ...]) -> None:
    stream = Stream()
    pieces = [
        Piece(((1 << 32) - 3 + 4 * n) % (1 << 32), data, 0, 0, 0)
        for n, data in enumerate((b"abcd", b"efgh", b"ijkl"))
    ]
    for number in order:
        stream.add(pieces[number])
    assert stream.text() == b"abcdefghijkl"


def test_streams_end_at_a_hole_and_keep_what_came_first() -> None:
    stream = Stream()
    for sequence, data in ((1, b"abcd"), (3, b"XXXX"), (20, b"far")):
        stream.add(Piece(sequence, data, 0, 0, 0))
    assert stream.text() == b"abcdXX"


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(data: bytes) -> None:
    dns.parse(data)
    dns.parse(data, netbios=True)
    tls.parse(b"\x16\x03\x01" + data)
    for read in (hello.client, hello.server):
        made = read(data)
        if made is not None:
            made.server_name()
            made.chosen_version()
            hello.ja3(made)
            hello.ja4(made)
            hello.ja3s(made)
    x509.read(data)
    http.request(data)
    http.response(data)
    list(der.parts(data, 0, len(data)))
    der.oid(data)


def test_the_keys_of_quic_are_those_of_the_rfc() -> None:
    """RFC 9001, A.1, and RFC 9369, A.1."""
    identity = bytes.fromhex("8394c8f03e515708")
    first = quic.keys(quic._VERSIONS[1], identity)
    assert first.key.hex() == "1f369613dd76d5467730efcbe3b1a22d"
    assert first.iv.hex() == "fa044b2f42a3fd3b46fb255c"
    assert first.header.hex() == "9f50449e04a0e810283a1e9933adedd2"
    second = quic.keys(quic._VERSIONS[0x6B3343CF], identity)
    assert second.key.hex() == "8b1a0bc121284290a29e0971b5cd045d"


def protected(frames: bytes, number: int = 0, identity: bytes = b"12345678") -> bytes:
    """An Initial packet of QUIC 1."""
    from Cryptodome.Cipher import AES

    of = quic.keys(quic._VERSIONS[1], identity)
    frames = frames.ljust(1_200, b"\0")
    head = b"\xc0" + struct.pack(">I", 1) + make.vector(identity, 1) + b"\0\0"
    head += struct.pack(">H", 0x4000 | len(frames) + 17) + bytes([number])
    nonce = bytes(a ^ b for a, b in zip(of.iv, number.to_bytes(12, "big"), strict=True))
    cipher = AES.new(of.key, AES.MODE_GCM, nonce=nonce)
    cipher.update(head)
    sealed, tag = cipher.encrypt_and_digest(frames)
    body = sealed + tag
    mask = AES.new(of.header, AES.MODE_ECB).encrypt(body[3:19])
    return bytes([head[0] ^ mask[0] & 15]) + head[1:-1] + bytes([number ^ mask[1]]) + body


def crypto(offset: int, data: bytes) -> bytes:
    return b"\x06" + struct.pack(">HH", 0x4000 | offset, 0x4000 | len(data)) + data


def test_the_name_in_a_quic_handshake_of_two_packets(tmp_path: Path) -> None:
    message = make.client_hello("quic.example")
    frames = (
        crypto(60, message[60:100]) + b"\x01" + crypto(0, message[:60]),
        b"\x02\x05\x00\x00\x00" + crypto(100, message[100:]),
    )
    packets = [
        (make.BEGIN + n, make.ethernet(make.ip(make.CLIENT, make.SERVER, 17, make.udp(50_000, 443, protected(one, n)))))
        for n, one in enumerate(frames)
    ]  # fmt: skip
    (row,) = read_rows(tmp_path, packets, "net.quic")
    assert (row["server_name"], row["client_protocol"], row["version"]) == (
        "quic.example",
        "h2",
        "1",
    )
    assert row["ja4"].startswith("q13d")
    assert row["client_initial_dcid"] == b"12345678".hex()


@given(st.binary(max_size=200), st.integers(0, 1_300), st.integers(0, 255))
def test_any_quic_is_survived(frames: bytes, at: int, value: int) -> None:
    quic._crypto(frames)
    data = bytearray(protected(frames))
    data[at % len(data)] = value
    for cut in (bytes(data), bytes(data[: at + 8])):
        quic.unprotected(cut, quic.keys(quic._VERSIONS[1], b"12345678"))
