"""Tells the unusual calls."""

from typing import Final

import pyarrow as pa

from labrys.detect.rarity.score import Kind, Row, Told, findings, lowered, shown

_TITLE: Final = "Cloud call that is unusual for its principal"
KINDS: Final = {
    "call": Kind("rare_api", _TITLE, "principal", "call", "calls"),
    "country": Kind("rare_api", _TITLE, "principal", "country", "countries", least=7.0),
    "agent": Kind("rare_api", _TITLE, "principal", "program", "programs"),
}
_ADVICE: Final = "Ask the principal's owner; see what else it did from this address."


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return findings("rare_api", rows, KINDS, _told, _ADVICE)


def _told(row: Row) -> Told:
    who = shown(row["principal"])
    call = ":".join(shown(row[name]) for name in ("service", "operation") if row[name])
    what = {
        "call": f"{who}: {call}",
        "country": f"{who} from {shown(row['country'])}",
        "agent": f"{who} with {shown(row['agent'])}",
    }
    return Told(
        what[row["kind"]],
        (
            ("user", lowered(row["principal"]), "actor"),
            ("account", row["account"], "object"),
            ("ip", row["ip"], "source"),
            ("host", lowered(row["host"]), "device"),
            ("user_agent", row["agent"], "actor"),
        ),
    )
