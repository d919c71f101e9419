"""Finds bad mail in rows of `mail.message`: says what each is, how surely, and why."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from labrys.detect.mail import explain
from labrys.detect.mail.columns import Floats, Ints
from labrys.detect.mail.features import Seen
from labrys.detect.mail.kinds import KINDS, PHISHING, certain_malware, kinds, words_alone
from labrys.detect.mail.score import ID, Model, Scores, model, scores
from labrys.ocsf.entities import entities
from labrys.ocsf.schema import FINDING, Severity

SHAPE: Final = "mail.message"
_AT_ONCE: Final = 2_000
_SPAM: Final = len(KINDS) - 1


def detect(shape: str, batch: pa.Table) -> pa.Table:
    """A finding for each message that the model thinks bad."""
    if shape != SHAPE or not batch.num_rows:
        return FINDING.empty_table()
    parts = [
        _found(batch.slice(at, _AT_ONCE), model()) for at in range(0, batch.num_rows, _AT_ONCE)
    ]
    return pa.concat_tables(parts)


def _found(table: pa.Table, made: Model) -> pa.Table:
    seen = Seen(table)
    judged = scores(seen, made)
    told = judged.margin > min(made.thresholds.values())
    if not (told | certain_malware(judged.features)).any():
        return FINDING.empty_table()  # as of most mails at a gate: so their kinds are not asked
    kind = kinds(judged.features)
    severity = severities(judged, kind, made)
    rows = np.flatnonzero(severity > 0)
    if not len(rows):
        return FINDING.empty_table()
    chosen = table.take(pa.array(rows))
    confidence = confidences(judged, rows, made)
    why = explain.reasons(rows, seen, judged, made)
    columns = zip(
        chosen.select(["_id", "_time", "_source", "_offset"]).to_pylist(),
        entities(SHAPE, chosen).to_pylist(),
        kind[rows].tolist(),
        severity[rows].tolist(),
        confidence.tolist(),
        why,
        strict=True,
    )
    return pa.Table.from_pylist([_finding(one, made.version) for one in columns], FINDING)


def severities(judged: Scores, kind: Ints, made: Model) -> Ints:
    """For each message 0 (nothing to say) or its severity: the surer, the higher; spam is low at most,
    and so is phishing that nothing but its words tells from the notices of a service."""
    limit = made.thresholds
    found: Ints = np.zeros(len(judged.margin), np.int64)
    found[judged.margin > limit["suspicious"]] = Severity.LOW
    found[(found > 0) & (kind == _SPAM) & (judged.margin <= limit["likely"])] = (
        Severity.INFORMATIONAL
    )
    more = (kind != _SPAM) & ~((kind == PHISHING) & words_alone(judged.features))
    found[(judged.margin > limit["likely"]) & more] = Severity.MEDIUM
    found[(judged.margin > limit["sure"]) & more] = Severity.HIGH
    malware = certain_malware(judged.features)
    found[malware] = np.maximum(found[malware], Severity.MEDIUM)
    return found


def confidences(judged: Scores, rows: Ints, made: Model) -> Ints:
    """In percent, as calibrated on corpora that were held out; less where only unsure."""
    value: Floats = made.confidence(judged.margin[rows])
    return np.clip(np.round(value), 1, 99).astype(np.int64)


def _finding(one: tuple[Any, ...], version: str) -> dict[str, Any]:
    row, cast, kind, severity, confidence, why = one
    what = KINDS[kind]
    unsure = severity == Severity.LOW and kind != _SPAM
    return {
        "uid": f"{ID}:{row['_id']}",
        "detector": ID,
        "version": version,
        "rule_uid": f"{ID}.{what.id}",
        "title": f"Suspicious: {what.title[0].lower()}{what.title[1:]}" if unsure else what.title,
        "author": "labrys",
        "time_start": row["_time"],
        "time_end": row["_time"],
        "severity_id": severity,
        "confidence": confidence,
        "techniques": list(what.techniques),
        "tactics": list(what.tactics),
        "entities": cast,
        "evidence": [{name: row[name] for name in ("_id", "_source", "_offset")}],
        "reasons": why,
        "shape": SHAPE,
        "advice": what.advice,
    }  # fmt: skip
