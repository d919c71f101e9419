"""Evaluates one correlation over its pool of rows: where its condition holds, and in which rows.

What holds when, for each kind:

* `event_count`: the records (or episodes of a nested correlation) in the window, each once.
* `value_count`: the different combinations of the fields' values in the window.
* `value_sum`, `value_avg`, `value_median`, `value_percentile` and our `value_min`, `value_max`: of
  the numbers in the window, taken to six decimals; text that is no number takes no part.
* `temporal`: how many of the rules have a match in the window; by default all must.
* `temporal_ordered`: how many of them follow one another in the window in the order given.
* An expression over rule names: `a` means a match in the window; `not a` means no match from one
  timespan before the event to one timespan after, for what cancels an event mostly follows it.
* `sequence`: all rules in order within the timespan, and no match of `until` between.
* `new_terms`: how many combinations in the window were not seen in the same group for `history_ms`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.sigma.correlate.expression import Expression as Condition
from labrys.detect.sigma.correlate.expression import Join, Name, branches, parse
from labrys.detect.sigma.correlate.order import Events, chains
from labrys.detect.sigma.correlate.pool import LATEST, Pool
from labrys.detect.sigma.correlate.windows import (
    Bools,
    Episodes,
    Floats,
    Ints,
    Windows,
    distinct,
    episodes,
    quantile,
    running,
    windows,
)
from labrys.detect.sigma.ir import Correlation

NUMBERS: Final = (
    "value_sum",
    "value_avg",
    "value_median",
    "value_percentile",
    "value_min",
    "value_max",
)
ORDERED: Final = ("temporal_ordered", "sequence")
KINDS: Final = ("event_count", "value_count", *NUMBERS, "temporal", *ORDERED, "new_terms")
OPERATORS: Final = ("gt", "gte", "lt", "lte", "eq", "neq")

_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_GREATEST: Final = 1e290
_DECIMALS: Final = 1e6


@dataclass(frozen=True, slots=True)
class Found:
    """The episodes of one correlation, in the rows of `pool`; `unfit` rows were no numbers."""

    pool: Pool
    episodes: Episodes
    unfit: int = 0


def evaluate(
    correlation: Correlation,
    pool: Pool,
    names: Mapping[str, int],
    learning: float,
) -> Found:
    """Find the episodes of a correlation whose kind and condition are known to be sound.

    `names` says which rule number a name in the expression means; `learning` is the greatest part
    of the data from which `new_terms` only learns.
    """
    kind = correlation.kind
    if kind in NUMBERS:
        return _numbers(correlation, pool)
    if kind == "new_terms":
        fresh = _fresh(pool, correlation.history_ms or LATEST * 2, learning)
        pool = pool.take(np.flatnonzero(fresh))
    if kind == "sequence":
        return _sequence(correlation, pool)
    window = windows(pool.group, pool.time, correlation.timespan_ms)
    if correlation.expression:
        node = parse(correlation.expression)
        measure = _present(pool, window, len(correlation.rules)).sum(axis=0).astype(np.float64)
        if kind == "temporal":
            holds = _expression(node, names, pool, window)
        else:
            holds = _ordered_expression(node, names, pool, window)
        return Found(pool, _episodes(window, holds, measure))
    measure = _measure(correlation, pool, window)
    holds = (measure > 0) & meets(_condition(correlation), measure)
    return Found(pool, _episodes(window, holds, measure))


def meets(condition: Sequence[tuple[str, float]], measure: Floats) -> Bools:
    """Where every comparison of the condition is true."""
    holds = np.ones(len(measure), np.bool_)
    for operator, limit in condition:
        match operator:
            case "gt":
                holds &= measure > limit
            case "gte":
                holds &= measure >= limit
            case "lt":
                holds &= measure < limit
            case "lte":
                holds &= measure <= limit
            case "eq":
                holds &= measure == limit
            case _:
                holds &= measure != limit
    return holds


def _condition(correlation: Correlation) -> Sequence[tuple[str, float]]:
    if correlation.condition:
        return correlation.condition
    # Only temporal kinds and new_terms may leave it out.
    least = 1.0 if correlation.kind == "new_terms" else float(len(correlation.rules))
    return (("gte", least),)


def _measure(correlation: Correlation, pool: Pool, window: Windows) -> Floats:
    found: Ints
    match correlation.kind:
        case "event_count":
            once = running(_once(pool).astype(np.int64))
            found = once[window.right] - once[window.left]
        case "value_count" | "new_terms":
            found = distinct(pool.terms, window.left, window.right)
        case "temporal":
            found = _present(pool, window, len(correlation.rules)).sum(axis=0, dtype=np.int64)
        case _:
            found = _longest(correlation, pool, window)
    return found.astype(np.float64)


def _episodes(window: Windows, holds: Bools, measure: Floats) -> Episodes:
    at = np.flatnonzero(holds)
    return episodes(at, window.left[at], window.right[at], measure[at])


def _once(pool: Pool) -> Bools:
    """The first row of each record or episode in its group: the one that counts."""
    _, match = np.unique(pool.match, return_inverse=True)
    both = pool.group * (int(match.max(initial=0)) + 1) + match
    once = np.zeros(len(both), np.bool_)
    once[np.unique(both, return_index=True)[1]] = True
    return once


def _numbers(correlation: Correlation, pool: Pool) -> Found:
    numbers, fit = read_numbers(pool.values[0])
    rows = np.flatnonzero(fit)
    pool, numbers = pool.take(rows), numbers[rows]
    window = windows(pool.group, pool.time, correlation.timespan_ms)
    once = _once(pool)
    before = running(once.astype(np.int64))
    left, right = before[window.left], before[window.right]
    some = np.flatnonzero(right > left)
    left, right, values = left[some], right[some], numbers[once]
    match correlation.kind:
        case "value_sum":
            measure = _sums(values, left, right) / _DECIMALS
        case "value_avg":
            measure = _sums(values, left, right) / (right - left) / _DECIMALS
        case "value_median":
            measure = quantile(values, left, right, 0.5)
        case "value_min":
            measure = quantile(values, left, right, 0.0)
        case "value_max":
            measure = quantile(values, left, right, 1.0)
        case _:
            measure = quantile(values, left, right, correlation.percentile / 100)
    good = meets(correlation.condition, measure)
    at = some[good]
    found = episodes(at, window.left[at], window.right[at], measure[good])
    return Found(pool, found, int(len(fit) - len(rows)))


def read_numbers(cells: pa.Array) -> tuple[Floats, Bools]:
    """Decimal numbers in text, and which cells hold one; the others are 0."""
    text = pc.utf8_trim_whitespace(cells)
    fit = pc.fill_null(pc.match_substring_regex(text, _NUMBER), False)
    text = pc.utf8_ltrim(pc.if_else(fit, text, "0"), "+")
    values = pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False)
    good = fit.to_numpy(zero_copy_only=False) & (np.abs(values) < _GREATEST)
    return np.where(good, values, 0.0), good


def _sums(values: Floats, left: Ints, right: Ints) -> Floats:
    """Sums of millionths in each range, without rounding on the way, so that order cannot show."""
    scaled = np.rint(values * _DECIMALS)
    if float(np.abs(scaled).sum()) < 2.0**62:
        total = running(scaled.astype(np.int64))
    else:
        total = running(np.array([int(value) for value in scaled.tolist()], np.object_))
    sums: Floats = (total[right] - total[left]).astype(np.float64)
    return sums


def _present(pool: Pool, window: Windows, rules: int) -> Bools:
    """For each rule, whether the window has a match of it."""
    found = np.zeros((rules, len(pool.time)), np.bool_)
    for rule in range(rules):
        found[rule] = _between(pool, rule, window.left, window.right)
    return found


def _between(pool: Pool, rule: int, left: Ints, right: Ints) -> Bools:
    before = running((pool.rule == rule).astype(np.int64))
    some: Bools = before[right] > before[left]
    return some


def _expression(node: Condition, names: Mapping[str, int], pool: Pool, window: Windows) -> Bools:
    if isinstance(node, Join):
        parts = [_expression(part, names, pool, window) for part in node.parts]
        join = np.logical_and if node.op == "and" else np.logical_or
        result: Bools = join.reduce(parts)
        return result
    return _literal(node, names, pool, window)


def _literal(name: Name, names: Mapping[str, int], pool: Pool, window: Windows) -> Bools:
    if name.there:
        return _between(pool, names[name.name], window.left, window.right)
    return ~_between(pool, names[name.name], window.left, window.reach)


def _ordered_expression(
    node: Condition, names: Mapping[str, int], pool: Pool, window: Windows
) -> Bools:
    """Some branch has its rules in order (the rules' order) and lacks what it must lack."""
    holds = np.zeros(len(pool.time), np.bool_)
    for has, lacks in branches(node):
        branch = np.ones(len(pool.time), np.bool_)
        for name in lacks:
            branch &= _literal(Name(name, False), names, pool, window)
        steps = sorted(names[name] for name in has)
        if steps:
            branch &= _chain_lengths(pool, window, steps) == len(steps)
        holds |= branch
    return holds


def _longest(correlation: Correlation, pool: Pool, window: Windows) -> Ints:
    places = {uid: number for number, uid in enumerate(dict.fromkeys(correlation.rules))}
    return _chain_lengths(pool, window, [places[uid] for uid in correlation.rules])


def _chain_lengths(pool: Pool, window: Windows, steps: Sequence[int]) -> Ints:
    """How many of the steps the longest chain inside each window has."""
    lengths = np.zeros(len(pool.time), np.int64)
    for rule in set(steps):
        lengths |= _between(pool, rule, window.left, window.right)
    if len(steps) > 1:
        # Where a group has but one rule, and that makes one step, one is all there can be.
        groups = _groups(pool, steps, 2 if len(set(steps)) == len(steps) else 1)
        found = chains(_events(pool, window), groups, steps)
        for start, stop in groups:
            part = slice(start, stop)
            fits = found.best[:, part] >= window.ruler[part] - window.span
            lengths[part] = fits.sum(axis=0)
    return lengths


def _groups(pool: Pool, rules: Sequence[int], least: int) -> list[tuple[int, int]]:
    """The row ranges of the groups that have matches of at least `least` of the rules."""
    if len(pool.group) == 0:
        return []
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(pool.group)) + 1, [len(pool.group)]])
    number = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    kinds = np.zeros(len(bounds) - 1, np.int64)
    for rule in set(rules):
        kinds += np.bincount(number[pool.rule == rule], minlength=len(kinds)) > 0
    chosen = np.flatnonzero(kinds >= least)
    return list(zip(bounds[chosen].tolist(), bounds[chosen + 1].tolist(), strict=True))


