"""`labrys hunt`: SQL over the evidence of a case."""

import shutil
import sys
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from labrys.cli import shown
from labrys.cli.options import Lake, Out
from labrys.cli.output import spelled
from labrys.cli.stream import Stream, named, opened

if TYPE_CHECKING:
    import pyarrow as pa


_NARROWEST: Final = 8
"""Characters that a column needs to be read."""


class Form(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"


def command(
    sql: Annotated[str | None, typer.Argument(help='A query: "SELECT … FROM …".')] = None,
    lake: Lake = None,
    form: Annotated[Form, typer.Option("--format", "-f", help="How to write rows.")] = Form.TABLE,
    out: Out = None,
    engine: Annotated[str | None, typer.Option(help="duckdb (default) or sc://host:port.")] = None,
    rows: Annotated[int, typer.Option(help="At most so many rows in a table; 0: all.")] = 200,
    explain_schema: Annotated[
        bool, typer.Option("--explain-schema", help="Show the views and columns there are.")
    ] = False,
    view: Annotated[str | None, typer.Option(help="With --explain-schema: only this view.")] = None,
) -> None:
    """Ask the evidence in SQL. There is a view for each shape and each OCSF class.

    labrys hunt "SELECT user_name, count(*) FROM authentication WHERE status_id = 2 GROUP BY 1"
    """
    from labrys.cli.case import existing
    from labrys.lake.case import Case
    from labrys.lake.engine import connect
    from labrys.lake.hunt import explain_schema as schema_of
    from labrys.lake.hunt import run
    from labrys.lake.places import opened as tables
    from labrys.settings import load

    if sql is None and not explain_schema:
        raise typer.BadParameter("give a query, or --explain-schema to see what can be asked")
    if form is Form.PARQUET and out is None:
        raise typer.BadParameter("--format parquet needs --out FILE")
    settings = load({"engine": engine})
    places = tables(settings.network.places)
    with Case.open(existing(lake), create=False, write=False) as case:
        if explain_schema:
            _write(schema_of(case, view).to_reader(), form, out, 0)
            return
        asked = connect(case, settings.engine, memory=settings.engine_memory)
        try:
            _write(run(asked, sql or "", places), form, out, rows)
        finally:
            asked.close()


def _write(reader: "pa.RecordBatchReader", form: Form, out: Path | None, most: int) -> None:
    if form is Form.PARQUET and out is not None:
        import pyarrow.parquet as pq

        with (
            named(str(out)),
            pq.ParquetWriter(out, reader.schema, compression="zstd") as writer,
        ):
            for batch in reader:
                writer.write_batch(batch)
        return
    with opened(out) as stream:
        {
            Form.TABLE: _table,
            Form.CSV: _csv,
            Form.JSON: _json,
            Form.NDJSON: _ndjson,
        }[form](reader, stream, most)


def _table(reader: "pa.RecordBatchReader", stream: Stream, most: int) -> None:
    names = reader.schema.names
    kept: list[list[str]] = []
    count = 0
    for batch in reader:
        count += batch.num_rows
        if not most or len(kept) < most:
            rows = batch.slice(0, most - len(kept) if most else batch.num_rows)
            kept += [[_cell(value) for value in row.values()] for row in rows.to_pylist()]
    width = shutil.get_terminal_size((100, 40)).columns
    draw = _grid if len(names) * _NARROWEST <= width else _down
    stream.write(draw([shown(name) for name in names], kept, width))
    if most and count > most:
        sys.stderr.write(f"labrys: {count:,} rows, {most} shown; --rows 0 shows all\n")


def _grid(names: list[str], rows: list[list[str]], width: int) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        drawn.add_column(Text(name), overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    text = StringIO()
    Console(file=text, width=width, color_system=None, soft_wrap=False).print(drawn)
    return text.getvalue()


def _down(names: list[str], rows: list[list[str]], _width: int) -> str:
    """More columns than fit beside each other: each row as lines, without what is empty."""
    wide = max(map(len, names))
    made = []
    for number, row in enumerate(rows, start=1):
        made.append(f"row {number}\n")
        cells = zip(names, row, strict=True)
        made.extend(f"  {name:{wide}}  {value}\n" for name, value in cells if value)
    return "".join(made) or f"no rows; columns: {', '.join(names)}\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    text = str(value).replace("\x1e", " | ")
    return shown(text if len(text) <= 300 else text[:299] + "…").replace("\n", "\\n")


def _csv(reader: "pa.RecordBatchReader", stream: Stream, _most: int) -> None:
    import csv

    from labrys.report.csv import cell

    writer = csv.writer(stream)
    writer.writerow([cell(name) for name in reader.schema.names])
    for batch in reader:
        for row in batch.to_pylist():
            values = row.values()
            writer.writerow(
                [cell("; ".join(map(str, v)) if isinstance(v, list) else v) for v in values]
            )


def _json(reader: "pa.RecordBatchReader", stream: Stream, _most: int) -> None:
    first = True
    stream.write("[")
    for line in _objects(reader):
        stream.write(("\n" if first else ",\n") + line)
        first = False
    stream.write("\n]\n")


def _ndjson(reader: "pa.RecordBatchReader", stream: Stream, _most: int) -> None:
    for line in _objects(reader):
        stream.write(line + "\n")


def _objects(reader: "pa.RecordBatchReader") -> Any:
    import orjson

    for batch in reader:
        for row in batch.to_pylist():
            yield spelled(orjson.dumps(row, default=str, option=orjson.OPT_NON_STR_KEYS)).decode()
