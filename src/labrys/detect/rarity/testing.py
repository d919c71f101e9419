"""Runs a window detector's features over made-up events, for the tests of detectors of rarity."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import ibis
import pyarrow as pa

from labrys.detect.contract import WindowDetector
from labrys.detect.registry import detectors

DAY = 86_400_000
START = 19_000 * DAY
LEADING = {
    "_id": "string",
    "_time": "int64",
    "_source": "string",
    "_offset": "int64",
    "_host": "string",
    "_shape": "string",
}
Event = Mapping[str, Any]


def detector(name: str) -> WindowDetector:
    """The detector of a folder."""
    [made] = [each for each in detectors() if each.id == name]
    assert made.kind == "window"
    return made


def view(columns: Mapping[str, str]) -> dict[str, str]:
    """The columns of a view, with those that all have."""
    return {**LEADING, **columns}


def table(events: Sequence[Event], columns: Mapping[str, str]) -> pa.Table:
    """Events as a view's rows, each with an id and a place."""
    types = {"string": pa.string(), "int64": pa.int64()}
    schema = pa.schema([(name, types[kind]) for name, kind in view(columns).items()])
    rows = [
        {"_id": f"r{at:06}", "_offset": at, "_source": "log", "_shape": "made.up", **event}
        for at, event in enumerate(events)
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def features(name: str, events: Sequence[Event], columns: Mapping[str, str]) -> pa.Table:
    """The rows that a detector's features make of events, by DuckDB."""
    made = detector(name)
    expression = made.features(ibis.table(view(columns), name=made.reads))
    with duckdb.connect(config={"threads": 1}) as database:
        database.register(made.reads, table(events, columns))
        rows: pa.Table = database.sql(str(ibis.to_sql(expression, "duckdb"))).to_arrow_table()
        return rows


def find(name: str, events: Sequence[Event], columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """What a detector finds in events."""
    return list(detector(name).score(features(name, events, columns)).to_pylist())


def at(day: float, hour: float = 12.0) -> int:
    """A time so many days after the beginning."""
    return int(START + day * DAY + hour * DAY / 24)
