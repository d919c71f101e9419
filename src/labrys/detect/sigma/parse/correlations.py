"""Compiles correlation documents, and resolves the rules they refer to.

Source: Sigma Correlation Rules Specification 2.1. Ours besides: `value_min` and `value_max` (in the
specification's schema only), `type: new_terms` (`condition.field`, `history: 14d`) and
`type: sequence` (`until: <rule>`), which Sigma lacks.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from labrys.detect.sigma.ir import Correlation, Rule
from labrys.detect.sigma.parse.errors import Unusable
from labrys.detect.sigma.parse.meta import LEVELS, Meta, timespan_ms

TEMPORAL: Final = frozenset(["temporal", "temporal_ordered"])
VALUES: Final = frozenset(
    f"value_{what}" for what in ("count", "sum", "avg", "min", "max", "median", "percentile")
)
KINDS: Final = frozenset(["event_count", "new_terms", "sequence"]) | TEMPORAL | VALUES
_COMPARE: Final = frozenset(["gt", "gte", "lt", "lte", "eq", "neq"])
_WORD: Final = re.compile(r"[()]|[^\s()]+")
_OPERATORS: Final = frozenset(["and", "or", "not"])


@dataclass(frozen=True, slots=True)
class Draft:
    """A correlation whose `rules`, `until` and aliases still are references as written."""

    made: Correlation
    generate: bool


def draft(meta: Meta, path: str, section: Any) -> Draft:
    """A correlation document without its references resolved; raises `Unusable`."""
    if not isinstance(section, Mapping):
        raise Unusable("`correlation` is not a map")
    kind = str(section.get("type") or "").lower()
    if kind not in KINDS:
        raise Unusable(f"correlation type `{kind}` is none of {', '.join(sorted(KINDS))}")
    condition, fields, percentile, expression = _condition(kind, section.get("condition"))
    rules = _names(section.get("rules"), "rules") or tuple(dict.fromkeys(_rules_in(expression)))
    if not rules:
        raise Unusable("correlation refers to no rules")
    if expression and set(_rules_in(expression)) != set(rules):
        raise Unusable(f"condition `{expression}` does not name exactly the correlation's rules")
    generate = section.get("generate") or False
    if not isinstance(generate, bool):
        raise Unusable("`generate` is neither true nor false")
    history = section.get("history")
    made = Correlation(
        **meta.shared(),
        path=path,
        kind=kind,
        rules=rules,
        group_by=_names(section.get("group-by"), "group-by"),
        timespan_ms=_span(kind, section.get("timespan")),
        condition=condition,
        fields=fields or _names(section.get("fields"), "fields"),
        expression=expression,
        aliases=_aliases(section.get("aliases")),
        generate=generate,
        percentile=percentile,
        until=str(section.get("until") or ""),
        history_ms=timespan_ms(history) if history is not None else 0,
    )
    if kind == "new_terms" and not made.fields:
        raise Unusable("new_terms needs `condition: {field: …}`")
    return Draft(made, generate)


def _span(kind: str, value: Any) -> int:
    if value is None and kind == "new_terms":
        return 0
    if value is None:
        raise Unusable("correlation has no timespan")
    return timespan_ms(value)


Condition = tuple[tuple[tuple[str, float], ...], tuple[str, ...], float, str]


def _condition(kind: str, value: Any) -> Condition:
    """Thresholds, fields, percentile and extended expression of a correlation's condition."""
    if isinstance(value, str):
        if kind not in TEMPORAL:
            raise Unusable(f"{kind} needs a map as its condition")
        return (), (), 0.0, _expression(value)
    if value is None:
        if kind in VALUES or kind == "event_count":
            raise Unusable(f"{kind} needs a condition")
        return (), (), 0.0, ""
    if not isinstance(value, Mapping):
        raise Unusable("condition is neither a map nor text")
    unknown = value.keys() - _COMPARE - {"field", "percentile"}
    if unknown:
        raise Unusable(f"condition has unknown parts: {', '.join(sorted(unknown))}")
    thresholds = tuple((op, _number(op, value[op])) for op in value if op in _COMPARE)
    fields = _names(value.get("field"), "field")
    if kind in VALUES and not fields:
        raise Unusable(f"{kind} needs a field in its condition")
    if not thresholds and kind not in ("new_terms", "sequence"):
        raise Unusable("condition has no threshold")
    percentile = _number("percentile", value.get("percentile", 0))
    if kind == "value_percentile" and not 0 < percentile <= 100:
        raise Unusable("value_percentile needs a `percentile` from 1 to 100 in its condition")
    return thresholds, fields, percentile, ""


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise Unusable(f"`{name}: {value}` is not a number")
    return number


