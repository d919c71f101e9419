from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.detect.botnet.likelihood import (
    BESIDE,
    DAY_MS,
    LEVELS,
    MOST_DAYS,
    SOURCES,
    Counted,
    counted,
    from_toml,
    host_days,
    likelihood,
    to_toml,
)
from labrys.detect.network.finding import Found, Signal, table
from labrys.ocsf.schema import FINDING, Severity

some_levels = st.dictionaries(st.sampled_from(SOURCES), st.integers(0, len(LEVELS)))
share = st.floats(0, 1)
some_counted = st.builds(
    Counted,
    st.integers(1, 500),
    st.integers(1, 5000),
    st.tuples(share, share),
    st.dictionaries(
        st.sampled_from(SOURCES), st.lists(st.tuples(share, share), min_size=3, max_size=3)
    ),
)


@given(some_levels, st.sampled_from(SOURCES), st.integers(1, len(LEVELS)), some_counted)
def test_no_finding_lowers_it_whatever_was_counted(
    found: dict[str, int], more: str, level: int, known: Counted
) -> None:
    grown = {**found, more: max(found.get(more, 0), level)}
    assert likelihood(grown, 50, known) >= likelihood(found, 50, known) - 1e-12


@given(some_levels, st.sampled_from(BESIDE), st.integers(1, len(LEVELS)))
def test_what_is_told_beside_counts_nothing(found: dict[str, int], more: str, level: int) -> None:
    assert likelihood({**found, more: level}) == likelihood(found)


@given(some_levels, st.floats(2, 1e6), st.floats(1, 100))
def test_rarer_bots_are_less_likely(found: dict[str, int], one_in: float, more: float) -> None:
    assert likelihood(found, one_in * more) <= likelihood(found, one_in) + 1e-12
    assert 0 <= likelihood(found, one_in) <= 0.99


@given(some_counted, st.sampled_from(SOURCES), st.integers(0, len(LEVELS)))
def test_what_a_finding_may_say_is_bounded_by_the_days_it_was_not_seen_on(
    known: Counted, name: str, level: int
) -> None:
    assert 1 <= known.times(name, level) <= known.others + 1


def test_the_file_says_what_was_counted() -> None:
    known = counted()
    assert from_toml(to_toml(known)) == known
    assert set(known.shares) == set(SOURCES)
    assert known.bots >= 100
    assert known.others >= 30


def test_a_host_without_findings_is_less_likely_than_the_share_of_bots() -> None:
    assert likelihood({}, 50) < 1 / 50


def test_laplace_by_hand() -> None:
    known = Counted(99, 199, (0.5, 0.9), {"beacon": [(0.7, 0.0), (0.2, 0.0), (0.0, 0.0)]})
    # Only low: (0.5 * 99 + 0.5) / 100 = 0.5 of bots; (0 * 199 + 1) / 200 = 0.005 of others.
    assert known.times("beacon", 1) == pytest.approx(100)
    assert known.times("beacon", 2) == pytest.approx(100)  # seen less often, but a surer finding
    assert likelihood({"beacon": 1}, 101, known) == pytest.approx(0.5)


def found(
    detector: str, severity: Severity, first: int, last: int, host: str = "10.0.0.5"
) -> list[dict[str, Any]]:
    made = Found(
        *(f"{detector}.x", f"of {detector}", severity, 70, (host, str(first)), first, last),
        (("ip", host, "source"), ("ip", "203.0.113.7", "destination")),
        [Signal("x", "1", 0.5)], (), "",
    )  # fmt: skip
    return list(table(detector, [made]).to_pylist())


def told(rows: Sequence[dict[str, Any]]) -> list[tuple[str, int, list[str]]]:
    days = host_days(pa.Table.from_pylist(list(rows), FINDING))
    return [(each.host, each.day, [name for name, _, _ in each.reasons]) for each in days]


def test_each_host_and_day_with_its_reasons() -> None:
    rows = [
        *found("http_odd", Severity.MEDIUM, 5 * DAY_MS, 5 * DAY_MS + 9),
        *found("beacon", Severity.MEDIUM, 5 * DAY_MS, 6 * DAY_MS),
        *found("scan", Severity.INFORMATIONAL, 5 * DAY_MS, 5 * DAY_MS),
        *found("guessing", Severity.HIGH, 5 * DAY_MS, 5 * DAY_MS),
        *found("beacon", Severity.LOW, 5 * DAY_MS, 5 * DAY_MS, "10.0.0.6"),
    ]
    [first, *rest] = told(rows)
    assert first[:2] == ("10.0.0.5", 5)
    assert sorted(first[2]) == ["beacon", "http_odd"]
    assert sorted(rest) == [("10.0.0.5", 6, ["beacon"]), ("10.0.0.6", 5, ["beacon"])]


def test_a_finding_of_years_counts_for_a_month() -> None:
    assert len(told(found("beacon", Severity.MEDIUM, 0, 900 * DAY_MS))) == MOST_DAYS


def test_nothing_is_nothing() -> None:
    assert host_days(FINDING.empty_table()) == []
