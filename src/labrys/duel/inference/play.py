"""Plays membership inference: how well an attacker tells what a model was trained on.

By how sure the model is of a row (loss threshold; Yeom et al. 2018), and by shadow models. Half of
the rows are members, so an area of 50 %, or 1 % found at 1 % false alarms, is what guessing reaches.
"""

import time
from typing import Final

import numpy as np

from labrys.duel import taxonomy
from labrys.duel.attacks import Order
from labrys.duel.inference.membership import RATES, Marks, Told, by_shadows, halves, told
from labrys.duel.inference.victims import Learner, learner
from labrys.duel.outcome import Outcome, Table
from labrys.duel.target import Floats

SHADOWS: Final = 16
_OURS: Final = 8


def play(order: Order) -> Outcome:
    """Tell members of a model's training data. NotPlayed where its training cannot be repeated."""
    return measured(learner(order), order)


def measured(held: Learner, order: Order, shadows: int | None = None) -> Outcome:
    """What the attacks on one model come to."""
    begun = time.monotonic()
    models = shadows or (SHADOWS if held.given else _OURS)
    draw = np.random.default_rng([order.seed, held.rows])
    trained = halves(held.rows, models, draw)
    answers = []
    for number in range(models):
        order.note(f"shadow model {number + 1} of {models}")
        answers.append(held.train(trained[number]))
    shadow = np.stack(answers)
    kinds = {
        "how sure it is": _pooled(held, shadow, trained, by_loss=True),
        "shadow models": _pooled(held, shadow, trained, by_loss=False),
    }
    return _outcome(held, kinds, models, time.monotonic() - begun)


def _pooled(held: Learner, shadow: Floats, trained: Marks, *, by_loss: bool) -> Told:
    """One attack on the model that is there, or on each of the trained ones with the others' help."""
    if held.given:
        sure, member = held.given
        return told(sure if by_loss else by_shadows(sure, shadow, trained), member)
    scores = []
    for number in range(len(shadow)):
        rest = np.arange(len(shadow)) != number
        mine = shadow[number]
        scores.append(mine if by_loss else by_shadows(mine, shadow[rest], trained[rest]))
    return told(np.concatenate(scores), trained.ravel(), held.rows)


def _outcome(held: Learner, kinds: dict[str, Told], models: int, seconds: float) -> Outcome:
    entry = taxonomy.attacks()["inference"]
    figures, bounds = {}, {}
    for name, one in kinds.items():
        figures[f"area, {name}"], bounds[f"area, {name}"] = round(one.auc, 4), one.bounds
        for rate, share, within in zip(RATES, one.found, one.found_bounds, strict=True):
            key = f"members found at {rate:.1%} false alarms, {name}"
            figures[key], bounds[key] = round(share, 4), within
    return Outcome(
        attack="inference",
        target=held.name,
        version=held.version,
        rules=f"one score for each row; {models} shadow models, each trained on half of the rows",
        who="whoever has rows that may have been trained on, and is told scores",
        figures=figures,
        bounds=bounds,
        headline=f"members found at {RATES[0]:.1%} false alarms, shadow models",
        cost=f"one question a row, {models} models trained",
        tables=(_table(kinds),),
        notes=(
            held.what,
            "guessing reaches an area of 50 %, and finds as many as it falsely calls",
        ),
        techniques=entry.techniques,
        risks=entry.risks,
        seconds=round(seconds, 1),
    )


def _table(kinds: dict[str, Told]) -> Table:
    rows = tuple(
        (
            name,
            f"{one.auc:.3f} ({one.bounds[0]:.3f} to {one.bounds[1]:.3f})",
            *(
                f"{share:.2%} ({low:.2%} to {high:.2%})"
                for share, (low, high) in zip(one.found, one.found_bounds, strict=True)
            ),
        )
        for name, one in kinds.items()
    )
    return Table(
        "how well members are told",
        ("by", "area", *(f"found at {rate:.1%} false alarms" for rate in RATES)),
        rows,
    )
