from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.ocsf.schema import FINDING, INCIDENT
from labrys.triage import FOLDED, Triage, incidents
from labrys.triage.testing import (
    ADMIN,
    DAY,
    DUMP,
    ENCODED,
    GUESSING,
    HOUR,
    MACRO,
    MINUTE,
    PACKAGE,
    SERVICE,
    START,
    TASK,
    WHOAMI,
    Rule,
    case,
    finding,
    intrusion,
    many,
    noise,
    table,
)

_ONE_STAGE = ("persistence", "privilege-escalation", "discovery")
RULES = (GUESSING, ENCODED, DUMP, TASK, SERVICE, WHOAMI, ADMIN, PACKAGE, MACRO)
SYSTEM = ("user", "NT AUTHORITY\\SYSTEM", "actor")
LOOPBACK = ("ip", "127.0.0.1", "source")


def host(name: str) -> tuple[str, str, str]:
    return ("host", name, "device")


def user(name: str) -> tuple[str, str, str]:
    return ("user", name, "actor")


def groups(triage: Triage) -> list[set[str]]:
    return [set(uids) for uids in triage.incidents["findings"].to_pylist()]


def join(*rows: dict[str, Any]) -> Triage:
    return incidents(table(rows))


def together(*rows: dict[str, Any]) -> bool:
    found = groups(join(*rows))
    return any({row["uid"] for row in rows} <= group for group in found)


times = st.one_of(
    st.integers(START, START + 3 * DAY),
    st.none(),
    st.sampled_from([-11_644_473_600_000, 0, 4_102_444_800_000, (1 << 63) - 1, -(1 << 63)]),
)
values = st.sampled_from("abc")


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    rule = draw(st.sampled_from(RULES))
    world = draw(st.sampled_from(["east", "west"]))
    kinds = draw(
        st.lists(
            st.sampled_from(
                ["host", "user", "ip", "process", "hash", "session", "file", "resource", "registry"]
            ),
            max_size=5,
        )
    )
    entities = []
    for kind in kinds:
        value = draw(values)
        text = {
            "host": f"{value}.{world}.example",
            "user": f"{world}\\{value}",
            "ip": f"198.51.100.{ord(value)}" if world == "east" else f"203.0.113.{ord(value)}",
            "process": f"{value}.{world}.example|{{{value}{value}}}",
            "session": f"{value}.{world}.example|0x{value}{value}",
            "hash": (value * 31 + ("1" if world == "east" else "2")),
        }.get(kind, f"c:\\{world}\\{value}\\thing.bin")
        entities.append((kind, text, draw(st.sampled_from(["actor", "object", "device"]))))
    if draw(st.booleans()):
        entities += [SYSTEM, LOOPBACK, ("file", "C:\\Windows\\System32\\cmd.exe", "actor")]
    time = draw(times)
    made = finding(rule, time, entities, number=draw(st.integers(0, 50)))
    if time is not None:
        length = draw(st.sampled_from([0, MINUTE, 20 * HOUR, -MINUTE]))
        made["time_end"] = max(-(1 << 63), min((1 << 63) - 1, time + length))
    return {**made, "uid": f"{world}-{made['uid']}-{made['time_end']}"}


cases = st.lists(rows(), max_size=25)
slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(cases)
@slow
def test_every_finding_is_in_exactly_one_place(found: list[dict[str, Any]]) -> None:
    made = join(*found)
    assert made.incidents.schema == INCIDENT
    assert made.folded.schema == FOLDED
    counted = Counter(
        uid
        for column in (made.incidents["findings"], made.folded["findings"])
        for uids in column.to_pylist()
        for uid in uids
    )
    assert counted == Counter({row["uid"] for row in found})
    for row in made.incidents.to_pylist():
        assert len(row["links"]) == len(row["findings"])
        assert all(row["links"])
        assert row["title"]
        assert row["summary"]
        assert 0 <= row["score"] <= 100
        assert row["time_start"] is None or row["time_start"] <= row["time_end"]
    assert made.incidents["rank"].to_pylist() == list(range(1, made.incidents.num_rows + 1))
    assert len(set(made.incidents["uid"].to_pylist())) == made.incidents.num_rows


