"""What every report format is made from, and how findings and incidents refer to each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.lake.places import Places
from labrys.report.summary import Summary
from labrys.triage import FOLDED, Triage

Row = dict[str, Any]
Ints = npt.NDArray[np.int64]
BATCH: Final = 1000
"""Rows turned into Python objects at a time."""


@dataclass(frozen=True)
class Report:
    """Findings (`ocsf.schema.FINDING`), what triage made of them, and what the scan says of itself.

    `records` gives source fields of evidence by `_id`, where a format shows them; it may hold only
    some, or none. `where` knows the countries and networks of addresses, if the user has tables.
    """

    findings: pa.Table
    incidents: pa.Table
    folded: pa.Table = field(default_factory=FOLDED.empty_table)
    summary: Summary = field(default_factory=Summary)
    records: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    where: Places = field(default_factory=Places)

    @classmethod
    def of(
        cls,
        findings: pa.Table,
        triage: Triage,
        summary: Summary,
        records: Mapping[str, Mapping[str, str]] | None = None,
        where: Places | None = None,
    ) -> "Report":
        """A report of findings and their triage."""
        made = cls(findings, triage.incidents, triage.folded, summary, records or {})
        return replace(made, where=where) if where else made

    @cached_property
    def _sizes(self) -> Ints:
        lengths = pc.fill_null(pc.list_value_length(self.incidents["findings"]), 0)
        return np.asarray(lengths.combine_chunks().to_numpy(), np.int64)

    @cached_property
    def places(self) -> Ints:
        """For each finding its place in the flattened `findings` of all incidents; -1 in none."""
        listed = _flat(self.incidents["findings"])
        found = pc.index_in(self.findings["uid"], value_set=listed)
        return np.asarray(pc.fill_null(found, -1).combine_chunks().to_numpy(), np.int64)

    @cached_property
    def incident_rows(self) -> Ints:
        """For each finding the row of its incident; -1 where it is in none."""
        row = np.append(np.repeat(np.arange(len(self._sizes)), self._sizes), -1)
        return np.asarray(row[self.places])

    def members(self, incident: int, most: int | None = None) -> pa.Table:
        """The findings of the incident in a row, in its order, with `why` each belongs to it."""
        begin, size = int(self._starts[incident]), int(self._sizes[incident])
        size = size if most is None else min(size, most)
        rows = self._rows[begin : begin + size]
        known = rows >= 0
        links = self._links.slice(begin, size).filter(pa.array(known))
        return self.findings.take(pa.array(rows[known])).append_column("why", links)

    @cached_property
    def _links(self) -> pa.Array:
        return _flat(self.incidents["links"])

    @cached_property
    def _starts(self) -> Ints:
        return np.cumsum(self._sizes) - self._sizes

    @cached_property
    def _rows(self) -> Ints:
        """For each place in the flattened `findings` of all incidents the row of that finding."""
        made = np.full(int(self._sizes.sum()), -1)
        inside = np.flatnonzero(self.places >= 0)
        made[self.places[inside]] = inside
        return made

    @cached_property
    def links(self) -> pa.Array:
        """For each finding why it belongs to its incident; null where it is in none."""
        outside = self.places < 0
        return self._links.take(pa.array(np.where(outside, 0, self.places), mask=outside))

    def each_finding(self) -> Iterator[tuple[Row, int, str]]:
        """Every finding with the row of its incident (-1: none) and why it belongs there."""
        for begin in range(0, self.findings.num_rows, BATCH):
            rows = self.findings.slice(begin, BATCH).to_pylist()
            incident = self.incident_rows[begin : begin + BATCH].tolist()
            links = self.links.slice(begin, BATCH).to_pylist()
            for row, number, link in zip(rows, incident, links, strict=True):
                yield row, number, link or ""

    def each_incident(self) -> Iterator[Row]:
        """Every incident, by rank."""
        for begin in range(0, self.incidents.num_rows, 100):
            yield from self.incidents.slice(begin, 100).to_pylist()


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return pc.list_flatten(column.combine_chunks())
