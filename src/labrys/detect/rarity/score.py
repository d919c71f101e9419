"""Judges novelties: how many bits of surprise each is, in words; keeps the most surprising ones.

The surprise is minus the binary logarithm of a chance: that this scope shows something new just now
(from its own median day), and that none of its peers has shown it. What comes to many places on
one day is a roll-out. All findings are informational: what is new is mostly harmless; it belongs to
an incident that others make, explains it and raises its rank, and makes none, alone or with others.
"""

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import log2
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from labrys.ocsf.schema import FINDING, Severity

VERSION: Final = "1"
LEARNING: Final = 2
"""So many earlier days a scope must have been seen before anything is new there."""
HISTORY: Final = 14
"""So many days back, at most, is what is ordinary learnt from: habits change."""
LEAST: Final = 50
"""Fewer sightings than that say nothing about what is ordinary."""
YOUNG: Final = 2
"""What the whole case has known for fewer days does not count as known by peers."""
A_DAY: Final = 3
"""Of one scope and day so many novelties are told."""
A_SCOPE: Final = 15
MOST: Final = 150
"""Findings of one detector in a whole case."""

Row = Mapping[str, Any]
Day = tuple[str, str, int]
"""A kind, a scope and a day."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a detector says of a novelty: what it is, and (type, value, role) of its entities."""

    what: str
    entities: tuple[tuple[str, str | None, str], ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of novelty.

    `title` is the same for all of a rule, since findings are folded by it; `place` says what the
    scope is ("host"); `thing` and `noun` name its things, one and several; a novelty of fewer bits
    than `least` is not told; `chances` is out of how many opportunities a day it is judged (None:
    the sightings of its scope).
    """

    rule: str
    title: str
    place: str
    thing: str
    noun: str
    least: float = 8.0
    chances: int | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What a day of a scope looks back on, at most `HISTORY` days: how many of them it was seen
    (`days`), how often (`events`), how much was new on the median one (`usual`), how many days ago
    it was first seen (`span`), and how many other scopes there were by then (`peers`)."""

    days: int
    events: int
    usual: float
    span: int
    peers: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A novelty with its surprise: `own` by its scope's habits, `apart` by its peers."""

    row: Row
    past: Past
    abreast: int
    own: float
    apart: float

    @property
    def bits(self) -> float:
        """All of it."""
        return self.own + self.apart


def findings(
    detector: str,
    rows: pa.Table,
    kinds: Mapping[str, Kind],
    tell: Callable[[Row], Told],
    advice: str,
) -> pa.Table:
    """Rows of `features.novelties` with context → findings, in any order of rows."""
    new = rows.filter(pc.equal(rows["fresh"], 1))
    days = rows.select(["kind", "scope", "day", "seen"]).to_pylist()
    novel = new.select(["kind", "scope", "thing", "day"]).to_pylist()
    past = pasts(days, Counter((row["kind"], row["scope"], row["day"]) for row in novel))
    abreast = Counter((row["kind"], row["thing"], row["day"]) for row in novel)
    known = [(row["kind"], row["scope"], row["day"]) in past for row in novel]
    judged = [
        judge(
            row,
            past[row["kind"], row["scope"], row["day"]],
            abreast[row["kind"], row["thing"], row["day"]] - 1,
            kinds[row["kind"]],
        )
        for row in new.filter(pa.array(known, pa.bool_())).to_pylist()
    ]
    strong = [each for each in judged if each is not None]
    made = [
        _finding(detector, each, kinds[each.row["kind"]], tell(each.row), advice)
        for each in _strongest(strong)
    ]
    return pa.Table.from_pylist(made, schema=FINDING)


def pasts(rows: Iterable[Row], novelties: Mapping[Day, int]) -> dict[Day, Past]:
    """The past of each day of each scope that has enough of it."""
    days: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}
    for row in rows:
        day = row["kind"], row["scope"], row["day"]
        days.setdefault(day[:2], {})[row["day"]] = novelties.get(day, 0), row["seen"]
    starts: dict[str, list[int]] = {}
    for (kind, _), seen in days.items():
        starts.setdefault(kind, []).append(min(seen))
    for begun in starts.values():
        begun.sort()
    return {
        (kind, scope, at): Past(*back, at - min(seen), bisect_left(starts[kind], at) - 1)
        for (kind, scope), seen in days.items()
        for at, back in _looking_back(seen)
    }


def _looking_back(
    seen: Mapping[int, tuple[int, int]],
) -> Iterator[tuple[int, tuple[int, int, float]]]:
    """Each day of a scope that has enough of a past: days, sightings, novelties of the median day.

    The very first day, when all is new, teaches nothing about how much is new on an ordinary one.
    """
    order = sorted(seen)
    for at, day in enumerate(order):
        back = [each for each in order[max(0, at - HISTORY) : at] if each >= day - HISTORY]
        events = sum(seen[each][1] for each in back)
        if len(back) >= LEARNING and events >= LEAST:
            usual = _median([seen[each][0] for each in back if each > order[0]])
            yield day, (len(back), events, usual)