def _names(value: Any, what: str) -> tuple[str, ...]:
    entries = value if isinstance(value, list) else [] if value is None else [value]
    if any(isinstance(entry, Mapping | list) or entry is None for entry in entries):
        raise Unusable(f"`{what}` is neither text nor a list of texts")
    return tuple(dict.fromkeys(str(entry) for entry in entries))


def _aliases(value: Any) -> dict[str, dict[str, str]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(m, Mapping) for m in value.values()):
        raise Unusable("`aliases` is not a map of maps")
    return {alias: {rule: str(f) for rule, f in m.items()} for alias, m in value.items()}


def _expression(text: str) -> str:
    """An extended condition with its operators in lower case; raises where it is malformed."""
    words = [w.lower() if w.lower() in _OPERATORS else w for w in _WORD.findall(text)]
    depth, operand = 0, True
    for word in words:
        if (word in ("and", "or", ")")) is operand:
            raise Unusable(f"condition `{text}` is malformed at `{word}`")
        depth += {"(": 1, ")": -1}.get(word, 0)
        operand = word in ("and", "or", "not", "(")
        if depth < 0:
            break
    if depth or operand:
        raise Unusable(f"condition `{text}` is incomplete")
    return " ".join(words)


def _rules_in(expression: str) -> Iterator[str]:
    return (w for w in expression.split() if w not in _OPERATORS and w not in "()")


def resolved(
    drafts: Sequence[Draft], rules: Sequence[Rule], unloaded: Mapping[str, str]
) -> tuple[list[Correlation], list[tuple[Correlation, str]]]:
    """The correlations with their references as uids, and those that cannot be, with reasons.

    `unloaded` names rules that could not be loaded, by id, name and title, with the reason.
    """
    return _Resolver(drafts, rules, unloaded).run()


class _Resolver:
    """Finds what references mean: an id, a name or a title, of a rule or another correlation."""

    def __init__(
        self, drafts: Sequence[Draft], rules: Sequence[Rule], unloaded: Mapping[str, str]
    ) -> None:
        self._drafts = {one.made.uid: one.made for one in drafts}
        self._unloaded = unloaded
        self._levels = {rule.uid: rule.level for rule in rules}
        self._known: dict[str, str] = {}
        everything: list[Rule | Correlation] = [*rules, *self._drafts.values()]
        for key in ("uid", "name", "title"):
            for one in everything:
                self._known.setdefault(getattr(one, key).lower(), one.uid)
        self._done: dict[str, Correlation | str] = {}
        self._open: set[str] = set()

    def run(self) -> tuple[list[Correlation], list[tuple[Correlation, str]]]:
        made: list[Correlation] = []
        lost: list[tuple[Correlation, str]] = []
        for uid, one in self._drafts.items():
            answer = self._one(uid)
            if isinstance(answer, str):
                lost.append((one, answer))
            else:
                made.append(answer)
        return made, lost

    def _one(self, uid: str) -> Correlation | str:
        """A correlation with its references resolved, or why it has none."""
        if uid in self._done:
            return self._done[uid]
        if uid in self._open:
            return "correlation refers to itself"
        self._open.add(uid)
        try:
            answer: Correlation | str = self._resolve(self._drafts[uid])
        except Unusable as reason:
            answer = str(reason)
        self._open.discard(uid)
        self._done[uid] = answer
        return answer

    def _resolve(self, one: Correlation) -> Correlation:
        uids = tuple(self._uid(reference) for reference in one.rules)
        levels = [self._levels[uid] for uid in uids]
        highest = max(levels, key=LEVELS.index)
        meaning = dict(zip(one.rules, uids, strict=True))
        made = msgspec.structs.replace(
            one,
            rules=uids,
            until=self._uid(one.until) if one.until else "",
            level=one.level or highest,
            expression=" ".join(meaning.get(word, word) for word in one.expression.split()),
            aliases={
                alias: {self._uid(rule): field for rule, field in fields.items()}
                for alias, fields in one.aliases.items()
            },
        )
        self._levels[one.uid] = made.level
        return made

    def _uid(self, reference: str) -> str:
        uid = self._known.get(reference.lower())
        if uid is None:
            why = self._unloaded.get(reference.lower())
            raise Unusable(
                f"refers to `{reference}`, which {f'is not loaded: {why}' if why else 'is no rule'}"
            )
        if uid in self._drafts:
            inner = self._one(uid)
            if isinstance(inner, str):
                raise Unusable(f"refers to `{reference}`, which is not loaded: {inner}")
        return uid
