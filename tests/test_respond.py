"""`labrys respond` as a user has it: from a case to blocks, and back."""

import re
import sqlite3
from pathlib import Path

import orjson
import pytest

from command import here

ATTACKER = "203.0.113.66"
FINDING = {"uid": "", "title": ""}


@pytest.fixture
def case(own_demo: Path) -> Path:
    return own_demo / "case.labrys"


def respond(case: Path, command: str, *words: str | Path, code: int = 0) -> str:
    ran = here("respond", command, "--lake", case, *words)
    assert ran.code == code, ran.err
    return ran.text + ran.err


def test_a_dry_run_says_all_and_keeps_nothing(case: Path, tmp_path: Path) -> None:
    said = respond(case, "block", "-i", "1", "--dry-run", "-f", "rpz", "--out", tmp_path / "l")
    assert ATTACKER in said
    assert "10.20.0.2: private" in said
    assert "1 would be blocked, 1 of them new" in said
    assert not (case / "respond.sqlite").exists()
    assert not (tmp_path / "l").exists()


def test_blocking_is_written_down_and_done_once(case: Path) -> None:
    first = respond(case, "block", "-i", "1", "--who", "ann", "--why", "ticket 7")
    assert "1 blocked, 1 of them new" in first
    assert "1 blocked, 0 of them new" in respond(case, "block", "-i", "1")
    (row,) = orjson.loads(respond(case, "list", "--json"))
    assert (row["value"], row["who"], row["why"], row["state"]) == (
        ATTACKER,
        "ann",
        "ticket 7",
        "active",
    )
    assert row["until"] - row["since"] >= 24 * 3_600_000
    known = here("incidents", "--json", "--lake", case).lines
    uids = {each["finding_info"]["uid"] for each in known}
    assert row["findings"]
    assert set(row["findings"]) <= uids
    assert row["incident"] in uids


def test_a_finding_alone_can_be_blocked_whatever_its_severity(case: Path) -> None:
    lines = here("incidents", "--json", "--lake", case).lines
    low = next(
        each
        for each in lines
        if each["finding_info"]["title"] == "Password guessing by many sources for one user"
    )
    respond(case, "block", "--finding", low["finding_info"]["uid"])
    values = {row["value"] for row in orjson.loads(respond(case, "list", "--json"))}
    assert len(values) > 5
    assert all(value.startswith(("192.0.2.", "203.0.113.")) for value in values)


def test_the_allow_list_and_own_networks_hold_against_force(case: Path, tmp_path: Path) -> None:
    (tmp_path / "allow").write_text(f"# partners\n{ATTACKER}\n")
    for option in (["--allow", tmp_path / "allow"], ["--own", "203.0.113.0/24"]):
        said = respond(case, "block", "-i", "1", *option, "--force", ATTACKER)
        assert "0 blocked" in said
        assert f"{ATTACKER}: on" in said or f"{ATTACKER}: our own" in said


def test_the_cap_holds(case: Path) -> None:
    lines = here("incidents", "--json", "--lake", case).lines
    many = [
        word
        for each in lines
        if each["finding_info"]["title"] == "Password guessing by many sources for one user"
        for word in ("--finding", each["finding_info"]["uid"])
    ]
    said = respond(case, "block", *many, "--per-minute", "3")
    assert "3 blocked, 3 of them new" in said
    assert "more than 3 blocks in a minute" in said
    assert "0 blocked" in respond(case, "block", *many, "--per-minute", "3").replace(
        "3 blocked", "0 blocked"
    )
    assert len(orjson.loads(respond(case, "list", "--json"))) == 3


def test_undo_by_value_id_or_all(case: Path, tmp_path: Path) -> None:
    respond(case, "block", "-i", "1")
    (row,) = orjson.loads(respond(case, "list", "--json"))
    assert "no blocks that hold are called" in respond(case, "undo", "198.51.100.1", code=2)
    assert "1 undone" in respond(case, "undo", row["id"], "--why", "a mistake")
    assert "no blocks" in respond(case, "list")
    assert "undone" in respond(case, "list", "--all")
    out = tmp_path / "lists"
    respond(case, "export", "-f", "text", "--out", out)
    assert (out / "labrys.txt").read_text() == ""
    respond(case, "block", "-i", "1")
    assert "1 undone" in respond(case, "undo", ATTACKER)
    respond(case, "block", "-i", "1")
    assert "1 undone" in respond(case, "undo", "--all")
    assert "undo" in respond(case, "undo", code=2)


