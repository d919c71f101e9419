"""Orders the correlations of a rule set, and says what each needs and which cannot run."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final

from labrys.detect.sigma.correlate.expression import branches, names, parse
from labrys.detect.sigma.correlate.kinds import KINDS, NUMBERS, OPERATORS
from labrys.detect.sigma.ir import Correlation, Rule, RuleSet

_MAX_RULES: Final = 64
_UNCONDITIONED: Final = ("temporal", "temporal_ordered", "sequence", "new_terms")

Problem = tuple[str, str]
"""The uid of a correlation that cannot run, and why."""


def plan(ruleset: RuleSet) -> tuple[tuple[Correlation, ...], tuple[Problem, ...]]:
    """The correlations that can run, each after those it refers to, and those that cannot."""
    every = {correlation.uid: correlation for correlation in ruleset.correlations}
    problems: dict[str, str] = {}
    for uid, correlation in every.items():
        if reason := _unsound(correlation, ruleset):
            problems[uid] = reason
    graph = {uid: [ref for ref in refs(one) if ref in every] for uid, one in every.items()}
    while True:
        try:
            order = list(TopologicalSorter(graph).static_order())
            break
        except CycleError as error:
            cycle = error.args[1]
            for uid in cycle:
                problems.setdefault(uid, f"it refers to itself through {' > '.join(cycle)}")
                graph[uid] = []
    for uid in order:
        broken = next((ref for ref in refs(every[uid]) if ref in problems), None)
        if broken is not None and uid not in problems:
            problems[uid] = f"it refers to the correlation {broken}, which cannot run"
    runnable = tuple(every[uid] for uid in order if uid not in problems)
    return runnable, tuple((uid, problems[uid]) for uid in every if uid in problems)


def refs(correlation: Correlation) -> tuple[str, ...]:
    """The uids a correlation refers to, each once, in their order; `until` last."""
    until = (correlation.until,) if correlation.until else ()
    return tuple(dict.fromkeys((*correlation.rules, *until)))


def rule_names(correlation: Correlation, ruleset: RuleSet) -> Mapping[str, int]:
    """What the expression of a correlation may call its rules: name, uid or title → number."""
    uids = tuple(dict.fromkeys(correlation.rules))
    found: dict[str, int] = {}
    members: tuple[Rule | Correlation, ...] = (*ruleset.rules, *ruleset.correlations)
    for member in members:
        if member.uid in uids:
            for name in (member.name, member.title):
                if name:
                    found.setdefault(name, uids.index(member.uid))
    found.update((uid, number) for number, uid in enumerate(uids))
    return found


def suppressed(ruleset: RuleSet) -> frozenset[str]:
    """Uids of rules and correlations that some correlation refers to without `generate`."""
    return frozenset(ref for one in ruleset.correlations if not one.generate for ref in refs(one))


def needed_fields(ruleset: RuleSet) -> dict[str, tuple[str, ...]]:
    """For each rule some correlation refers to, the fields its matches must bring along."""
    every = {correlation.uid: correlation for correlation in ruleset.correlations}
    runnable, _ = plan(ruleset)
    found: dict[str, dict[str, None]] = {}
    for correlation in runnable:
        for ref in refs(correlation):
            if ref not in every:
                found.setdefault(ref, {})
            for name in dict.fromkeys((*correlation.group_by, *correlation.fields)):
                aliases = correlation.aliases.get(name, {})
                for rule, field in _origins(ref, name, aliases, every):
                    found.setdefault(rule, {})[field] = None
    return {rule: tuple(sorted(fields)) for rule, fields in found.items()}


def horizon_ms(ruleset: RuleSet) -> int:
    """How far back matches can matter: who correlates a stream need keep no more than this."""
    runnable, _ = plan(ruleset)
    reach: dict[str, int] = {}
    for one in runnable:
        # An absence is looked for one timespan before the window, too.
        own = max(one.timespan_ms * (2 if one.expression else 1), one.history_ms)
        reach[one.uid] = own + max((reach.get(ref, 0) for ref in refs(one)), default=0)
    return max(reach.values(), default=0)


def _origins(
    ref: str, name: str, aliases: Mapping[str, str], every: Mapping[str, Correlation]
) -> Iterator[tuple[str, str]]:
    """The (rule, field) pairs whose values `name` takes through the rule or correlation `ref`."""
    if ref not in every:
        yield ref, aliases.get(ref, name)
        return
    if ref in aliases:
        name, aliases = aliases[ref], {}
    if name not in every[ref].group_by:
        for inner in dict.fromkeys(every[ref].rules):
            yield from _origins(inner, name, aliases, every)


def _unsound(correlation: Correlation, ruleset: RuleSet) -> str:
    """Why a correlation makes no sense by itself; empty where it does."""
    kind = correlation.kind
    if kind not in KINDS:
        return f"the correlation type {kind!r} is not known"
    if not correlation.rules or len(correlation.rules) > _MAX_RULES:
        return f"it refers to {len(correlation.rules)} rules; 1 to {_MAX_RULES} are possible"
    if correlation.timespan_ms < 0 or correlation.history_ms < 0:
        return "its timespan is negative"
    if correlation.expression:
        return _unsound_expression(correlation, ruleset)
    return _unsound_condition(correlation) or _unsound_fields(correlation)


def _unsound_condition(correlation: Correlation) -> str:
    if not correlation.condition and correlation.kind not in _UNCONDITIONED:
        return f"{correlation.kind} needs a condition"
    unknown = [op for op, _ in correlation.condition if op not in OPERATORS]
    return f"the condition operator {unknown[0]!r} is not known" if unknown else ""


def _unsound_fields(correlation: Correlation) -> str:
    kind, count = correlation.kind, len(correlation.fields)
    if kind in NUMBERS and count != 1:
        return f"{kind} needs exactly one field, not {count}"
    if kind in ("value_count", "new_terms") and count == 0:
        return f"{kind} needs a field"
    if kind == "value_percentile" and not 0 <= correlation.percentile <= 100:
        return f"the percentile {correlation.percentile:g} is not between 0 and 100"
    return ""


def _unsound_expression(correlation: Correlation, ruleset: RuleSet) -> str:
    if correlation.kind not in ("temporal", "temporal_ordered"):
        return f"{correlation.kind} cannot have an expression as its condition"
    try:
        node = parse(correlation.expression)
        if correlation.kind == "temporal_ordered":
            branches(node)
    except ValueError as error:
        return str(error)
    known = rule_names(correlation, ruleset)
    unknown: Sequence[str] = [name for name in names(node) if name not in known]
    if unknown:
        return f"its condition names {', '.join(unknown)}, which it does not refer to"
    return ""
