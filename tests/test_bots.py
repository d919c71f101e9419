"""`labrys bots` from end to end: a log of flows in, host-days with their reasons out."""

import json
from pathlib import Path

import pytest

from command import here

BEGIN = 1_760_000_000


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host that mails many servers and fails to reach one, beside a host that browses."""
    folder = tmp_path_factory.mktemp("bots")
    rows = [
        {
            "id.orig_h": "10.0.0.5",
            "id.resp_h": f"198.51.{n}.25",
            "id.resp_p": 25,
            "conn_state": "SF",
        }
        for n in range(60)
    ]
    rows += [
        {
            "id.orig_h": "10.0.0.5",
            "id.resp_h": "203.0.113.66",
            "id.resp_p": 1604,
            "conn_state": "S0",
        }
    ] * 400
    rows += [
        {
            "id.orig_h": "10.0.0.6",
            "id.resp_h": f"198.51.{n}.7",
            "id.resp_p": 443,
            "conn_state": "SF",
        }
        for n in range(60)
    ]
    made = [
        {"ts": BEGIN + 9 * n, "uid": f"C{n}", "id.orig_p": 40_000, "proto": "tcp", "orig_bytes": 90,
         "resp_bytes": 90 * (row["conn_state"] == "SF"), "orig_pkts": 5,
         "resp_pkts": 5 * (row["conn_state"] == "SF"), **row}
        for n, row in enumerate(rows)
    ]  # fmt: skip
    (folder / "conn.log").write_text("".join(json.dumps(row) + "\n" for row in made))
    ran = here("scan", "conn.log", "-q", "--lake", "case.labrys", cwd=folder)
    assert ran.code in (0, 1), ran.err
    return folder / "case.labrys"


def test_a_bot_is_likely_and_says_why(lake: Path) -> None:
    ran = here("bots", "--json", "--lake", lake)
    assert (ran.code, ran.err) == (0, "")
    [line] = ran.lines
    assert (line["host"], line["day"]) == ("10.0.0.5", "2025-10-09")
    assert line["likelihood"] > 0.2
    told = {reason["detector"]: reason for reason in line["reasons"]}
    assert told["botnet"]["title"] == "A host that behaves as bots do"
    assert told["botnet"]["times"] > 1


def test_who_expects_fewer_bots_is_told_less(lake: Path) -> None:
    often, seldom = (
        here("bots", "--json", "--one-in", number, "--lake", lake).lines[0]["likelihood"]
        for number in ("50", "100000")
    )
    assert seldom < often


def test_people_are_told_that_it_may_be_more(lake: Path) -> None:
    text = here("bots", "--lake", lake).text
    assert "one host-day in 50" in text
    assert "% or more  2025-10-09  10.0.0.5\n      botnet: A host that behaves as bots do" in text


def test_a_case_without_findings_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("nothing\n")
    here("scan", "a.log", "-q", "--lake", "case.labrys", cwd=tmp_path)
    ran = here("bots", "--lake", "case.labrys", cwd=tmp_path)
    assert (ran.code, ran.text) == (0, "no network detector accuses a host\n")
    assert here("bots", "--json", "--lake", "case.labrys", cwd=tmp_path).out == b""
