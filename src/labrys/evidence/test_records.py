from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import records as module
from labrys.evidence.records import LEADING, Records, Source
from labrys.evidence.test_values import VALUES
from labrys.evidence.values import MULTI, cell, flatten

SOURCE = Source(Path("x"), "case/x.log", "0123456789abcdef" * 4, 10)


def drained(records: Records) -> dict[str, list[dict[str, Any]]]:
    return {shape: batch.to_pylist() for shape, batch in records.drain()}


def test_rows_come_out_by_shape_in_order_with_ids_of_position() -> None:
    records = Records(SOURCE)
    for number in range(600):
        shape = "a.b" if number % 3 else "c.d"
        records.add(shape, {"n": number}, time=number, offset=number * 2, host=f"h{number % 2}")
    found = drained(records)
    assert list(found) == ["c.d", "a.b"]
    assert [row["n"] for row in found["c.d"]] == [str(n) for n in range(0, 600, 3)]
    assert found["a.b"][1] == {
        "_id": "0123456789abcdef0123-2",
        "_time": 2,
        "_source": "case/x.log",
        "_offset": 4,
        "_host": "h0",
        "n": "2",
    }
    assert drained(records) == {}
    records.add("a.b", {}, time=None, offset=0)
    assert drained(records)["a.b"][0]["_id"] == "0123456789abcdef0123-600"


def test_columns_and_rows_of_one_shape_keep_their_order_and_count() -> None:
    records = Records(SOURCE)
    records.add("s", {"n": 0, "more": "x"}, time=0, offset=0)
    made = {"n": pa.array(["1", None]), "_id": pa.array(["a", "b"])}
    records.add_columns("s", made, times=pa.array([1, None], pa.int64()), offsets=[10, 20])
    records.add("s", {"n": 3}, time=3, offset=30)
    found = drained(records)["s"]
    assert [row["n"] for row in found] == ["0", "1", None, "3"]
    assert [row["_id"].rpartition("-")[2] for row in found] == ["0", "1", "2", "3"]
    assert [row["__id"] for row in found] == [None, "a", "b", None]
    assert [(row["_time"], row["_offset"]) for row in found] == [
        (0, 0),
        (1, 10),
        (None, 20),
        (3, 30),
    ]
    assert found[1]["_source"] == "case/x.log"
    records = Records(SOURCE, rows=2)
    records.add_columns("s", {}, times=pa.array([1, 2], pa.int64()), offsets=[0, 1])
    assert records.full


def test_every_batch_leads_with_our_columns_and_is_text() -> None:
    records = Records(SOURCE)
    values = ["t", 1, 2.5, True, None, ["a", None, 3], [], b"\xff", {"k": [1]}, "\ud800", 10**30]
    for value in values:
        records.add("s", {"v": value, "only": "x"}, time=2**70, offset=0)
    ((_, batch),) = records.drain()
    assert batch.schema.names[:5] == LEADING.names
    assert batch.schema.field("_time").type == pa.int64()
    assert all(
        field.type == pa.string() for field in batch.schema if field.name not in LEADING.names
    )
    assert batch.column("v").to_pylist() == [
        "t", "1", "2.5", "true", None, f"a{MULTI}3", None, "\\xff", '{"k":[1]}', "\\ud800", str(10**30)
    ]  # fmt: skip
    assert batch.column("_time").null_count == len(values)


def test_a_separator_in_evidence_is_shown_not_obeyed() -> None:
    records = Records(SOURCE)
    records.add("s", {"plain": f"a{MULTI}b", "list": [f"a{MULTI}b", "c"]}, time=None, offset=0)
    records.add("s", {"plain": "x", "list": "y"}, time=None, offset=0)
    (first, second) = drained(records)["s"]
    assert first["plain"] == "a\u241eb"
    assert first["list"] == f"a\u241eb{MULTI}c"
    assert (second["plain"], second["list"]) == ("x", "y")


