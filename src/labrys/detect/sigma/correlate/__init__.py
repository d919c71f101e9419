"""Correlates the matches of base rules in event time.

Source: Sigma Correlation Rules Specification 2.1; `new_terms` and `sequence` are ours. The README
beside this file says what each kind means where the specification leaves it open.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from labrys.detect.sigma.correlate.finding import build, ranges
from labrys.detect.sigma.correlate.intake import from_findings
from labrys.detect.sigma.correlate.kinds import ORDERED, Found, evaluate
from labrys.detect.sigma.correlate.plan import (
    Problem,
    horizon_ms,
    needed_fields,
    plan,
    refs,
    rule_names,
    suppressed,
)
from labrys.detect.sigma.correlate.pool import (
    MATCHES,
    NOTHING,
    Aliases,
    Matches,
    Stream,
    column,
    gather,
)
from labrys.detect.sigma.ir import Correlation, RuleSet
from labrys.ocsf.schema import FINDING

__all__ = [
    "MATCHES",
    "CorrelationResult",
    "Skipped",
    "correlate",
    "from_findings",
    "horizon_ms",
    "needed_fields",
    "plan",
    "suppressed",
]


@dataclass(frozen=True, slots=True)
class Skipped:
    """Matches that could take no part in a correlation, how many, and why."""

    uid: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class CorrelationResult:
    """What the correlations found.

    `findings` are `ocsf.schema.FINDING` rows, without those of correlations that only feed others.
    `suppressed_rules` are the uids that must not alert by themselves, base rules among them;
    `untimed` counts the matches without a time, `problems` says which correlations cannot run.
    """

    findings: pa.Table
    suppressed_rules: frozenset[str]
    untimed: int
    skipped: tuple[Skipped, ...]
    problems: tuple[Problem, ...]


def correlate(ruleset: RuleSet, matches: pa.Table, *, learning: float = 1 / 3) -> CorrelationResult:
    """Run every correlation of `ruleset` over the `matches` of its rules (form: `MATCHES`).

    The order and chunking of `matches` do not matter. `learning` is the greatest part of the data
    from which `new_terms` only learns; `history_ms` of data are enough.
    """
    known = Matches.of(matches)
    runnable, problems = plan(ruleset)
    hidden = suppressed(ruleset)
    streams: dict[str, Stream] = {}
    findings = [FINDING.empty_table()]
    skipped: list[Skipped] = []
    for number, correlation in enumerate(runnable):
        for uid in refs(correlation):
            if uid not in streams:
                streams[uid] = known.stream(uid)
        if _cannot_hold(correlation, streams):
            streams[correlation.uid] = NOTHING
            continue
        found = _run(correlation, ruleset, known, streams, learning)
        streams[correlation.uid] = _stream(correlation, found, streams, number << 32)
        if correlation.alone and correlation.uid not in hidden:
            findings.append(build(correlation, found, known))
        skipped.extend(_skipped(correlation, found))
    joined = pa.concat_tables(findings)
    joined = joined.sort_by([("time_start", "ascending"), ("uid", "ascending")])
    return CorrelationResult(joined, hidden, known.untimed, tuple(skipped), problems)


def _run(
    correlation: Correlation,
    ruleset: RuleSet,
    known: Matches,
    streams: dict[str, Stream],
    learning: float,
) -> Found:
    # What ends a sequence is told apart from its steps, also where it is the same rule.
    uids = [*dict.fromkeys(correlation.rules), *([correlation.until] if correlation.until else ())]
    pool = gather(
        known,
        [streams[uid] for uid in uids],
        correlation.group_by,
        correlation.fields if correlation.kind not in ORDERED else (),
        correlation.aliases,
    )
    names = rule_names(correlation, ruleset) if correlation.expression else {}
    return evaluate(correlation, pool, names, learning)


def _cannot_hold(correlation: Correlation, streams: dict[str, Stream]) -> bool:
    """Whether what it needs has not matched at all: of many correlations that is true of most."""
    silent = [not len(streams[uid].time) for uid in dict.fromkeys(correlation.rules)]
    needs_each = correlation.kind in ("temporal", *ORDERED)
    if needs_each and not correlation.expression and not correlation.condition:
        return any(silent)
    return all(silent)


def _stream(
    correlation: Correlation, found: Found, streams: dict[str, Stream], serial: int
) -> Stream:
    """The episodes as matches for other correlations.

    An episode is there from the moment its condition first held: each of its rows counts from
    then on, and brings its own values, so that an outer correlation may group by other fields.
    """
    pool, spans = found.pool, found.episodes
    rows = ranges(spans.begin, spans.end)
    episode = np.repeat(np.arange(len(spans.begin)), spans.end - spans.begin)
    inner = [streams[uid] for uid in refs(correlation)]
    taken, origins = pa.array(rows), pa.array(pool.row[rows])

    def values(name: str, aliases: Aliases) -> Any:
        if correlation.uid in aliases:
            name, aliases = aliases[correlation.uid], {}
        if name in correlation.group_by:
            return pool.keys[correlation.group_by.index(name)].take(taken)
        return column(inner, name, {name: aliases}).take(origins)

    time = np.maximum(pool.time[rows], pool.time[spans.first][episode])
    return Stream(time, pool.origin[rows], episode + serial, values)


def _skipped(correlation: Correlation, found: Found) -> list[Skipped]:
    counts = (
        (found.pool.left_out, "a field to group by or to count is missing"),
        (found.unfit, "the value is not a number"),
    )
    return [Skipped(correlation.uid, count, reason) for count, reason in counts if count]
