"""Compiles filter documents, which tune many rules at once.

Source: Sigma Filters Specification 2.1: a filter's condition is joined by `and` to the condition of
each rule it names (`rules: any` for all) whose log source lies in the filter's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labrys.detect.sigma.ir import LogSource, Node, Rule
from labrys.detect.sigma.parse.aggregation import EVENTS
from labrys.detect.sigma.parse.condition import condition
from labrys.detect.sigma.parse.errors import Unusable
from labrys.detect.sigma.parse.meta import logsource
from labrys.detect.sigma.parse.values import Translator


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled filter; `rules` are ids or names in lower case, None means any."""

    logsource: LogSource
    rules: frozenset[str] | None
    when: Node

    def fits(self, rule: Rule) -> bool:
        """Whether the filter tunes this rule."""
        pairs = zip(
            (self.logsource.category, self.logsource.product, self.logsource.service),
            (rule.logsource.category, rule.logsource.product, rule.logsource.service),
            strict=True,
        )
        if not all(wanted in ("", has) for wanted, has in pairs):
            return False
        own = rule.uid.removesuffix(EVENTS).lower()
        names = {own, own.rpartition("~")[0] or own, rule.name.lower()}
        return self.rules is None or not self.rules.isdisjoint(names)


def compiled(content: Mapping[str, Any], translator: Translator) -> Filter:
    """A filter document compiled; raises `Unusable`."""
    section = content["filter"]
    if not isinstance(section, Mapping):
        raise Unusable("`filter` is not a map")
    text = section.get("condition")
    if not isinstance(text, str):
        raise Unusable("a filter needs one condition")
    detections = translator.detections(
        {name: value for name, value in section.items() if name not in ("condition", "rules")}
    )
    return Filter(
        logsource(content.get("logsource")),
        _rules(section.get("rules")),
        condition(text, detections),
    )


def _rules(value: Any) -> frozenset[str] | None:
    if value is None:
        raise Unusable("a filter needs `rules`: the ids or names of rules, or `any`")
    names = value if isinstance(value, list) else [value]
    if not names or str(value).lower() == "any":
        return None
    return frozenset(str(name).lower() for name in names)
