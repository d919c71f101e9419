import io
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.testing import Row
from labrys.evidence.windows_xml import split
from labrys.evidence.windows_xml.read import read, sniff

HERE = Path(__file__).parent
SAMPLES = sorted((HERE / "samples").iterdir())


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


def read_bytes(raw: bytes) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(raw)
        return rows(path)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_known_by_its_content(path: Path) -> None:
    assert sniff(path.read_bytes(), "x") > 0.7


def test_other_xml_is_left_to_others() -> None:
    assert sniff(b"<html><Event></html>", "x.xml") == 0.0
    assert sniff(b"<Events><Event><Name>x</Name></Event></Events>", "x.xml") == 0.0
    assert sniff(b"Event", "x.xml") == 0.0
    assert sniff(b"", "x.xml") == 0.0


def test_entities_are_refused_however_they_are_declared() -> None:
    bomb = b"<!DOCTYPE x [<!ENTITY a 'b'>]>"
    inside = b"<Event><!DOCTYPE x><System><EventID>1</EventID></System></Event>"
    external = b"<?xml version='1.0'?><!DOCTYPE x SYSTEM 'file:///etc/passwd'>"
    for raw in (bomb, inside, external):
        (row,) = read_bytes(raw)
        assert row["reason"] == "a document type or entity declaration is not accepted"


def test_an_event_over_the_limit_is_bad_and_the_next_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(split, "LIMIT", 5_000)
    monkeypatch.setattr(split, "BLOCK", 1_000)
    event = b"<Event><System><EventID>1</EventID></System>%s</Event>\n"
    raw = event % b"" + event % (b"<A>" + b"x" * 20_000 + b"</A>") + event % b""
    found = read_bytes(raw)
    assert [row["shape"] for row in found].count("windows.unknown.1") == 2
    assert any(row.get("reason", "").startswith("longer than") for row in found)


@pytest.mark.parametrize("block", [7, 64, 1000])
def test_blocks_do_not_matter(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in SAMPLES:
        whole = list(split.events(io.BytesIO(path.read_bytes())))
        with monkeypatch.context() as patch:
            patch.setattr(split, "BLOCK", block)
            cut = list(split.events(io.BytesIO(path.read_bytes())))
        events = [part for part in whole if isinstance(part[1], bytes)]
        assert [part for part in cut if isinstance(part[1], bytes)] == events


@pytest.mark.parametrize(
    "text",
    [b"<Event ", b"<Event><System ", b"<Event><Event><System ", b"<", b"<!--", b"<a b='", b"x\n"],
)
def test_hostile_repetition_takes_linear_time(text: bytes) -> None:
    begin = time.process_time()
    parts = list(split.events(io.BytesIO(text * (2_000_000 // len(text)))))
    assert all(isinstance(part, split.BadRecord) for _, part in parts)
    assert time.process_time() - begin < 8


def test_deep_nesting_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = b"<a>" * 5_000 + b"x" + b"</a>" * 5_000
    raw = (
        b"<Event><System><EventID>1</EventID></System><UserData><W>"
        + deep
        + b"</W></UserData></Event>"
    )
    assert [row["shape"] for row in read_bytes(raw)] == ["windows.unknown.1"]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_damage_is_reported_not_raised(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(SAMPLES)).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    sniff(bytes(raw), "x")
    assert read_bytes(bytes(raw)) == read_bytes(bytes(raw))
