import pytest

from labrys.detect.network.testing import DAY, HOUR, ME, THERE, Event, find, flow, refused, told
from labrys.ocsf.schema import Severity

LOW, MEDIUM, HIGH = (int(level) for level in (Severity.LOW, Severity.MEDIUM, Severity.HIGH))


def office(days: int) -> list[Event]:
    """Everybody uses the file server; an administrator reaches ten hosts every day."""
    made = []
    for day in range(days):
        for n in range(12):
            made.append(flow(day * DAY + n * HOUR, "10.0.0.2", 445, f"10.0.0.{n + 20}"))
            made.append(flow(day * DAY + n * HOUR, "10.0.0.2", 135, f"10.0.0.{n + 20}"))
            made.append(flow(day * DAY + n * 1000, f"10.0.0.{n + 20}", 3389, "10.0.0.3"))
    return made


def spread(day: int, count: int, port: int = 445) -> list[Event]:
    return [flow(day * DAY + n * 9000, f"10.0.0.{n + 20}", port) for n in range(count)]


def test_a_host_that_suddenly_reaches_many_is_found() -> None:
    rows = find("lateral", [*office(5), *spread(5, 12), *spread(5, 6, 5985)])
    [found] = [row for row in rows if row["severity_id"] >= MEDIUM]
    assert found["entities"][0] == {"type": "ip", "value": ME, "role": "source"}
    assert found["techniques"] == ["T1021.002", "T1021.006"]
    assert found["tactics"] == ["lateral-movement"]
    said = {one["feature"]: one["value"] for one in found["reasons"]}
    assert said["own past"] == "nothing like it in 5 days before"


def test_who_administers_every_day_says_nothing_later() -> None:
    rows = find("lateral", office(6))
    assert all(row["severity_id"] < MEDIUM for row in rows)
    assert all(row["time_start"] < 1_700_006_400_000 + DAY for row in rows)


def test_the_file_server_of_all_is_no_neighbour() -> None:
    rows = find("lateral", office(3))
    assert "10.0.0.2" not in {e["value"] for row in rows for e in row["entities"]}


def test_one_day_alone_needs_much() -> None:
    assert {level for _, level in told("lateral", spread(0, 5))} <= {LOW}
    assert told("lateral", spread(0, 4)) == []


@pytest.mark.parametrize(
    "events",
    [
        [refused(n * 900, f"10.0.0.{n}", 445) for n in range(60)],
        [flow(n * 900, f"198.51.100.{n}", 22) for n in range(60)],
        [flow(n * 900, f"10.0.0.{n}", 443) for n in range(60)],
        [flow(n * 900, "10.0.0.9", 445) for n in range(60)],
        [flow(n * 900, f"10.0.0.{n}", 445, src=THERE) for n in range(60)],
    ],
    ids=["refused", "outside", "web", "one", "from outside"],
)
def test_what_is_no_movement(events: list[Event]) -> None:
    assert told("lateral", events) == []


def people(days: int, count: int = 40) -> list[Event]:
    """Hosts that call the outside every day, and nobody inside."""
    return [
        flow(day * DAY + n * HOUR / 4, THERE, 443, f"10.0.0.{n + 20}")
        for day in range(days)
        for n in range(count)
    ]


def slowly(src: str, days: list[float], port: int = 3389, first: int = 30) -> list[Event]:
    return [
        flow(day * DAY + 9 * HOUR, f"10.0.0.{first + n}", port, src) for n, day in enumerate(days)
    ]


def alerts(events: list[Event]) -> list[str]:
    return [row["rule_uid"] for row in find("lateral", events) if row["severity_id"] >= MEDIUM]


def test_a_host_a_day_is_found_where_nobody_does_so() -> None:
    assert alerts([*people(10), *slowly("10.0.0.25", [6, 7.2, 8.1])]) == ["lateral.slow"]
    [row] = find("lateral", [*people(10), *slowly("10.0.0.25", [6, 7.2, 8.1])])
    said = {one["feature"]: one["value"] for one in row["reasons"]}
    assert said["own past"] == "nothing like it in 6 days before"
    assert said["rare here"] == "1 of 40 hosts inside ever begin so many"
    assert row["entities"][0]["value"] == "10.0.0.25"
    assert (row["time_end"] - row["time_start"]) // HOUR == 50
    assert len(row["evidence"]) == 3


def test_who_helps_every_day_is_no_mover() -> None:
    helps = [(n * 2 + 0.4) / 3 for n in range(14)]
    assert alerts([*people(10), *slowly("10.0.0.25", helps)]) == []


@pytest.mark.parametrize(
    "more",
    [
        slowly("10.0.0.26", [5, 6, 7]) + slowly("10.0.0.27", [4, 6, 8]),  # a server's users
        [flow(DAY, f"10.0.0.{n}", 3389, "10.0.0.25") for n in (70, 71, 72)],  # his habit
    ],
    ids=["others, too", "before, too"],
)
def test_what_is_not_slow_movement(more: list[Event]) -> None:
    habit = [flow(0, THERE, 443, f"10.0.0.{n}") for n in (70, 71, 72)]
    assert alerts([*people(10), *habit, *more, *slowly("10.0.0.25", [6, 7.2, 8.1])]) == []


def test_hosts_that_are_new_are_not_moved_to() -> None:
    new = [flow(day * DAY, THERE, 443, f"10.0.9.{day}") for day in (6, 7, 8)]
    mine = [flow(day * DAY + 99, f"10.0.9.{day}", 22, "10.0.0.25") for day in (6, 7, 8)]
    assert told("lateral", [*people(10), *new, *mine]) == []
