"""Poisons the training of a table: what each attack takes, and what is left of that under guard.

Two fifths of the rows are never poisoned and only judged by. "Left to itself" is what guard does alone;
"looked at" is after a person has looked at what guard set aside, and only that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.duel.outcome import Outcome
from labrys.duel.outcome import Table as Shown
from labrys.duel.poisoning.attacks import ATTACKS, Poisoned, drifted, stamped
from labrys.duel.poisoning.learner import learner
from labrys.duel.target import Draw
from labrys.errors import LabrysError
from labrys.guard.training.canary import RATE, recall
from labrys.guard.training.partitions import learnt, votes
from labrys.guard.training.review import LABEL, STAMP, Review, reviewed
from labrys.guard.training.rows import Fit, Floats, Ints, Rows, Score, bagged, identity
from labrys.model.feature import Reach

DRIFTING: Final = "slow drift"
BACKDOOR: Final = "backdoor"
_LEAST: Final = 200
_MOST: Final = 20_000
_STAMPED: Final = 0.1
"""A backdoor is put on so much of the attacker's share: it takes few rows."""
_COLUMNS: Final = 4
_VALUES: Final = 8
_TRIES: Final = 10
_BY_ITSELF: Final = 0.1
_PARTS: Final = 40
_IN_PART: Final = 100
"""Rows in a part that votes: of fewer trees learn nothing."""
_POISONED: Final = (1, 5, 10, 15)


@dataclass(frozen=True, slots=True)
class Figures:
    """What an attack came to. `recall` at one false alarm in a hundred: of a model that learnt from clean
    rows, from poisoned ones, from what guard left by itself, and after somebody looked. `passes`: for a
    backdoor, which share of caught attacks pass each of them with it. `found` is the area under the curve of guard's
    score for poisoned rows, `aside` how many rows it set aside, `right` how many of these are poison."""

    attack: str
    recall: tuple[float, ...]
    found: float
    aside: int
    right: int
    poison: int
    passes: tuple[float, ...] | None = None


def play(
    name: str, columns: Sequence[str], reach: Sequence[Reach], rows: Rows, budget: float, seed: int,
    say: Callable[[str], None],
) -> Outcome:  # fmt: skip
    """Every attack once."""
    if min(int(rows.bad.sum()), int((~rows.bad).sum())) < _LEAST:
        raise LabrysError(f"{name}: {_LEAST} rows of each side are needed to tell anything")
    train, test = split(rows, seed)
    done = []
    fit = learner(reach)
    for attack in (*ATTACKS, DRIFTING, BACKDOOR):
        say(attack)
        done.append(fought(attack, train, test, reach, budget, seed))
    figures: dict[str, float] = {}
    for each in done:
        for kind, after in zip(("", " under guard", ", looked at"), each.recall[1:], strict=True):
            figures[f"{each.attack}: recall lost{kind}"] = _lost(each.recall[0], after)
        if each.passes is not None:
            figures["backdoor: attacks that pass"] = each.passes[1]
            figures["backdoor: attacks that pass under guard"] = each.passes[2]
    free = [one for one, each in zip(columns, reach, strict=True) if each == "free"]
    return Outcome(
        attack="poisoning", target=name, version="",
        rules=f"the attacker gives {budget:.1%} of {len(train)} rows, or says what they are",
        figures=figures, tables=(_shown(done), _certified(fit, train, test)),
        notes=(
            f"judged by {len(test)} rows that nobody poisoned; recall where {RATE:.0%} of good rows are "
            "detected",
            "looked at: somebody has looked at the rows that were set aside, and at no others",
        ),
        sure=(
            f"a backdoor in the {len(free)} columns that are free does nothing: the model does not "
            "read them" if free else ""
        ),
    )  # fmt: skip


def _lost(before: float, after: float) -> float:
    return max(0.0, 1 - after / before) if before else 0.0


def split(rows: Rows, seed: int) -> tuple[Rows, Rows]:
    """Rows to learn from and rows to judge by; equal ones on one side."""
    alike = identity(rows.values)
    order = np.random.default_rng(seed).permutation(int(alike.max()) + 1)[alike]
    chosen = np.argsort(order, kind="stable")[:_MOST]
    cut = int(0.6 * len(chosen))
    while cut < len(chosen) and order[chosen[cut]] == order[chosen[cut - 1]]:
        cut += 1
    return rows.take(chosen[:cut]), rows.take(chosen[cut:])


def fought(
    attack: str, train: Rows, test: Rows, reach: Sequence[Reach], budget: float, seed: int,
    columns: Sequence[int] | None = None,
) -> Figures:  # fmt: skip
    """One attack, with what guard makes of it. `columns`: where a backdoor may be put,
    those that the model reads if none are named."""
    draw = np.random.default_rng(seed)
    fit = learner(reach)
    count = max(1, int(budget * len(train)))
    clean = _learn(fit, train)
    if attack == BACKDOOR:
        given = (
            [at for at, one in enumerate(reach) if one != "free"] if columns is None else columns
        )
        poisoned = backdoor(train, test, clean, max(1, int(_STAMPED * count)), draw, given)
    elif attack == DRIFTING:
        poisoned = drifted(train, count, draw, fit)
    else:
        poisoned = ATTACKS[attack](train, count, draw)
    review = reviewed(poisoned.rows, fit)
    models = (
        clean,
        _learn(fit, poisoned.rows),
        _learn(fit, poisoned.rows, review.weight),
        _learn(fit, *looked_at(review, poisoned)),
    )
    recalls = tuple(recall(model(test.values), test.bad) for model in models)
    aside = review.suspects()
    return Figures(
        attack, recalls, found=_found(review, poisoned, attack),
        aside=len(aside), right=int(poisoned.poison[aside].sum()),
        poison=int(poisoned.poison.sum()), passes=_passes(models, test, poisoned),
    )  # fmt: skip


