"""MQTT, from dialogues made here."""

import random
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence.pcap.protocols.test_dialogues import Turn, dialogue
from labrys.evidence.pcap.test_read import read_rows


def size(number: int) -> bytes:
    made = b""
    while True:
        number, low = divmod(number, 128)
        made += bytes([low | 0x80 * (number > 0)])
        if not number:
            return made


def text(said: bytes) -> bytes:
    return struct.pack(">H", len(said)) + said


def message(first: int, body: bytes) -> bytes:
    return bytes([first]) + size(len(body)) + body


def connect(version: int = 4, client: bytes = b"lamp-7") -> bytes:
    name = b"MQIsdp" if version == 3 else b"MQTT"
    more = b"\x05\x11\0\0\0\x0a" if version == 5 else b""
    will = (b"\0" if version == 5 else b"") + text(b"lamps/7/state") + text(b"gone")
    head = text(name) + bytes([version, 0xC4]) + b"\0\x3c" + more
    return message(0x10, head + text(client) + will + text(b"ann") + text(b"secret"))


def talk(version: int = 4, code: int = 0, client: bytes = b"lamp-7") -> list[Turn]:
    none = b"\0" if version == 5 else b""
    return [
        (False, connect(version, client)),
        (True, message(0x20, bytes([0, code]) + none)),
        (False, message(0x82, b"\0\1" + none + text(b"orders/#") + b"\1" + text(b"time") + b"\0")),
        (True, message(0x90, b"\0\1" + none + b"\1\0")),
        (False, message(0x33, text(b"lamps/7") + b"\0\2" + none + b"on") * 3),
        (True, message(0x30, text(b"orders/all") + none + b"x" * 40_000) + message(0xD0, b"")),
        (True, message(0x30, text(b"orders/7") + none + b"go")),
    ]


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize("mss", [1_400, 40])
def test_who_connects_and_what_is_written_and_read(tmp_path: Path, version: int, mss: int) -> None:
    rows = read_rows(tmp_path, dialogue(talk(version), 1883, mss))
    first, *said = [row for row in rows if row["shape"] == "net.mqtt"]
    assert (first["command"], first["client_id"], first["user"]) == ("CONNECT", "lamp-7", "ann")
    assert (first["proto_version"], first["connect_status"]) == (str(version), "accepted")
    assert (first["will_topic"], first["will_payload"]) == ("lamps/7/state", "gone")
    assert [(row["command"], row["topic"], row["from_client"]) for row in said] == [
        ("SUBSCRIBE", "orders/#", "T"),
        ("SUBSCRIBE", "time", "T"),
        ("PUBLISH", "lamps/7", "T"),
        ("PUBLISH", "orders/all", "F"),
        ("PUBLISH", "orders/7", "F"),
    ]
    assert [row["payload"][:3] for row in said[2:]] == ["on", "xxx", "go"]
    assert max(len(row["payload"]) for row in said[2:]) <= 512
    [logon] = [row for row in rows if row["shape"] == "net.logon"]
    assert (logon["service"], logon["user"], logon["success"]) == ("mqtt", "ann", "T")
    assert "secret" not in str(rows)


def test_who_is_refused(tmp_path: Path) -> None:
    rows = read_rows(tmp_path, dialogue(talk(code=5)[:2], 1883))
    [told] = [row for row in rows if row["shape"] == "net.mqtt"]
    assert told["connect_status"] == "not authorized"
    assert [row["success"] for row in rows if row["shape"] == "net.logon"] == ["F"]


def test_it_is_known_on_any_port_and_with_a_long_name(tmp_path: Path) -> None:
    rows = read_rows(tmp_path, dialogue(talk(client=b"c" * 200)[:1], 4_711))
    [told] = [row for row in rows if row["shape"] == "net.mqtt"]
    assert (told["client_id"], told.get("connect_status")) == ("c" * 200, None)
    [flow] = [row for row in rows if row["shape"] == "net.flow"]
    assert flow["service"] == "mqtt"


def test_topics_without_end_are_bounded(tmp_path: Path) -> None:
    many = b"".join(message(0x30, text(b"t/%d" % n) + b"x") for n in range(3_000))
    rows = read_rows(tmp_path, dialogue([(False, connect()), (False, many)], 1883))
    assert sum(row["shape"] == "net.mqtt" for row in rows) == 1 + 1_000


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([3, 4, 5]), st.integers(0, 1 << 32))
def test_mutated_talks_never_raise(
    tmp_path_factory: pytest.TempPathFactory, version: int, seed: int
) -> None:
    chance = random.Random(seed)
    changed: list[Turn] = []
    for reply, said in talk(version):
        some = bytearray(said)
        for _ in range(chance.randrange(4)):
            some[chance.randrange(len(some))] = chance.choice((0, 1, 0x7F, 0x80, 255))
        changed.append((reply ^ (chance.random() < 0.05), bytes(some)))
    packets = dialogue(changed, 1883, chance.choice((1_400, 50)))
    folder = tmp_path_factory.getbasetemp()
    packets = [packet for packet in packets if chance.random() < 0.97] or packets
    assert read_rows(folder, packets) == read_rows(folder, packets)
