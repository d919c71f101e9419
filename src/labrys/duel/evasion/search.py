"""How an attacker searches for a change that is not detected: by chance, step by step, by breeding,
or on a copy of the model that he has made for himself.

All know the same changes and ask through the same oracle, so that they can be compared by what they
win per question. Sources for the ideas: Biggio and Roli 2018 (threat models), Xu, Qi and Evans 2016
(evolution of whole samples), Papernot et al. 2017 (transfer from a substitute).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from labrys.duel.evasion.substitute import Substitute
from labrys.duel.target import Access, Change, Draw, Oracle, Spent, Target, Thing

_AT_ONCE: Final = 16
_DEEPEST: Final = 8
_POPULATION: Final = 24
_KEPT: Final = 8
_MOST_IDLE: Final = 100
"""So many times in a row nothing that is drawn may still be an attack."""


@dataclass(frozen=True, slots=True)
class Try:
    """A changed attack, and the changes that made it, in order."""

    thing: Thing
    changes: tuple[str, ...] = ()
    cost: int = 0


@dataclass(slots=True)
class Bout:
    """One attack's fight: what got through if anything did, and how many questions it took."""

    seed: Thing
    won: Try | None = None
    asked: int = 0
    lowest: float = field(default=np.inf)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the attacker may do: questions for each attack, what he is told, what he may spend."""

    budget: int = 1000
    access: Access = "score"
    most_cost: int = 2
    deepest: int = _DEEPEST


Search = Callable[[Target, Thing, Rules, Draw], Bout]


class _Fight:
    """What all searches share: they ask for tries, and it ends when one gets through."""

    def __init__(self, target: Target, seed: Thing, rules: Rules, draw: Draw) -> None:
        self.target, self.rules, self.draw = target, rules, draw
        self.bout = Bout(seed)
        self.oracle = Oracle(target, rules.budget, rules.access)
        self.idle = 0
        self.changes = [each for each in target.changes if each.cost <= rules.most_cost]

    def ask(self, tries: Sequence[Try]) -> list[tuple[float, Try]]:
        """The answers to the tries that still are attacks, best for the attacker first."""
        good = [one for one in tries if self.target.holds(self.bout.seed, one.thing)]
        if not good:
            self.idle += 1
            if self.idle > _MOST_IDLE:
                raise Spent
            return []
        self.idle = 0
        answers = self.oracle([one.thing for one in good])
        self.bout.asked = self.oracle.asked
        ranked = sorted(
            zip(answers.tolist(), good[: len(answers)], strict=True),
            key=lambda pair: (pair[0], pair[1].cost, len(pair[1].changes)),
        )
        self.bout.lowest = min(self.bout.lowest, ranked[0][0])
        if ranked[0][0] < 0:
            self.bout.won = ranked[0][1]
            raise Spent
        return ranked

    def changed(self, one: Try, change: Change | None = None) -> Try:
        """A try with one change more."""
        change = change or self.changes[int(self.draw.integers(len(self.changes)))]
        thing = change.apply(one.thing, self.draw)
        return Try(thing, (*one.changes, change.name), one.cost + change.cost)

    def many_times(self, one: Try) -> Try:
        """A try with some changes more."""
        for _ in range(int(self.draw.integers(1, self.rules.deepest + 1))):
            one = self.changed(one)
        return one


def _bounded(run: Callable[[_Fight], None]) -> Search:
    def search(target: Target, seed: Thing, rules: Rules, draw: Draw) -> Bout:
        fight = _Fight(target, seed, rules, draw)
        if fight.changes:
            with suppress(Spent):
                run(fight)
        return fight.bout

    return search


@_bounded
def by_chance(fight: _Fight) -> None:
    """Some changes, by chance, from the beginning each time."""
    start = Try(fight.bout.seed)
    while True:
        fight.ask([fight.many_times(start) for _ in range(_AT_ONCE)])


@_bounded
def step_by_step(fight: _Fight) -> None:
    """Every change, the best of them kept, and so on; begun anew where nothing helps any more."""
    start = Try(fight.bout.seed)
    while True:
        best, answer = start, np.inf
        while len(best.changes) < fight.rules.deepest:
            ranked = fight.ask([fight.changed(best, change) for change in fight.changes])
            if not ranked or (ranked[0][0] >= answer and fight.draw.random() < 0.5):
                break
            answer, best = ranked[0]
        start = (
            fight.many_times(Try(fight.bout.seed))
            if fight.draw.random() < 0.5
            else Try(fight.bout.seed)
        )


@_bounded
def by_breeding(fight: _Fight) -> None:
    """The best tries changed further, with some new ones among them."""
    seed = Try(fight.bout.seed)
    living = fight.ask([fight.many_times(seed) for _ in range(_POPULATION)])
    while True:
        parents = [one for _, one in living[:_KEPT]] or [seed]
        young = []
        for _ in range(_POPULATION - _KEPT):
            parent = parents[int(fight.draw.integers(len(parents)))]
            long = len(parent.changes) >= fight.rules.deepest
            young.append(fight.many_times(seed) if long else fight.changed(parent))
        living = sorted([*living[:_KEPT], *fight.ask(young)], key=lambda pair: pair[0])


@_bounded
def by_transfer(fight: _Fight) -> None:
    """Half of the questions buy a copy of the model; the other half ask what fools the copy."""
    seed = Try(fight.bout.seed)
    copy = Substitute(fight.target.show)
    half = fight.rules.budget // 2
    while fight.oracle.asked < half:
        for answer, one in fight.ask([fight.many_times(seed) for _ in range(_AT_ONCE)]):
            copy.learn(one.thing, answer)
    while True:
        drawn = [fight.many_times(seed) for _ in range(_AT_ONCE * 4)]
        order = np.argsort(copy.scores([one.thing for one in drawn]), kind="stable")
        for answer, one in fight.ask([drawn[at] for at in order[:_AT_ONCE]]):
            copy.learn(one.thing, answer)


SEARCHES: Final[dict[str, Search]] = {
    "chance": by_chance,
    "steps": step_by_step,
    "breeding": by_breeding,
    "transfer": by_transfer,
}
