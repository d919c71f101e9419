import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import duckdb
import pyarrow as pa
import pytest

from labrys.errors import EngineError
from labrys.lake import Case, engine, hunt
from labrys.lake.engine import Engine, columns_of, compiled, connect, table
from labrys.lake.test_segment import rows
from labrys.ocsf import maps, sql

TOML = """
[[map]]
shapes = ["made.logon"]
class_uid = 3002
activity_id = 1
status_id = { column = "Result", map = { "ok" = 1, "no" = 2 }, default = 99 }
[map.columns]
"user.name" = { column = "User", as = "user" }
"src_endpoint.ip" = ["Ip", "OtherIp"]
"src_endpoint.port" = "Port"

[[map]]
shapes = ["made.api*"]
class_uid = 3002
[map.where]
Call = ["Login"]
[map.columns]
"user.name" = "Who"
"""


@pytest.fixture(autouse=True)
def made_maps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made = maps.parse(TOML, "test")
    cached = (maps.mapping_for, maps.attributes_of)
    monkeypatch.setattr(maps, "maps", lambda: made)
    monkeypatch.setattr("labrys.lake.views.maps", lambda: made)
    for each in cached:
        each.cache_clear()
    yield
    for each in cached:
        each.cache_clear()


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    logon = rows(
        2,
        "logon",
        User=["CORP\\ann", "bob"],
        Ip=["-", "10.0.0.2"],
        OtherIp=["10.0.0.1", "x"],
        Port=["0x50", "443"],
        Result=["ok", "?"],
        data=["lower", None],
        Data=["UPPER", "'"],
    )
    api = rows(2, "api", Who=["eve", "sam"], Call=["Login", "Read"])
    with Case.open(tmp_path / "it's [a] case") as made:
        made.commit({"made.logon": logon, "made.api": api})
        made.commit({"made.logon": rows(1, "late", User=["kim"], Extra=["new"])})
        yield made


@pytest.fixture
def asked(case: Case) -> Iterator[Engine]:
    made = connect(case, memory="500MB", threads=1)
    yield made
    made.close()


def listed(asked: Engine, text: str) -> list[dict[str, object]]:
    return asked.sql(text).read_all().to_pylist()


def test_a_shape_is_a_view_of_all_its_segments_under_the_sources_names(asked: Engine) -> None:
    got = listed(asked, "SELECT _id, User, Extra, data, Data_2 FROM made_logon ORDER BY _id")
    assert got == [
        {"_id": "late-0", "User": "kim", "Extra": "new", "data": None, "Data_2": None},
        {"_id": "logon-0", "User": "CORP\\ann", "Extra": None, "data": "lower", "Data_2": "UPPER"},
        {"_id": "logon-1", "User": "bob", "Extra": None, "data": None, "Data_2": "'"},
    ]
    assert listed(asked, 'SELECT count(*) AS n FROM "made.logon"') == [{"n": 3}]


def test_a_class_is_a_view_of_all_shapes_that_have_it(asked: Engine) -> None:
    got = listed(
        asked,
        "SELECT _id, _shape, class_name, activity_id, status_id, user_name, src_endpoint_ip,"
        " src_endpoint_port AS port FROM authentication ORDER BY _id",
    )
    assert [list(row.values()) for row in got] == [
        ["api-0", "made.api", "authentication", None, None, "eve", None, None],
        ["late-0", "made.logon", "authentication", 1, 99, "kim", None, None],
        ["logon-0", "made.logon", "authentication", 1, 1, "ann", "10.0.0.1", 80],
        ["logon-1", "made.logon", "authentication", 1, 99, "bob", "10.0.0.2", 443],
    ]


def test_a_view_has_the_same_columns_when_no_shape_feeds_it(tmp_path: Path) -> None:
    with Case.open(tmp_path / "empty") as case:
        asked = connect(case)
        got = asked.sql("SELECT * FROM authentication").read_all()
        asked.close()
    assert got.num_rows == 0
    assert got.column_names == list(sql.class_columns(3002))


