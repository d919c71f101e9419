"""Where queries run: DuckDB in this process, or any Spark Connect endpoint (`sc://host:port`).

The only module that knows either. Both give the same rows for the same Ibis expression and the
same Arrow function. SQL is read-only in both: DuckDB is shut off from files and the network except
the case's own segments, and every statement is checked by the engine's parser before it runs.
"""

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit

import duckdb
import orjson
import pyarrow as pa

from labrys.errors import EngineError
from labrys.lake.case import Case
from labrys.lake.places import ADDRESS, COUNTRY, Places
from labrys.lake.sqlcheck import explained, tables_in_duckdb, tables_in_spark
from labrys.lake.views import View, Views
from labrys.ocsf.sql import identifier, literal
from labrys.ocsf.vocabulary import BIGINT, DOUBLE, TEXT

ArrowFunction = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
SPARK_PORT: Final = 15_002
BATCH_ROWS: Final = 65_536
_SPARK_NEEDS: Final = ("packaging", "pyarrow_hotfix", "pyspark")
"""What else Ibis would miss only amid a scan, and the client itself."""
_LAKE_TYPES: Final = {pa.string(): TEXT, pa.int64(): BIGINT, pa.float64(): DOUBLE}
_IBIS_TYPES: Final = {TEXT: "string", BIGINT: "int64", DOUBLE: "float64"}


class Engine(Protocol):
    """A case that can be asked."""

    views: Views

    def sql(self, text: str) -> pa.RecordBatchReader:
        """The rows of one read-only statement, in batches."""
        ...

    def arrow(self, expression: Any) -> pa.Table:
        """The rows of an Ibis expression over tables from `table`."""
        ...

    def map_arrow(
        self, view: str, function: ArrowFunction, schema: pa.Schema
    ) -> pa.RecordBatchReader:
        """What a pure function makes of a view's batches; on Spark it runs on the workers."""
        ...

    def close(self) -> None:
        """Give back memory, temporary files and the session."""
        ...


def connect(
    case: Case, url: str = "duckdb", *, memory: str = "2GB", threads: int | None = None
) -> Engine:
    """An engine over a case as it is now.

    `memory` (beyond it, DuckDB spills to the case's folder) and `threads` (None: one for each
    processor) are DuckDB's; a Spark endpoint has its own.
    """
    if url == "duckdb":
        return DuckEngine(case, memory=memory, threads=threads)
    if url.startswith("sc://"):
        return SparkEngine(case, url)
    raise EngineError(f"no engine {url!r}: give duckdb, or a Spark Connect address sc://host:port")


def table(engine: Engine, name: str) -> Any:
    """A view as an (unbound) Ibis table, for expressions that `Engine.arrow` runs."""
    import ibis

    view = _view(engine.views, name)
    schema = {column: _IBIS_TYPES[kind] for column, kind in view.columns.items()}
    return ibis.table(schema, name=view.name)


def compiled(expression: Any) -> str:
    """An Ibis expression over tables from `table` as the SQL that DuckDB runs.

    What was named by `alias` is worked out once and kept. What only picks rows and columns of a view
    is read again wherever it is used: kept, it would be the whole view in memory. DuckDB decides the
    rest.
    """
    from ibis.backends.sql.compilers.duckdb import compiler
    from sqlglot import exp

    tree = compiler.to_sqlglot(expression.unbind())
    for made in tree.find_all(exp.CTE):
        if not _IBIS_NAME.fullmatch(made.alias):
            made.set("materialized", True)
        elif not made.this.args.get("group") and not made.this.find(*_costly(exp)):
            made.set("materialized", False)
    return str(tree.sql(dialect="duckdb", pretty=True))


_IBIS_NAME: Final = re.compile("t[0-9]+")


def _costly(exp: Any) -> tuple[type, ...]:
    """What has to be worked out: joins, windows, aggregates, unions and selects within."""
    return exp.Join, exp.Window, exp.AggFunc, exp.SetOperation, exp.Subquery, exp.Distinct


def columns_of(expression: Any) -> list[str]:
    """Which columns of the tables from `table` an Ibis expression uses, directly or further up."""
    from ibis.expr import operations

    node = expression.op()
    known = {name for made in node.find(operations.UnboundTable) for name in made.schema.names}
    return sorted(known & {each.name for each in node.find(operations.Field)})


