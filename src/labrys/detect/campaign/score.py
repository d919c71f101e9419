"""Makes one finding of the keys that name the same mailing.

All findings are informational: most mailings are wanted. A mailing grows no incident; its findings
and those of its messages name the same `campaign`, by which triage makes one incident of the copies
that rules or detectors found, and adds this one, which counts all of them.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from labrys.ocsf.schema import FINDING, Severity

ID: Final = "campaign"
VERSION: Final = "1"
MOST: Final = 150
"""Mailings told of in a whole case, those of most copies."""
MOST_SENDERS: Final = 10

_Row = Mapping[str, Any]


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`), in any order of rows."""
    mailings = sorted(_mailings(rows.to_pylist()), key=_size)[:MOST]
    return pa.Table.from_pylist([_finding(one) for one in mailings], schema=FINDING)


def _size(mailing: Sequence[_Row]) -> tuple[int, str]:
    return -max(row["copies"] for row in mailing), min(row["key"] for row in mailing)


def _mailings(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """The rows by mailing: keys belong together that share a sample message."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for row in rows:
        one, other = sorted((root(f"k{row['key']}"), root(f"m{row['_id']}")))
        parent[other] = one
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        groups.setdefault(root(f"k{row['key']}"), []).append(row)
    yield from groups.values()


def _finding(mailing: Sequence[_Row]) -> dict[str, Any]:
    largest = min(mailing, key=lambda row: (-row["copies"], row["key"]))
    keys = sorted({row["key"] for row in mailing})
    samples = {row["_id"]: row for row in mailing}
    shown = sorted(samples.values(), key=lambda row: (row["_time"] or 0, row["_id"]))
    senders = list(dict.fromkeys(row["sender"] for row in shown if row["sender"]))
    first = min((row["first"] for row in mailing if row["first"] is not None), default=None)
    last = max((row["last"] for row in mailing if row["last"] is not None), default=None)
    mark = hashlib.blake2b(f"{largest['key']}|{first}".encode(), digest_size=12).hexdigest()
    said = {
        "copies": f"at least {largest['copies']}, from {largest['senders']} senders to "
        f"{largest['recipients']} recipients",
        "time": f"{_day(first)} to {_day(last)}",
        "subject": shown[0]["subject"][:200],
    }
    return {
        "uid": f"{ID}:{mark}",
        "detector": ID,
        "version": VERSION,
        "rule_uid": "campaign.copies",
        "title": "Near copies of one message",
        "author": "labrys",
        "time_start": first,
        "time_end": last,
        "severity_id": int(Severity.INFORMATIONAL),
        "confidence": 80,
        "techniques": ["T1566"],
        "tactics": ["initial-access"],
        "entities": [
            *({"type": "campaign", "value": key, "role": "object"} for key in keys),
            *({"type": "user", "value": one, "role": "source"} for one in senders[:MOST_SENDERS]),
        ],
        "evidence": [{name: row[name] for name in ("_id", "_source", "_offset")} for row in shown],
        "reasons": [
            {"feature": name, "value": value, "weight": 1.0} for name, value in said.items()
        ],
        "shape": shown[0]["_shape"],
        "advice": "Search all mailboxes for the other copies, and take them out together.",
    }


def _day(moment: int | None) -> str:
    try:
        return "?" if moment is None else f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d}"
    except (OverflowError, OSError, ValueError):
        return "?"
