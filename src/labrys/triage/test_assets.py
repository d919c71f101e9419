"""What hosts and accounts are is seen in findings, may be stated, and counts in rank and words."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from labrys.settings import Asset
from labrys.triage import incidents
from labrys.triage.testing import DUMP, ENCODED, HOUR, LOGON, MINUTE, START, finding, table

TICKET = replace(ENCODED, uid="r-ticket", severity=2, shape="windows.security.4769")
RIGHTS = replace(ENCODED, uid="r-rights", severity=2, shape="windows.security.4672")
CHANGED = replace(ENCODED, uid="r-changed", severity=2, shape="windows.security.5136")


def at(host: str, user: str = "corp\\bob") -> list[tuple[str, str, str]]:
    return [("host", host, "device"), ("user", user, "actor")]


def first(rows: list[dict[str, Any]], stated: dict[str, Asset] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = incidents(table(rows), None, stated).incidents.to_pylist()[0]
    return made


@pytest.mark.parametrize("rule", [TICKET, CHANGED])
def test_who_gives_tickets_out_or_changes_the_directory_is_a_domain_controller(rule: Any) -> None:
    serious = finding(DUMP, START, at("dc01"))
    plain = first([serious])
    known = first([serious, finding(rule, START - 9 * HOUR, at("DC01.corp.example"))])
    assert "Of note: domain controller: dc01." in known["summary"]
    assert known["score"] > plain["score"]
    assert "Of note" not in plain["summary"]


def test_who_is_given_special_rights_is_a_privileged_account() -> None:
    rows = [finding(DUMP, START, at("ws01", "corp\\adm")), finding(RIGHTS, START - 9 * HOUR, at("ws02", "adm@corp.example"))]  # fmt: skip
    assert "privileged account: " in first(rows)["summary"]
    rows[1] = finding(RIGHTS, START - 9 * HOUR, at("ws02", "corp\\eve"))
    assert "privileged" not in first(rows)["summary"]


def test_where_many_come_is_a_server() -> None:
    def visits(count: int) -> list[dict[str, Any]]:
        return [
            finding(LOGON, START + n * MINUTE, [*at("srv"), ("ip", f"10.0.0.{n}", "source")])
            for n in range(count)
        ]

    assert "server: srv" in first(visits(8))["summary"]
    assert "server" not in first(visits(7))["summary"]


@pytest.mark.parametrize(
    ("role", "more"), [("domain controller", True), ("server", False), ("stranger", False)]
)
def test_what_the_records_show_is_told_and_counts(role: str, more: bool) -> None:
    rows = [finding(DUMP, START, at("DC01.corp.example"))]
    plain = first(rows)
    seen = {"dc01.corp.example": role, "dc01": role, "other": "server"}
    known: dict[str, Any] = incidents(table(rows), None, None, seen).incidents.to_pylist()[0]
    assert f"Of note: {role}: " in known["summary"]
    assert (known["score"] > plain["score"]) is more
    stated = {"dc*": Asset(role="test domain", importance="low")}
    said: dict[str, Any] = incidents(table(rows), None, stated, seen).incidents.to_pylist()[0]
    assert "test domain: " in said["summary"]


def test_an_opened_share_makes_no_domain_controller() -> None:
    share = replace(ENCODED, uid="r-share", severity=2, shape="windows.security.5140")
    rows = [finding(DUMP, START, at("files")), finding(share, START - 9 * HOUR, at("files"))]
    assert "domain controller" not in first(rows)["summary"]


def test_what_is_stated_goes_before_what_is_seen() -> None:
    rows = [finding(DUMP, START, at("dc01")), finding(TICKET, START - 9 * HOUR, at("dc01"))]
    test = {"dc*": Asset(role="test domain", importance="low")}
    made = first(rows, test)
    assert "test domain: dc01" in made["summary"]
    assert made["score"] < first(rows)["score"]


@pytest.mark.parametrize("pattern", ["pay-*", "PAY-01", "*01"])
def test_what_matters_ranks_before_what_does_not(pattern: str) -> None:
    rows = [finding(DUMP, START, at("pay-01")), finding(DUMP, START, at("toy-02", "corp\\eve"))]
    stated = {pattern: Asset(role="payments", importance="critical")}
    made = incidents(table(rows), None, stated).incidents.to_pylist()
    assert "payments: pay-01" in made[0]["summary"]
    assert made[0]["score"] > made[1]["score"]


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = [finding(TICKET, START, at("dc01")), finding(DUMP, START, at("dc01"))]
    rows += [finding(RIGHTS, START + n, at("ws01", f"corp\\u{n}")) for n in range(5)]
    made = incidents(table(rows)).incidents
    Random(1).shuffle(rows)
    assert incidents(table(rows)).incidents.equals(made)
