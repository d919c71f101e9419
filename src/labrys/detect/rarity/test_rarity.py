import random
from pathlib import Path
from typing import Any

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.detect.rarity.score import A_DAY, MOST
from labrys.detect.rarity.testing import DAY, at, detector, features, find, table, view
from labrys.detect.registry import detectors
from labrys.detect.testing import check_same, sail, told_by
from labrys.ocsf.schema import FINDING, Severity

COLUMNS = {
    "activity_id": "int64",
    "device_hostname": "string",
    "process_file_path": "string",
    "process_parent_process_file_path": "string",
    "process_uid": "string",
    "process_parent_process_uid": "string",
    "actor_user_name": "string",
}
SHELL = "C:\\Windows\\System32\\cmd.exe"
RARE = "C:\\Users\\Public\\tool.exe"


def start(when: int, host: str, child: str, parent: str = SHELL) -> dict[str, Any]:
    return {
        "_time": when,
        "_host": host,
        "device_hostname": host,
        "activity_id": 1,
        "process_file_path": child,
        "process_parent_process_file_path": parent,
        "actor_user_name": "Ann",
    }


def ordinary(hosts: int, days: int, first: int = 0) -> list[dict[str, Any]]:
    """Days on which hosts start the same ten programs a hundred times."""
    return [
        start(at(day, 8 + number / 20), f"pc{host}", f"C:\\Programs\\{number % 10}\\word.exe")
        for day in range(first, first + days)
        for host in range(hosts)
        for number in range(100)
    ]


