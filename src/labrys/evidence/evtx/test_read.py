import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing, windows_document, windows_event
from labrys.evidence.evtx import read as module
from labrys.evidence.evtx.read import read, sniff
from labrys.evidence.evtx.samples import make
from labrys.evidence.records import Source
from labrys.evidence.registry import choose
from labrys.evidence.testing import Row, source

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "made.evtx"
SHARED = HERE.parents[4] / "shared" / "data" / "endpoint"


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


def read_bytes(raw: bytes) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.evtx"
        path.write_bytes(raw)
        return rows(path)


def events(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in found if row["shape"] != "unparsed"]


def test_the_sample_is_what_its_maker_makes() -> None:
    assert SAMPLE.read_bytes() == make.sample()


def test_it_is_known_by_its_magic() -> None:
    assert sniff(SAMPLE.read_bytes(), "x") == 1.0
    assert sniff(b"ElfChnk\0", "Security.evtx") == 0.0
    chosen = choose(SAMPLE.read_bytes(), "x")
    assert chosen is not None
    assert chosen.id == "evtx"


def test_a_file_of_a_header_only_has_no_events() -> None:
    assert read_bytes(make.evtx()) == []


@pytest.mark.parametrize("length", [0, 8, 100, 4095])
def test_a_file_cut_off_in_its_header_says_so(length: int) -> None:
    (row,) = read_bytes(make.sample()[:length])
    assert row["shape"] == "unparsed"
    assert "header" in row["reason"] or "ends inside" in row["reason"]


def test_what_is_left_of_a_chunk_cut_off_is_read() -> None:
    raw = make.sample()
    *found, last = read_bytes(raw[: 4096 + make.CHUNK + 30_000])
    assert len(found) == 5
    assert last["reason"].startswith("the file ends inside a chunk")
    assert len(events(read_bytes(raw[: 4096 + 3_000]))) >= 1
    assert len(read_bytes(raw + bytes(1000))) == 5


def test_a_broken_chunk_costs_itself_only() -> None:
    raw = bytearray(make.sample())
    raw[4096:4104] = b"XXXXXXXX"
    found = read_bytes(bytes(raw))
    assert [row["_offset"] for row in found if row["shape"] == "unparsed"] == [0]
    assert {row["shape"] for row in events(found)} == {
        "windows.system.104",
        "windows.security.4624",
    }


def test_a_parser_that_fails_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        """As the parser's panics are no `Exception`."""

    class Endless:
        def records_json(self) -> "Endless":
            return self

        def __next__(self) -> None:
            raise Panic("x" * 5000)

    monkeypatch.setattr(module, "_parser", lambda *_: Endless())
    found = rows(SAMPLE)
    assert 10 < len(found) < 2000
    assert all(len(row["reason"]) <= 500 for row in found)
    assert found[-1]["reason"].startswith("too many")


def test_names_no_other_program_can_say_are_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\xfe.evtx")
    path.write_bytes(SAMPLE.read_bytes())
    raw = path.read_bytes()
    made = list(read(Source(path, "odd", hashlib.sha256(raw).hexdigest(), len(raw))))
    assert sum(batch.num_rows for _, batch in made) == 5


def test_ids_and_rows_are_the_same_each_time() -> None:
    assert rows(SAMPLE) == rows(SAMPLE)
    assert len({row["_id"] for row in rows(SAMPLE)}) == 5


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_reported_not_raised(data: st.DataObject) -> None:
    raw = bytearray(make.sample())
    for _ in range(data.draw(st.integers(1, 8))):
        chunk = data.draw(st.sampled_from([0, 4096, 4096 + 512, 4096 + make.CHUNK + 512]))
        at = chunk + data.draw(st.integers(0, 1500))
        raw[at : at + data.draw(st.integers(1, 4))] = data.draw(st.binary(min_size=1, max_size=4))
    del raw[data.draw(st.integers(4096, len(raw))) :]
    found = read_bytes(bytes(raw))
    assert found == read_bytes(bytes(raw))
    assert len(found) < 500


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


NAMES = TEXT.filter(lambda name: name.strip("@#_") and not name.startswith("xmlns"))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, TEXT, max_size=6))
def test_every_named_value_is_kept(values: dict[str, str]) -> None:
    usual = make.usual(42, "Made/Operational", "Made", "2024-05-06T07:08:09.1Z")
    (row,) = read_bytes(make.evtx(make.chunk([make.event(usual, make.named(values))])))
    assert row["shape"] == "windows.made.42"
    kept = {part for text in row.values() for part in str(text).split("\x1e")}
    assert kept.issuperset(values.values())


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="the shared data sets are not beside the checkout")
def test_real_files_are_read_whole_and_as_fast_as_promised(tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(SHARED / "evtx_parser_edge_cases.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    paths = sorted(tmp_path.rglob("*.evtx"))
    begin = time.process_time()
    counted = {"unparsed": 0, "windows": 0}
    for path in paths:
        for shape, batch in read(source(path)):
            counted[shape.partition(".")[0]] += batch.num_rows
    spent = time.process_time() - begin
    assert counted == {"unparsed": 17, "windows": 18_397}
    assert counted["windows"] / spent > 15_000  # far below what it does: CI machines are slow


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="the shared data sets are not beside the checkout")
def test_the_quick_way_and_the_general_way_agree(tmp_path: Path) -> None:
    import tarfile

    import orjson
    from evtx import PyEvtxParser

    with tarfile.open(SHARED / "evtx_parser_edge_cases.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    compared = 0
    for path in sorted(tmp_path.rglob("*.evtx")):
        found = PyEvtxParser(str(path), number_of_threads=1).records_json()
        for _ in range(200):
            try:
                text = next(found)["data"]
            except StopIteration:
                break
            except RuntimeError:
                continue
            placed = windows_document.usual(text)
            if placed is not None:
                quick = windows_document.named(placed)
                general = windows_event.from_tree(orjson.loads(text)["Event"])
                assert quick[0] == general[0]
                assert quick[2:] == general[2:]
                for name in quick[1].keys() | general[1].keys():
                    assert quick[1].get(name) == general[1].get(name), name
                compared += 1
    assert compared > 1000
