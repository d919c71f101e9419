"""SMTP, FTP, IRC, POP3, IMAP and LDAP, from dialogues made here."""

import base64
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence.pcap import read
from labrys.evidence.pcap.dialogue import InOrder
from labrys.evidence.pcap.samples import make
from labrys.evidence.pcap.samples.make import der
from labrys.evidence.pcap.talk import Piece
from labrys.evidence.pcap.test_read import read_rows
from labrys.evidence.records import Source
from labrys.evidence.values import MULTI

Turn = tuple[bool, bytes]
"""Whether the server speaks, and what it says."""


def dialogue(turns: Sequence[Turn], port: int, mss: int = 1_400) -> list[make.Timed]:
    """A connection in which both sides talk in turns."""
    packets: list[make.Timed] = []
    sequence = [1_000, 9_000]

    def send(flags: int, payload: bytes, reply: bool) -> None:
        ports = (port, 50_000) if reply else (50_000, port)
        ends = (make.SERVER, make.CLIENT) if reply else (make.CLIENT, make.SERVER)
        segment = make.tcp(*ports, sequence[reply] % (1 << 32), flags, payload)
        time = make.BEGIN + len(packets) * 1_000_000
        packets.append((time, make.ethernet(make.ip(*ends, 6, segment), back=reply)))
        sequence[reply] += len(payload) + bool(flags & (make.SYN | make.FIN))

    send(make.SYN, b"", False)
    send(make.SYN | make.ACK, b"", True)
    for reply, text in turns:
        for at in range(0, len(text), mss):
            send(make.ACK | make.PSH, text[at : at + mss], reply)
    send(make.FIN | make.ACK, b"", False)
    send(make.FIN | make.ACK, b"", True)
    return packets


def b64(text: bytes) -> bytes:
    return base64.b64encode(text)


MESSAGE = (
    b"Received: from a.example ([192.0.2.1]) by b.example\r\nFrom: A <a@one.example>\r\n"
    b"To: b@two.example, c@two.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <1@one.example>\r\nX-Mailer: Made 1\r\n\r\nHello\r\n..a dot\r\n" + b"x" * 3_000
)
MAIL: list[Turn] = [
    (True, b"220-many\r\n220 mx.two.example ESMTP\r\n"),
    (False, b"EHLO one.example\r\n"),
    (True, b"250-mx.two.example\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n"),
    (False, b"AUTH LOGIN\r\n"),
    (True, b"334 VXNlcm5hbWU6\r\n"),
    (False, b64(b"ann") + b"\r\n"),
    (True, b"334 UGFzc3dvcmQ6\r\n"),
    (False, b64(b"secret") + b"\r\n"),
    (True, b"535 5.7.8 no\r\n"),
    (False, b"AUTH PLAIN " + b64(b"\0ann\0better-secret") + b"\r\n"),
    (True, b"235 2.7.0 yes\r\n"),
    (False, b"MAIL FROM:<a@one.example> SIZE=1000\r\nRCPT TO:<b@two.example>\r\n"),
    (False, b"RCPT TO:<c@two.example>\r\nDATA\r\n"),
    (True, b"250 ok\r\n250 ok\r\n250 ok\r\n354 go on\r\n"),
    (False, MESSAGE + b"\r\n.\r\nMAIL FROM:<>\r\n"),
    (True, b"250 2.0.0 queued\r\n250 ok\r\n"),
    (False, b"RCPT TO:<d@two.example>\r\n"),
    (True, b"550 unknown\r\n"),
    (False, b"QUIT\r\n"),
    (True, b"221 bye\r\n"),
]


