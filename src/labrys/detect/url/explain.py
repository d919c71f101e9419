"""Says why a link is held to be phishing."""

from collections.abc import Mapping
from typing import Any, Final

from labrys.detect.url.brands import imitated
from labrys.detect.url.score import Model
from labrys.evidence.mail.urls import url as read
from labrys.ocsf.schema import Severity

ID: Final = "url"
VERSION: Final = "1"
_MOST: Final = 5
_LONGEST: Final = 512
_ADVICE: Final = (
    "Do not open it. See who got and who opened the message, and whether anybody typed a password "
    "there; block the domain if it is not known for anything else."
)


def findings(held: Model, margins: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """What is said of each of these links, whose log odds are given."""
    worst = held.worst(list(margins))
    reasons = held.reasons(worst)
    return {
        link: _finding(held, link, margin, one, why)
        for (link, margin), one, why in zip(margins.items(), worst, reasons, strict=True)
    }


def _finding(
    held: Model, link: str, margin: float, worst: str, why: list[tuple[str, float, float]]
) -> dict[str, Any]:
    made = read(worst)
    brands = imitated(made.host) if made is not None else []
    severity, confidence = _graded(held, margin, named=bool(brands))
    said = f", with the name of {', '.join(brands)}" if brands else ""
    reasons = [_reason("link", link[:_LONGEST], round(margin, 2))]
    reasons += [
        _reason("brand's name in a host that is not the brand's", name, 1.0) for name in brands
    ]
    reasons += [
        _reason(what, f"{value:.2f}".rstrip("0").rstrip("."), round(part, 2))
        for what, value, part in why[:_MOST]
    ]
    return {
        "detector": ID,
        "version": VERSION,
        "rule_uid": "url.phishing",
        "title": f"Link that looks like phishing{said}",
        "author": "labrys",
        "severity_id": int(severity),
        "confidence": confidence,
        "techniques": ["T1566.002"],
        "tactics": ["initial-access"],
        "reasons": reasons,
        "advice": _ADVICE,
    }


def _graded(held: Model, margin: float, *, named: bool) -> tuple[Severity, int]:
    """Alone, a link is little: medium only beyond all held-out ordinary links, and with a brand."""
    if margin > held.limits["sure"] and named:
        return Severity.MEDIUM, 70
    if margin > held.limits["low"]:
        return Severity.LOW, 50
    return Severity.INFORMATIONAL, 25


def _reason(feature: str, value: str, weight: float) -> dict[str, Any]:
    return {"feature": feature, "value": value, "weight": weight}
