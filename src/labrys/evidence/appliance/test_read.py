import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.appliance import read as appliance
from labrys.evidence.appliance.message import bare, parse
from labrys.evidence.registry import choose
from labrys.evidence.syslog import read as syslog
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLES = {"bare.log": appliance.read, "appliances.log": syslog.read}
PLACES = {"bare.log": HERE / "samples", "appliances.log": HERE.parent / "syslog" / "samples"}
NEAR = 1_772_700_000_000  # 2026-03-05


def rows(name: str, path: Path | None = None) -> list[Row]:
    return testing.rows(SAMPLES[name], path or PLACES[name] / name, NEAR)


def test_who_reads_them_is_told_by_content() -> None:
    for name, wanted in (("bare.log", "appliance"), ("appliances.log", "syslog")):
        chosen = choose((PLACES[name] / name).read_bytes(), "x")
        assert chosen is not None
        assert chosen.id == wanted


def test_what_all_share_is_said_of_each() -> None:
    told = Counter(
        (row["shape"].partition(".")[2], row.get("event_kind"), row.get("event_outcome"))
        for name in SAMPLES
        for row in rows(name)
    )
    for wanted in (
        ("fortigate", "traffic", "allowed"),
        ("fortigate", "traffic", "blocked"),
        ("fortigate", "alert", "blocked"),
        ("fortigate", "web", "blocked"),
        ("cef", "traffic", "blocked"),
        ("cef", "logon", "failure"),
        ("leef", "logon", "success"),
        ("sophos", "traffic", "blocked"),
        ("sonicwall", "traffic", "allowed"),
        ("asa", "traffic", "opened"),
        ("asa", "traffic", "blocked"),
        ("asa", "logon", "failure"),
        ("asa", "logon", "success"),
        ("panos", "traffic", "allowed"),
        ("panos", "alert", "blocked"),
        ("panos", "logon", "failure"),
        ("pfsense", "traffic", "blocked"),
        ("pfsense", "traffic", "allowed"),
        ("mikrotik", "traffic", "blocked"),
        ("mikrotik", "logon", "failure"),
        ("mikrotik", "logon", "success"),
        ("ios", "logon", "failure"),
    ):
        assert told[wanted] == 1 + (wanted == ("fortigate", "logon", "failure")), wanted
    assert told["fortigate", "logon", "failure"] == 2


def test_times_are_those_of_the_device() -> None:
    found = {row["_offset"]: row["_time"] for row in rows("bare.log") if "_time" in row}
    times = list(found.values())
    assert times[0] == 1_772_600_767_000  # eventtime, whatever the wall says
    assert times[1] == 1_772_597_168_000  # 05:06:08 at +0100


def test_a_zone_in_the_head_beats_a_clock_on_the_wall() -> None:
    line = "2026-03-04T04:06:13+00:00 pa 1,2026/03/04 05:06:13,0012,SYSTEM,general,0,2026/03/04 05:06:13,,x,,0,0,general,low,said,3,0x0\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some"
        path.write_text(line)
        assert [row["_time"] for row in rows("appliances.log", path)] == [1_772_597_173_000]


def test_an_outbound_connection_starts_inside() -> None:
    built = next(row for row in rows("appliances.log") if row.get("message_id") == "302013")
    assert (built["src_ip"], built["dst_ip"], built["dst_port"]) == (
        "10.1.0.7",
        "203.0.113.9",
        "443",
    )
    said = "Built inbound TCP connection 7 for outside:203.0.113.9/5 (203.0.113.9/5) to dmz:10.1.0.7/80 (10.1.0.7/80)"
    event = parse("%ASA-6-302013", said)
    assert event is not None
    assert (event.fields["src_ip"], event.fields["dst_port"]) == ("203.0.113.9", "80")


@pytest.mark.parametrize(
    "line",
    [
        "date=2026-03-04 time=05:06:07 weather=fine",
        "user anna logged in",
        "in: out:",
        "CEF:0|a|b",
        "%d items of %s",
        "1,2026/03/04 05:06:07",
        "time=1 level=info msg=started type=none",
        "user anna logged in from somewhere",
    ],
)
def test_what_only_looks_like_one_is_none(line: str) -> None:
    assert bare(line) is None


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 9), st.binary(max_size=8)), max_size=8),
)
def test_no_damage_stops_it(name: str, changes: list[tuple[int, int, bytes]]) -> None:
    raw = bytearray((PLACES[name] / name).read_bytes())
    for at, gone, new in changes:
        at %= len(raw)
        raw[at : at + gone] = new
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some"
        path.write_bytes(raw)
        assert 0 <= appliance.sniff(bytes(raw), "x") <= 1
        found = rows(name, path)
        assert found == rows(name, path)
        lines = [line for line in bytes(raw).split(b"\n") if line.strip(b"\0 \t\r\xef\xbb\xbf")]
        assert len(found) >= len(lines) - 1
