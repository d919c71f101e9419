"""What exceptions would change in a case: the findings they hide and what becomes of incidents."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from labrys.decisions import Exclusion, Lessons, hidden
from labrys.triage import Triage, incidents


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one incident: `after` of its `before` findings are left in one; 0: gone."""

    uid: str
    rank: int
    title: str
    severity: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Effect:
    """`hidden` are the findings (`ocsf.schema.FINDING`) that would no longer be seen, of `total`."""

    hidden: pa.Table
    total: int
    incidents_before: int
    incidents_after: int
    changes: tuple[Change, ...]


def effect(
    findings: pa.Table, before: Triage, exclusions: Sequence[Exclusion], taught: Lessons
) -> Effect:
    """The effect of exceptions on findings, all others of the case already applied.

    `before` are their incidents now, `taught` what people have decided about them.
    """
    masks = hidden(findings, exclusions)
    mask = np.logical_or.reduce(masks) if masks else np.zeros(findings.num_rows, np.bool_)
    after = incidents(findings.filter(pa.array(~mask)), taught)
    return Effect(
        hidden=findings.filter(pa.array(mask)),
        total=findings.num_rows,
        incidents_before=before.incidents.num_rows,
        incidents_after=after.incidents.num_rows,
        changes=tuple(_changes(before, after)),
    )


def _changes(before: Triage, after: Triage) -> list[Change]:
    """The incidents that lose findings, by rank."""
    left = {uid for uids in after.incidents["findings"].to_pylist() for uid in uids}
    made = []
    for row in before.incidents.to_pylist():
        kept = sum(uid in left for uid in row["findings"])
        if kept < len(row["findings"]):
            made.append(
                Change(
                    row["uid"],
                    row["rank"],
                    row["title"],
                    row["severity_id"],
                    len(row["findings"]),
                    kept,
                )
            )
    return made