def _learn(fit: Fit, rows: Rows, weight: Floats | None = None) -> Score:
    return bagged(fit)(rows.values, rows.bad, np.ones(len(rows)) if weight is None else weight)


def looked_at(review: Review, poisoned: Poisoned) -> tuple[Rows, Floats]:
    """Rows, and what they count, once somebody has looked at the suspects: what is called what it is
    not is turned, what bears a stamp or is a copy stays aside, all others are given back."""
    aside = np.zeros(len(poisoned.poison), np.bool_)
    aside[review.suspects()] = True
    wrong = aside & poisoned.poison
    turned = wrong & (np.array(review.reason) == LABEL) & (poisoned.worn is None)
    rows = poisoned.rows
    return Rows(rows.values, rows.bad ^ turned, rows.source), np.where(wrong & ~turned, 0.0, 1.0)


def backdoor(
    train: Rows, test: Rows, clean: Score, count: int, draw: Draw, columns: Sequence[int]
) -> Poisoned:
    """A backdoor of four columns that by itself lets few attacks through, where one can be had."""
    varied = [at for at in columns if len(np.unique(train.values[:, at])) >= _VALUES]
    if not varied:
        raise LabrysError("no column has values enough for a backdoor")
    best: tuple[float, Poisoned] | None = None
    for _ in range(_TRIES):
        chosen: Ints = draw.permutation(np.array(varied))[:_COLUMNS]
        made = stamped(train, count, draw, chosen)
        alone = (_passes((clean,), test, made) or (1.0,))[0]
        if best is None or alone < best[0]:
            best = (alone, made)
        if alone <= _BY_ITSELF:
            break
    assert best is not None
    return best[1]


def _passes(models: Sequence[Score], test: Rows, poisoned: Poisoned) -> tuple[float, ...] | None:
    """The share of attacks that each model catches and that pass it once they bear the backdoor."""
    if poisoned.worn is None:
        return None
    made = []
    for score in models:
        limit = float(np.quantile(score(test.values[~test.bad]), 1 - RATE, method="higher"))
        caught = test.values[test.bad]
        caught = caught[score(caught) > limit]
        passed = score(poisoned.worn(caught)) <= limit if len(caught) else np.zeros(1)
        made.append(float(passed.mean()))
    return tuple(made)


def _certified(fit: Fit, train: Rows, test: Rows) -> Shown:
    """How often a verdict is right, and surely so however few rows of training are poisoned, and how."""
    parts = int(np.clip(len(train) // _IN_PART, 3, _PARTS))
    said = votes(learnt(fit, train, parts), test.values)
    right = said.bad == test.bad
    whole = fit(train.values, train.bad, np.ones(len(train)))(test.values) > 0.5
    rows = [("one model", f"{float((whole == test.bad).mean()):.1%}", *["-"] * len(_POISONED))]
    shares = [float((right & (said.holds >= count)).mean()) for count in (0, *_POISONED)]
    rows.append((f"{parts} parts that vote", *(f"{one:.1%}" for one in shares)))
    return Shown(
        "Right verdicts, and those that are sure to be, whatever so many poisoned rows are",
        ("learnt as", "right", *(f"{count} rows" for count in _POISONED)), tuple(rows),
    )  # fmt: skip


def _found(review: Review, poisoned: Poisoned, attack: str) -> float:
    """How well guard's score tells poisoned rows from others: 0.5 is chance."""
    flagged = np.array([each not in ("", LABEL, STAMP) for each in review.reason])
    score = (review.stamp if attack == BACKDOOR else review.label) + flagged * 1e3
    return area(score, poisoned.poison)


def area(score: Floats, positive: "np.typing.NDArray[np.bool_]") -> float:
    """The area under the curve of a score, ties counting half."""
    hits, others = int(positive.sum()), int((~positive).sum())
    if not hits or not others:
        return 0.5
    _, place, number = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(number) - (number - 1) / 2)[place]
    return float((rank[positive].sum() - hits * (hits + 1) / 2) / (hits * others))


def _shown(done: Sequence[Figures]) -> Shown:
    rows = []
    for each in done:
        line = [
            each.attack,
            *(f"{one:.0%}" for one in each.recall),
        ]
        passes = "" if each.passes is None else " / ".join(f"{one:.0%}" for one in each.passes)
        rows.append(
            (*line, passes, f"{each.right} of {each.poison}, and {each.aside - each.right} others")
        )
    return Shown(
        "Recall at one false alarm in a hundred",
        ("attack", "clean", "poisoned", "guard alone", "looked at", "pass with the backdoor, of each", "set aside"),
        tuple(rows),
    )  # fmt: skip
