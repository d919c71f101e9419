"""Tells the unusual logons."""

from typing import Final

import pyarrow as pa

from labrys.detect.rare_logon.features import VOID
from labrys.detect.rarity.score import Kind, Row, Told, findings, lowered, shown

_TITLE: Final = "Logon that is unusual for its host or user"
KINDS: Final = {
    "edge": Kind("rare_logon", _TITLE, "host", "logon", "pairs of user and source"),
    "country": Kind("rare_logon", _TITLE, "user", "country", "countries", least=7.0),
    "agent": Kind("rare_logon", _TITLE, "user", "program", "programs", least=7.0),
}
_ADVICE: Final = "Ask the user whether it was them; see what the session did next."


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return findings("rare_logon", rows, KINDS, _told, _ADVICE)


def _told(row: Row) -> Told:
    user, host, ip = lowered(row["user"]), lowered(row["host"]), _known(row["ip"])
    source = _known(row["source"])
    what = {
        "edge": f"{shown(user)} from {shown(ip or source or 'the host itself')}",
        "country": f"{shown(user)} from {shown(row['country'])}",
        "agent": f"{shown(user)} with {shown(row['agent'])}",
    }
    return Told(
        what[row["kind"]],
        (
            ("user", user, "target"),
            ("host", host, "destination"),
            ("ip", ip, "source"),
            ("host", source, "source"),
        ),
    )


def _known(text: str | None) -> str | None:
    name = lowered(text)
    return None if name in VOID else name
