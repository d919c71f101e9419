import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.registry import choose
from labrys.evidence.testing import Row
from labrys.evidence.web_error.read import read, sniff

HERE = Path(__file__).parent
SAMPLES = sorted((HERE / "samples").iterdir())


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_known_by_its_content(path: Path) -> None:
    chosen = choose(path.read_bytes(), "x")
    assert chosen is not None
    assert chosen.id == "web_error"


def test_what_the_samples_say() -> None:
    missing, wrong, started, trace, denied = rows(HERE / "samples" / "nginx.log")
    assert (missing["c-ip"], missing["cs-uri-stem"]) == ("203.0.113.9", "/.env")
    assert "event_kind" not in missing
    assert (wrong["event_outcome"], wrong["user"]) == ("failure", "anna")
    assert (started["level"], trace["shape"]) == ("notice", "text.line")
    assert trace["_time"] == started["_time"]
    assert denied["modsecurity_id"] == "942100"
    assert denied["modsecurity_tag"] == "attack-sqli\x1ex"
    wrong, missing, _ = rows(HERE / "samples" / "apache.log")
    assert (wrong["c-port"], wrong["code"], wrong["user"]) == ("50000", "AH01617", "anna")
    assert wrong["_time"] == 1_772_600_767_123
    assert (missing["c-ip"], missing["cs-referer"]) == ("203.0.113.9", "http://shop.example/")


def test_other_logs_are_left_to_others() -> None:
    assert sniff(b"2026/03/04 05:06:07 [info] something\n" * 3, "error.log") == 0.0
    assert sniff(b"[2026-03-04] x\n", "error.log") == 0.0
    assert sniff(b"", "error.log") == 0.0


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