def test_several_results_may_be_open_at_once(asked: Engine) -> None:
    first, second = (asked.sql("SELECT _id FROM made_api ORDER BY _id") for _ in range(2))
    assert first.read_all() == second.read_all()


def test_ibis_runs_without_pandas(asked: Engine) -> None:
    events = table(asked, "authentication")
    expression = events.group_by("_shape").agg(n=events.count()).order_by("_shape")
    assert asked.arrow(expression).to_pylist() == [
        {"_shape": "made.api", "n": 1},
        {"_shape": "made.logon", "n": 3},
    ]
    assert asked.arrow(events).column_names == list(events.schema().names)


def test_a_function_is_mapped_over_the_batches_of_a_view(asked: Engine) -> None:
    schema = pa.schema([("id", pa.string())])

    def ids(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_arrays([batch["_id"]], schema=schema)

    got = asked.map_arrow("made.api", ids, schema).read_all()
    assert sorted(got["id"].to_pylist()) == ["api-0", "api-1"]


@pytest.mark.parametrize(
    "text",
    [
        "FROM made_api",
        "WITH x AS (SELECT * FROM made_api) SELECT * FROM x",
        "DESCRIBE made_api",
        "SUMMARIZE made_api",
        "SHOW TABLES",
        "EXPLAIN SELECT * FROM made_api",
        "explain analyze SELECT * FROM made_api",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM range(3)",
        "PIVOT made_api ON Call IN ('Login', 'Read') USING count(*) GROUP BY Who",
        "SELECT * FROM made_api SEMI JOIN made_logon USING (_source)",
    ],
)
def test_reading_is_allowed(asked: Engine, text: str) -> None:
    assert asked.sql(text).read_all().num_columns > 0


REFUSED = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd.csv"',
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM parquet_metadata('{lake}/00000001.parquet')",
    "SELECT * FROM read_parquet('http://127.0.0.1:{port}/x.parquet')",
    "SELECT * FROM 'http://127.0.0.1:{port}/x.csv'",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM json_execute_serialized_sql('{{}}')",
    "COPY (SELECT 1) TO '{lake}/00000001.parquet'",
    "COPY (SELECT 1) TO '{lake}/new.csv'",
    "WITH x AS (COPY (SELECT 1) TO '{lake}/00000001.parquet') SELECT 1",
    "SELECT (WITH x AS (COPY (SELECT 1) TO '{lake}/new.csv') SELECT 1)",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/new.csv'",
    "explain /* */ analyze WITH x AS (COPY (SELECT 1) TO '{lake}/new.csv') SELECT 1",
    "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{lake}/new.csv'",
    "WITH x AS (INSERT INTO made_api VALUES (1) RETURNING *) SELECT * FROM x",
    "ATTACH '{lake}/x.db'",
    "ATTACH ':memory:' AS other",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "PRAGMA database_list",
    "CREATE TABLE t AS SELECT 1",
    "DROP VIEW made_api",
    "EXPORT DATABASE '{lake}/all'",
    "CALL pragma_version()",
    "SELECT 1; SELECT 2",
    "COMMIT",
    "",
    "not sql at all",
]


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_refused(case: Case, asked: Engine, text: str) -> None:
    asked.sql("SHOW TABLES").read_all()
    before = {file.name: file.read_bytes() for file in case.lake.iterdir()}
    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(EngineError):
            asked.sql(text.format(lake=str(case.lake).replace("'", "''"), port=server.server_port))
        server.shutdown()
    assert not Refusing.asked
    assert {file.name: file.read_bytes() for file in case.lake.iterdir()} == before


