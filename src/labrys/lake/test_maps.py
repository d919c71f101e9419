"""What the maps mean is the same in Python and in SQL, and every map there is can be queried."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.lake import Case
from labrys.lake.engine import connect
from labrys.lake.test_segment import rows
from labrys.ocsf import maps, sql
from labrys.ocsf.maps import HOW
from labrys.ocsf.values import transform

texts = st.one_of(
    st.sampled_from(
        [
            *("CORP\\ann", "\\", "a\\", "\\b", "a\\b\\c", "/a/b", "a/", "x=1", "sha256=F"),
            *("SHA1=aB,MD5=0", "0x", "0x1g", "0X10", "-0x1", "+5", "5-", "--", "1.5", "1e3"),
            *("1_0", " 7", "0" * 25, str(2**63), str(2**63 - 1), str(-(2**63))),
            *("0x7fffffffffffffff", "0x8000000000000000"),
            *("0.0004999", "0.0005", "12.3456785", ".5", "7.", "2.5e-07", "1e-400", "9" * 13),
        ]
    ),
    st.integers(-(2**65), 2**65).map(str),
    st.lists(
        st.sampled_from(
            [
                *("file", "container", "folder", ":_", ":", "C:\\a b", ".exe", "->", "; ", ";"),
                *("|", "https://a/", "x", ">", "CmdLine", " ", "é", "\n", "pid:1"),
            ]
        ),
        max_size=12,
    ).map("".join),
    st.integers(0, 2**65).map(hex),
    st.floats(0, 1e9).map(str),
    st.text(st.sampled_from("aZ09\\/=,;-+x. sha1md5"), max_size=14),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(texts.filter(lambda text: text not in ("", "-")), min_size=1, max_size=30))
def test_python_and_sql_read_a_cell_alike(cells: list[str]) -> None:
    columns = [
        f"CAST({sql.transformed('cell', how, 'duckdb')} AS VARCHAR) AS how_{number}"
        for number, how in enumerate(HOW)
    ]
    with duckdb.connect() as db:
        db.register("cells", pa.table({"cell": cells}))
        got = db.sql(f"SELECT {', '.join(columns)} FROM cells").to_arrow_table()
    for number, how in enumerate(HOW):
        expected = [transform(how, cell) for cell in cells]
        assert got[f"how_{number}"].to_pylist() == expected, how


def test_every_map_can_be_queried(tmp_path: Path) -> None:
    tables = {}
    for made in maps.maps():
        for pattern in made.shapes:
            shape = pattern.replace("*", "any").replace("?", "1").replace("[", "").replace("]", "")
            columns = [name for one in maps.mapping_for(shape) for name in needed(one)]
            tables[shape] = rows(2, shape, **{name: ["12", None] for name in columns})
    with Case.open(tmp_path / "c") as case:
        case.commit(tables)
        asked = connect(case)
        views = [view for view in asked.views.by_name.values() if view.uid]
        for view in views:
            got = asked.sql(f"SELECT * FROM {view.name}").read_all()
            assert got.column_names == list(view.columns)
            assert got.num_rows <= view.rows
            kinds = {"text": pa.string(), "bigint": pa.int64(), "double": pa.float64()}
            assert [field.type for field in got.schema] == [kinds[k] for k in view.columns.values()]
        asked.close()


def needed(made: maps.ClassMap) -> list[str]:
    names = [name for attribute in made.attributes for name in attribute.columns]
    names += [name for name, _ in made.where]
    return [name for name in names if not name.startswith("_")]


@pytest.mark.sail
def test_every_map_can_be_queried_on_spark(tmp_path: Path) -> None:
    sail = pytest.importorskip("pysail.spark", reason="needs the [sail] extra: labrys[sail]")
    server = sail.SparkConnectServer(port=0)
    server.start(background=True)
    with Case.open(tmp_path / "c") as case:
        case.commit({"made.any": rows(1)})
        asked = connect(case, f"sc://localhost:{server.listening_address[1]}")
        for view in asked.views.by_name.values():
            shapes = {
                pattern: sql.Relation("made_any", dict.fromkeys(needed(made), "_id"))
                for made in maps.maps()
                for pattern in made.shapes
                if made.class_uid == view.uid
            }
            if view.uid:
                asked.sql(sql.class_sql(view.uid, shapes, "spark")).read_all()
        asked.close()
    server.stop()
