"""Tells of findings and incidents as they come, each once: lines for people, or OCSF lines."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from labrys.lake.places import NONE, Places
from labrys.report.contents import Row
from labrys.report.levels import SEVERITY
from labrys.report.lines import json_line
from labrys.report.ndjson import finding, incident_finding
from labrys.report.visible import iso, visible
from labrys.scan.run import Scan
from labrys.watch.said import Told

_BATCH: Final = 1_000


class Output(Protocol):
    """Where lines go."""

    def write(self, data: bytes | str) -> int:
        """Write all of it."""

    def flush(self) -> None:
        """Hand on what was written."""


class Teller:
    """Writes what is new; `path` is the file behind `output`, if it is one.

    `react` is called with every table of new findings, also of those an earlier watch told of.
    """

    def __init__(
        self,
        told: Told,
        output: Output,
        path: Path | None,
        *,
        as_json: bool,
        rows: frozenset[str],
        react: Callable[[pa.Table], object] | None = None,
        places: Places = NONE,
    ) -> None:
        self._told, self._output, self._path = told, output, path
        self._as_json, self._rows, self._react = as_json, rows, react
        self._places = places
        self._first = True
        self.findings_told = 0
        self.incidents_told = 0

    def findings(self, found: pa.Table) -> None:
        """See `labrys.watch.run.Listener`."""
        for begin in range(0, found.num_rows, _BATCH):
            self._some(found.slice(begin, _BATCH))

    def incidents(self, scan: Scan) -> None:
        """See `labrys.watch.run.Listener`; an incident is told again when it becomes worse."""
        found = scan.findings
        if not self._first:  # those of row detectors were told when they came
            mine = pc.is_in(found["detector"], value_set=pa.array(sorted(self._rows)))
            found = found.filter(pc.invert(mine))
        self.findings(found)
        self._first = False
        rows = {f"{row['uid']}|{row['severity_id']}": row for row in _each(scan.triage.incidents)}
        new = self._told.new(list(rows))
        if new:
            self._write(b"".join(self._incident(row) for key, row in rows.items() if key in new))
            self._mark(new)
            self.incidents_told += len(new)

    def _some(self, found: pa.Table) -> None:
        new = self._told.new(found["uid"].to_pylist())
        if not new:
            return
        mine = found.filter(pc.is_in(found["uid"], value_set=pa.array(sorted(new))))
        if self._react is not None:
            self._react(mine)
        self._write(b"".join(self._finding(row) for row in mine.to_pylist()))
        self._mark(new)
        self.findings_told += len(new)

    def _write(self, data: bytes) -> None:
        self._output.write(data)
        self._output.flush()

    def _mark(self, uids: set[str]) -> None:
        size = (str(self._path), self._path.stat().st_size) if self._path is not None else None
        self._told.mark(uids, size)

    def _finding(self, row: Row) -> bytes:
        if self._as_json:
            return json_line(finding(row, alert=False, where=self._places))
        hosts = [e["value"] for e in row["entities"] or () if e["type"] == "host"]
        place = next(iter(row["evidence"] or ()), None)
        where = f" [{place['_source']} at {place['_offset']}]" if place else ""
        on = f" on {hosts[0]}" if hosts else ""
        return _line(row["time_start"], row["severity_id"], f"{row['title']}{on}{where}")

    def _incident(self, row: Row) -> bytes:
        if self._as_json:
            return json_line(incident_finding(row, self._places))
        said = f"incident: {row['title']} ({len(row['findings'])} findings, {row['uid'][:8]})"
        return _line(row["time_end"], row["severity_id"], said)


def _line(time: int | None, severity: int | None, said: str) -> bytes:
    level = SEVERITY.get(int(severity or 0), "").lower()
    when = iso(time)[:19].replace("T", " ") or "no time"
    text = f"{when:<19}  {level:<13} {visible(said)}\n"
    return text.encode("utf-8", "backslashreplace")


def _each(table: pa.Table) -> Iterator[Row]:
    for begin in range(0, table.num_rows, 100):
        yield from table.slice(begin, 100).to_pylist()
