"""LDAP over UDP, from datagrams made here."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence.pcap.protocols.test_dialogues import QUERY, Turn, message, result
from labrys.evidence.pcap.samples import make
from labrys.evidence.pcap.samples.make import der
from labrys.evidence.pcap.test_read import read_rows

PING: list[Turn] = [
    (False, message(1, QUERY)),
    (True, message(1, der(0x64, der(4, b"cn=x"), der(0x30))) + result(1, 0x65, 0)),
    (False, message(2, QUERY)),
    (True, result(2, 0x65, 50)),
    (False, message(3, QUERY)),
]


def datagrams(turns: Sequence[Turn]) -> list[make.Timed]:
    """Each turn a datagram of its own."""
    made = []
    for number, (reply, said) in enumerate(turns):
        ports = (389, 50_000) if reply else (50_000, 389)
        ends = (make.SERVER, make.CLIENT) if reply else (make.CLIENT, make.SERVER)
        packet = make.ip(*ends, 17, make.udp(*ports, said))
        made.append((make.BEGIN + number * 1_000_000, make.ethernet(packet, back=reply)))
    return made


def test_a_domain_controller_is_looked_for(tmp_path: Path) -> None:
    rows = read_rows(tmp_path, datagrams(PING))
    found = [row for row in rows if row["shape"] == "net.ldap_search"]
    assert [(row["message_id"], row.get("result"), row["result_count"]) for row in found] == [
        ("1", "success", "1"),
        ("2", "insufficient access rights", "0"),
        ("3", None, "0"),
    ]
    assert {row["base_object"] for row in found} == {"dc=example"}
    assert {row["proto"] for row in found} == {"udp"}
    assert [row["service"] for row in rows if row["shape"] == "net.flow"] == ["ldap"]


def test_a_message_that_is_cut_spoils_no_other(tmp_path: Path) -> None:
    turns = [(False, message(9, QUERY)[:20]), *PING]
    found = read_rows(tmp_path, datagrams(turns), "net.ldap_search")
    assert [row["message_id"] for row in found] == ["1", "2", "3"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32))
def test_mutated_datagrams_never_raise(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    changed: list[Turn] = []
    for reply, said in PING:
        some = bytearray(said)
        for _ in range(chance.randrange(4)):
            some[chance.randrange(len(some))] = chance.choice((0, 0x30, 0x80, 0x84, 255))
        changed.append((reply ^ (chance.random() < 0.05), bytes(some)))
    folder = tmp_path_factory.getbasetemp()
    assert read_rows(folder, datagrams(changed)) == read_rows(folder, datagrams(changed))
