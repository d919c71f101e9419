"""Reads the old pipe aggregations: `selection | count(User) by Host > 10` with a `timeframe`.

Source: Sigma specification 1.0; they became correlation rules in 2.0, and so they do here.
"""

import re
from dataclasses import dataclass
from typing import Final

from labrys.detect.sigma.parse.errors import Unusable

EVENTS: Final = ":events"
"""What the uid of the rule for an aggregation's own events ends with."""

_AGGREGATION: Final = re.compile(
    r"(?P<function>\w+)\s*\(\s*(?P<field>[^()|]*?)\s*\)"
    r"(?:\s+by\s+(?P<by>[^<>=!|()]+?))?"
    r"\s*(?P<compare>>=|<=|==|=|>|<)\s*(?P<number>-?\d+(?:\.\d+)?)",
    re.IGNORECASE,
)
_KINDS: Final = {"min": "value_min", "max": "value_max", "avg": "value_avg", "sum": "value_sum"}
_COMPARE: Final = {">=": "gte", "<=": "lte", "==": "eq", "=": "eq", ">": "gt", "<": "lt"}


@dataclass(frozen=True, slots=True)
class Aggregation:
    """What an aggregation counts: a correlation's kind, fields, groups and threshold."""

    kind: str
    fields: tuple[str, ...]
    group_by: tuple[str, ...]
    condition: tuple[tuple[str, float], ...]


def split(text: str) -> tuple[str, str]:
    """A condition and the aggregation after its `|`; empty text where it has none."""
    before, _, after = text.partition("|")
    return before.strip(), after.strip()


def aggregation(text: str) -> Aggregation:
    """An aggregation as a correlation; raises `Unusable` where none says the same."""
    found = _AGGREGATION.fullmatch(text)
    if found is None:
        raise Unusable(f"aggregation `{text}` cannot be translated to a correlation")
    function, field = found["function"].lower(), found["field"]
    if function == "count":
        kind = "value_count" if field else "event_count"
    elif function in _KINDS and field:
        kind = _KINDS[function]
    else:
        raise Unusable(f"aggregation `{text}`: no correlation does `{function}`")
    return Aggregation(
        kind=kind,
        fields=(field,) if field else (),
        group_by=tuple(name.strip() for name in (found["by"] or "").split(",") if name.strip()),
        condition=((_COMPARE[found["compare"]], float(found["number"])),),
    )
