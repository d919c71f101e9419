"""Finds pickled models that would run code when loaded (ATLAS AML.T0010, AML.T0011.000).

One finding for a stream: the worst of what it looks up decides how bad it is. `dangerous` names do
something a model has no business with; `unknown code` is merely not known to be harmless.
"""

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from labrys.detect.model_code.verdict import Verdict, telling, verdict
from labrys.evidence.values import MULTI
from labrys.ocsf.schema import FINDING, Severity

ID: Final = "model_code"
VERSION: Final = "1"
SHAPE: Final = "model.pickle"
_MOST: Final = 12
_ADVICE: Final = (
    "Do not load it. Ask where it came from; have it in a format that holds no code (safetensors, "
    "ONNX); if it was loaded somewhere, look what that process started and connected to."
)
_KINDS: Final = {
    Verdict.DANGEROUS: ("dangerous", "Model that runs a dangerous call when loaded", Severity.HIGH, 95),
    Verdict.UNKNOWN: ("unknown", "Model that runs unknown code when loaded", Severity.MEDIUM, 70),
    Verdict.OWN_CODE: ("own_code", "Model that carries code of its own", Severity.LOW, 60),
}  # fmt: skip


def detect(shape: str, batch: pa.Table) -> pa.Table:
    """A finding for each stream that looks up something that is not known to be harmless."""
    if shape != SHAPE or not batch.num_rows:
        return FINDING.empty_table()
    found = [made for row in batch.to_pylist() if (made := _finding(row)) is not None]
    return pa.Table.from_pylist(found, FINDING)


def _finding(row: dict[str, Any]) -> dict[str, Any] | None:
    code = row.get("carries_code") == "true"
    judged = sorted(_judged(row, carries_code=code), key=lambda each: -each[0])
    words = telling(_parts(row, "code_names")) if code else []
    worst = judged[0][0] if judged else Verdict.ALLOWED
    if code:
        worst = max(worst, Verdict.DANGEROUS if words else Verdict.OWN_CODE)
    if worst == Verdict.ALLOWED:
        return None
    kind, title, severity, confidence = _KINDS[worst]
    reasons = [
        {"feature": f"{'calls' if 'called' in how else 'names'} {name}", "value": arguments, "weight": float(each)}
        for each, name, how, arguments in judged
        if each > Verdict.ALLOWED
    ]  # fmt: skip
    if words:
        said = {"feature": "code in it uses", "value": ", ".join(words[:_MOST]), "weight": 3.0}
        reasons.insert(0, said)
    entities = [{"type": "file", "value": row["_source"], "role": "object"}]
    return {
        "uid": f"{ID}:{kind}:{row['_id']}",
        "detector": ID,
        "version": VERSION,
        "rule_uid": f"{ID}.{kind}",
        "title": title,
        "author": "labrys",
        "time_start": row["_time"],
        "time_end": row["_time"],
        "severity_id": int(severity),
        "confidence": confidence,
        "techniques": ["T1195.001", "T1059.006"],
        "tactics": ["initial-access", "execution"],
        "entities": entities,
        "evidence": [{name: row[name] for name in ("_id", "_source", "_offset")}],
        "reasons": reasons[:_MOST],
        "shape": SHAPE,
        "advice": _ADVICE,
    }


def _judged(
    row: dict[str, Any], *, carries_code: bool
) -> Iterator[tuple[Verdict, str, frozenset[str], str]]:
    names, used = _parts(row, "names"), _parts(row, "names_used")
    arguments = _parts(row, "names_arguments")
    arguments += [""] * (len(names) - len(arguments))
    for name, how, given in zip(names, used, arguments, strict=False):
        ways = frozenset(how.split())
        yield verdict(name, ways, carries_code=carries_code), name, ways, given


def _parts(row: dict[str, Any], column: str) -> list[str]:
    cell = row.get(column)
    return cell.split(MULTI) if cell else []
