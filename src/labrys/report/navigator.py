"""An ATT&CK Navigator layer: which techniques the findings show, the worse the darker.

Source: ATT&CK Navigator layer file format 4.5.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from labrys.ocsf.attack import notice, version
from labrys.report.contents import Report
from labrys.report.levels import SEVERITY
from labrys.report.summary import verdict
from labrys.report.visible import visible

_GRADIENT: Final = ["#e8f0f5", "#f2b632", "#d9531e", "#b3123a"]
_RULES: Final = 5
_TECHNIQUE: Final = re.compile(r"T[0-9]{4}(\.[0-9]{3})?")
"""Also one newer than our table: which there are is for the Navigator to say."""


@dataclass(slots=True)
class _Seen:
    """What is known of a technique so far."""

    severity: int = 1
    findings: int = 0
    incidents: set[int] = field(default_factory=set)
    rules: Counter[str] = field(default_factory=Counter)


def write(report: Report) -> Iterator[bytes]:
    """The layer as one JSON object."""
    seen: dict[str, _Seen] = {}
    for row, incident, _ in report.each_finding():
        for uid in filter(_TECHNIQUE.fullmatch, row["techniques"] or ()):
            each = seen.setdefault(uid, _Seen())
            each.severity = max(each.severity, int(row["severity_id"] or 1))
            each.findings += 1
            each.rules[row["title"] or row["rule_uid"] or ""] += 1
            if incident >= 0:
                each.incidents.add(incident + 1)
    yield orjson.dumps(_layer(report, seen), option=orjson.OPT_INDENT_2)


def _layer(report: Report, seen: dict[str, _Seen]) -> dict[str, Any]:
    case = visible(report.summary.case, 80) or "case"
    return {
        "name": f"labrys: {case}",
        "versions": {"attack": version().partition(".")[0], "navigator": "5.1.0", "layer": "4.5"},
        "domain": "enterprise-attack",
        "description": f"{verdict(report.summary, report.incidents.num_rows)} {notice()}",
        "sorting": 3,
        "hideDisabled": False,
        "techniques": [_technique(uid, seen[uid]) for uid in sorted(seen)],
        "gradient": {"colors": _GRADIENT, "minValue": 0, "maxValue": 100},
        "legendItems": [
            {"label": f"worst finding: {name.lower()}", "color": _colour(score)}
            for score, name in ((level * 20, name) for level, name in SEVERITY.items())
        ],
        "showTacticRowBackground": False,
        "selectTechniquesAcrossTactics": True,
        "selectSubtechniquesWithParent": False,
    }


def _technique(uid: str, seen: _Seen) -> dict[str, Any]:
    rules = [
        visible(name, 100) for name, _ in sorted(seen.rules.items(), key=lambda x: (-x[1], x[0]))
    ]
    more = f" and {len(rules) - _RULES} more" if len(rules) > _RULES else ""
    return {
        "techniqueID": uid,
        "score": seen.severity * 20,
        "enabled": True,
        "comment": f"{seen.findings} findings: {'; '.join(rules[:_RULES])}{more}",
        "metadata": [
            {"name": "worst severity", "value": SEVERITY[min(5, seen.severity)]},
            {"name": "findings", "value": str(seen.findings)},
            {
                "name": "incidents",
                "value": ", ".join(map(str, sorted(seen.incidents)[:20])) or "none",
            },
        ],
        "showSubtechniques": "." in uid,
    }


def _colour(score: int) -> str:
    return _GRADIENT[min(len(_GRADIENT) - 1, score * len(_GRADIENT) // 101)]
