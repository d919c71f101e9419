from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.parquet import read as reading
from labrys.evidence.parquet.read import read, sniff
from labrys.evidence.records import UNPARSED, Source
from labrys.evidence.registry import choose
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
KINDS = HERE / "samples" / "kinds.parquet"


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path, 1_790_000_000_000)


def written(folder: Path, table: pa.Table, **options: Any) -> Path:
    path = folder / "made.parquet"
    pq.write_table(table, path, **options)
    return path


def test_it_is_known_by_its_magic() -> None:
    assert sniff(b"PAR1\x15", "x.csv") == 1.0
    assert sniff(b"PAR2", "x.parquet") == 0.0
    chosen = choose(KINDS.read_bytes(), "renamed.bin")
    assert chosen is not None
    assert chosen.id == "parquet"


def test_every_row_of_every_group_comes_in_order(tmp_path: Path) -> None:
    numbers = list(range(50_000))
    path = written(tmp_path, pa.table({"n": numbers}), row_group_size=7_000)
    found = rows(path)
    assert [int(row["n"]) for row in found] == numbers
    assert [row["_offset"] for row in found] == numbers
    assert len({row["_id"] for row in found}) == len(numbers)


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_values_written_as_deltas_are_read_beside_repeated_ones(
    tmp_path: Path, encoding: str
) -> None:
    names = [f"host-{number}" for number in range(3_000)]
    table = pa.table({"name": names, "kind": ["same"] * len(names)})
    options = {"use_dictionary": ["kind"], "column_encoding": {"name": encoding}}
    found = rows(written(tmp_path, table, row_group_size=1_000, **options))
    assert [row["name"] for row in found] == names
    assert {row["kind"] for row in found} == {"same"}


def test_text_that_is_none_is_shown_in_hex(tmp_path: Path) -> None:
    # What claims to be text need not be.
    raw = pa.array([b"ok", b"\xff\xfe"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    assert [row["a"] for row in rows(written(tmp_path, pa.table({"a": text})))] == [
        "ok",
        "\\xff\\xfe",
    ]


def test_repeated_long_values_come_in_small_batches(tmp_path: Path) -> None:
    table = pa.table({"a": ["x" * (1 << 20)] * 100})
    path = written(tmp_path, table)
    source = Source(path, "a", "0" * 64, path.stat().st_size, None)
    sizes = [batch.nbytes for _, batch in read(source)]
    assert len(sizes) >= 3
    assert max(sizes) <= 40 << 20


def test_a_bomb_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, pa.table({"a": ["x" * (1 << 20)] * 400}))
    monkeypatch.setattr(reading, "_LEAST", 64 << 20)
    monkeypatch.setattr(reading, "_GROWTH", 1)
    found = rows(path)
    assert found[-1]["shape"] == UNPARSED
    assert "many times larger" in found[-1]["reason"]
    assert len(found) < 200


def test_a_claim_beyond_reason_is_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, pa.table({"a": pa.nulls(3_000_000)}))
    monkeypatch.setattr(reading, "_ROWS_A_BYTE", 1)
    assert [row["shape"] for row in rows(path)] == [UNPARSED]
    monkeypatch.setattr(reading, "_ROWS_A_BYTE", 1 << 40)
    monkeypatch.setattr(reading, "_CHUNK", 0)
    assert [row["shape"] for row in rows(path)] == [UNPARSED]


def test_columns_beyond_the_most_are_told_of(tmp_path: Path) -> None:
    table = pa.table({f"c{number}": [number] for number in range(1100)})
    found = rows(written(tmp_path, table))
    assert found[0]["c1023"] == "1023"
    assert "76 columns" in found[-1]["reason"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_never_raises_and_reads_the_same_twice(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(KINDS.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    path.write_bytes(bytes(content))
    assert rows(path) == rows(path)