@given(cases, st.randoms(use_true_random=False))
@slow
def test_order_and_repetition_do_not_matter(found: list[dict[str, Any]], random: Random) -> None:
    made = join(*found)
    shuffled = [*found, *found[:3]]
    random.shuffle(shuffled)
    cut = len(shuffled) // 2
    again = incidents(pa.concat_tables([table(shuffled[:cut]), table(shuffled[cut:])]))
    assert again.incidents.equals(made.incidents)
    assert again.folded.equals(made.folded)


@given(cases)
@slow
def test_what_shares_only_hubs_is_never_joined(found: list[dict[str, Any]]) -> None:
    nobody = {SYSTEM[1], LOOPBACK[1], "C:\\Windows\\System32\\cmd.exe"}
    # Findings that name nothing at all are tied by their rule alone, wherever they come from.
    telling = {
        row["uid"]: row["uid"][:4]
        for row in found
        if any(entity["value"] not in nobody for entity in row["entities"])
    }
    for group in groups(join(*found)):
        assert len({telling[uid] for uid in group if uid in telling}) <= 1


def test_an_intrusion_among_noise_is_one_incident() -> None:
    made = incidents(case())
    first = made.incidents.slice(0, 1).to_pylist()[0]
    wanted = {row["uid"] for row in intrusion(START + 2 * DAY + 9 * HOUR)}
    assert set(first["findings"]) == wanted
    assert first["severity_id"] == 5
    assert first["title"] == (
        "LSASS memory dumping after password guessing, then exfiltration, "
        "on ws01 and 1 more host by bob and 1 more"
    )
    assert first["tactics"][0] == "initial-access"
    assert first["tactics"][-1] == "exfiltration"
    assert any("reset" in step for step in first["advice"])
    assert made.incidents.num_rows == 1
    assert made.folded["line"].to_pylist() == [
        "Office program starts a script host: 3 times on 3 hosts, medium",
        "Application package installed: 360 times on 12 hosts, low",
        "Administrative tool used: 60 times on 12 hosts, low",
    ]


def test_an_incident_keeps_its_name_when_unrelated_evidence_comes() -> None:
    alone = incidents(table(intrusion())).incidents.to_pylist()[0]
    among = incidents(table([*intrusion(), *noise(Random(3))])).incidents.to_pylist()[0]
    assert alone["uid"] == among["uid"]
    assert alone["findings"] == among["findings"]
    assert alone["links"] == among["links"]


def test_one_host_within_hours_is_one_incident_and_next_week_another() -> None:
    first = finding(ENCODED, START, [host("WS01")])
    second = finding(TASK, START + 3 * HOUR, [host("ws01.corp.example")])
    third = finding(DUMP, START + 7 * DAY, [host("ws01")])
    assert groups(join(first, second, third)) in (
        [{first["uid"], second["uid"]}, {third["uid"]}],
        [{third["uid"]}, {first["uid"], second["uid"]}],
    )


def test_hosts_of_two_domains_with_one_short_name_stay_apart() -> None:
    first = finding(ENCODED, START, [host("ws01.east.example")])
    second = finding(TASK, START, [host("ws01.west.example")])
    assert not together(first, second)


@pytest.mark.parametrize(
    ("entity", "gap"),
    [
        (("process", "ws01|{aa}", "object"), 5 * DAY),
        (("hash", "ab" * 32, "object"), 5 * DAY),
        (("url", "https://files.example/x", "object"), 5 * DAY),
        (("user", "corp\\bob", "actor"), 3 * HOUR),
        (("ip", "198.51.100.9", "source"), 3 * HOUR),
    ],
)
def test_specific_entities_tie_longer(entity: tuple[str, str, str], gap: int) -> None:
    first = finding(ENCODED, START, [host("ws01"), entity])
    near = finding(TASK, START + gap, [host("ws02"), entity])
    far = finding(TASK, START + 60 * DAY, [host("ws02"), entity])
    assert together(first, near)
    assert not together(first, far)