def test_what_is_over_is_in_no_list(case: Path, tmp_path: Path) -> None:
    respond(case, "block", "-i", "1", "--ttl", "1h")
    with sqlite3.connect(case / "respond.sqlite") as db:
        ((content,),) = db.execute("SELECT content FROM labrys_block").fetchall()
        row = orjson.loads(content)
        row["until"] = row["since"] + 1
        db.execute("UPDATE labrys_block SET content = ?", [orjson.dumps(row).decode()])
    assert ATTACKER not in respond(case, "export", "-f", "nftables")
    assert "no blocks" in respond(case, "list")
    assert "1 expired" in respond(case, "expire")
    assert "0 expired" in respond(case, "expire")


def test_lists_go_to_standard_output_alone(case: Path) -> None:
    ran = here("respond", "block", "--lake", case, "-i", "1", "-f", "text")
    assert ran.text == f"{ATTACKER}\n"
    assert "1 blocked" in ran.err


def test_every_form_is_written(case: Path, tmp_path: Path) -> None:
    forms = ["nftables", "rpz", "suricata", "hosts", "text", "stix"]
    words = [word for form in forms for word in ("-f", form)]
    made = orjson.loads(respond(case, "block", "-i", "1", *words, "--out", tmp_path, "--json"))
    assert [row["value"] for row in made["blocked"]] == [ATTACKER]
    names = {path.name for path in tmp_path.glob("labrys*")}
    assert {"labrys.nft", "labrys-undo.nft", "labrys.rpz", "labrys.rules", "labrys.hosts"} <= names
    assert {"labrys.txt", "labrys-stix.json", "labrys-ips.lst"} <= names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["block"], "--incident N or --finding"),
        (["block", "-i", "99"], "no incident '99'; this case has one, of rank 1"),
        (["block", "--finding", "nonsense"], "no finding 'nonsense'"),
        (["block", "-i", "1", "--ttl", "soon"], "no time span"),
        (["block", "-i", "1", "--allow", "missing.txt"], "cannot be read"),
        (["undo", "--all", "--connector", "nftables"], "add --yes"),
        (["playbook", "-i", "1", "-f", "bpmn"], "no format 'bpmn'"),
    ],
)
def test_what_cannot_be_done_is_told(case: Path, words: list[str], said: str) -> None:
    assert said in re.sub(r"[\s│]+", " ", respond(case, *words, code=2))


ID = re.compile(r"(?P<type>[a-z-]+)--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
REQUIRED = {
    "playbook": {
        "type",
        "spec_version",
        "id",
        "name",
        "created_by",
        "created",
        "modified",
        "workflow_start",
        "workflow",
    },
    "start": {"type", "on_completion"},
    "end": {"type"},
    "action": {"type", "commands", "agent"},
}
"""What CACAO 2.0 asks of the objects that we write, in our own words (sections 3.1, 4.3 to 4.5)."""


def test_a_playbook_is_as_the_specification_asks(case: Path, tmp_path: Path) -> None:
    respond(case, "playbook", "-i", "1", "--out", tmp_path / "p.json")
    made = orjson.loads((tmp_path / "p.json").read_bytes())
    assert REQUIRED["playbook"] <= set(made)
    assert (made["type"], made["spec_version"]) == ("playbook", "cacao-2.0")
    assert ID.match(made["id"])["type"] == "playbook"
    assert ID.match(made["created_by"])["type"] == "identity"
    assert TIME.match(made["created"])
    assert made["created"] <= made["modified"]
    assert 0 <= made["severity"] <= 100
    steps, seen, at = made["workflow"], [], made["workflow_start"]
    while at is not None:
        assert at not in seen
        seen.append(at)
        at = steps[at].get("on_completion")
    assert set(seen) == set(steps), "every step is reached"
    assert [steps[key]["type"] for key in (seen[0], seen[-1])] == ["start", "end"]
    commands = []
    for key, step in steps.items():
        assert ID.match(key)["type"] == step["type"]
        assert REQUIRED[step["type"]] <= set(step)
        if step["type"] == "action":
            assert step["agent"] in made["agent_definitions"]
            assert step["commands"]
            commands += step["commands"]
    assert {each["type"] for each in commands} == {"bash", "manual"}
    assert all(each["command"] for each in commands)
    done = {each["playbook_activity"] for each in commands}
    assert set(made["playbook_activities"]) == done == {"eliminate-risk"}
    for key, agent in made["agent_definitions"].items():
        assert ID.match(key)["type"] == agent["type"]
        assert agent["name"]
    advice = here("incidents", "--json", "--lake", case).lines[-1]
    manual = [each["command"] for each in commands if each["type"] == "manual"]
    assert manual
    assert all(each in orjson.dumps(advice).decode() for each in manual)
    assert respond(case, "playbook", "-i", "1") == (tmp_path / "p.json").read_text()