@pytest.mark.parametrize("text", [text for text in REFUSED if "COPY" in text or "/etc" in text])
def test_the_engine_refuses_files_even_without_our_check(
    case: Case, asked: Engine, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(engine, "tables_in_duckdb", lambda tree, views: [])
    with pytest.raises(EngineError):
        asked.sql(text.format(lake=str(tmp_path), port=0))
    assert not (tmp_path / "new.csv").exists()


class Refusing(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    do_HEAD = do_GET


def test_mistakes_are_answered_with_what_was_perhaps_meant(asked: Engine) -> None:
    with pytest.raises(EngineError, match="did you mean authentication"):
        asked.sql("SELECT * FROM autentication")
    with pytest.raises(EngineError, match="did you mean made_logon"):
        table(asked, "made_logons")
    with pytest.raises(EngineError, match="user_name"):
        asked.sql("SELECT username FROM authentication")
    with pytest.raises(EngineError, match="sc://host:port"):
        connect(None, "postgres://x")  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", ["packaging", "pyarrow_hotfix", "pyspark"])
def test_what_a_spark_endpoint_needs_is_said_before_it_is_asked(
    case: Case, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyspark", reason="needs the [spark] extra: labrys[spark]")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(EngineError, match=rf"{missing}.*pip install 'labrys\[spark\]'"):
        connect(case, "sc://localhost:1")


def test_what_fails_while_rows_are_made_is_an_engine_error(asked: Engine) -> None:
    late = "CASE WHEN i = 2900000 THEN 'eve' ELSE '1' END"
    reader = asked.sql(f"SELECT CAST({late} AS INTEGER) AS n FROM range(3000000) AS r(i)")
    with pytest.raises(EngineError, match="eve"):
        reader.read_all()
    with pytest.raises(EngineError, match="eve"):
        asked.sql("SELECT CAST(Who AS INTEGER) FROM made_api").read_all()


def test_the_schema_says_what_there_is_to_ask(case: Case) -> None:
    got = {(row["view"], row["column"]): row for row in hunt.explain_schema(case).to_pylist()}
    assert got["authentication", "src_endpoint_port"] == {
        "view": "authentication",
        "column": "src_endpoint_port",
        "type": "bigint",
        "rows": 5,
        "ocsf": "src_endpoint.port",
        "shapes": ["made.api", "made.logon"],
    }
    assert got["made_logon", "Data_2"]["type"] == "text"
    assert hunt.explain_schema(case, "made_api")["view"].unique().to_pylist() == ["made_api"]
    with pytest.raises(EngineError, match="did you mean"):
        hunt.explain_schema(case, "made_apis")


def test_hunting_needs_no_right_to_write(case: Case) -> None:
    case.close()
    with Case.open(case.path, write=False) as reader:
        asked = connect(reader)
        assert hunt.run(asked, "SELECT count(*) AS n FROM made_api").read_all()[
            "n"
        ].to_pylist() == [2]
        asked.close()


def test_columns_used_behind_a_filter_are_found_too() -> None:
    import ibis

    events = ibis.table({"a": "int64", "b": "string", "c": "string", "d": "string"}, name="t")
    kept = events.filter(events.a > 1)
    expression = kept.group_by("b").aggregate(n=kept.c.nunique())
    assert columns_of(expression) == ["a", "b", "c"]


def test_what_is_named_is_kept_and_what_is_picked_is_read_again() -> None:
    import ibis

    view = ibis.table({"src": "string", "size": "int64"}, name="view")
    picked = view.filter(view["size"] > 1).mutate(low=view.src.lower())
    sums = picked.group_by("low").aggregate(total=picked["size"].sum()).alias("sums")
    text = compiled(picked.inner_join(sums, "low").semi_join(sums.filter(sums.total > 4), "low"))
    assert '"sums" AS MATERIALIZED' in text
    assert text.count("NOT MATERIALIZED") == 1
    with duckdb.connect() as database:
        database.execute("CREATE TABLE view AS SELECT 'A' AS src, 5::BIGINT AS size")
        assert database.sql(text).fetchall() == [("A", 5, "a", 5)]
