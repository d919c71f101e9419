import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.alert_fast.line import parse
from labrys.evidence.alert_fast.read import read, sniff
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "fast.log"
NEAR = 1_772_600_767_000  # 2026-03-04
REST = '[**] [1:366:11] "PING" [**] [Priority: 3] {ICMP} 2001:db8:0:0:0:0:0:9 -> 2001:db8::1'


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path, NEAR)


def test_what_a_line_becomes() -> None:
    first, dropped, wide, _ = (row for row in rows(SAMPLE) if row["shape"] == "suricata.alert")
    assert (first["_time"], first["alert.signature"]) == (
        1_772_600_767_123,
        "ET TROJAN Zeus [/] checkin",
    )
    assert (first["src_ip"], first["src_port"], first["dest_port"]) == ("192.0.2.7", "49152", "80")
    assert (dropped["alert.action"], dropped["src_port"]) == ("blocked", "8")
    assert wide["dest_port"] == "5353"
    assert wide["dest_ip"].startswith("ff02:")


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("03/04/26-05:06:07.5", NEAR + 500),
        ("26/03/04-05:06:07.5", NEAR + 500),
        ("03/04-05:06:07.5", NEAR + 500),
        ("12/31-00:00:00.0", 1_767_139_200_000),
        ("02/29-00:00:00.0", 1_709_164_800_000),
        ("02/30/2026-00:00:00.0", None),
        ("02/20/2026-25:00:00.0", None),
    ],
)
def test_every_way_to_write_the_time(stamp: str, time: int | None) -> None:
    found = parse(f"{stamp} {REST}", NEAR)
    assert found is not None
    fields, made = found
    assert made == time
    assert (fields["alert.signature"], fields["src_ip"]) == ("PING", "2001:db8:0:0:0:0:0:9")
    assert "src_port" not in fields


def test_sniff() -> None:
    assert sniff(SAMPLE.read_bytes(), "x") == 0.95
    assert sniff(SAMPLE.read_bytes() + b"something else\n", "x") == 0.0
    for other in (b"", b"[**] notes [**]\n", b"03/04/2026-05:06:07.1 [**] x\n"):
        assert sniff(other, "fast.log") == 0.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 600), st.binary(min_size=1, max_size=6)), max_size=6))
def test_no_damage_stops_it(changes: list[tuple[int, bytes]]) -> None:
    raw = bytearray(SAMPLE.read_bytes())
    for at, new in changes:
        raw[at % len(raw) : at % len(raw)] = new
    assume(not raw.startswith((b"\xfe\xff", b"\xff\xfe")))  # lines of UTF-16 are others
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some"
        path.write_bytes(raw)
        sniff(bytes(raw), "x")
        found = rows(path)
        assert found == rows(path)
        assert len(found) == sum(bool(line.strip()) for line in bytes(raw).split(b"\n"))
