"""Tells the unusual process starts."""

from typing import Final

import pyarrow as pa

from labrys.detect.rarity.score import Kind, Row, Told, findings, lowered, shown

KINDS: Final = {
    "pair": Kind(
        rule="rare_process",
        title="Process start that is unusual for its host",
        place="host",
        thing="process",
        noun="pairs of programs",
        least=9.0,
    ),
}
_ADVICE: Final = "Look at the command line and at what started it; ask who installed the program."


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return findings("rare_process", rows, KINDS, _told, _ADVICE)


def _told(row: Row) -> Told:
    host = lowered(row["host"])
    parent = f", started by {shown(_basename(row['parent']))}" if row["parent"] else ""
    return Told(
        f"{shown(_basename(row['image']))}{parent}",
        (
            ("host", host, "device"),
            ("user", lowered(row["user"]), "actor"),
            ("process", _process(host, row["uid"]), "object"),
            ("process", _process(host, row["parent_uid"]), "parent"),
            ("file", row["image"], "actor"),
            ("file", row["parent"], "parent"),
        ),
    )


def _basename(path: str | None) -> str:
    return (path or "").replace("\\", "/").rpartition("/")[2]


def _process(host: str | None, uid: str | None) -> str | None:
    return f"{host}|{uid.strip().lower()}" if host and uid and uid.strip("{}-0") else None
