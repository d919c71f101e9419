"""What the records of a case show hosts to be, asked of a case that was really read."""

import json
from pathlib import Path
from typing import Any

import pytest

from labrys.lake.case import Case
from labrys.scan.ingest import Reading, ingest
from labrys.triage.roles import ADMINISTRATION, CONTROLLER, SERVER, roles

DAY = 86_400
START = 1_796_000_000


class Nobody:
    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def event(number: int, host: str, at: int = 0, **data: str) -> dict[str, Any]:
    system = {
        "Provider": {"#attributes": {"Name": "Microsoft-Windows-Security-Auditing"}},
        "EventID": number,
        "TimeCreated": {"#attributes": {"SystemTime": stamp(at)}},
        "Channel": "Security",
        "Computer": host,
    }
    return {"Event": {"System": system, "EventData": data}}


def stamp(at: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(START + at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def conn(number: int, source: str, target: str, port: int) -> dict[str, Any]:
    return {
        "_path": "conn",
        "ts": START + number,
        "uid": f"C{number}",
        "id.orig_h": source,
        "id.orig_p": 40_000 + number,
        "id.resp_h": target,
        "id.resp_p": port,
        "proto": "tcp",
    }


def logon(host: str, address: str) -> dict[str, Any]:
    return event(4624, host, TargetUserName="bob", LogonType="3", IpAddress=address)


def with_another(host: str, target: str, day: int) -> dict[str, Any]:
    users = {"SubjectUserName": "eva", "TargetUserName": "adm-eva"}
    return event(4648, host, day * DAY, TargetServerName=target, **users)


def shown(folder: Path, **logs: list[dict[str, Any]]) -> dict[str, str]:
    evidence = folder / "evidence"
    evidence.mkdir()
    for name, rows in logs.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (evidence / f"{name}.json").write_text(text)
    with Case.open(folder / "case") as case:
        ingest(case, [evidence], Reading(jobs=1), (), Nobody())
        return roles(case)


def test_an_empty_case_shows_nothing(tmp_path: Path) -> None:
    assert shown(tmp_path) == {}


@pytest.mark.parametrize("number", [4768, 4769, 4771, 5136, 4932])
def test_who_writes_what_only_a_domain_controller_writes_is_one(
    tmp_path: Path, number: int
) -> None:
    found = shown(tmp_path, log=[event(number, "DC1.corp.example", TargetUserName="bob")])
    assert found == {"dc1.corp.example": CONTROLLER, "dc1": CONTROLLER}


@pytest.mark.parametrize("number", [5140, 5145, 4776])
def test_a_file_server_is_no_domain_controller(tmp_path: Path, number: int) -> None:
    assert shown(tmp_path, log=[event(number, "files.corp.example", ShareName="x")]) == {}


def test_a_host_to_which_many_come_is_a_server(tmp_path: Path) -> None:
    many = [logon("app.corp.example", f"10.0.0.{n}") for n in range(10)]
    few = [logon("pc1.corp.example", f"10.0.0.{n}") for n in range(5)]
    assert shown(tmp_path, log=[*many, *few]) == {"app.corp.example": SERVER, "app": SERVER}


def test_a_short_name_that_two_hosts_have_says_nothing(tmp_path: Path) -> None:
    both = [event(4768, f"dc.{name}.example", TargetUserName="x") for name in ("a", "b")]
    assert shown(tmp_path, log=both).keys() == {"dc.a.example", "dc.b.example"}


def test_what_is_served_in_the_network_tells_too(tmp_path: Path) -> None:
    clients = [f"10.0.1.{n}" for n in range(1, 13)]
    flows = [
        conn(100 * at + n, client, target, port)
        for at, (target, port) in enumerate(
            [("10.0.0.1", 88), ("10.0.0.1", 389), ("10.0.0.2", 443), ("203.0.113.9", 443)]
        )
        for n, client in enumerate(clients)
    ]
    found = shown(tmp_path, conn=flows)
    assert found == {"10.0.0.1": CONTROLLER, "10.0.0.2": SERVER}


def test_who_administers_other_hosts_for_days_does_it_for_work(tmp_path: Path) -> None:
    hosts = ["a", "b", "c", "d"]
    work = [with_another("adm1.corp.example", host, day) for day in range(4) for host in hosts]
    hurry = [with_another("pc9.corp.example", host, 0) for host in hosts]
    assert shown(tmp_path, log=[*work, *hurry]) == {
        "adm1.corp.example": ADMINISTRATION,
        "adm1": ADMINISTRATION,
    }
