import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence import delimited
from labrys.evidence.delimited import Batches, blocks, column_names, line_starts, parse
from labrys.evidence.records import LEADING, Records, Source


@given(st.binary(max_size=200), st.integers(1, 50))
def test_blocks_hold_every_line_once(data: bytes, size: int) -> None:
    made = list(blocks(io.BytesIO(data), size))
    assert b"".join(block for _, block in made) == data
    assert all(data[offset:].startswith(block) for offset, block in made)
    assert all(block.endswith(b"\n") for _, block in made[:-1])


def test_blocks_of_very_short_lines_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_LINES", 10)
    data = b"a\n" * 95 + b"end"
    made = list(blocks(io.BytesIO(data)))
    assert max(block.count(b"\n") for _, block in made) == 10
    assert b"".join(block for _, block in made) == data
    assert all(data[offset:].startswith(block) for offset, block in made)


@given(st.binary(min_size=1, max_size=100))
def test_line_starts_are_where_lines_start(data: bytes) -> None:
    expected = [0] + [place + 1 for place, byte in enumerate(data[:-1]) if byte == 0x0A]
    assert line_starts(data).tolist() == expected


@given(st.lists(st.text("ab.2", max_size=3), max_size=12))
def test_column_names_are_distinct(names: list[str]) -> None:
    made = column_names([*names, "_id", ""])
    assert len(set(made)) == len(names) + 2
    assert not set(made) & {*LEADING.names, ""}


def test_simple_blocks_only_are_parsed() -> None:
    assert parse(b"1,2\r\n", 1, 2, ",", "") is None
    assert parse(b"1,2\n\n3,4\n", 3, 2, ",", "") is None
    assert parse(b"1,\x1e\n", 1, 2, ",", "") is None
    made = parse(b"1,\xff\n2\n,4\n", 3, 2, ",", "")
    assert made is not None
    assert [column.to_pylist() for column in made.columns] == [["1", None], ["\\xff", "4"]]
    assert (made.rows.tolist(), made.bad) == ([0, 2], [1])
    made = parse(b'"a,b","""c"""\n', 1, 2, ",", "", quoted=True)
    assert made is not None
    assert [column.to_pylist() for column in made.columns] == [["a,b"], ['"c"']]


def test_batches_look_as_those_of_records() -> None:
    source = Source(Path("x"), "x", "ab" * 32, 10)
    records = Records(source)
    for number, value in enumerate(("1", None)):
        records.add("s", {"a": value, "b": "y"}, time=number, offset=7 * number)
    records.unparsed(14, "reason", b"raw\xff")
    expected = dict(records.drain())
    batches = Batches(source)
    first = batches.take(3)
    made = batches.batch(
        np.arange(2) + first,
        pa.array([0, 1], pa.int64()),
        np.array([0, 7]),
        names=("a", "b"),
        columns=(pa.array(["1", None]), pa.array(["y", "y"])),
    )
    assert made.equals(expected["s"])
    ((shape, unparsed),) = batches.unparsed([(2, 14, "reason", b"raw\xff")])
    assert unparsed.equals(expected[shape])
    assert list(batches.unparsed([])) == []
