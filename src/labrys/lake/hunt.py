"""Hunting: SQL over a case, and what there is to ask about."""

from typing import Final

import pyarrow as pa

from labrys.errors import EngineError
from labrys.lake.case import Case
from labrys.lake.engine import Engine
from labrys.lake.views import View, Views
from labrys.ocsf.maps import attributes_of
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


def run(engine: Engine, sql: str) -> pa.RecordBatchReader:
    """The rows of one read-only statement; `EngineError` says what is wrong with it."""
    return engine.sql(sql)


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
