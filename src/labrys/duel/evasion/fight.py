"""Plays every search against a target and counts: how often it wins, at what cost, with what.

The interval is Wilson's for a proportion. The same target, rules and seed give the same result.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

import msgspec
import numpy as np

from labrys.duel.evasion.search import SEARCHES, Bout, Rules
from labrys.duel.target import Target

_EXAMPLES: Final = 3
_LONGEST: Final = 600
_Z: Final = 1.96


class Example(msgspec.Struct, frozen=True):
    """An attack before and after, as a person reads it."""

    before: str
    after: str
    changes: tuple[str, ...]
    asked: int


class Round(msgspec.Struct, frozen=True):
    """What one search came to. `low` and `high` bound the share of wins (95 %)."""

    search: str
    attacks: int
    wins: int
    low: float
    high: float
    questions: int
    median_questions: float | None
    median_cost: float | None
    changes: dict[str, int]
    examples: tuple[Example, ...]
    won_after: tuple[int, ...] = ()

    @property
    def share(self) -> float:
        """Attacks that got through, of all."""
        return self.wins / self.attacks if self.attacks else 0.0


class Duel(msgspec.Struct, frozen=True):
    """A whole duel, as it is kept and compared with the next."""

    target: str
    version: str
    budget: int
    access: str
    most_cost: int
    rounds: tuple[Round, ...]
    guarantee: str
    notes: tuple[str, ...]
    seconds: float
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: which searches, under which rules, from how many attacks."""

    searches: tuple[str, ...] = tuple(SEARCHES)
    rules: Rules = field(default_factory=Rules)
    seed: int = 1


def fight(target: Target, asked: Asked, watch: Callable[[str], None]) -> Duel:
    """Play the duel. An interrupt ends it early: what was played is then told, as not complete."""
    begun = time.monotonic()
    rounds: list[Round] = []
    complete = True
    try:
        for name in asked.searches:
            watch(name)
            rounds.append(_round(name, target, list(_bouts(name, target, asked))))
    except KeyboardInterrupt:
        complete = False
    return Duel(
        target=target.name,
        version=target.version,
        budget=asked.rules.budget,
        access=asked.rules.access,
        most_cost=asked.rules.most_cost,
        rounds=tuple(rounds),
        guarantee=target.guarantee,
        notes=tuple(target.notes),
        seconds=round(time.monotonic() - begun, 1),
        complete=complete,
    )


def _bouts(name: str, target: Target, asked: Asked) -> Iterator[Bout]:
    for number, seed in enumerate(target.seeds):
        # Each attack has its own chance, so that one more attack changes none of the others.
        draw = np.random.default_rng([asked.seed, number])
        yield SEARCHES[name](target, seed, asked.rules, draw)


def _round(name: str, target: Target, bouts: Sequence[Bout]) -> Round:
    won = [bout for bout in bouts if bout.won is not None]
    low, high = wilson(len(won), len(bouts))
    changes: Counter[str] = Counter()
    for bout in won:
        changes.update(set(bout.won.changes if bout.won else ()))
    shortest = sorted(won, key=lambda bout: (len(bout.won.changes) if bout.won else 0, bout.asked))
    return Round(
        search=name,
        attacks=len(bouts),
        wins=len(won),
        low=low,
        high=high,
        questions=sum(bout.asked for bout in bouts),
        median_questions=median(bout.asked for bout in won) if won else None,
        median_cost=median(bout.won.cost for bout in won if bout.won) if won else None,
        changes=dict(changes.most_common(12)),
        examples=tuple(_example(target, bout) for bout in shortest[:_EXAMPLES]),
        won_after=tuple(sorted(bout.asked for bout in won)),
    )


def _example(target: Target, bout: Bout) -> Example:
    after = bout.won.thing if bout.won else bout.seed
    return Example(
        before=target.show(bout.seed)[:_LONGEST],
        after=target.show(after)[:_LONGEST],
        changes=bout.won.changes if bout.won else (),
        asked=bout.asked,
    )


def wilson(wins: int, count: int) -> tuple[float, float]:
    """Bounds of a proportion, 95 % (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    share, square = wins / count, _Z * _Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = (
        _Z * np.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    )
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def as_json(duel: Duel) -> dict[str, Any]:
    """A duel as JSON."""
    made: dict[str, Any] = msgspec.to_builtins(duel)
    for row, each in zip(made["rounds"], duel.rounds, strict=True):
        row["share"] = round(each.share, 4)
    return made
