"""Tells the unusual tasks."""

from typing import Final

import pyarrow as pa

from labrys.detect.rarity.score import Kind, Row, Told, findings, lowered, shown

KINDS: Final = {
    "task": Kind(
        rule="rare_task",
        title="Scheduled task that is unusual for its host",
        place="host",
        thing="task",
        noun="tasks",
        least=7.0,
        chances=24,
    ),
}
_ADVICE: Final = "Look at what the task runs, and at who registered it."


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return findings("rare_task", rows, KINDS, _told, _ADVICE)


def _told(row: Row) -> Told:
    return Told(
        shown(row["name"] or row["line"]),
        (
            ("host", lowered(row["host"]), "device"),
            ("user", lowered(row["user"]), "actor"),
            ("service", lowered(row["name"]), "object"),
        ),
    )