class DuckEngine:
    """DuckDB in memory, reading the case's segments and nothing else."""

    def __init__(self, case: Case, *, memory: str, threads: int | None) -> None:
        self.views = Views(case)
        self._made: set[str] = set()
        spool = case.spool if case.writes else None  # a writer empties it, also under a reader
        self._spill = TemporaryDirectory(prefix="duckdb-", dir=spool)
        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
            "temp_directory": self._spill.name,
            "memory_limit": memory,
        }
        if threads:
            config["threads"] = threads
        with _duckdb_errors():
            self._db = duckdb.connect(":memory:", config=config)
            folders = ", ".join(literal(str(f), "duckdb") for f in (case.lake, self._spill.name))
            self._db.execute(f"SET allowed_directories = [{folders}]")
            self._db.execute("SET enable_external_access = false")
            self._db.execute("SET lock_configuration = true")

    def sql(self, text: str) -> pa.RecordBatchReader:
        """See `Engine.sql`; the batches are made as they are read."""
        with _duckdb_errors():
            for name in tables_in_duckdb(self._tree(explained(text)), self.views):
                self._create(name)
            cursor = self._db.cursor()  # one for each open stream, or DuckDB refuses the next
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            rows = cursor.sql(text).to_arrow_reader(BATCH_ROWS)
        return pa.RecordBatchReader.from_batches(rows.schema, _guarded(rows))

    def arrow(self, expression: Any) -> pa.Table:
        """See `Engine.arrow`."""
        return self.sql(compiled(expression)).read_all()

    def map_arrow(
        self, view: str, function: ArrowFunction, schema: pa.Schema
    ) -> pa.RecordBatchReader:
        """See `Engine.map_arrow`; runs in this process, batch by batch."""
        name = identifier(_view(self.views, view).name, "duckdb")
        batches = self.sql(f"SELECT * FROM {name}")  # noqa: S608 quoted above
        return pa.RecordBatchReader.from_batches(schema, function(iter(batches)))

    def keep(self, name: str, columns: Sequence[str]) -> None:
        """Have some columns of a view at hand for several queries, which see no others of it.

        A query that names a view of many shapes more than once spends most of its time in planning
        and reads every file as often.
        """
        view = _view(self.views, name)
        select = self.views.sql(view, "duckdb", _duckdb_scan)
        listed = ", ".join(identifier(column, "duckdb") for column in columns) or "1"
        with _duckdb_errors():
            made = f"CREATE OR REPLACE TABLE {identifier(view.name, 'duckdb')} AS "
            self._db.execute(made + f"SELECT {listed} FROM ({select})")  # noqa: S608 quoted
        self._made.add(view.name)

    def add(self, name: str, rows: pa.Table) -> None:
        """Have rows that are not the case's as a view of their own, under a name that is free."""
        view = View(
            name, 0, {each.name: _LAKE_TYPES[each.type] for each in rows.schema}, (name,), len(rows)
        )
        with _duckdb_errors():
            self._db.register("labrys_added", rows)
            self._db.execute(f"CREATE TABLE {identifier(name, 'duckdb')} AS FROM labrys_added")
            self._db.unregister("labrys_added")
        self.views.by_name[name] = view
        self._made.add(name)

    def locate(self, name: str, places: Places) -> None:
        """Fill in countries of sources in a view that is at hand, in shapes that say none at all."""
        view, unsaid = identifier(name, "duckdb"), "_shape IN (SELECT _shape FROM unsaid)"
        with _duckdb_errors():
            self._db.execute(f"""CREATE OR REPLACE TEMP TABLE unsaid AS SELECT _shape FROM {view}
                GROUP BY _shape HAVING count({COUNTRY}) = 0""")  # noqa: S608 quoted
            asked = self._db.execute(
                f"SELECT DISTINCT {ADDRESS} FROM {view} WHERE {unsaid} AND {ADDRESS} IS NOT NULL "  # noqa: S608 quoted
                "ORDER BY 1"
            )
            found = places.table(row[0] for row in asked.fetchall())
            self._db.register("labrys_added", found)
            self._db.execute(f"""UPDATE {view} SET {COUNTRY} = added.country FROM labrys_added added
                WHERE {ADDRESS} = added.ip AND {unsaid}""")  # noqa: S608 quoted
            self._db.unregister("labrys_added")

    def close(self) -> None:
        """See `Engine.close`."""
        self._db.close()
        self._spill.cleanup()

    def _tree(self, text: str) -> Any:
        """The statement's parse tree, as DuckDB itself sees it."""
        row = self._db.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
        return orjson.loads(row[0] if row else "null")

    def _create(self, name: str) -> None:
        """Make a view when it is first used: a case has hundreds, a query needs one or two."""
        if name in self._made:
            return
        view = _view(self.views, name)
        select = self.views.sql(view, "duckdb", _duckdb_scan)
        self._db.execute(f"CREATE OR REPLACE VIEW {identifier(name, 'duckdb')} AS {select}")
        self._made.add(name)


