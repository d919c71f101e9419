"""The two kinds of detector, and nothing else.

A row detector is a pure function from a batch of one shape to findings. A window detector writes
its features as an Ibis expression over an OCSF view, so that DuckDB or Spark computes them, and
scores the resulting rows with a pure function. Neither opens files, uses the network or keeps
global state.
"""

from typing import Any, Protocol, runtime_checkable

import pyarrow as pa


@runtime_checkable
class RowDetector(Protocol):
    """Finds in each record on its own."""

    id: str
    version: str
    digest: str
    """Changes whenever the same batch could give other findings (rules, model, code version)."""
    emits: tuple[str, ...]
    """The values of `detector` in its findings: its id, and names of findings kept for others."""

    def detect(self, shape: str, batch: pa.Table) -> pa.Table:
        """The findings (`ocsf.schema.FINDING`) in a table of one shape."""
        ...


@runtime_checkable
class WindowDetector(Protocol):
    """Finds in what many records say about one entity in one window of time."""

    id: str
    version: str
    digest: str
    reads: str
    """The OCSF view it reads, e.g. `authentication`."""

    def features(self, events: Any) -> Any:
        """Ibis table of the view → Ibis table, one row for each entity and window."""
        ...

    def score(self, rows: pa.Table) -> pa.Table:
        """The feature rows → findings (`ocsf.schema.FINDING`)."""
        ...
