from dataclasses import replace
from random import Random
from typing import Any

import pytest

from labrys.triage import Triage, incidents
from labrys.triage.columns import read
from labrys.triage.nodes import fold
from labrys.triage.rarity import rarity
from labrys.triage.testing import DAY, HOUR, MINUTE, START, Rule, finding, table

LOW = [Rule(f"low-{n}", f"Weak signal {n}", 2, (), (), "csv.record") for n in range(40)]
CHATTY = [Rule(f"chat-{n}", f"Everyday signal {n}", 2, (), (), "csv.record") for n in range(4)]
HOSTS = ("web", "mail", "share")


def on(rule: Rule, time: int, host: str, number: int = 0, **changes: Any) -> dict[str, Any]:
    made = finding(rule, time, [("host", host, "device")], number=number)
    return {**made, "uid": f"{rule.uid}-{host}-{time}-{number}", **changes}


def everyday(days: int = 4) -> list[dict[str, Any]]:
    """Signals that fire all the time, and now and then one that does not, alone."""
    rows = [
        on(rule, START + hour * HOUR + 7 * at * MINUTE, host)
        for hour in range(24 * days)
        for at, rule in enumerate(CHATTY)
        for host in HOSTS
    ]
    random = Random(5)
    for day in range(days):
        for rule in LOW[:6]:
            rows.append(on(rule, START + day * DAY + random.randrange(DAY), random.choice(HOSTS)))
    return rows


def attack(start: int, *, rules: int = 12, host: str = "web") -> list[dict[str, Any]]:
    """Signals never seen before, two minutes after one another."""
    return [on(rule, start + at * 2 * MINUTE, host) for at, rule in enumerate(LOW[20 : 20 + rules])]


def first(made: Triage) -> set[str]:
    return set(made.incidents["findings"].to_pylist()[0]) if made.incidents.num_rows else set()


def surprises(rows: list[dict[str, Any]]) -> dict[str, float]:
    columns = read(table(rows))
    nodes = fold(columns)
    bits = rarity(nodes, columns).surprise[nodes.node]
    return dict(zip(sorted(row["uid"] for row in rows), bits.tolist(), strict=True))


def test_what_never_happened_is_surprising_and_what_always_does_is_not() -> None:
    strange = on(LOW[30], START + 3 * DAY, "web")
    usual = on(CHATTY[0], START + 3 * DAY + 1, "web")
    bits = surprises([*everyday(), strange, usual])
    assert bits[strange["uid"]] > 8
    assert bits[usual["uid"]] < 1


def test_what_others_do_every_day_is_hardly_surprising_on_a_new_host() -> None:
    strange = on(LOW[30], START + 3 * DAY, "new")
    usual = on(CHATTY[0], START + 3 * DAY, "new")
    bits = surprises([*everyday(), strange, usual])
    assert bits[usual["uid"]] < 3 < 8 < bits[strange["uid"]]


def test_at_the_beginning_nothing_is_surprising() -> None:
    rows = everyday()
    bits = surprises(rows)
    early = [bits[row["uid"]] for row in rows if row["time_start"] < START + 12 * HOUR]
    assert max(early) == 0


def test_only_the_past_counts() -> None:
    strange = on(LOW[30], START + 3 * DAY, "web")
    before = [row for row in everyday() if row["time_start"] <= strange["time_start"]]
    later = [on(LOW[30], START + 3 * DAY + n * HOUR, "web", n) for n in range(1, 20)]
    alone = surprises([*before, strange])
    after = surprises([*everyday(), strange, *later])
    assert alone[strange["uid"]] == after[strange["uid"]]


def test_an_attacker_who_repeats_himself_does_not_become_normal() -> None:
    again = [on(LOW[30], START + 3 * DAY + n * 20 * MINUTE, "web", n) for n in range(30)]
    bits = surprises([*everyday(), *again])
    assert min(bits[row["uid"]] for row in again) > 8


def test_what_was_long_ago_is_forgotten() -> None:
    old = [on(LOW[30], START + n * HOUR, "web", n) for n in range(48)]
    rows = [*old, *everyday(days=45)]
    near, far = (on(LOW[30], START + day * DAY, "web", 99) for day in (4, 40))
    bits = surprises([*rows, near, far])
    assert bits[near["uid"]] < 2 < 8 < bits[far["uid"]]


def test_unusual_weak_findings_together_are_one_incident() -> None:
    wanted = attack(START + 3 * DAY)
    made = incidents(table([*everyday(), *wanted]))
    assert made.incidents.num_rows == 1
    assert {row["uid"] for row in wanted} <= first(made)
    row = made.incidents.to_pylist()[0]
    assert row["severity_id"] == 3
    assert row["title"].startswith(
        "12 unusual kinds of alert within 22 min, among them Weak signal"
    )
    assert "hardly ever occur there" in row["summary"]
    links = dict(zip(row["findings"], row["links"], strict=True))
    assert links[wanted[3]["uid"]] == (
        "never seen on web in the 61 hours before; unusual on web, 2 min after “Weak signal 22”"
    )


def test_the_same_on_a_quiet_case_is_none() -> None:
    assert incidents(table(everyday())).incidents.num_rows == 0