@pytest.mark.parametrize(
    "entity",
    [
        SYSTEM,
        LOOPBACK,
        ("user", "root", "actor"),
        ("user", "-", "actor"),
        ("user", "WS09$", "actor"),
        ("user", "S-1-5-18", "actor"),
        ("user", "Administrator", "actor"),
        ("ip", "::1", "source"),
        ("ip", "0.0.0.0", "source"),
        ("hash", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "object"),
        ("file", "C:\\Windows\\System32\\cmd.exe", "object"),
        ("session", "0x3e7", "actor"),
        ("resource", "Domain Admins", "object"),
    ],
)
def test_everybodys_names_tie_nothing(entity: tuple[str, str, str]) -> None:
    assert not together(
        finding(ENCODED, START, [host("ws01"), entity]),
        finding(TASK, START + MINUTE, [host("ws02"), entity]),
    )


def test_what_is_on_every_host_all_day_ties_nothing() -> None:
    resolver = ("ip", "10.0.0.2", "destination")
    everyday = [
        finding(PACKAGE, START + number * HOUR, [host(f"ws{number % 20}"), resolver], number=number)
        for number in range(24 * 6)
    ]
    first = finding(ENCODED, START + 50 * HOUR, [host("ws01"), resolver])
    second = finding(TASK, START + 51 * HOUR, [host("ws02"), resolver])
    assert together(first, second)
    found = groups(join(first, second, *everyday))
    assert not any({first["uid"], second["uid"]} <= group for group in found)


def test_a_domain_controller_does_not_join_its_users() -> None:
    rows = [
        finding(
            replace(ENCODED, uid=f"r{number}"),
            START + number * 20 * MINUTE,
            [host("dc01"), user(f"corp\\u{number}")],
        )
        for number in range(30)
    ]
    others = [
        finding(ENCODED, START + n * DAY, [host(f"ws{n}"), user(f"corp\\v{n}")]) for n in range(9)
    ]
    sizes = sorted(len(group) for group in groups(join(*rows, *others)))
    assert sizes[-1] == 1


def test_weak_findings_do_not_bridge_but_join_by_a_process() -> None:
    process = ("process", "ws01|{aa}", "object")
    left = finding(ENCODED, START, [host("ws01"), process, user("corp\\bob")])
    right = finding(TASK, START, [host("ws02"), user("corp\\eve")])
    bridge = finding(WHOAMI, START + MINUTE, [process, user("corp\\eve"), host("ws02")])
    found = groups(join(left, right, bridge))
    assert {left["uid"], bridge["uid"]} in found
    assert {right["uid"]} in found


def test_a_rule_that_never_stops_is_one_incident_apart() -> None:
    chatty = Rule("r-chat", "Chatty rule", 3, (), (), "windows.sysmon.1")
    steady = [
        finding(chatty, START + number * HOUR, [host("ws01")], number=number)
        for number in range(24 * 5)
    ]
    attack = [
        finding(ENCODED, START + 60 * HOUR, [host("ws01"), user("corp\\bob")]),
        finding(DUMP, START + 61 * HOUR, [host("ws01"), user("corp\\bob")]),
    ]
    found = groups(join(*steady, *attack))
    assert sorted(len(group) for group in found) == [2, 24 * 5]


def test_one_rule_again_and_again_on_one_host_is_one_incident() -> None:
    rows = [finding(MACRO, START + number * DAY, [host("ws01")]) for number in range(9)]
    made = join(*rows)
    assert made.incidents.num_rows == 1
    assert set(made.incidents["links"].to_pylist()[0][1:]) == {
        "same rule again with ws01, 24 h after “Office program starts a script host”"
    }


