import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.registry import choose
from labrys.evidence.testing import Row
from labrys.evidence.windows_table.message import fields
from labrys.evidence.windows_table.read import read, sniff

HERE = Path(__file__).parent
SAMPLES = sorted((HERE / "samples").iterdir())
HAYABUSA = (
    b'"Timestamp","RuleTitle","Level","Computer","Channel","EventID","RecordID","Details"\n'
    b'"2026-03-04 05:06:07.123 +00:00","Made up","high","pc-7","Sec",4625,701,"User: anna"\n'
)


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_known_by_its_content(path: Path) -> None:
    chosen = choose(path.read_bytes(), "x")
    assert chosen is not None
    assert chosen.id == "windows_table"


def test_a_row_is_the_event_it_was() -> None:
    failed, started, broken, *rest = rows(HERE / "samples" / "evtxecmd.csv")
    assert (failed["shape"], failed["TargetUserName"]) == ("windows.security.4625", "anna")
    assert (failed["_time"], failed["_host"]) == (1_772_600_767_123, "pc-7.corp.example")
    assert failed["Keywords"] == "0x8010000000000000"
    assert (started["shape"], started["Image"]) == ("windows.sysmon.1", "C:\\x.exe")
    assert (broken["shape"], broken["Data"]) == ("windows.system.7036", "{broken")
    assert [row["shape"] for row in rest] == ["unparsed"]


def test_what_only_the_message_says_becomes_fields() -> None:
    (failed,) = rows(HERE / "samples" / "get_winevent.csv")
    assert failed["shape"] == "windows.security.4625"
    assert (failed["TargetUserName"], failed["TargetDomainName"]) == ("anna", "CORP")
    assert (failed["IpAddress"], failed["SubjectUserSid"]) == ("203.0.113.9", "S-1-0-0")
    assert "Data" not in failed
    said = fields(
        "Process Create:\nUtcTime: x\nImage: C:\\x.exe\nCommandLine: x -a: b", "a-Sysmon/b"
    )
    assert said["CommandLine"] == "x -a: b"
    assert said["Image"] == "C:\\x.exe"


def test_other_tables_are_left_to_others() -> None:
    assert sniff(HAYABUSA, "x") == 0.0
    assert sniff(b"a,b,c\n1,2,3\n", "x.csv") == 0.0
    assert sniff(b"", "x.csv") == 0.0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 9), st.binary(max_size=6)), max_size=6)
)
def test_no_damage_stops_it(changes: list[tuple[int, int, bytes]]) -> None:
    raw = bytearray(SAMPLES[0].read_bytes())
    for at, gone, new in changes:
        at %= len(raw)
        raw[at : at + gone] = new
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some"
        path.write_bytes(raw)
        assert 0 <= sniff(bytes(raw), "x") <= 1
        assert rows(path) == rows(path)