@pytest.mark.parametrize("gap", [12 * HOUR, 30 * HOUR])
def test_unusual_findings_far_apart_are_none(gap: int) -> None:
    rows = [
        on(rule, START + 3 * DAY + at * gap, HOSTS[at % 3]) for at, rule in enumerate(LOW[20:32])
    ]
    assert incidents(table([*everyday(days=20), *rows])).incidents.num_rows == 0


def test_one_rule_however_often_is_none() -> None:
    rows = [on(LOW[30], START + 3 * DAY + n * MINUTE, HOSTS[n % 3], n) for n in range(200)]
    assert incidents(table([*everyday(), *rows])).incidents.num_rows == 0


def test_an_attack_over_several_hosts_is_one_incident() -> None:
    start = START + 3 * DAY
    wanted = [
        on(rule, start + at * 2 * MINUTE, HOSTS[at % 3]) for at, rule in enumerate(LOW[20:38])
    ]
    made = incidents(table([*everyday(), *wanted]))
    assert made.incidents.num_rows == 1
    assert {row["uid"] for row in wanted} <= first(made)


def test_an_earlier_sign_on_the_same_host_joins_and_on_another_does_not() -> None:
    start = START + 4 * DAY
    signs = [on(rule, start - 30 * HOUR, "web") for rule in LOW[38:40]]
    elsewhere = [on(rule, start - 40 * HOUR, "share") for rule in LOW[36:38]]
    made = incidents(table([*everyday(days=6), *attack(start), *signs, *elsewhere]))
    found = first(made)
    assert {row["uid"] for row in signs} <= found
    assert not {row["uid"] for row in elsewhere} & found
    assert made.incidents["time_start"].to_pylist() == [start]


def test_what_is_reported_beside_it_joins() -> None:
    start = START + 3 * DAY + 5
    twin = on(CHATTY[1], start + MINUTE, "web", 7)
    other = on(CHATTY[1], start + MINUTE, "mail", 7)
    found = first(incidents(table([*everyday(), *attack(start), twin, other])))
    assert twin["uid"] in found
    assert other["uid"] not in found


def test_informational_findings_make_nothing() -> None:
    rows = [{**row, "severity_id": 1} for row in attack(START + 3 * DAY)]
    assert incidents(table([*everyday(), *rows])).incidents.num_rows == 0


def test_unusual_weak_findings_join_a_serious_one_beside_them() -> None:
    start = START + 3 * DAY
    serious = on(Rule("bad", "Serious", 4, (), (), "csv.record"), start, "web")
    weak = on(LOW[30], start + 5 * MINUTE, "web")
    usual = on(CHATTY[0], start + 5 * MINUTE, "web", 3)
    found = first(incidents(table([*everyday(), serious, weak, usual])))
    assert found == {serious["uid"], weak["uid"]}


def test_order_does_not_matter() -> None:
    rows = [*everyday(), *attack(START + 3 * DAY)]
    made = incidents(table(rows))
    Random(3).shuffle(rows)
    again = incidents(table(rows))
    assert again.incidents.equals(made.incidents)
    assert again.folded.equals(made.folded)


def test_what_is_medium_and_usual_is_low_and_joins_nothing() -> None:
    noisy = Rule("noisy", "Noisy", 3, (), (), "csv.record")
    rows = [on(noisy, START + hour * HOUR, "web", hour) for hour in range(24 * 5)]
    start = START + 3 * DAY
    bad = [Rule(f"bad-{n}", "Serious", 3, (), (), "csv.record") for n in "ab"]
    serious = [on(rule, start + at * MINUTE, "web") for at, rule in enumerate(bad)]
    made = incidents(table([*everyday(days=5), *rows, *serious]))
    assert first(made) == {row["uid"] for row in serious}
    assert made.incidents["severity_id"].to_pylist()[0] == 3
    last = made.incidents.to_pylist()[-1]
    assert {row["uid"] for row in rows[60:]} <= set(last["findings"])
    assert last["severity_id"] == 2


def test_what_becomes_usual_was_news_once() -> None:
    noisy = Rule("noisy", "Noisy", 3, (), (), "csv.record")
    rows = [on(noisy, START + hour * HOUR, "web", hour) for hour in range(60, 24 * 5)]
    made = incidents(table([*everyday(days=5), *rows]))
    assert made.incidents["severity_id"].to_pylist() == [3]


def test_serious_findings_of_a_burst_are_one_incident_on_all_its_hosts() -> None:
    start = START + 3 * DAY
    rules = [replace(rule, severity=3 if at % 4 == 0 else 2) for at, rule in enumerate(LOW[20:38])]
    wanted = [on(rule, start + at * 2 * MINUTE, HOSTS[at % 3]) for at, rule in enumerate(rules)]
    made = incidents(table([*everyday(), *wanted]))
    assert made.incidents.num_rows == 1
    assert {row["uid"] for row in wanted} <= first(made)


def test_noise_is_five_lines_at_most() -> None:
    made = incidents(table([*everyday(), *(on(rule, START, "web") for rule in LOW)]))
    assert made.folded.num_rows == 5
    assert sum(made.folded["count"].to_pylist()) == len(everyday()) + len(LOW)
    assert made.folded["rule_uid"].to_pylist().count("") == 1
    assert made.folded["line"].to_pylist()[-1].startswith("40 rules (")
