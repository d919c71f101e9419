import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.syslog.years import find_years


def ms(year, month, day, hour=12):
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1000)


def dates(text, name="auth.log", modified=None):
    raw = text.encode()
    years = find_years(io.BytesIO(raw), name, modified)
    found, at = [], 0
    for line in raw.splitlines(keepends=True):
        if line[:1].isalpha():
            time = years.time(line[:15].decode(), at)
            moment = time is not None and datetime.fromtimestamp(time / 1000, UTC)
            found.append(moment.strftime("%Y-%m-%d") if moment else None)
        at += len(line)
    return found


def log(*days):
    return "".join(f"{day} 12:00:00 h a: b\n" for day in days)


def test_the_last_line_is_in_the_newest_year_that_fits():
    assert dates(log("Mar 27"), modified=ms(2023, 3, 27)) == ["2023-03-27"]
    assert dates(log("Mar 28"), modified=ms(2023, 3, 27)) == ["2023-03-28"]  # zones differ
    assert dates(log("Mar 29"), modified=ms(2023, 3, 27)) == ["2022-03-29"]
    assert dates(log("Dec 31"), modified=ms(2023, 1, 3)) == ["2022-12-31"]
    assert dates(log("Mar 27")) == ["1972-03-27"]


def test_years_turn_inside_a_file():
    text = log("Nov  1", "Dec 31", "Jan  1", "Jun  5", "Mar  3")
    assert dates(text, modified=ms(2023, 4, 1)) == [
        "2021-11-01", "2021-12-31", "2022-01-01", "2022-06-05", "2023-03-03"
    ]  # fmt: skip


def test_lines_out_of_order_turn_no_year():
    text = log("Mar  3", "Mar  2", "Mar  3", "Dec 31", "Jan  1", "Dec 31", "Jan  1", "Jan  2")
    assert dates(text, modified=ms(2023, 1, 5)) == [
        *("2022-03-03", "2022-03-02", "2022-03-03"),
        *("2022-12-31", "2023-01-01", "2022-12-31", "2023-01-01", "2023-01-02"),
    ]


def test_a_boot_with_a_wrong_clock_turns_no_year():
    text = log("Jun 10", "Jan  1", "Jan  1", "Jun 10", "Jan  1", "Jun 11", "Jul  1")
    assert dates(text, modified=ms(2023, 7, 5)) == [
        *("2023-06-10", "2023-01-01", "2023-01-01", "2023-06-10", "2023-01-01", "2023-06-11"),
        "2023-07-01",
    ]


def test_names_notes_and_full_dates_are_hints():
    late = ms(2026, 1, 1)
    assert dates(log("Jan 14"), "x/auth.log-20170115.gz!/auth.log-20170115", late) == ["2017-01-14"]
    assert dates(log("Dec 31"), "auth.2017-01-01.log", late) == ["2016-12-31"]
    assert dates(log("Mar 27"), "1234567890.log", late) == ["2025-03-27"]
    assert dates(log("Mar 27"), "auth.log-20171399", late) == ["2025-03-27"]
    note = "-- Logs begin at Mon 2018-01-01 00:00:00 UTC, end at Tue 2019-04-02 00:00:00 UTC. --\n"
    assert dates(note + log("Mar 27", "Apr  2"), modified=late) == ["2019-03-27", "2019-04-02"]
    full = "2016-01-02T03:04:05Z h a: b\n"
    assert dates(log("Dec 30") + full, modified=late) == ["2015-12-30"]
    assert dates("2015-12-30T00:00:00Z h a: b\n" + log("Jan  2"), modified=late) == ["2016-01-02"]
    assert dates(log("Dec 30", "Jan  2") + full + log("Dec 30"), modified=late) == [
        "2015-12-30", "2016-01-02", "2015-12-30"
    ]  # fmt: skip


def test_leap_days_and_impossible_ones():
    assert dates(log("Feb 29", "Mar  1"), modified=ms(2023, 4, 1)) == ["2020-02-29", "2020-03-01"]
    assert dates(log("Feb 30", "Mar 99"), modified=ms(2023, 4, 1)) == [None, None]
    assert dates("Mar 27 25:00:00 h a: b\n", modified=ms(2023, 4, 1)) == [None]
    assert dates("Xyz 27 12:00:00 h a: b\n", modified=ms(2023, 4, 1)) == [None]


@pytest.mark.parametrize("modified", [-(10**18), 10**18, 0, -1, ms(1601, 1, 1), ms(9999, 12, 31)])
def test_absurd_hints(modified):
    (found,) = dates(log("Mar 27"), modified=modified)
    assert found is None or found.endswith("03-27")
    dates("0001-01-01T00:00:00Z h a: b\n" + log("Mar 27") + "9999-12-31T00:00:00Z h a: b\n")


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 28)), max_size=60))
def test_any_order_gives_times(days):
    moments = [datetime(2000, month, day) for month, day in days]
    text = log(*(moment.strftime("%b %e") for moment in moments))
    found = dates(text, modified=ms(2023, 6, 1))
    assert len(found) == len(days)
    assert None not in found


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_time_that_goes_on_is_read_exactly(steps):
    day, true = datetime(2016, 3, 1, tzinfo=UTC), []
    for step in steps:
        day = datetime.fromtimestamp(day.timestamp() + step * 86400 * 30, UTC)
        true.append(day)
    text = log(*(moment.strftime("%b %e") for moment in true))
    expect = [moment.strftime("%Y-%m-%d") for moment in true]
    assert dates(text, modified=ms(day.year, day.month, day.day)) == expect