def test_breadth_lifts_weak_findings_of_one_hour_on_one_host() -> None:
    weak = [
        Rule(f"w{number}", f"Weak {tactic}", 2, (), (tactic,), "windows.sysmon.1")
        for number, tactic in enumerate(["discovery", "execution", "persistence"])
    ]
    rows = [finding(rule, START + n * 10 * MINUTE, [host("ws01")]) for n, rule in enumerate(weak)]
    made = join(*rows)
    assert made.incidents["severity_id"].to_pylist() == [3]
    assert "so many phases" in made.incidents["summary"].to_pylist()[0]
    spread = [finding(rule, START + n * 2 * HOUR, [host("ws01")]) for n, rule in enumerate(weak)]
    assert join(*spread).incidents.num_rows == 0
    same = [replace(rule, tactics=(name,)) for rule, name in zip(weak, _ONE_STAGE, strict=True)]
    one = [finding(rule, START + n * MINUTE, [host("ws01")]) for n, rule in enumerate(same)]
    assert join(*one).incidents.num_rows == 0
    mere = [replace(rule, severity=1) for rule in weak]
    said = [finding(rule, START + n * MINUTE, [host("ws01")]) for n, rule in enumerate(mere)]
    assert join(*said).incidents.num_rows == 0
    apart = [finding(rule, START, [host(f"ws{n}")]) for n, rule in enumerate(weak)]
    assert join(*apart).incidents.num_rows == 0
    serious = finding(ENCODED, START + 3 * HOUR, [host("ws01")])
    assert together(*rows, serious)


@pytest.mark.parametrize("time", [None, -11_644_473_600_000, 0])
def test_findings_without_a_time_join_by_strong_entities_only(time: int | None) -> None:
    process = ("process", "ws01|{aa}", "object")
    timed = finding(ENCODED, START, [host("ws01"), process])
    assert together(timed, finding(TASK, time, [host("ws01"), process]))
    assert not together(timed, finding(TASK, time, [host("ws01")]))
    timeless = join(timed, finding(TASK, time, [host("ws01"), process])).incidents.to_pylist()[0]
    assert timeless["time_start"] == START
    assert any("time unknown" in link for link in timeless["links"])


def test_findings_without_time_and_host_join_by_the_file_they_were_read_from() -> None:
    typed = [finding(rule, None, [user("root")]) for rule in (ENCODED, TASK)]
    for each, offset in zip(typed, (0, 40), strict=True):
        each["evidence"] = [
            {"_id": str(offset), "_source": "root/.bash_history", "_offset": offset}
        ]
    assert together(*typed)
    assert "read from the same file" in str(join(*typed).incidents["links"].to_pylist())
    typed[1]["evidence"][0]["_source"] = "other/.bash_history"
    assert not together(*typed)
    for each in typed:
        each["evidence"] = []
    assert not together(*typed)
    for each, name in zip(typed, ("ws01", "ws02"), strict=True):
        each["evidence"] = [{"_id": name, "_source": "all.json", "_offset": 0}]
        each["entities"] = [dict(zip(("type", "value", "role"), host(name), strict=True))]
    assert not together(*typed)


def test_a_clock_far_in_the_future_stays_apart() -> None:
    now = finding(ENCODED, START, [host("ws01")])
    wrong = finding(TASK, 4_102_444_800_000, [host("ws01")])
    assert not together(now, wrong)


def test_a_finding_over_days_does_not_bridge_them() -> None:
    beacon = {
        **finding(Rule("r-beacon", "Beacon", 4, (), (), "zeek.conn"), START, [host("ws01")]),
        "time_end": START + 9 * DAY,
    }
    first = finding(ENCODED, START + HOUR, [host("ws01")])
    second = finding(TASK, START + 8 * DAY, [host("ws01")])
    found = groups(join(beacon, first, second))
    assert not any({first["uid"], second["uid"]} <= group for group in found)


def test_long_lived_parents_tie_nothing() -> None:
    parent = ("process", "ws01|{99}", "parent")
    shell = ("file", "C:\\Windows\\explorer.exe", "parent")
    strong = finding(DUMP, START, [host("ws01"), parent, shell])
    weak = finding(WHOAMI, START + 3 * HOUR, [host("ws01"), parent, shell])
    assert join(strong, weak).folded.num_rows == 1


def test_nothing_gives_nothing() -> None:
    made = incidents(FINDING.empty_table())
    assert made.incidents.num_rows == made.folded.num_rows == 0


def test_a_large_case_stays_small() -> None:
    made = incidents(many(5000))
    assert made.folded.num_rows <= 140
    assert made.incidents.num_rows < 300
    assert made.incidents["score"].to_pylist()[0] > 80
