"""Hunting: SQL over a case, and what there is to ask about."""

import re
from typing import Final

import pyarrow as pa

from labrys.errors import EngineError
from labrys.lake.case import Case
from labrys.lake.engine import DuckEngine, Engine
from labrys.lake.places import MOST, NONE, Places
from labrys.lake.views import View, Views
from labrys.ocsf.maps import attributes_of
from labrys.ocsf.sql import identifier
from labrys.ocsf.vocabulary import column_name

SCHEMA: Final = pa.schema(
    [
        ("view", pa.string()),
        ("column", pa.string()),
        ("type", pa.string()),
        ("rows", pa.int64()),
        ("ocsf", pa.string()),  # the attribute's path, null for a shape's own column
        ("shapes", pa.list_(pa.string())),  # which shapes of the case feed the view
    ]
)


def run(engine: Engine, sql: str, places: Places = NONE) -> pa.RecordBatchReader:
    """The rows of one read-only statement; `EngineError` says what is wrong with it.

    With tables of places, DuckDB also has `places` (`lake.places.TABLE`): what they say of the
    addresses of the case.
    """
    wanted = places and _PLACES.search(sql) and engine.views.find("places") is None
    if wanted and isinstance(engine, DuckEngine):
        engine.add("places", places.table(_addresses(engine)))
    return engine.sql(sql)


_PLACES: Final = re.compile(r"\bplaces\b", re.IGNORECASE)


def _addresses(engine: Engine) -> list[str]:
    """The first `MOST` distinct addresses in the case's class views, in their order as text."""
    parts = []
    for view in engine.views.by_name.values():
        held = [column for column in view.columns if column.endswith("_ip")]
        if view.uid and view.rows and held:
            listed = ", ".join(identifier(column, "duckdb") for column in held)
            parts.append(f"SELECT unnest([{listed}]) AS ip FROM {identifier(view.name, 'duckdb')}")  # noqa: S608 quoted
    if not parts:
        return []
    every = " UNION ALL ".join(parts)
    sql = f"SELECT DISTINCT ip FROM ({every}) WHERE ip IS NOT NULL ORDER BY ip LIMIT {MOST}"  # noqa: S608 quoted
    found: list[str] = engine.sql(sql).read_all()["ip"].to_pylist()
    return found


def explain_schema(case: Case, view: str | None = None) -> pa.Table:
    """Every column of every view (or of one): type, rows in the view, OCSF path, feeding shapes."""
    views = Views(case)
    if view is not None and views.find(view) is None:
        raise EngineError(views.like(view))
    chosen = views.by_name.values() if view is None else [views.find(view)]
    rows = [row for made in chosen if made is not None for row in _rows(made)]
    return pa.Table.from_pylist(rows, SCHEMA)


def _rows(view: View) -> list[dict[str, object]]:
    paths = {column_name(path): path for path in attributes_of(view.uid)} if view.uid else {}
    return [
        {
            "view": view.name,
            "column": column,
            "type": kind,
            "rows": view.rows,
            "ocsf": paths.get(column),
            "shapes": list(view.shapes),
        }
        for column, kind in view.columns.items()
    ]
