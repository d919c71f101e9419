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
