"""The two kinds of detector, and nothing else.

A row detector is a pure function from a batch of one shape to findings. A window detector writes
its features as an Ibis expression over an OCSF view, so that DuckDB or Spark computes them, and
scores the resulting rows with a pure function. Neither opens files, uses the network or keeps
global state.
"""

from typing import Any, Protocol, runtime_checkable

import pyarrow as pa


class RowDetector(Protocol):
    """Finds in each record on its own."""

    @property
    def id(self) -> str:
        """Its name, the same for ever."""

    @property
    def digest(self) -> str:
        """Changes whenever the same batch could give other findings (rules, model, code)."""

    @property
    def emits(self) -> tuple[str, ...]:
        """The values of `detector` in its findings: its id, and names of findings for others."""

    def detect(self, shape: str, batch: pa.Table) -> pa.Table:
        """The findings (`ocsf.schema.FINDING`) in a table of one shape."""


@runtime_checkable
class Divisible(Protocol):
    """A row detector much of which is for other shapes; it need not be this."""

    def for_shape(self, shape: str) -> RowDetector | None:
        """A smaller detector that finds the same in one shape; None where it can find nothing."""


class WindowDetector(Protocol):
    """Finds in what many records say about one entity in one window of time."""

    @property
    def id(self) -> str:
        """Its name, the same for ever."""

    @property
    def digest(self) -> str:
        """Changes whenever the same features could give other findings."""

    @property
    def reads(self) -> str:
        """The OCSF view it reads, e.g. `authentication`."""

    def features(self, events: Any) -> Any:
        """Ibis table of the view → Ibis table, one row for each entity and window."""

    def score(self, rows: pa.Table) -> pa.Table:
        """The feature rows → findings (`ocsf.schema.FINDING`)."""
