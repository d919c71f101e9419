"""Tells the unusual services."""

from typing import Final

import pyarrow as pa

from labrys.detect.rarity.score import Kind, Row, Told, findings, lowered, shown

KINDS: Final = {
    "service": Kind(
        rule="rare_service",
        title="Service that is unusual for its host",
        place="host",
        thing="service",
        noun="services",
        least=7.0,
        chances=24,
    ),
}
_ADVICE: Final = "Look at the program behind the service, and at who logged on before it came."


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return findings("rare_service", rows, KINDS, _told, _ADVICE)


def _told(row: Row) -> Told:
    return Told(
        shown(row["name"]),
        (
            ("host", lowered(row["host"]), "device"),
            ("user", lowered(row["user"]), "actor"),
            ("service", lowered(row["name"]), "object"),
        ),
    )
