"""Asks a Spark Connect server the question that DuckDB was asked, for the tests of window detectors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest


@contextmanager
def sail(folder: Path, views: Mapping[str, pa.Table]) -> Iterator[Any]:
    """A session with these tables as views, kept as Parquet in `folder`. Skips without the extra."""
    pytest.importorskip("pysail", reason="needs the [sail] extra")
    from pyarrow import parquet
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer()
    server.start(background=True)
    try:
        address = f"sc://localhost:{server.listening_address[1]}"
        session = SparkSession.builder.remote(address).create()
        for name, rows in views.items():
            parquet.write_table(rows, folder / f"{name}.parquet")
            session.read.parquet(str(folder / f"{name}.parquet")).createOrReplaceTempView(name)
        yield session
        session.stop()
    finally:
        server.stop()


def told_by(session: Any, expression: Any) -> pa.Table:
    """What the session answers to an Ibis expression."""
    rows: pa.Table = session.sql(ibis.pyspark.connect(session).compile(expression)).toArrow()
    return rows


def check_same(theirs: pa.Table, ours: pa.Table, least: int) -> None:
    """The same rows of the same types, in whatever order, and more than `least` of them."""
    assert theirs.schema.types == ours.schema.types
    order = [(name, "ascending") for name in ours.column_names]
    assert theirs.sort_by(order).to_pylist() == ours.sort_by(order).to_pylist()
    assert ours.num_rows > least