def test_columns_called_like_ours_are_kept_under_another_name() -> None:
    records = Records(SOURCE)
    records.add("s", {"_id": "theirs", "_source": "theirs", "_shape": "x"}, time=None, offset=0)
    (row,) = drained(records)["s"]
    assert row["_source"] == "case/x.log"
    assert (row["__id"], row["__source"], row["__shape"]) == ("theirs", "theirs", "x")


def test_mixed_layouts_share_a_batch() -> None:
    records = Records(SOURCE)
    for number in range(300):
        records.add("s", {f"f{number % 7}": number, "all": "x"}, time=None, offset=0)
    rows = drained(records)["s"]
    for number, row in enumerate(rows):
        assert row[f"f{number % 7}"] == str(number)
        assert row[f"f{(number + 1) % 7}"] is None


def test_names_without_end_do_not_become_columns_without_end() -> None:
    records = Records(SOURCE)
    for number in range(400):
        fields = {f"n{number * 10 + at}": at for at in range(10)}
        records.add("s", {"first": number, **fields}, time=None, offset=0)
    ((_, batch),) = records.drain()
    assert batch.num_columns <= module.MOST_COLUMNS + len(LEADING.names) + 1
    last = batch.slice(399).to_pylist()[0]
    assert last["first"] == "399"
    assert '"n3990":"0"' in last["other_fields"]
    records.add("s", {"n": 1}, time=None, offset=0)
    assert drained(records)["s"][0]["n"] == "1"


def test_shapes_without_end_do_not_become_tables_without_end() -> None:
    records = Records(SOURCE)
    for number in range(module.MOST_SHAPES + 100):
        records.add(f"windows.x{number}.1", {"n": number}, time=None, offset=0)
    found = drained(records)
    assert len(found) == module.MOST_SHAPES + 1
    assert [row["n"] for row in found["windows.other"]] == [
        str(number) for number in range(module.MOST_SHAPES, module.MOST_SHAPES + 100)
    ]


def test_full_by_rows_or_by_size() -> None:
    records = Records(SOURCE, rows=3, size=1000)
    records.add("a", {}, time=None, offset=0)
    records.add("b", {}, time=None, offset=0)
    assert not records.full
    records.unparsed(7, "why", b"raw \xff")
    assert records.full
    (row,) = drained(records)["unparsed"]
    assert (row["reason"], row["raw"], row["_offset"]) == ("why", "raw \\xff", 7)
    assert not records.full
    records.add("a", {}, time=None, offset=0, size=2000)
    assert records.full


def test_what_is_unparsed_is_cut() -> None:
    records = Records(SOURCE)
    records.unparsed(0, "why", "x" * 10_000)
    assert len(drained(records)["unparsed"][0]["raw"]) == 4096


@pytest.mark.parametrize("depth", [100, 300, 900, 5_000])
def test_nesting_without_end_is_text(depth: int) -> None:
    for begin, wrap in (({}, lambda inner: {"a": inner}), ([1], lambda inner: [inner])):
        deep: Any = begin
        for _ in range(depth):
            deep = wrap(deep)
        records = Records(SOURCE)
        records.add("s", {"v": deep, **flatten({"w": deep})}, time=None, offset=0)
        (row,) = drained(records)["s"]
        assert isinstance(row["v"], str)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]), st.dictionaries(st.text(max_size=2), VALUES, max_size=4)
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(1, 5))
def test_packing_early_or_late_gives_the_same_rows(
    rows: list[tuple[str, dict[str, Any]]], pack: int
) -> None:
    def made(size: int) -> dict[str, list[dict[str, Any]]]:
        records = Records(SOURCE)
        before, module._PACK = module._PACK, size  # type: ignore[misc]
        try:
            for number, (shape, fields) in enumerate(rows):
                records.add(shape, fields, time=number, offset=number)
            return drained(records)
        finally:
            module._PACK = before  # type: ignore[misc]

    found = made(1000)
    assert made(pack) == found
    for shape in ("a", "b"):
        fields = [each for name, each in rows if name == shape]
        for row, given_fields in zip(found.get(shape, []), fields, strict=True):
            for name, value in given_fields.items():
                assert row[name] == cell(value)