def rare(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return find("rare_process", events, COLUMNS)


def test_what_a_host_never_showed_is_told_with_reasons() -> None:
    [found] = rare([*ordinary(5, 6), start(at(6), "pc1", RARE)])
    assert found["severity_id"] == Severity.INFORMATIONAL
    assert found["rule_uid"] == "rare_process"
    assert found["time_start"] == found["time_end"] == at(6)
    assert [(e["type"], e["value"]) for e in found["entities"]][:2] == [
        ("host", "pc1"),
        ("user", "ann"),
    ]
    said = {reason["feature"]: reason["value"] for reason in found["reasons"]}
    assert said["process"] == "tool.exe, started by cmd.exe"
    assert said["new here"].startswith("first time in 6 days for this host")
    assert said["peers"] == "0 of 4 other hosts showed it before"
    assert len(found["evidence"]) == 1


@pytest.mark.parametrize("days", [0, 1])
def test_a_short_case_says_nothing(days: int) -> None:
    assert rare([*ordinary(5, days), start(at(days), "pc1", RARE)]) == []


def test_a_host_that_is_hardly_seen_says_nothing() -> None:
    few = [start(at(day), "pc9", "C:\\Programs\\1\\word.exe") for day in range(6)]
    assert rare([*ordinary(5, 6), *few, start(at(6), "pc9", RARE)]) == []


def test_what_peers_are_used_to_is_not_unusual() -> None:
    known = [start(at(day), f"pc{host}", RARE) for day in range(4) for host in range(1, 5)]
    assert rare([*ordinary(5, 6), *known, start(at(6), "pc0", RARE)]) == []


def test_a_rollout_to_all_hosts_is_not_unusual() -> None:
    assert rare([*ordinary(8, 6), *(start(at(6), f"pc{host}", RARE) for host in range(8))]) == []


def test_who_repeats_himself_neither_hides_nor_makes_more() -> None:
    once = rare([*ordinary(5, 6), start(at(6), "pc1", RARE)])
    again = [start(at(6, 12 + number / 100), "pc1", RARE) for number in range(500)]
    assert [row["uid"] for row in rare([*ordinary(5, 6), *again])] == [row["uid"] for row in once]
    later = [start(at(6 + day), "pc1", RARE) for day in range(1, 5)]
    more = [*ordinary(5, 6), start(at(6), "pc1", RARE), *ordinary(5, 5, 6), *later]
    [found] = rare(more)
    assert found["time_start"] == at(6)


def test_the_same_tool_on_a_second_host_the_next_day_is_still_told() -> None:
    events = [
        *ordinary(12, 9),
        start(at(6), "pc1", RARE),
        start(at(7), "pc2", RARE),
    ]
    assert [row["time_start"] for row in rare(events)] == [at(6), at(7)]


def test_a_restless_host_is_less_surprising() -> None:
    restless = [
        start(at(day, 9 + number / 50), "pc1", f"C:\\Programs\\x\\{letter}{day * 'y'}.exe")
        for day in range(6)
        for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz")
    ]
    assert rare([*ordinary(2, 6), *restless, start(at(6), "pc1", RARE)]) == []


def test_names_that_differ_by_user_version_or_chance_are_the_same() -> None:
    names = [
        "C:\\Users\\{user}\\AppData\\Local\\App\\app-{day}.2.{day}\\app.exe",
        "C:\\Users\\{user}\\AppData\\Local\\Temp\\is-{hex}.tmp\\setup.exe",
        "C:\\Install\\{{{hex}-0000-4abc-8def-{hex}aaaa}}\\run.exe",
    ]
    draw = random.Random(3)
    events = [
        start(
            at(day), "pc1", name.format(user=f"u{day}", day=day, hex=f"{draw.getrandbits(32):08x}")
        )
        for day in range(7)
        for name in names
    ]
    assert rare([*ordinary(5, 7), *events]) == []


def test_what_was_away_for_long_is_new_again() -> None:
    events = [*ordinary(3, 50), start(at(3), "pc1", RARE), start(at(45), "pc1", RARE)]
    found = rare(events)
    assert [row["time_start"] for row in found] == [at(3), at(45)]
    assert any("first time after 42 days" in r["value"] for r in found[1]["reasons"])


def test_findings_are_few_and_the_strongest() -> None:
    many = [start(at(6, 10 + n / 100), "pc1", f"C:\\Evil\\{chr(97 + n)}x.exe") for n in range(25)]
    assert len(rare([*ordinary(5, 6), *many])) <= A_DAY


def test_the_order_of_events_does_not_matter() -> None:
    events = [
        {"_id": f"x{n:05}", **event}
        for n, event in enumerate([*ordinary(5, 6), start(at(6), "pc1", RARE)])
    ]
    shuffled = random.Random(1).sample(events, len(events))
    told = [{name: row[name] for name in ("uid", "reasons")} for row in rare(events)]
    assert told == [{name: row[name] for name in ("uid", "reasons")} for row in rare(shuffled)]


NAMES = ["", "a.exe", "C:\\x\\a.exe", "/usr/bin/sh", "→|\x00'", None]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-(1 << 62), 1 << 62), st.integers(0, 20 * DAY)),
            st.sampled_from(["pc1", "PC1", "", None]),
            st.sampled_from(NAMES),
            st.sampled_from(NAMES),
        ),
        max_size=30,
    )
)
def test_any_events_make_sound_findings(drawn: list[tuple[Any, Any, Any, Any]]) -> None:
    events = [*ordinary(2, 4), *(start(*one) for one in drawn)]
    found = detector("rare_process").score(features("rare_process", events, COLUMNS))
    assert found.schema == FINDING
    assert found.num_rows <= MOST
    assert len(set(found["uid"].to_pylist())) == found.num_rows
    assert set(found["severity_id"].to_pylist()) <= {int(Severity.INFORMATIONAL)}


def test_every_detector_of_rarity_changes_when_this_folder_does() -> None:
    names = {made.id for made in detectors() if made.id.startswith("rare_")}
    assert names == {"rare_api", "rare_logon", "rare_process", "rare_service", "rare_task"}
    for name in names:
        text = (Path(__file__).parents[1] / name / "detector.toml").read_text("utf-8")
        assert 'uses = ["rarity"]' in text


@pytest.mark.sail
def test_spark_connect_gives_the_same_rows(tmp_path: Path) -> None:
    names = ["C:\\Users\\bob\\Temp\\x1\\a.exe", "/usr/bin/sh", RARE, "", None]
    draw = random.Random(5)
    events = [*ordinary(3, 6)] + [
        start(at(draw.random() * 8, 0), f"pc{draw.randrange(4)}", draw.choice(names))
        for _ in range(300)
    ]
    made = detector("rare_process")
    with sail(tmp_path, {made.reads: table(events, COLUMNS)}) as session:
        theirs = told_by(session, made.features(ibis.table(view(COLUMNS), name=made.reads)))
    check_same(theirs, features("rare_process", events, COLUMNS), 20)