class SparkEngine:
    """A session at a Spark Connect endpoint that sees the case's folder at the same path."""

    def __init__(self, case: Case, url: str) -> None:
        self.views = Views(case)
        self._made: set[str] = set()
        self._scans = 0
        try:
            for name in _SPARK_NEEDS:
                import_module(name)
            from pyspark.sql import SparkSession
        except ImportError as reason:
            raise EngineError(
                f"{url} needs packages that are not there ({reason}): pip install 'labrys[spark]'"
            ) from reason
        _require_answer(url)
        with _spark_errors():
            self._spark = cast(Any, SparkSession.builder).remote(url).create()

    def sql(self, text: str) -> pa.RecordBatchReader:
        """See `Engine.sql`."""
        with _spark_errors():
            for name in tables_in_spark(text, self.views):
                self._create(name)
            return cast(pa.Table, self._spark.sql(text).toArrow()).to_reader(BATCH_ROWS)

    def arrow(self, expression: Any) -> pa.Table:
        """See `Engine.arrow`."""
        import ibis

        return self.sql(ibis.pyspark.connect(self._spark).compile(expression)).read_all()

    def map_arrow(
        self, view: str, function: ArrowFunction, schema: pa.Schema
    ) -> pa.RecordBatchReader:
        """See `Engine.map_arrow`."""
        from pyspark.sql.pandas.types import from_arrow_schema

        found = _view(self.views, view)
        names = tuple(found.columns)
        # Source columns have dots in their names, which engines take for struct fields here.
        renamed = ", ".join(f"{identifier(name, 'spark')} AS c{i}" for i, name in enumerate(names))
        with _spark_errors():
            self._create(found.name)
            rows = self._spark.sql(f"SELECT {renamed} FROM {identifier(found.name, 'spark')}")  # noqa: S608 quoted
            made = rows.mapInArrow(Renamed(function, names), from_arrow_schema(schema))
            return cast(pa.Table, made.toArrow()).cast(schema).to_reader(BATCH_ROWS)

    def close(self) -> None:
        """See `Engine.close`."""
        with _spark_errors():
            self._spark.stop()

    def _create(self, name: str) -> None:
        if name in self._made:
            return
        view = _view(self.views, name)
        select = self.views.sql(view, "spark", self._scan)
        self._spark.sql(select).createOrReplaceTempView(name)
        self._made.add(name)

    def _scan(self, files: Sequence[Path], stored: Sequence[str]) -> str:
        """A temporary view over the files, with every column that some of them have."""
        self._scans += 1
        name = f"labrys_scan_{self._scans}"
        numbers = ("_time", "_offset")
        types = ", ".join(
            f"{identifier(column, 'spark')} {'BIGINT' if column in numbers else 'STRING'}"
            for column in stored
        )
        frame = self._spark.read.schema(types).parquet(*map(str, files))
        frame.createOrReplaceTempView(name)
        return name


@dataclass(frozen=True, slots=True)
class Renamed:
    """A function that is shown its batches under other column names than they have."""

    function: ArrowFunction
    names: tuple[str, ...]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """What the function makes of the batches."""
        names = self.names
        return self.function(
            pa.RecordBatch.from_arrays(batch.columns, names=list(names)) for batch in batches
        )


def _view(views: Views, name: str) -> View:
    view = views.find(name)
    if view is None:
        raise EngineError(views.like(name))
    return view


@contextmanager
def _duckdb_errors() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as reason:
        raise EngineError(f"DuckDB: {reason}") from reason


def _guarded(rows: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches, with what fails while they are made as an `EngineError`."""
    try:
        yield from rows
    except (OSError, pa.ArrowException, duckdb.Error) as reason:
        raise EngineError(f"DuckDB: {reason}") from reason


@contextmanager
def _spark_errors() -> Iterator[None]:
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as reason:
        raise EngineError(f"Spark: {str(reason).strip()[:2000]}") from reason


def _require_answer(url: str) -> None:
    """Fail at once where nothing listens: PySpark would go on trying for ten minutes."""
    try:
        at = urlsplit(url)
        where = (at.hostname or "", at.port or SPARK_PORT)
        socket.create_connection(where, timeout=10).close()
    except (OSError, ValueError) as reason:
        raise EngineError(f"{url}: no Spark Connect endpoint answers there ({reason})") from reason


def _duckdb_scan(files: Sequence[Path], _: Sequence[str]) -> str:
    listed = ", ".join(literal(str(file), "duckdb") for file in files)
    return f"read_parquet([{listed}], union_by_name = true)"
