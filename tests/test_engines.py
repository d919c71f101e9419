"""The same question gives the same rows on DuckDB and on Sail (a Spark Connect server)."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from labrys.errors import EngineError
from labrys.lake import Case
from labrys.lake.engine import Engine, connect, table
from labrys.ocsf import maps

pytestmark = pytest.mark.sail

TOML = """
[[map]]
shapes = ["made.flow", "made.other"]
class_uid = 4001
activity_id = { column = "State", map = { "S0" = 1, "SF" = 2 }, default = 6 }
[map.columns]
"src_endpoint.ip" = "From"
"src_endpoint.hostname" = { column = "Name", as = "basename" }
"dst_endpoint.ip" = ["To", "ToToo"]
"dst_endpoint.port" = "Port"
"duration" = { column = "Took", as = "seconds" }
"file.path" = { column = "Threat", as = "threat_path" }
"url.url_string" = { column = "Threat", as = "threat_url" }
"traffic.bytes_out" = { column = "Bytes", as = "int" }
"actor.user.name" = { column = "User", as = "user" }
"actor.user.domain" = { column = "User", as = "domain" }
"actor.process.pid" = { column = "Pid", as = "hex" }
"actor.process.file.hashes.sha256" = { column = "Hashes", as = "sha256" }
"connection_info.protocol_name" = { column = "Proto", as = "lower" }
"metadata.product.name" = { value = "it's \\\\ made" }
[map.where]
Proto = ["TCP", "UDP", "it's \\\\"]
"""
FLOWS = 400


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """An in-process Sail server, or the Spark Connect endpoint in LABRYS_TEST_SPARK."""
    if given := os.environ.get("LABRYS_TEST_SPARK"):
        from pyspark import cloudpickle

        cloudpickle.register_pickle_by_value(sys.modules[__name__])  # its workers lack this file
        yield given
        return
    sail = pytest.importorskip("pysail.spark", reason="needs the [sail] extra: labrys[sail]")
    pytest.importorskip("pyspark", reason="needs the [sail] extra: labrys[sail]")
    os.environ.setdefault("RUST_LOG", "off")
    server = sail.SparkConnectServer(port=0)
    server.start(background=True)
    yield f"sc://localhost:{server.listening_address[1]}"
    server.stop()


@pytest.fixture(scope="module")
def engines(
    address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, Engine]]:
    """DuckDB and Sail over one tiny case of two segments and awkward names."""
    with pytest.MonkeyPatch.context() as patch:
        made = maps.parse(TOML, "test")
        patch.setattr(maps, "maps", lambda: made)
        patch.setattr("labrys.lake.views.maps", lambda: made)
        maps.mapping_for.cache_clear()
        maps.attributes_of.cache_clear()
        with Case.open(tmp_path_factory.mktemp("engines") / "it's a case") as case:
            case.commit({"made.flow": flows(), "made.other": other()})
            case.commit({"made.flow": flows().drop_columns(["ToToo"]).slice(0, 3)})
            pair = connect(case, threads=1), connect(case, address)
            yield pair
            for engine in pair:
                engine.close()
    maps.mapping_for.cache_clear()
    maps.attributes_of.cache_clear()


def leading(name: str, count: int) -> dict[str, Any]:
    return {
        "_id": [f"{name}-{number:04d}" for number in range(count)],
        "_time": pa.array([60_000 * n + n % 7 for n in range(count)], pa.int64()),
        "_source": [f"{name}.log"] * count,
        "_offset": pa.array(range(count), pa.int64()),
        "_host": pa.array([None] * count, pa.string()),
    }


def flows() -> pa.Table:
    every = range(FLOWS)
    return pa.table(
        {
            **leading("flow", FLOWS),
            "From": [f"10.0.0.{n % 5}" for n in every],
            "To": ["-" if n % 9 == 0 else f"192.0.2.{n % 3}" for n in every],
            "ToToo": [None if n % 2 else "198.51.100.1" for n in every],
            "Port": [
                ["443", "0x50", "", "1.5", "many", "-1", "99999999999999999999"][n % 7]
                for n in every
            ],
            "Bytes": [str(n * n) for n in every],
            "Name": [["C:\\a\\b.exe", "/bin/sh", "x", "-", "end/"][n % 5] for n in every],
            "User": [["CORP\\ann", "bob", "\\odd", "CORP\\", None][n % 5] for n in every],
            "Pid": [["0x1f", "1F", "zz", "0xffffffffffffffff", None][n % 5] for n in every],
            "Hashes": [
                ["SHA1=AA,SHA256=BB", "SHA256=Cc", "DD", "MD5=00", ""][n % 5] for n in every
            ],
            "Proto": [["TCP", "UDP", "ICMP", "it's \\"][n % 4] for n in every],
            "Took": [[f"{n / 7:.6f}", "3600", "2.5e-07", "soon", ""][n % 5] for n in every],
            "Threat": [
                [
                    "file:_C:\\a.zip->b; file:_C:\\c",
                    "amsi:_y; webfile:_C:\\d|http://e/f|pid:1",
                    "/g",
                    "CmdLine:_C:\\h",
                ][n % 9 % 4]
                for n in every
            ],
            "State": [["S0", "SF", "REJ", None][n % 4] for n in every],
        }
    )


def other() -> pa.Table:
    awkward = {"data": ["l"], "Data": ["U"], "a.b c": ["dot"], "q\"`'": ["quote"], "Ünï": ["ü"]}
    return pa.table({**leading("other", 1), "Proto": ["TCP"], "": ["empty"], **awkward})


def same(engines: tuple[Engine, Engine], ask: Any) -> list[dict[str, Any]]:
    """The rows that both engines give, in the same order; floats to twelve digits."""
    answers = [[rounded(row) for row in ask(engine).to_pylist()] for engine in engines]
    assert answers[0] == answers[1]
    return answers[0]


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {k: float(f"{v:.12g}") if isinstance(v, float) else v for k, v in row.items()}


def test_a_class_view_has_the_same_rows(engines: tuple[Engine, Engine]) -> None:
    rows = same(
        engines,
        lambda engine: engine.arrow(table(engine, "network_activity").order_by(["_id", "_offset"])),
    )
    assert len(rows) == FLOWS * 3 // 4 + 1 + 2
    first = rows[0]
    assert (first["src_endpoint_hostname"], first["actor_user_domain"]) == ("b.exe", "CORP")
    assert {0, 3_600_000, None} < {row["duration"] for row in rows}
    assert {row["file_path"] for row in rows} == {"C:\\a.zip", "C:\\d", "/g", None}
    assert {row["url_url_string"] for row in rows} == {"http://e/f", None}
    assert first["metadata_product_name"] == "it's \\ made"


def test_a_shape_view_with_awkward_names_has_the_same_rows(engines: tuple[Engine, Engine]) -> None:
    (row,) = same(engines, lambda engine: engine.arrow(table(engine, "made_other")))
    assert (row["data"], row["Data_2"], row["a.b c"], row["unnamed"]) == ("l", "U", "dot", "empty")
    assert (row["q\"`'"], row["Ünï"]) == ("quote", "ü")


def beacons(engine: Engine) -> pa.Table:
    """Grouping, a lag window, quantiles, a semi-join and int64 time: what detectors may use."""
    import ibis

    events = table(engine, "network_activity")
    rare = events.group_by("dst_endpoint_ip").agg(sources=events.src_endpoint_ip.nunique())
    wanted = rare.filter(rare.sources >= 2)
    kept = events.semi_join(wanted, "dst_endpoint_ip")
    window = ibis.window(group_by=["src_endpoint_ip", "dst_endpoint_ip"], order_by=["_time", "_id"])
    gaps = kept.mutate(gap=kept._time - kept._time.lag().over(window))
    features = gaps.group_by(["src_endpoint_ip", "dst_endpoint_ip"]).agg(
        count=gaps.count(),
        median=gaps.gap.quantile(0.5),
        late=gaps.gap.quantile(0.9),
        mean=gaps.gap.mean(),
        spread=gaps.gap.std(how="pop"),
        first=gaps._time.min(),
        bytes=gaps.traffic_bytes_out.sum(),
        ports=gaps.dst_endpoint_port.nunique(),
    )
    return engine.arrow(features.order_by(["src_endpoint_ip", "dst_endpoint_ip"]))


def test_window_features_are_the_same(engines: tuple[Engine, Engine]) -> None:
    rows = same(engines, beacons)
    assert len(rows) > 10
    assert all(row["median"] is not None for row in rows)


FINDINGS = pa.schema([("uid", pa.string()), ("level", pa.int8()), ("terms", pa.list_(pa.string()))])


def detect(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """A row detector as the engines call it."""
    for batch in batches:
        hits = [n for n, name in enumerate(batch["Name"].to_pylist()) if name == "/bin/sh"]
        ids = [batch["_id"][n].as_py() for n in hits]
        columns = [pa.array(ids, pa.string()), pa.array([4] * len(ids), pa.int8())]
        columns.append(pa.array([["/bin/sh"]] * len(ids), pa.list_(pa.string())))
        yield pa.RecordBatch.from_arrays(columns, schema=FINDINGS)


def test_a_row_detector_finds_the_same(engines: tuple[Engine, Engine]) -> None:
    rows = same(
        engines,
        lambda engine: (
            engine.map_arrow("made_flow", detect, FINDINGS)
            .read_all()
            .sort_by([("uid", "ascending")])
        ),
    )
    assert len(rows) == FLOWS // 5 + 1


@pytest.mark.parametrize(
    "text",
    [
        "DROP VIEW made_flow",
        "SELECT 1; SELECT 2",
        "INSERT INTO made_flow VALUES (1)",
        "SELECT * FROM parquet.`/etc/passwd`",
        "SELECT * FROM csv.`/etc/passwd`",
        "SELECT * FROM nowhere",
        "SELECT java_method('java.lang.System', 'getenv')",
        "SET x = 1",
        "CREATE TABLE t AS SELECT 1",
        "SELECT Nothing FROM made_flow",
        "not sql",
    ],
)
def test_spark_is_only_read(engines: tuple[Engine, Engine], text: str) -> None:
    for engine in engines:
        with pytest.raises(EngineError):
            engine.sql(text).read_all()


def test_an_endpoint_that_is_not_there_is_named(address: str, tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        for url in ("sc://localhost:1", "sc://localhost:many"):
            with pytest.raises(EngineError, match="no Spark Connect endpoint answers"):
                connect(case, url)