def lowered(value: str | None) -> str | None:
    """A host or user as entities name it."""
    return (value or "").strip().lower() or None


def shown(text: str | None, most: int = 60) -> str:
    """A piece of evidence that fits a title."""
    text = text or "?"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _median(numbers: list[int]) -> float:
    """The middle one, or between the two: without the standard library's, slow to import."""
    ordered, half = sorted(numbers), len(numbers) // 2
    return float(ordered[half]) if len(numbers) % 2 else sum(ordered[half - 1 : half + 1]) / 2


def judge(row: Row, past: Past, abreast: int, kind: Kind) -> Judged | None:
    """How surprising a novelty is, new on `abreast` other scopes too that day; None: too little."""
    chances = kind.chances * past.days if kind.chances else past.events
    own = log2((chances + 1) / (min(past.usual * past.days, chances) + 0.5))
    known = min(past.peers, (0 if _young(row) else _shown_before(row)) + abreast)
    apart = log2((past.peers + 1) / (known + 1))
    if past.peers >= 2 and known * 4 > past.peers:
        return None
    made = Judged(row, past, abreast, own, apart)
    return made if made.bits >= kind.least else None


def _shown_before(row: Row) -> int:
    """On how many other scopes: what was here once and is back counts itself among the earlier."""
    return int(row["before"]) - (row["last"] is not None)


def _young(row: Row) -> bool:
    """Whether the whole case has known a thing too shortly for anyone to be used to it."""
    return bool(row["day"] - row["born"] < YOUNG)


def _strongest(judged: list[Judged]) -> list[Judged]:
    """The most surprising, so many of a scope and day, of a scope, and in all."""
    days: Counter[tuple[str, str, int]] = Counter()
    scopes: Counter[tuple[str, str]] = Counter()
    kept: list[Judged] = []
    for each in sorted(judged, key=lambda one: (-one.bits, one.row["_time"], one.row["_id"])):
        scope = each.row["kind"], each.row["scope"]
        day = (*scope, each.row["_time"] // 86_400_000)
        if days[day] < A_DAY and scopes[scope] < A_SCOPE and len(kept) < MOST:
            days[day] += 1
            scopes[scope] += 1
            kept.append(each)
    return sorted(kept, key=lambda one: (one.row["_time"], one.row["_id"], one.row["kind"]))


def _finding(detector: str, judged: Judged, kind: Kind, told: Told, advice: str) -> dict[str, Any]:
    row = judged.row
    named = {(one, value): role for one, value, role in reversed(told.entities) if value}
    text = "\x1f".join((row["kind"], row["scope"], row["thing"], row["_id"]))
    return {
        "uid": f"{detector}:{hashlib.sha256(text.encode('utf-8')).hexdigest()[:24]}",
        "detector": detector,
        "version": VERSION,
        "rule_uid": kind.rule,
        "title": kind.title,
        "author": "labrys",
        "time_start": row["_time"],
        "time_end": row["_time"],
        "severity_id": int(Severity.INFORMATIONAL),
        "confidence": min(60, int(3 * judged.bits)),
        "techniques": [],
        "tactics": [],
        "entities": [
            {"type": one, "value": value, "role": role}
            for (one, value), role in reversed(named.items())
        ],
        "evidence": [{name: row[name] for name in ("_id", "_source", "_offset")}],
        "reasons": _reasons(judged, kind, told.what),
        "shape": row["_shape"],
        "advice": advice,
    }


def _reasons(judged: Judged, kind: Kind, what: str) -> list[dict[str, Any]]:
    row, past, total = judged.row, judged.past, judged.bits
    since = None if row["last"] is None else row["day"] - row["last"]
    when = f"first time in {past.span} days" if since is None else f"first time after {since} days"
    ordinary = (
        f"{when} for this {kind.place}; of {kind.noun} it shows {past.usual:.0f} new ones on an "
        f"ordinary day ({past.events} sightings in {past.days} days)"
    )
    made = [{"feature": "new here", "value": ordinary, "weight": round(judged.own / total, 3)}]
    if past.peers > 0:
        also = f", {judged.abreast} more on the same day" if judged.abreast else ""
        before = min(_shown_before(row), past.peers)
        apart = f"{before} of {past.peers} other {kind.place}s showed it before{also}"
        weight = round(judged.apart / total, 3)
        made.append({"feature": "peers", "value": apart, "weight": weight})
    made.sort(key=lambda reason: -float(str(reason["weight"])))
    return [{"feature": kind.thing, "value": what, "weight": 1.0}, *made]
