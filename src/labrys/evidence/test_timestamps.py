from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.timestamps import EARLIEST, LATEST, columns_of_time, of_record, parse

EXPECTED = 1_709_550_245_000  # 2024-03-04T11:04:05Z


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-04T11:04:05Z",
        "2024-03-04t11:04:05z",
        "2024-03-04 11:04:05",
        "2024-03-04 11:04:05 UTC",
        "2024-03-04 11:04:05.000 +0000",
        "2024-03-04T12:04:05+01:00",
        "2024-03-04T12:04:05+01",
        "2024-03-04T16:34:05+0530",
        "2024/03/04 11:04:05",
        "2024-3-4 11:04:05",
        "2024:03:04 11:04:05",
        "20240304T110405Z",
        "20240304110405",
        "2024-03-04 11:04:05,000",
        "2024-03-04T11:04:05.000000000Z",
        "Mon, 04 Mar 2024 11:04:05 GMT",
        "Mon, 4 Mar 2024 06:04:05 -0500",
        "4 Mar 2024 06:04:05 EST",
        "Monday, 04-Mar-24 11:04:05 GMT",
        "Mon Mar  4 11:04:05 2024",
        "Mon Mar  4 11:04:05 UTC 2024",
        "Mar 4 2024 11:04:05",
        "04/Mar/2024:12:04:05 +0100",
        "[04/Mar/2024:11:04:05 +0000]",
        "3/4/2024 11:04:05 AM",
        "03/04/2024 11:04:05",
        "04.03.2024 11:04:05",
        "Mar 4, 2024 @ 11:04:05.000",
        "March 4th, 2024 at 11:04:05 am",
        "04-Mar-2024 11:04:05",
        "/Date(1709550245000)/",
        "/Date(1709550245000+0100)/",
        "1709550245",
        "1709550245.0",
        "1709550245000",
        "1709550245000000",
        "1709550245000000000",
        "133540238450000000",
        1709550245,
        1709550245.0,
        1709550245000,
        1709550245000000,
        1709550245000000000,
        133540238450000000,
        b"2024-03-04T11:04:05Z",
        datetime(2024, 3, 4, 11, 4, 5),
        datetime(2024, 3, 4, 12, 4, 5, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_reads_the_usual_forms(text: Any) -> None:
    assert parse(text) == EXPECTED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-04T11:04:05.1234567Z", EXPECTED + 123),
        ("2024-03-04 11:04:05,987", EXPECTED + 987),
        ("1709550245.987654", EXPECTED + 987),
        (1709550245.987, EXPECTED + 987),
        (1709550245.999999, EXPECTED + 999),
        ("1612010112345", 1_612_010_112_345),
        ("2024-03-04", EXPECTED - 39_845_000),
        ("20240304", EXPECTED - 39_845_000),
        ("13/02/2024 00:00", 1_707_782_400_000),
        ("3/4/2024 12:04:05 AM", EXPECTED - 11 * 3_600_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2024-03-03 24:00:00", EXPECTED - 39_845_000),
        ("1601-01-01T00:00:00Z", EARLIEST),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_keeps_fractions_orders_and_ends_of_days(text: Any, expected: int) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("", "-", "n/a", "hello", "12:34:56", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        *("2024-02-30", "99/99/2024", "5", "1e400", "nan", "٢٠٢٤-٠٣-٠٤", "9" * 5000, "1" * 60),
        *("25:00 2024-03-04", "Foo 4 2024 11:04:05", "10.0.0.1", "1.2.3.4", "\ud800", "\x00" * 10),
        *(0, 5, 4e9 * 1e12, float("nan"), float("inf"), True, None, [], {}, 10**400, -(10**30)),
    ],
)
def test_says_none_for_what_is_no_time(value: Any) -> None:
    assert parse(value) is None


def test_a_date_without_a_year_takes_the_last_one_before_the_hint() -> None:
    near = int(datetime(2024, 1, 2, tzinfo=UTC).timestamp() * 1000)
    assert parse("Dec 31 23:59:59", near=near) == 1_704_067_199_000
    assert parse("Jan  1 00:00:00", near=near) == 1_704_067_200_000
    assert parse("Feb 29 12:00:00", near=near) == parse("2020-02-29T12:00:00Z")
    assert parse("Dec 31 23:59:59") is None


def test_finds_the_time_of_an_unknown_record() -> None:
    assert of_record({"id": "7", "@timestamp": "2024-03-04T11:04:05Z"}) == EXPECTED
    assert of_record({"Event Time": "1709550245", "created": "2020-01-01"}) == EXPECTED
    assert of_record({"time": "slow", "event.created": ["2024-03-04 11:04:05"]}) == EXPECTED
    assert of_record({"date": "2024-03-04", "time": "11:04:05"}) == EXPECTED
    assert of_record({"Date": "3/4/2024", "Time": "11:04:05 AM"}) == EXPECTED
    assert of_record({"duration": "1709550245", "count": 1709550245}) is None
    assert columns_of_time(("a.ts", "Timestamp", "x")) == ("Timestamp", "a.ts")


@given(st.one_of(st.text(), st.binary(), st.floats(), st.integers(), st.from_regex(r"[\d:. /-]+")))
def test_never_raises_and_stays_in_range(value: Any) -> None:
    made = parse(value, near=EXPECTED)
    assert made is None or EARLIEST <= made < LATEST


@given(st.datetimes(datetime(1601, 1, 2), datetime(2100, 1, 1)))
def test_every_iso_time_comes_back(moment: datetime) -> None:
    expected = (moment - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    assert parse(moment.isoformat() + "Z") == expected
    assert parse(moment.strftime("%Y/%m/%d %H:%M:%S") + f",{moment.microsecond:06}") == expected


@given(st.integers(EARLIEST // 1000, LATEST // 1000 - 1))
def test_every_epoch_comes_back_in_every_unit(second: int) -> None:
    if abs(second) < 10**8:
        return
    assert parse(str(second)) == parse(second) == second * 1000
    if second > 0:
        assert parse(f"{second}123") == second * 1000 + 123
        assert parse(f"{second}123456") == second * 1000 + 123
        for part in (0, 1, 123, 456, 999):
            assert parse(f"{second}.{part:03}456") == second * 1000 + part
            assert parse(second + part / 1000) == second * 1000 + part
