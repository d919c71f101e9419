"""Detectors, our rules, and what of Sigma is understood."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from generator.evidence import compact
from generator.markdown import code, codes, link, page, table
from labrys.detect.registry import detectors
from labrys.detect.sigma import cache, logsource
from labrys.detect.sigma.correlate.kinds import KINDS
from labrys.detect.sigma.findings import labels
from labrys.detect.sigma.ir import Correlation, LogSource, Rule
from labrys.detect.sigma.match.functions import FUNCTIONS
from labrys.ocsf.attack import notice, technique
from labrys.ocsf.schema import Severity
from labrys.scan.rules import builtin_rules

_ROOT = Path(__file__).resolve().parents[2]
_MODIFIERS = {
    "contains": "anywhere in the value",
    "startswith": "at its beginning",
    "endswith": "at its end",
    "all": "all values of the list instead of any",
    "neq": "the opposite",
    "cased": "case matters",
    "exists": "the field is there (`true`), or is not (`false`)",
    "re": "a regular expression, anywhere in the value",
    "i": "after `re`: case does not matter (also `ignorecase`)",
    "m": "after `re`: `^` and `$` match at line ends (also `multiline`)",
    "s": "after `re`: `.` matches line ends (also `dotall`)",
    "lt": "as a number, less than",
    "lte": "as a number, at most",
    "gt": "as a number, more than",
    "gte": "as a number, at least",
    "cidr": "an address in the network, IPv4 or IPv6",
    "windash": "`-`, `/` and the dashes Windows also takes stand for one another",
    "base64": "the value, Base64 encoded",
    "base64offset": "the value, Base64 encoded at each of three offsets",
    "wide": "encoded as UTF-16 little-endian first (also `utf16le`)",
    "utf16be": "encoded as UTF-16 big-endian first",
    "utf16": "encoded as UTF-16 with a byte order mark first",
    "expand": "`%name%` stands for each entry of your list of that name",
    "fieldref": "equals the value of another field",
    "minute": "the minute of a time, as all times in UTC",
    "hour": "the hour of a time, 0 to 23",
    "day": "the day of the month",
    "week": "the week of the year",
    "month": "the month, 1 to 12",
    "year": "the year",
    "lookalike": "**ours**: the registered domain of a host is another than this, but looks like it",
    "disguised": "**ours**: this word in letters that only look like its own, or with invisible ones in it",
    "person": "**ours**: a shown name that has all words of this name, in any order",
}
_SAME = {"ignorecase", "multiline", "dotall"}
_KINDS = {
    "event_count": "so many records of the group within the time span",
    "value_count": "so many different values of a field",
    "value_sum": "the sum of a field's numbers",
    "value_avg": "their average",
    "value_min": "the least of them",
    "value_max": "the greatest of them",
    "value_median": "their median",
    "value_percentile": "a percentile of them",
    "temporal": "all of the rules match within the time span, or an expression over them is true",
    "temporal_ordered": "the same, in the order in which they are listed",
    "sequence": "**ours**: all in order, and no match of the rule `until` between",
    "new_terms": "**ours**: values of a field that the group has not shown for `history`",
}


def modifiers() -> dict[str, str]:
    """Every modifier the parser takes → what it means; ValueError where nobody has said."""
    from sigma.modifiers import modifier_mapping

    known = {*modifier_mapping, *FUNCTIONS}
    if known - _SAME != set(_MODIFIERS):
        raise ValueError(f"say what these modifiers mean: {known ^ set(_MODIFIERS)}")
    return _MODIFIERS


def detectors_page() -> str:
    """The page of all detectors."""
    rows = [["`sigma`", "row", "every shape a rule binds to", "Sigma rules", "by the rule"]]
    rows += [
        ["`sigma.correlation`", "", "matches of Sigma rules", "Sigma correlations", "by the rule"]
    ]
    for made in detectors():
        if made.module.startswith("labrys.detect."):
            reads = (made.reads,) if isinstance(made.reads, str) else made.reads
            known = ", ".join(map(_technique, made.techniques))
            rows.append(
                [code(made.id), made.kind, codes(reads), _linked(made.id, made.title), known]
            )
    return page(
        "Detectors",
        "A *row* detector judges each record by itself. A *window* detector first lets the engine "
        "compute numbers over an [OCSF view](ocsf.md), one row for each entity and span of time, "
        "and judges those. `--only ID` runs one alone. The linked pages say what each finds, how "
        "well, how it fails and how it is fooled.",
        table(["id", "kind", "reads", "finds", "techniques"], rows),
        "`evasion` has a learned model, with its card beside it; the others have none.",
    )


def rules_page() -> str:
    """The page of the rules that come with labrys, by ATT&CK technique."""
    rules = cache.load([builtin_rules()])
    every: list[Rule | Correlation] = [*rules.rules, *rules.correlations]
    hidden = {
        uid
        for uid, alone in zip([one.uid for one in rules.rules], rules.alone, strict=True)
        if not alone
    }
    by: dict[str, list[Rule | Correlation]] = defaultdict(list)
    for one in every:
        for uid in labels(one).techniques:
            by[uid].append(one)
    rows = [
        [code(uid), known.name if (known := technique(uid)) else "", _titles(found)]
        for uid, found in sorted(by.items())
    ]
    listed = sorted(every, key=lambda one: (_path(one), one.title))
    return page(
        "Rules that come with labrys",
        f"{len(rules.rules)} rules and {len(rules.correlations)} correlations, ours, under the "
        "licence of labrys. They are meant to be quiet; bring your own with `--rules`, "
        "such as those of the Sigma project, whose licence (DRL) asks that their authors be named: "
        "labrys names them with every hit.",
        "## By technique",
        table(["technique", "name", "rules"], rows),
        "## By file",
        table(
            ["file", "rule", "level", "alerts", "log source", "what"],
            [_rule(one, alone=one.uid not in hidden) for one in listed],
        ),
        notice(),
    )


def sigma_page() -> str:
    """The page of what of Sigma is understood."""
    known = modifiers()
    if set(KINDS) != set(_KINDS):
        raise ValueError(f"say what these correlations mean: {set(KINDS) ^ set(_KINDS)}")
    return page(
        "Sigma, as labrys understands it",
        "Rules of the Sigma specification 2.1. Text is compared without regard to case unless "
        "`cased`. A field that a record does not have matches nothing but `null` and "
        "`exists: false`; `not` is plain negation. A field with several values matches when one "
        "of them does. [Write a rule](../write-a-rule.md) has examples.",
        "## Modifiers",
        table(
            ["modifier", "the rule's value is, or means"], [[code(k), v] for k, v in known.items()]
        ),
        "`equalsfield` and `endswithfield`, and the nested form with `value` and `min_length`, "
        "known from other tools, are read as well.",
        "## Levels",
        table(
            ["level", "severity of its findings"],
            [[code(name.lower()), name.capitalize()] for name in Severity.__members__],
        ),
        "A rule that says nothing counts as low.",
        "## Correlations",
        table(["type", "holds when"], [[code(kind), _KINDS[kind]] for kind in KINDS]),
        "What the specification leaves open is decided in the "
        + link("notes on correlations", "../../src/labrys/detect/sigma/correlate/README.md")
        + ".",
        "## Log sources",
        "What a rule says under `logsource`, and the shapes it is then run on. A rule that says "
        "several things runs where all of them hold. Where a shape's own names differ from "
        "Sigma's, the fields in the last column are translated; *not where it excludes by* names "
        "fields these records never hold: a rule that excludes by one of them is left out there, "
        "for it would alarm on what its author excluded. *only where* is a condition that is added.",
        table(["category", "product", "service", "shapes", "fields and limits"], _logsources()),
        "Of products whose services are named in the evidence (`windows`, `linux`, `zeek`, "
        "`suricata`) a service that is not listed binds to the shapes of that name.",
    )


def _technique(uid: str) -> str:
    known = technique(uid)
    return f"{uid} {known.name}" if known else uid


def _linked(detector: str, title: str) -> str:
    told = Path("src/labrys/detect") / detector / "README.md"
    return link(title, f"../../{told.as_posix()}") if (_ROOT / told).is_file() else title


def _path(one: Rule | Correlation) -> str:
    return Path(one.path).resolve().relative_to(_ROOT).as_posix()


def _titles(found: Iterable[Rule | Correlation]) -> str:
    return "; ".join(sorted(dict.fromkeys(one.title for one in found)))


def _rule(one: Rule | Correlation, *, alone: bool) -> list[str]:
    path = _path(one)
    return [
        link(path.removeprefix("rules/"), f"../../{path}"),
        one.title,
        one.level,
        "yes" if alone else "only within a correlation",
        _said(one.logsource) if isinstance(one, Rule) else f"correlation, {one.kind}",
        one.description,
    ]


def _said(source: LogSource) -> str:
    said = (source.product, source.category, source.service)
    return " ".join(part for part in said if part)


def _logsources() -> list[list[str]]:
    # The table as its authors wrote it says more than what is compiled from it.
    written = logsource._written()["bind"]
    return [
        [
            _several(entry.get("category", "")),
            _several(entry.get("product", "")),
            _several(entry.get("service", "")),
            codes(compact((*entry.get("shapes", ()), *map(_channel, entry.get("channels", ()))))),
            _limits(entry),
        ]
        for entry in written
    ]


def _several(value: str | list[str]) -> str:
    return codes([value] if isinstance(value, str) else value)


def _channel(name: str) -> str:
    return logsource._channel(name)


def _limits(entry: dict[str, object]) -> str:
    said = []
    fields = entry.get("fields")
    names = list(fields) if isinstance(fields, dict) else []
    used = entry.get("use")
    for name in used if isinstance(used, list) else ():
        names += logsource._written()["fields"][name]
    if names:
        said.append(f"translated: {codes(dict.fromkeys(names))}")
    for key in ("where", "either"):
        guard = entry.get(key)
        if isinstance(guard, dict):
            word = " and " if key == "where" else " or "
            said.append("only where " + word.join(_guard(*item) for item in guard.items()))
    named = entry.get("named")
    if isinstance(named, list):
        said.append(f"only from a file or folder named {codes(named)}")
    without = entry.get("without")
    if isinstance(without, list):
        said.append(f"not on {codes(without)}")
    lacks = entry.get("lacks")
    if isinstance(lacks, list):
        said.append(f"not where it excludes by {codes(lacks)}")
    return "; ".join(said)


def _guard(column: str, values: object) -> str:
    if values is True:
        return f"{code(column)} is there"
    several = values if isinstance(values, list) else [values]
    return f"{code(column)} is {' or '.join(code(str(value)) for value in several)}"
