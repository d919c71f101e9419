import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.fields_log.read import read, sniff
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
    assert chosen.id == "fields_log"


def test_what_the_samples_say() -> None:
    found = {row["shape"]: row for path in SAMPLES for row in reversed(rows(path))}
    blocked = found["windows.firewall_log"]
    assert (blocked["event_outcome"], blocked["dst-port"]) == ("blocked", "3389")
    assert blocked["_time"] == 1_772_600_767_000
    refused = found["exchange.imap4"]
    assert (refused["src_ip"], refused["user"]) == ("203.0.113.9", "anna")
    assert (refused["event_kind"], refused["event_outcome"]) == ("logon", "failure")
    assert found["exchange.message_tracking"]["message-subject"] == "Invoice, paid"
    lease = found["windows.dhcp_log"]
    assert (lease["IP Address"], lease["Host Name"]) == ("10.1.0.7", "pc-7.corp.example")
    assert lease["_time"] == 1_772_600_767_000
    assert found["exchange.httpproxy"]["_host"] == "MX1"
    assert found["unparsed"]["raw"] == "one,two"


def test_web_logs_are_left_to_their_reader() -> None:
    web = b"#Software: IIS\n#Fields: date time cs-method cs-uri-stem sc-status\n"
    assert sniff(web, "x") == 0.0
    assert sniff(b"", "x") == 0.0
    assert sniff(b"# Fields: of wheat\n", "x") == 0.0


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 9), st.binary(max_size=6)), max_size=6),
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