def _events(pool: Pool, window: Windows) -> Events:
    return Events(window.ruler, pool.rule, pool.place, pool.offset)


def _sequence(correlation: Correlation, pool: Pool) -> Found:
    window = windows(pool.group, pool.time, correlation.timespan_ms)
    places = {uid: number for number, uid in enumerate(dict.fromkeys(correlation.rules))}
    steps = [places[uid] for uid in correlation.rules]
    until = len(places) if correlation.until else -1
    groups = _groups(pool, steps, len(places))
    found = chains(_events(pool, window), groups, steps, until)
    done = (found.done >= window.ruler - window.span) & (pool.rule == steps[-1])
    at = np.flatnonzero(done)
    begin = np.searchsorted(window.ruler, found.done[at], side="left")
    # What ends a sequence is no part of it: drop those rows and move the ranges accordingly.
    rows = np.flatnonzero(pool.rule != until)
    moved = running((pool.rule != until).astype(np.int64))
    measure = np.full(len(at), float(len(steps)))
    episode = episodes(moved[at], moved[begin], moved[window.right[at]], measure)
    return Found(pool.take(rows), episode)


def _fresh(pool: Pool, history: int, learning: float) -> Bools:
    """Rows whose term their group has not shown for `history` ms, past what only teaches.

    Data after a silence longer than `history` starts to teach anew, so that one record with a
    false, early clock does not pass for a history.
    """
    if len(pool.time) == 0:
        return np.zeros(0, np.bool_)
    term = pool.group * (int(pool.terms.max(initial=0)) + 1) + pool.terms
    order = np.lexsort((pool.time, term))
    term, time = term[order], pool.time[order]
    starts = np.concatenate([[True], (np.diff(term) != 0) | (np.diff(time) != 0)])
    instants = np.flatnonzero(starts)
    first = np.diff(term[instants], prepend=-1) != 0
    gone = np.diff(time[instants], prepend=0) > history
    fresh = np.zeros(len(time), np.bool_)
    fresh[order] = np.repeat(first | gone, np.diff([*instants.tolist(), len(time)]))
    return fresh & (pool.time > _taught(pool.time, history, learning))


def _taught(time: Ints, history: int, learning: float) -> Ints:
    """For each row the time until which the data around it only teaches."""
    order = np.argsort(time, kind="stable")
    ordered = time[order]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(ordered) > history]))
    stops = np.concatenate([starts[1:], [len(time)]])
    begun, ended = ordered[starts], ordered[stops - 1]
    part = np.floor((ended - begun) * min(max(learning, 0.0), 1.0)).astype(np.int64)
    taught = np.empty(len(time), np.int64)
    taught[order] = np.repeat(begun + np.minimum(part, history), stops - starts)
    return taught
