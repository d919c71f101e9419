"""`labrys hunt`: SQL over the evidence of a case."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labrys.cli import shown

if TYPE_CHECKING:
    import pyarrow as pa


class Form(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"


def command(
    sql: Annotated[str | None, typer.Argument(help='A query: "SELECT … FROM …".')] = None,
    lake: Annotated[
        Path | None, typer.Option("--lake", help="The case; by default the one scanned last here.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", "-f", help="How to write rows.")] = Form.TABLE,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file.")] = None,
    engine: Annotated[str, typer.Option(help="duckdb, or sc://host:port.")] = "duckdb",
    rows: Annotated[int, typer.Option(help="At most so many rows in a table; 0: all.")] = 200,
    explain_schema: Annotated[
        bool, typer.Option("--explain-schema", help="Show the views and columns there are.")
    ] = False,
    view: Annotated[str | None, typer.Option(help="With --explain-schema: only this view.")] = None,
) -> None:
    """Ask the evidence in SQL: one view for each shape and each OCSF class.

    labrys hunt "SELECT user_name, count(*) FROM authentication WHERE status_id = 2 GROUP BY 1"
    """
    from labrys.cli.case import existing
    from labrys.lake.case import Case
    from labrys.lake.engine import connect
    from labrys.lake.hunt import explain_schema as schema_of
    from labrys.lake.hunt import run

    if sql is None and not explain_schema:
        raise typer.BadParameter("give a query, or --explain-schema to see what can be asked")
    if form is Form.PARQUET and out is None:
        raise typer.BadParameter("--format parquet needs --out FILE")
    with Case.open(existing(lake), create=False, write=False) as case:
        if explain_schema:
            _write(schema_of(case, view).to_reader(), form, out, 0)
            return
        asked = connect(case, engine)
        try:
            _write(run(asked, sql or ""), form, out, rows)
        finally:
            asked.close()


def _write(reader: "pa.RecordBatchReader", form: Form, out: Path | None, most: int) -> None:
    if form is Form.PARQUET and out is not None:
        import pyarrow.parquet as pq

        with pq.ParquetWriter(out, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
        return
    with out.open("w", encoding="utf-8") if out else _Standard() as stream:
        {
            Form.TABLE: _table,
            Form.CSV: _csv,
            Form.JSON: _json,
            Form.NDJSON: _ndjson,
        }[form](reader, stream, most)


class _Standard:
    """Standard output as a context that stays open."""

    def __enter__(self) -> Any:
        return sys.stdout

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()


def _table(reader: "pa.RecordBatchReader", stream: Any, most: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in reader.schema.names:
        drawn.add_column(Text(shown(name)), overflow="fold")
    count = 0
    for batch in reader:
        for row in batch.to_pylist():
            count += 1
            if not most or count <= most:
                drawn.add_row(*(Text(_cell(value)) for value in row.values()))
    console = Console(file=stream, soft_wrap=False)
    console.print(drawn)
    if most and count > most:
        sys.stderr.write(f"labrys: {count:,} rows, {most} shown; --rows 0 shows all\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    text = str(value).replace("\x1e", " | ")
    return shown(text if len(text) <= 300 else text[:299] + "…").replace("\n", "\\n")


def _csv(reader: "pa.RecordBatchReader", stream: Any, _most: int) -> None:
    import csv

    writer = csv.writer(stream)
    writer.writerow(reader.schema.names)
    for batch in reader:
        for row in batch.to_pylist():
            writer.writerow([_harmless(value) for value in row.values()])


def _harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value


def _json(reader: "pa.RecordBatchReader", stream: Any, _most: int) -> None:
    first = True
    stream.write("[")
    for line in _objects(reader):
        stream.write(("\n" if first else ",\n") + line)
        first = False
    stream.write("\n]\n")


def _ndjson(reader: "pa.RecordBatchReader", stream: Any, _most: int) -> None:
    for line in _objects(reader):
        stream.write(line + "\n")


def _objects(reader: "pa.RecordBatchReader") -> Any:
    import orjson

    for batch in reader:
        for row in batch.to_pylist():
            yield orjson.dumps(row, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
