from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.lake import segment


def rows(count: int, prefix: str = "r", **columns: object) -> pa.Table:
    return pa.table(
        {
            "_id": [f"{prefix}-{number}" for number in range(count)],
            "_time": pa.array([1000 + number for number in range(count)], pa.int64()),
            "_source": [f"{prefix}.log"] * count,
            "_offset": pa.array(range(count), pa.int64()),
            "_host": pa.array([None] * count, pa.string()),
            **columns,
        }
    )


def plain(table: pa.Table) -> list[dict[str, object]]:
    return table.to_pylist()


def test_small_shapes_share_a_segment_and_keep_their_own_columns(tmp_path: Path) -> None:
    tables = {
        "b.two": rows(2, "b", User=["x", None], data=["1", "2"]),
        "a.one": rows(3, "a", user=["p", "q", "r"], Data=["1", None, ""], extra=["e"] * 3),
    }
    written = segment.write(tmp_path / "00000001.parquet", tables)
    assert (written.rows, written.time_min, written.time_max) == (5, 1000, 1002)
    for shape, table in tables.items():
        got = segment.read(tmp_path / "00000001.parquet", written.places[shape])
        assert got.column_names == table.column_names
        assert plain(got) == plain(table)
    both = dict(segment.read_all(tmp_path / "00000001.parquet", written.places))
    assert {shape: plain(table) for shape, table in both.items()} == {
        shape: plain(table) for shape, table in tables.items()
    }


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    written = segment.write(tmp_path / "s.parquet", {"a": rows(1, X=["1"], Y=["2"])})
    got = segment.read(tmp_path / "s.parquet", written.places["a"], columns=["Y", "_id"])
    assert got.to_pylist() == [{"_id": "r-0", "Y": "2"}]


def test_a_shape_across_row_groups_comes_back_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "ROW_GROUP", 4)
    tables = {"a": rows(3, "a"), "b": rows(9, "b", V=[str(n) for n in range(9)]), "c": rows(2, "c")}
    written = segment.write(tmp_path / "s.parquet", tables)
    for shape, table in tables.items():
        assert plain(segment.read(tmp_path / "s.parquet", written.places[shape])) == plain(table)


def test_numbers_and_dictionaries_become_text_and_never_break_the_union(tmp_path: Path) -> None:
    many = segment.BIG
    tables = {
        "n": rows(2, "n", Value=pa.array([1, None], pa.int64())),
        "d": rows(many, "d", Value=pa.array(["x", "y"] * (many // 2)).dictionary_encode()),
    }
    written = segment.write(tmp_path / "s.parquet", tables)
    got = segment.read(tmp_path / "s.parquet", written.places["n"])
    assert got["Value"].to_pylist() == ["1", None]
    got = segment.read(tmp_path / "s.parquet", written.places["d"])
    assert got["Value"].to_pylist() == ["x", "y"] * (many // 2)


def test_big_shapes_are_planned_alone_and_empty_ones_not_at_all() -> None:
    big, small = rows(segment.BIG), rows(2)
    planned = segment.plan({"small": small, "big": big, "other": small, "none": rows(0)})
    assert [sorted(part) for part in planned] == [["big"], ["other", "small"]]


names = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "Data",
                "data",
                "DATA",
                "_ID",
                "_shape",
                "filename",
                "a.b",
                'q"',
                "`",
                "",
                "İ",
                "ß",
                "x y",
            ]
        ),
        st.text(max_size=6),
    ),
    unique=True,
    max_size=8,
).map(lambda made: [name for name in made if name not in segment.LEADING.names])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    shapes=st.dictionaries(
        st.sampled_from("abcdef"), st.tuples(names, st.integers(1, 5)), min_size=1
    )
)
def test_whatever_columns_are_called_they_come_back(
    tmp_path: Path, shapes: dict[str, tuple[list[str], int]]
) -> None:
    tables = {
        shape: rows(
            count, shape, **{name: [f"{name}{n}" for n in range(count)] for name in columns}
        )
        for shape, (columns, count) in shapes.items()
    }
    written = segment.write(tmp_path / "s.parquet", tables)
    for shape, table in tables.items():
        assert plain(segment.read(tmp_path / "s.parquet", written.places[shape])) == plain(table)
    for shape, table in segment.read_all(tmp_path / "s.parquet", written.places):
        assert plain(table) == plain(tables[shape])
