"""Says of every rule whether it is loaded, why not, what it applies to and what it costs."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

from labrys.detect.sigma import cache as compiled
from labrys.detect.sigma.correlate.plan import plan
from labrys.detect.sigma.ir import (
    All,
    Any_,
    Correlation,
    Leaf,
    LogSource,
    Node,
    Rejected,
    Rule,
    RuleSet,
)
from labrys.detect.sigma.logsource import overlap, shapes
from labrys.detect.sigma.parse.regex import engine
from labrys.evidence.registry import formats

State = Literal["loaded", "waiting", "rejected"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one rule.

    `shapes` are the kinds of record it applies to, as patterns; `backtracking` those of its regular
    expressions that no engine runs in linear time; `warnings` what its author should look at.
    """

    path: str
    uid: str
    title: str
    kind: Literal["rule", "correlation", "document"]
    state: State
    reason: str = ""
    level: str = ""
    shapes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    backtracking: tuple[str, ...] = ()


def check(
    paths: Iterable[str | os.PathLike[str]], placeholders: Mapping[str, Sequence[str]] | None = None
) -> list[Verdict]:
    """A verdict on every rule in these files and folders, in the order of their paths.

    Raises `RuleError` where a path cannot be read.
    """
    return verdicts(compiled.load(paths, placeholders))


def verdicts(rules: RuleSet) -> list[Verdict]:
    """A verdict on every rule of a compiled set, and on every document that is none."""
    noted = _by_rule([*rules.warned, *_same_names(rules)])
    made = [_of_rule(rules, number, noted) for number in range(len(rules.rules))]
    made += _of_correlations(rules, noted)
    for one in rules.rejected:
        state: State = "waiting" if one.waiting else "rejected"
        made.append(Verdict(one.path, one.uid, one.title, "document", state, one.reason))
    known = {(one.path, one.uid) for one in made}
    made += [
        Verdict(one.path, one.uid, one.title, "document", "loaded", warnings=(one.reason,))
        for one in rules.warned
        if (one.path, one.uid) not in known
    ]
    return sorted(made, key=lambda one: (one.path, one.uid))


def as_dict(made: Sequence[Verdict]) -> dict[str, Any]:
    """The verdicts as plain data: counts, then every rule."""
    states = [one.state for one in made]
    return {
        "loaded": states.count("loaded"),
        "waiting": states.count("waiting"),
        "rejected": states.count("rejected"),
        "warned": sum(bool(one.warnings) for one in made),
        "backtracking": sum(bool(one.backtracking) for one in made),
        "rules": [asdict(one) for one in made],
    }


def _of_rule(rules: RuleSet, number: int, noted: Mapping[tuple[str, str], list[str]]) -> Verdict:
    rule = rules.rules[number]
    warnings = list(noted.get((rule.path, rule.uid.partition("~")[0]), ()))
    bound = shapes(rule.logsource)
    if not bound:
        warnings.append(f"applies to nothing: {_said(rule.logsource)} is no known log source")
    elif not any(_readable(pattern) for pattern in bound):
        warnings.append(f"applies only to {', '.join(bound)}, which no format here reads")
    slow = dict.fromkeys(_backtracking(rule.when, rules))
    return Verdict(
        path=rule.path,
        uid=rule.uid,
        title=rule.title,
        kind="rule",
        state="loaded",
        level=rule.level,
        shapes=bound,
        warnings=tuple(warnings),
        backtracking=tuple(slow),
    )


def _of_correlations(
    rules: RuleSet, noted: Mapping[tuple[str, str], list[str]]
) -> Iterable[Verdict]:
    problems = dict(plan(rules)[1])
    for one in rules.correlations:
        problem = problems.get(one.uid, "")
        yield Verdict(
            path=one.path,
            uid=one.uid,
            title=one.title,
            kind="correlation",
            state="rejected" if problem else "loaded",
            reason=problem,
            level=one.level,
            warnings=tuple(noted.get((one.path, one.uid.partition("~")[0]), ())),
        )


def _same_names(rules: RuleSet) -> Iterable[Rejected]:
    """What is to be said of rules that share a `name`: a reference to it means only the first."""
    named: dict[str, list[Rule | Correlation]] = {}
    everything: list[Rule | Correlation] = [*rules.rules, *rules.correlations]
    for one in everything:
        if one.name:
            named.setdefault(one.name.lower(), []).append(one)
    for first, *others in named.values():
        for other in others:
            pairs = ((first, other, "this one"), (other, first, "that one"))
            for mine, theirs, meant in pairs:
                reason = f"{theirs.path} has a rule of the name `{mine.name}` too; it means {meant}"
                yield Rejected(mine.path, mine.uid.partition("~")[0], mine.title, reason)


def _by_rule(notes: Iterable[Rejected]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for note in notes:
        found.setdefault((note.path, note.uid), []).append(note.reason)
    return found


def _said(logsource: LogSource) -> str:
    said = {
        "category": logsource.category,
        "product": logsource.product,
        "service": logsource.service,
    }
    return ", ".join(f"{name} {value}" for name, value in said.items() if value)


def _backtracking(node: Node, rules: RuleSet) -> Iterable[str]:
    if isinstance(node, Leaf):
        atom = rules.atoms[node.atom]
        if atom.op == "re" and engine(atom.value, atom.flags) == "backtracking":
            yield atom.value
    elif isinstance(node, All | Any_):
        for part in node.parts:
            yield from _backtracking(part, rules)
    else:
        yield from _backtracking(node.part, rules)


@cache
def _readable(pattern: str) -> bool:
    """Whether some format yields shapes of this pattern."""
    return any(overlap(pattern, shape) for one in formats() for shape in one.shapes)
