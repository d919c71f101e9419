"""What the evidence says of candidates, asked of a case that was really scanned."""

import json
from pathlib import Path

import pytest

from labrys.lake.case import Case
from labrys.respond.facts import Facts, facts, inside_client
from labrys.scan.ingest import Reading, ingest

RESOLVER, SERVER, C2 = "198.51.100.53", "198.51.100.80", "203.0.113.9"


class Nobody:
    def __getattr__(self, name):
        return lambda *_: None


def conn(number, source, target, port):
    return {
        "_path": "conn",
        "ts": 1_796_000_000 + number,
        "uid": f"C{number}",
        "id.orig_h": source,
        "id.orig_p": 40_000 + number,
        "id.resp_h": target,
        "id.resp_p": port,
        "proto": "tcp",
    }


def dns(number, source, name):
    asked = conn(number, source, RESOLVER, 53)
    return asked | {
        "_path": "dns",
        "trans_id": 7,
        "query": name,
        "qtype_name": "A",
        "rcode_name": "NOERROR",
    }


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("facts")
    hosts = [f"10.0.0.{n}" for n in range(1, 7)]
    logs = {
        "conn.log": [
            *(conn(n, f"192.0.2.{n}", SERVER, 443) for n in range(1, 13)),
            conn(20, hosts[0], C2, 4444),
            *(conn(30 + n, host, "198.51.100.88", 88) for n, host in enumerate(hosts)),
        ],
        "dns.log": [
            *(dns(n, host, "intranet.example") for n, host in enumerate(hosts)),
            dns(50, hosts[1], "C2.example"),
        ],
    }
    (folder / "evidence").mkdir()
    for name, rows in logs.items():
        lines = (json.dumps(row) + "\n" for row in rows)
        (folder / "evidence" / name).write_text("".join(lines))
    with Case.open(folder / "case") as made:
        ingest(made, [folder / "evidence"], Reading(jobs=1), (), Nobody())
        yield made


def test_who_is_ours_and_how_many_use_what(case):
    known = facts(
        case,
        [RESOLVER, SERVER, C2, "198.51.100.88"],
        ["intranet.example", "c2.example", "no.example"],
    )
    assert known.hosts == 6
    assert "12 addresses from outside call it" in known.own[SERVER]
    assert "domain controller" in known.own["198.51.100.88"]
    assert C2 not in known.own
    assert known.clients[C2] == 1
    assert known.clients["intranet.example"] == 6
    assert known.clients["c2.example"] == 1
    assert known.resolvers == {RESOLVER: 6}
    assert known.unknown == frozenset()


def test_nothing_is_asked_for_nothing(case):
    assert facts(case, [], []) == Facts()


def test_too_many_candidates_are_not_known(case, monkeypatch):
    monkeypatch.setattr("labrys.respond.facts.MOST", 1)
    assert facts(case, [C2, SERVER], []).unknown == {C2}


@pytest.mark.parametrize(("client", "ours"), [("10.0.0.1", True), ("ws-1", True), (C2, False)])
def test_who_asks_is_ours_unless_an_outside_address(client, ours):
    assert inside_client(client) is ours


def test_a_hostile_name_is_only_a_name(case: Path):
    assert facts(case, [], ["x'); DROP TABLE y; --", "a\\'b"]).clients == {}