class Kept:
    """Takes what is handed on."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def leave(self, name: str, pieces: Any) -> None:
        self.files[name] = b"".join(pieces)


def handed_on(tmp_path: Path, packets: Sequence[make.Timed]) -> dict[str, bytes]:
    path, kept = tmp_path / "mail.pcap", Kept()
    path.write_bytes(make.pcap(packets))
    for _ in read.read(Source(path, path.name, "ab" * 32, path.stat().st_size, inside=kept)):
        pass
    return kept.files


@pytest.mark.parametrize("mss", [1_400, 7])
def test_mail_on_its_way(tmp_path: Path, mss: int) -> None:
    packets = dialogue(MAIL, 25, mss)
    rows = read_rows(tmp_path, packets)
    first, second = [row for row in rows if row["shape"] == "net.smtp"]
    assert (first["helo"], first["mailfrom"], first["user"]) == (
        "one.example",
        "a@one.example",
        "ann",
    )
    assert first["rcptto"].split(MULTI) == ["b@two.example", "c@two.example"]
    assert first["to"].split(MULTI) == ["b@two.example", "c@two.example"]
    assert (first["subject"], first["user_agent"]) == ("Grüße", "Made 1")
    assert (first["last_reply"], first["trans_depth"]) == ("250 2.0.0 queued", "1")
    assert (second["mailfrom"], second["last_reply"]) == ("", "550 unknown")
    logons = [row for row in rows if row["shape"] == "net.logon"]
    assert [(row["mechanism"], row["user"], row["success"]) for row in logons] == [
        ("LOGIN", "ann", "F"),
        ("PLAIN", "ann", "T"),
    ]
    assert "secret" not in str(rows)
    ((name, content),) = handed_on(tmp_path, packets).items()
    assert name.endswith("-1.eml")
    assert content == MESSAGE.replace(b"\n..a", b"\n.a") + b"\r\n"


def test_a_message_in_told_pieces_and_one_with_a_hole(tmp_path: Path) -> None:
    half = len(MESSAGE) // 2
    begin: list[Turn] = [(True, b"220 mx\r\n"), (False, b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n")]
    told = [
        *begin,
        (False, b"BDAT %d\r\n" % half + MESSAGE[:half]),
        (False, b"BDAT %d LAST\r\n" % (len(MESSAGE) - half) + MESSAGE[half:] + b"QUIT\r\n"),
    ]
    assert list(handed_on(tmp_path, dialogue(told, 25)).values()) == [MESSAGE]
    plain = dialogue([*begin, (False, b"DATA\r\n" + MESSAGE + b"\r\n.\r\n")], 25)
    assert len(handed_on(tmp_path, plain)) == 1
    assert handed_on(tmp_path, [*plain[:5], *plain[6:]]) == {}
    (row,) = read_rows(tmp_path, [*plain[:6], *plain[7:]], "net.smtp")
    assert row["subject"] == "Grüße"
    assert "message_bytes" not in row


def test_messages_that_never_end_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labrys.evidence.pcap.protocols.smtp.MOST_MESSAGE", 100_000)
    begin = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nDATA\r\nSubject: long\r\n\r\n"
    turns: list[Turn] = [(True, b"220 mx\r\n"), (False, begin + b"y" * 300_000 + b"\r\n.\r\n")]
    packets = dialogue([*turns, (False, b"MAIL FROM:<c@d.example>\r\n")], 25)
    rows = read_rows(tmp_path, packets, "net.smtp")
    assert [row["mailfrom"] for row in rows] == ["a@b.example", "c@d.example"]
    assert rows[0]["subject"] == "long"
    assert handed_on(tmp_path, packets) == {}


def test_starttls(tmp_path: Path) -> None:
    hello = make.record(22, make.client_hello("mx.example")) + make.record(20, b"\1")
    answer = make.record(22, make.server_hello()) + make.record(20, b"\1")
    turns: list[Turn] = [
        (True, b"220 mx\r\n"), (False, b"EHLO x.example\r\n"), (True, b"250 STARTTLS\r\n"),
        (False, b"STARTTLS\r\n"), (True, b"220 go\r\n"), (False, hello), (True, answer),
    ]  # fmt: skip
    rows = read_rows(tmp_path, dialogue(turns, 25))
    assert [row["helo"] for row in rows if row["shape"] == "net.smtp"] == ["x.example"]
    assert [row["server_name"] for row in rows if row["shape"] == "net.tls"] == ["mx.example"]


FTP: list[Turn] = [
    (True, b"220 ready\r\n"), (False, b"USER ann\r\n"), (True, b"331 password\r\n"),
    (False, b"PASS secret\r\n"), (True, b"530 no\r\n"),
    (False, b"USER anonymous\r\nPASS a@b\r\n"), (True, b"331 password\r\n230 hello\r\n"),
    (False, b"PASV\r\n"), (True, b"227 Entering (198,51,100,7,4,1)\r\n"),
    (False, b"RETR a/b.exe\r\n"), (True, b"150 opening (1234 bytes)\r\n226 done\r\n"),
    (False, b"STOR /c.txt\r\n"),
]  # fmt: skip


@pytest.mark.parametrize("port", [21, 2_121])
def test_ftp(tmp_path: Path, port: int) -> None:
    rows = read_rows(tmp_path, dialogue(FTP, port))
    said = [row for row in rows if row["shape"] == "net.ftp"]
    assert [(row["command"], row.get("reply_code")) for row in said] == [
        ("USER", "331"), ("PASS", "530"), ("USER", "331"), ("PASS", "230"), ("PASV", "227"),
        ("RETR", "226"), ("STOR", None),
    ]  # fmt: skip
    assert (said[4]["data_channel.resp_h"], said[4]["data_channel.resp_p"]) == (make.SERVER, "1025")
    assert (said[5]["arg"], said[5]["file_size"]) == (f"ftp://{make.SERVER}/./a/b.exe", "1234")
    assert (said[6]["arg"], said[6]["password"]) == (f"ftp://{make.SERVER}/c.txt", "a@b")
    logons = [row for row in rows if row["shape"] == "net.logon"]
    assert [(row["service"], row["user"], row["success"]) for row in logons] == [
        ("ftp", "ann", "F"),
        ("ftp", "anonymous", "T"),
    ]
    assert "secret" not in str(rows)


IRC: list[Turn] = [
    (False, b"PASS secret\r\nNICK [x]bot\r\nUSER bot 0 * :a bot\r\n"),
    (True, b":irc.example 001 [x]bot :hi\r\n:irc.example 332 [x]bot #c :!scan 192.0.2.0/24\r\n"),
    (False, b"JOIN #c key\r\n"),
    (True, b":boss!u@h PRIVMSG #c :!run http://example.com/x\r\n"),
    (False, b"PRIVMSG #c :done\r\nPRIVMSG boss :\x01DCC SEND a.zip 3221226219 5000 99\x01\r\n"),
]  # fmt: skip


def test_irc(tmp_path: Path) -> None:
    rows = read_rows(tmp_path, dialogue(IRC, 6_667), "net.irc")
    assert [(row["command"], row["value"], row.get("addl")) for row in rows] == [
        ("NICK", "[x]bot", None),
        ("USER", "bot", "0 * a bot"),
        ("TOPIC", "#c", "!scan 192.0.2.0/24"),
        ("JOIN", "#c", "key"),
        ("PRIVMSG", "#c", "!run http://example.com/x"),
        ("PRIVMSG", "#c", "done"),
        ("DCC", "boss", "\\x01DCC SEND a.zip 3221226219 5000 99\\x01"),
    ]
    assert (rows[4]["sender"], rows[4]["nick"]) == ("boss", "[x]bot")
    assert (rows[6]["dcc_file_name"], rows[6]["dcc_file_size"]) == ("a.zip", "99")
    assert "secret" not in str(rows)


POP: list[Turn] = [
    (True, b"+OK ready\r\n"), (False, b"CAPA\r\n"), (True, b"+OK\r\nSASL PLAIN\r\n.\r\n"),
    (False, b"USER ann\r\nPASS secret\r\n"), (True, b"+OK\r\n-ERR no\r\n"),
    (False, b"AUTH PLAIN\r\n"), (True, b"+ \r\n"), (False, b64(b"\0ben\0secret") + b"\r\n"),
    (True, b"+OK in\r\n"), (False, b"RETR 1\r\n"),
]  # fmt: skip
MAILBOX: list[Turn] = [
    (True, b"* OK [CAPABILITY AUTH=LOGIN] ready\r\n"), (False, b'a1 LOGIN "ann" secret\r\n'),
    (True, b"a1 NO wrong\r\n"), (False, b"a2 AUTHENTICATE LOGIN\r\n"), (True, b"+ VXNlcg==\r\n"),
    (False, b64(b"ben") + b"\r\n"), (True, b"+ UGFzcw==\r\n"), (False, b64(b"secret") + b"\r\n"),
    (True, b"a2 OK in\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("turns", "port"), [(POP, 110), (MAILBOX, 143)])
def test_mailboxes(tmp_path: Path, turns: list[Turn], port: int) -> None:
    rows = read_rows(tmp_path, dialogue(turns, port), "net.logon")
    assert [(row["user"], row["success"]) for row in rows] == [("ann", "F"), ("ben", "T")]
    assert "secret" not in str(rows)


def message(number: int, operation: bytes) -> bytes:
    return der(0x30, der(2, bytes([number])), operation)


def bind(number: int, name: bytes, how: bytes) -> bytes:
    return message(number, der(0x60, der(2, b"\3"), der(4, name), how))


def result(number: int, tag: int, code: int) -> bytes:
    return message(number, der(tag, der(10, bytes([code])), der(4, b""), der(4, b"why")))


FILTER = der(
    0xA0, der(0xA3, der(4, b"objectClass"), der(4, b"user")),
    der(0xA2, der(0x87, b"mail")),
    der(0xA4, der(4, b"cn"), der(0x30, der(0x80, b"a"), der(0x82, b"z"))),
    der(0xA9, der(0x81, b"1.2.840"), der(0x82, b"flags"), der(0x83, b"512")),
)  # fmt: skip
QUERY = der(
    0x63, der(4, b"dc=example"), der(10, b"\2"), der(10, b"\0"), der(2, b"\0"), der(2, b"\0"),
    der(1, b"\0"), FILTER, der(0x30, der(4, b"member")),
)  # fmt: skip
LDAP: list[Turn] = [
    (False, bind(1, b"cn=ann", der(0x80, b"secret"))), (True, result(1, 0x61, 49)),
    (False, bind(2, b"cn=ann", der(0x80, b"secret"))), (True, result(2, 0x61, 0)),
    (False, message(3, QUERY)),
    (True, message(3, der(0x64, der(4, b"cn=x"), der(0x30))) * 2 + result(3, 0x65, 0)),
    (False, message(4, der(0x66, der(4, b"cn=group")))), (False, message(5, der(0x42))),
]  # fmt: skip


@pytest.mark.parametrize("mss", [1_400, 9])
def test_ldap(tmp_path: Path, mss: int) -> None:
    rows = read_rows(tmp_path, dialogue(LDAP, 389, mss))
    said = [row for row in rows if row["shape"] == "net.ldap"]
    assert [(row["opcode"], row.get("object"), row.get("result")) for row in said] == [
        ("bind simple", "cn=ann", "invalid credentials"),
        ("bind simple", "cn=ann", "success"),
        ("modify", "cn=group", None),
        ("unbind", None, None),
    ]
    (search,) = [row for row in rows if row["shape"] == "net.ldap_search"]
    told = "(&(objectClass=user)(!(mail=*))(cn=a*z)(flags:1.2.840:=512))"
    assert (search["filter"], search["scope"]) == (told, "tree")
    assert (search["base_object"], search["result_count"]) == ("dc=example", "2")
    logons = [row for row in rows if row["shape"] == "net.logon"]
    assert [(row["user"], row["success"]) for row in logons] == [("cn=ann", "F"), ("cn=ann", "T")]
    assert "secret" not in str(rows)


@given(st.binary(min_size=1, max_size=300), st.integers(0, 1 << 32), st.integers(0, 1 << 31))
def test_what_comes_in_any_order_is_heard_in_order(text: bytes, first: int, seed: int) -> None:
    chance = random.Random(seed)
    pieces, at = [], 0
    while at < len(text):
        size = chance.randrange(1, 40)
        place = (first + at) % (1 << 32)
        pieces.append(Piece(place, text[at : at + size], 0, 0, 0))
        at += size
    head, rest = pieces[0], pieces[1:15]
    heard = b"".join(piece.data for piece in pieces[:15])
    chance.shuffle(rest)
    side = InOrder()
    for piece in (head, *rest, *rest):
        side.add(piece)
    assert (side.buffer, side.lost, side.weight) == (heard, False, len(heard))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from([(MAIL, 25), (FTP, 21), (IRC, 6_667), (POP, 110), (MAILBOX, 143), (LDAP, 389)]),
    st.integers(0, 1 << 32),
)
def test_mutated_dialogues_never_raise(
    tmp_path_factory: pytest.TempPathFactory, said: tuple[list[Turn], int], seed: int
) -> None:
    chance, (turns, port) = random.Random(seed), said
    changed = []
    for reply, text in turns:
        some = bytearray(text)
        for _ in range(chance.randrange(4)):
            some[chance.randrange(len(some))] = chance.choice((0, 10, 13, 32, 46, 255, 0x84))
        changed.append((reply ^ (chance.random() < 0.05), bytes(some)))
    packets = dialogue(changed, port, chance.choice((1_400, 20)))
    for _ in range(chance.randrange(4)):
        packets.insert(chance.randrange(len(packets)), packets.pop(chance.randrange(len(packets))))
    folder = tmp_path_factory.getbasetemp()
    packets = [packet for packet in packets if chance.random() < 0.97] or packets
    assert read_rows(folder, packets) == read_rows(folder, packets)
