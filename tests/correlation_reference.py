"""Correlation done plainly and slowly, straight from the definitions: every window, every pair.

It shares no code with `labrys.detect.sigma.correlate`; the two must find the same episodes.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from labrys.detect.sigma.ir import Correlation, RuleSet

Tree = str | tuple[Any, ...]
"""A rule name, ("not", tree), ("and", tree, …) or ("or", tree, …)."""


@dataclass(eq=False)
class Event:
    rule: int
    time: int
    record: dict[str, Any]
    match: Any  # what it is a row of: a record, or an episode
    place: Any
    reads: Any  # (name, aliases of that name) → value or None
    key: tuple[str, ...] = ()


@dataclass
class Episode:
    group: tuple[str, ...]
    start: int
    end: int
    fired: int
    peak: float
    events: list[Event] = field(default_factory=list)


def reference(
    ruleset: RuleSet, rows: list[dict[str, Any]], trees: dict[str, Tree], learning: float
) -> dict[str, set[tuple[Any, ...]]]:
    """Per correlation: (record ids, first time, last time, greatest measure) of each episode."""
    every = {one.uid: one for one in ruleset.correlations}
    rows = [row for row in rows if row["_time"] is not None]
    found = {}
    for uid, correlation in every.items():
        episodes = find(correlation, every, rows, trees, learning)
        found[uid] = {
            (
                frozenset(event.record["_id"] for event in one.events),
                min(event.record["_time"] for event in one.events),
                max(event.record["_time"] for event in one.events),
                one.peak,
            )
            for one in episodes
        }
    return found


def events_of(
    uid: str,
    number: int,
    every: dict[str, Correlation],
    rows: list[dict[str, Any]],
    trees: dict[str, Tree],
    learning: float,
) -> list[Event]:
    if uid not in every:
        return [base_event(uid, number, row) for row in rows if row["rule"] == uid]
    made = []
    child = every[uid]
    for count, episode in enumerate(find(child, every, rows, trees, learning)):
        for inner in episode.events:
            made.append(nested_event(child, number, count, episode, inner))
    return made


def base_event(uid: str, number: int, row: dict[str, Any]) -> Event:
    def reads(name: str, aliases: dict[str, str]) -> str | None:
        return dict(row["fields"]).get(aliases.get(uid, name))

    return Event(number, row["_time"], row, row["_id"], row["_source"], reads)


def nested_event(
    child: Correlation, number: int, count: int, episode: Episode, inner: Event
) -> Event:
    def reads(name: str, aliases: dict[str, str]) -> str | None:
        if child.uid in aliases:
            name, aliases = aliases[child.uid], {}
        if name in child.group_by:
            return inner.key[child.group_by.index(name)]
        return inner.reads(name, aliases)

    identity = (child.uid, count)
    return Event(number, max(inner.time, episode.fired), inner.record, identity, identity, reads)


def find(
    correlation: Correlation,
    every: dict[str, Correlation],
    rows: list[dict[str, Any]],
    trees: dict[str, Tree],
    learning: float,
) -> list[Episode]:
    uids = list(dict.fromkeys(correlation.rules))
    if correlation.until:
        uids.append(correlation.until)
    events = [
        event
        for number, uid in enumerate(uids)
        for event in events_of(uid, number, every, rows, trees, learning)
    ]
    wanted = correlation.fields
    events = [e for e in events if all(read(correlation, e, name) is not None for name in wanted)]
    groups = defaultdict(list)
    for event in events:
        key = tuple(read(correlation, event, name) for name in correlation.group_by)
        if None not in key:
            event.key = key
            groups[tuple(part.lower() for part in key)].append(event)
    if correlation.kind == "new_terms":
        groups = only_new(correlation, groups, learning)
    return [
        episode
        for key in sorted(groups)
        for episode in group_episodes(correlation, key, groups[key], trees)
    ]


def read(correlation: Correlation, event: Event, name: str) -> str | None:
    return event.reads(name, correlation.aliases.get(name, {}))


def group_episodes(
    correlation: Correlation, key: tuple[str, ...], events: list[Event], trees: dict[str, Tree]
) -> list[Episode]:
    if correlation.kind.startswith("value_") and correlation.kind != "value_count":
        events = [e for e in events if number_of(read(correlation, e, correlation.fields[0]))]
    if correlation.kind == "sequence":
        intervals = sequences(correlation, events)
        until = len(set(correlation.rules)) if correlation.until else -1
        events = [event for event in events if event.rule != until]
    else:
        intervals = []
        for time in sorted({event.time for event in events}):
            measure = holds(correlation, events, time, trees)
            if measure is not None:
                intervals.append((time - correlation.timespan_ms, time, measure))
    joined: list[Episode] = []
    for start, end, measure in intervals:
        if joined and any(start <= e.time <= joined[-1].end for e in events):
            joined[-1].end = end
            joined[-1].peak = max(joined[-1].peak, measure)
        else:
            joined.append(Episode(key, start, end, end, measure))
    for episode in joined:
        episode.events = [e for e in events if episode.start <= e.time <= episode.end]
    return joined


def holds(
    correlation: Correlation, events: list[Event], time: int, trees: dict[str, Tree]
) -> float | None:
    """The measure of the window that ends at `time`, or None where the condition fails."""
    span = correlation.timespan_ms
    inside = [event for event in events if time - span <= event.time <= time]
    around = [event for event in events if time - span <= event.time <= time + span]
    present = {event.rule for event in inside}
    if correlation.expression:
        tree = trees[correlation.uid]
        uids = list(dict.fromkeys(correlation.rules))
        if correlation.kind == "temporal":
            true = truth(tree, present, {event.rule for event in around}, uids, True)
        else:
            true = any(
                not ({uids.index(name) for name in lacks} & {event.rule for event in around})
                and ordered(inside, sorted(uids.index(name) for name in has))
                for has, lacks in ways(tree, True)
            )
        return float(len(present)) if true else None
    measure = measured(correlation, events, inside)
    if measure is None:
        return None
    condition = correlation.condition
    if not condition:
        condition = (
            ("gte", 1.0 if correlation.kind == "new_terms" else float(len(correlation.rules))),
        )
    compare = {
        "gt": measure.__gt__,
        "gte": measure.__ge__,
        "lt": measure.__lt__,
        "lte": measure.__le__,
        "eq": measure.__eq__,
        "neq": measure.__ne__,
    }
    return (
        measure if all(compare[operator](float(limit)) for operator, limit in condition) else None
    )


def measured(correlation: Correlation, events: list[Event], inside: list[Event]) -> float | None:
    kind = correlation.kind
    if kind in ("value_count", "new_terms"):
        return float(len({term(correlation, event) for event in inside}))
    if kind == "temporal":
        return float(len({event.rule for event in inside}))
    if kind == "temporal_ordered":
        uids = list(dict.fromkeys(correlation.rules))
        steps = [uids.index(uid) for uid in correlation.rules]
        return float(longest(inside, steps))
    firsts: dict[Any, Event] = {}
    for event in sorted(events, key=lambda e: (e.time, e.record["_id"], e.rule)):
        firsts.setdefault(event.match, event)
    counted = [event for event in firsts.values() if event in inside]
    if not counted:
        return None
    if kind == "event_count":
        return float(len(counted))
    values = sorted(
        number_of(read(correlation, event, correlation.fields[0]))[0] for event in counted
    )
    millionths = sum(round(value * 1e6) for value in values)
    if kind == "value_sum":
        return millionths / 1e6
    if kind == "value_avg":
        return millionths / len(values) / 1e6
    fixed = {"value_median": 0.5, "value_min": 0.0, "value_max": 1.0}
    part = fixed.get(kind, correlation.percentile / 100)
    rank = (len(values) - 1) * part
    low = int(rank)
    high = low if rank == low else low + 1
    return values[low] + (values[high] - values[low]) * (rank - low)


def number_of(text: str | None) -> tuple[float] | None:
    try:
        return (float(text),) if text is not None and text.strip("+-0123456789.eE") == "" else None
    except ValueError:
        return None


def term(correlation: Correlation, event: Event) -> tuple[str, ...]:
    return tuple((read(correlation, event, name) or "").lower() for name in correlation.fields)


def follows(one: Event, other: Event) -> bool:
    if other.time != one.time:
        return other.time > one.time
    return other.place != one.place or other.record["_offset"] > one.record["_offset"]


def all_chains(events: list[Event], steps: list[int]) -> list[list[tuple[int, Event]]]:
    """Every chain of events that take some of the steps in their order."""
    found: list[list[tuple[int, Event]]] = []
    for step, rule in enumerate(steps):
        ends = [[(step, event)] for event in events if event.rule == rule]
        for chain in list(found):
            if chain[-1][0] < step:
                ends += [
                    [*chain, (step, event)]
                    for event in events
                    if event.rule == rule and follows(chain[-1][1], event)
                ]
        found += ends
    return found


def longest(events: list[Event], steps: list[int]) -> int:
    return max((len(chain) for chain in all_chains(events, steps)), default=0)


def ordered(events: list[Event], steps: list[int]) -> bool:
    return longest(events, steps) == len(steps)


def sequences(correlation: Correlation, events: list[Event]) -> list[tuple[int, int, float]]:
    uids = list(dict.fromkeys(correlation.rules))
    steps = [uids.index(uid) for uid in correlation.rules]
    breaks = [event.time for event in events if event.rule == len(uids)]
    best: dict[int, int] = {}
    for chain in all_chains(events, steps):
        if len(chain) < len(steps):
            continue
        start, end = chain[0][1].time, chain[-1][1].time
        if any(start < time < end for time in breaks):
            continue
        best[end] = max(best.get(end, start), start)
    return [
        (best[end], end, float(len(steps)))
        for end in sorted(best)
        if best[end] >= end - correlation.timespan_ms
    ]


def only_new(
    correlation: Correlation, groups: dict[Any, list[Event]], learning: float
) -> dict[Any, list[Event]]:
    history = correlation.history_ms or 1 << 60
    times = sorted(event.time for events in groups.values() for event in events)
    made = {}
    for key, events in groups.items():
        made[key] = [
            event
            for event in events
            if event.time > taught(times, event.time, history, learning)
            and not any(
                event.time - history <= other.time < event.time
                and term(correlation, other) == term(correlation, event)
                for other in events
            )
        ]
    return made


def taught(times: list[int], time: int, history: int, learning: float) -> int:
    begun = ended = time
    for other in reversed([t for t in times if t <= time]):
        if begun - other > history:
            break
        begun = other
    for other in [t for t in times if t >= time]:
        if other - ended > history:
            break
        ended = other
    return begun + min(history, int((ended - begun) * learning))


def truth(tree: Tree, present: set[int], around: set[int], uids: list[str], wanted: bool) -> bool:
    if isinstance(tree, str):
        number = uids.index(tree)
        return number in present if wanted else number not in around
    op, *parts = tree
    if op == "not":
        return truth(parts[0], present, around, uids, not wanted)
    each = [truth(part, present, around, uids, wanted) for part in parts]
    return all(each) if (op == "and") == wanted else any(each)


def ways(tree: Tree, wanted: bool) -> list[tuple[frozenset[str], frozenset[str]]]:
    if isinstance(tree, str):
        one = frozenset([tree])
        return [(one, frozenset())] if wanted else [(frozenset(), one)]
    op, *parts = tree
    if op == "not":
        return ways(parts[0], not wanted)
    each = [ways(part, wanted) for part in parts]
    if (op == "and") != wanted:
        return [way for some in each for way in some]
    joined = [(frozenset[str](), frozenset[str]())]
    for some in each:
        joined = [(h | has, k | lacks) for h, k in joined for has, lacks in some]
    return joined
