"""Runs network detectors over made-up events, for their tests: rows of a view, in DuckDB."""

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import duckdb
import ibis
import pyarrow as pa

from labrys.detect.contract import WindowDetector
from labrys.detect.registry import WindowFolder, detectors
from labrys.lake.engine import compiled
from labrys.ocsf.sql import class_columns

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

VIEWS: Final = {"network_activity": 4001, "http_activity": 4002, "dns_activity": 4003}
START: Final = 1_700_006_400_000
"""A midnight."""
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
ME: Final = "10.0.0.5"
THERE: Final = "203.0.113.7"

Event = dict[str, Any]
_IBIS: Final = {"text": "string", "bigint": "int64", "double": "float64"}
_ARROW: Final = {"text": pa.string(), "bigint": pa.int64(), "double": pa.float64()}


def network_detectors() -> list[WindowFolder]:
    """The detectors that share this folder's code."""
    windows = [made for made in detectors() if isinstance(made, WindowFolder)]
    return [made for made in windows if hasattr(import_module(f"{made.module}.score"), "Found")]


def flow(when: float, dst: str = THERE, port: int = 443, src: str = ME, **more: Any) -> Event:
    """A flow that was answered; `when` in ms after the start. Any column of the view may be given."""
    return {
        "_time": int(START + when),
        "_shape": "made.flow",
        "src_endpoint_ip": src,
        "src_endpoint_port": 50_000,
        "dst_endpoint_ip": dst,
        "dst_endpoint_port": port,
        "connection_info_protocol_name": "tcp",
        "duration": 200,
        "traffic_bytes_out": 600,
        "traffic_bytes_in": 900,
        "traffic_packets_out": 6,
        "traffic_packets_in": 6,
        **more,
    }


def refused(when: float, dst: str, port: int, src: str = ME, **more: Any) -> Event:
    """A flow that nobody answered."""
    silent = {"traffic_bytes_out": 0, "traffic_bytes_in": 0, "traffic_packets_in": 0}
    return flow(when, dst, port, src, **{**silent, "traffic_packets_out": 1, "duration": 0, **more})


def some_flows(span: int) -> "SearchStrategy[list[Event]]":
    """A few flows among few hosts within so many milliseconds, answered or not, some with odd counts."""
    from hypothesis import strategies as st

    made = st.builds(
        lambda when, src, dst, port, failed, sent: (refused if failed else flow)(
            when, dst, port, src, traffic_packets_out=sent
        ),
        st.integers(0, span),
        st.sampled_from([ME, "10.0.0.6", "10.0.0.7"]),
        st.sampled_from([THERE, "198.51.100.9", "10.0.0.9", "10.0.0.10"]),
        st.integers(80, 84),
        st.booleans(),
        st.sampled_from([None, -5, 1, 90, 10**15]),
    )
    return st.lists(made, max_size=40)


def schema(view: str) -> dict[str, str]:
    """A view's columns, as Ibis names their types."""
    return {name: _IBIS[kind] for name, kind in class_columns(VIEWS[view]).items()}


def table(view: str, events: Sequence[Event]) -> pa.Table:
    """Events as rows of a view, each with an id and a place."""
    types = class_columns(VIEWS[view])
    rows = [
        {"_id": f"r{at:06}", "_offset": at, "_source": "log", **e} for at, e in enumerate(events)
    ]
    return pa.Table.from_pylist(
        rows, schema=pa.schema([(name, _ARROW[kind]) for name, kind in types.items()])
    )


def answer(sql: str, view: str, events: Sequence[Event]) -> list[dict[str, Any]]:
    """What a query of a view gives for events, in an order of its own."""
    with duckdb.connect(config={"threads": 1}) as database:
        database.register(view, table(view, events))
        return sorted(database.sql(sql).to_arrow_table().to_pylist(), key=repr)


def asked(made: Callable[[Any], Any], view: str) -> str:
    """An expression over a view as DuckDB's SQL."""
    return compiled(made(ibis.table(schema(view), name=view)))


def detector(name: str) -> WindowDetector:
    """The detector of a folder."""
    [made] = [each for each in detectors() if each.id == name]
    assert made.kind == "window"
    return made


@cache
def query(name: str, columns: tuple[str, ...] | None = None) -> str:
    """A detector's features as DuckDB's SQL, over a view that has only some columns."""
    made = detector(name)
    kinds = schema(made.reads)
    view = ibis.table({c: kinds[c] for c in columns or kinds}, name=made.reads)
    return compiled(made.features(view))


def features(
    name: str, events: Sequence[Event], columns: tuple[str, ...] | None = None
) -> pa.Table:
    """The rows that a detector's features make of events."""
    view = detector(name).reads
    rows = table(view, events)
    with duckdb.connect(config={"threads": 1}) as database:
        database.register(view, rows.select(list(columns)) if columns else rows)
        made: pa.Table = database.sql(query(name, columns)).to_arrow_table()
        return made


def find(
    name: str, events: Sequence[Event], columns: tuple[str, ...] | None = None
) -> list[dict[str, Any]]:
    """What a detector finds in events."""
    return list(detector(name).score(features(name, events, columns)).to_pylist())


def told(name: str, events: Sequence[Event]) -> list[tuple[str, int]]:
    """The rules and severities of what is found."""
    return sorted((row["rule_uid"], row["severity_id"]) for row in find(name, events))
