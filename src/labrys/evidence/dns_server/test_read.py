import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.dns_server.line import unix
from labrys.evidence.dns_server.read import read, sniff
from labrys.evidence.registry import choose
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLES = sorted((HERE / "samples").iterdir())


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_known_by_its_content(path: Path) -> None:
    chosen = choose(path.read_bytes(), "x")
    assert chosen is not None
    assert chosen.id == "dns_server"


def test_what_the_samples_say() -> None:
    asked, answered = (row for row in rows(HERE / "samples" / "windows.log") if "query" in row)
    assert (asked["client"], asked["query"], asked["event"]) == (
        "10.1.0.7",
        "www.example.com",
        "query",
    )
    assert (answered["event"], answered["rcode"]) == ("response", "NOERROR")
    assert asked["_time"] == 1_772_600_767_000
    asked, refused, other, last, transfer = rows(HERE / "samples" / "bind.log")
    assert (asked["query"], asked["query_type"], asked["client"]) == (
        "www.example.com",
        "A",
        "10.1.0.7",
    )
    assert (refused["query"], refused["rcode"]) == ("x.example", "REFUSED")
    assert other["shape"] == "text.line"
    assert last["client"] == "2001:db8::7"
    assert (transfer["query_type"], transfer["rcode"]) == ("AXFR", "REFUSED")


def test_servers_that_log_to_syslog() -> None:
    said = unix("query[AAAA] a.example from 10.1.0.7")
    assert said == {
        "query_type": "AAAA",
        "query": "a.example",
        "client": "10.1.0.7",
        "event": "query",
    }
    said = unix("[12:0] info: 10.1.0.7 a.example. A IN")
    assert said is not None
    assert (said["query"], said["client"]) == ("a.example", "10.1.0.7")
    assert unix("reply a.example is 192.0.2.1") is None


def test_other_logs_are_left_to_others() -> None:
    assert sniff(b"3/4/2026 5:06:07 AM started\n" * 3, "dns.log") == 0.0
    assert sniff(b"", "dns.log") == 0.0


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 9), st.binary(max_size=6)), max_size=6),
)
def test_no_damage_stops_it(path: Path, changes: list[tuple[int, int, bytes]]) -> None:
    raw = bytearray(path.read_bytes())
    for at, gone, new in changes:
        at %= len(raw)
        raw[at : at + gone] = new
    with tempfile.TemporaryDirectory() as folder:
        some = Path(folder) / "some"
        some.write_bytes(raw)
        assert 0 <= sniff(bytes(raw), "x") <= 1
        assert rows(some) == rows(some)
