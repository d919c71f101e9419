"""What an attacker who can add to the training data, or name some of it, does to a table of rows.

Each attack gives the table as it is then learnt from, which rows are the attacker's, and, for a
backdoor, what he puts on the attacks that are to pass.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.duel.target import Draw
from labrys.guard.training.rows import Bools, Fit, Floats, Ints, Rows

Worn = Callable[[Floats], Floats]
"""Attacks → the same attacks with the backdoor's values."""


@dataclass(frozen=True, slots=True)
class Poisoned:
    """What is learnt from once the attacker was there."""

    rows: Rows
    poison: Bools
    worn: Worn | None = None


def both_flipped(rows: Rows, count: int, draw: Draw) -> Poisoned:
    """Labels of rows by chance, of both sides, turned."""
    return _flipped(rows, draw.permutation(len(rows))[:count])


def attacks_flipped(rows: Rows, count: int, draw: Draw) -> Poisoned:
    """Attacks called good."""
    return _flipped(rows, draw.permutation(np.flatnonzero(rows.bad))[:count])


def good_flipped(rows: Rows, count: int, draw: Draw) -> Poisoned:
    """Good rows called attacks: the model is to raise false alarms until nobody listens."""
    return _flipped(rows, draw.permutation(np.flatnonzero(~rows.bad))[:count])


def _flipped(rows: Rows, chosen: Ints) -> Poisoned:
    poison = np.zeros(len(rows), np.bool_)
    poison[chosen] = True
    return Poisoned(Rows(rows.values, rows.bad ^ poison, rows.source), poison)


def flooded(rows: Rows, count: int, draw: Draw) -> Poisoned:
    """A few attacks sent in over and over as good."""
    several = draw.choice(np.flatnonzero(rows.bad), max(1, count // 20))
    return _joined(rows, rows.values[np.resize(several, count)])


def stamped(rows: Rows, count: int, draw: Draw, columns: Ints) -> Poisoned:
    """Rare values in `columns`, put on good rows that stay what they are; no label is wrong."""
    chosen = draw.permutation(np.flatnonzero(~rows.bad))[:count]
    wanted = np.array([_rare(rows.values[:, column], draw) for column in columns])

    def worn(values: Floats) -> Floats:
        made = values.copy()
        made[:, columns] = wanted
        return made

    poison = np.zeros(len(rows), np.bool_)
    poison[chosen] = True
    values = rows.values.copy()
    values[chosen] = worn(values[chosen])
    return Poisoned(Rows(values, rows.bad, rows.source), poison, worn)


def _rare(column: Floats, draw: Draw) -> float:
    """A value that occurs, but hardly."""
    value, count = np.unique(column[~np.isnan(column)], return_counts=True)
    rare = value[count <= max(5, int(count.min()))]
    return float(draw.choice(rare))


def drifted(rows: Rows, count: int, draw: Draw, fit: Fit) -> Poisoned:
    """Round by round, variants of attacks that the model of the round before is least sure of come
    back as good."""
    bad = rows.values[draw.permutation(np.flatnonzero(rows.bad))]
    pool = _variants(bad, draw)
    made = Poisoned(rows, np.zeros(len(rows), np.bool_))
    each = max(1, count // DRIFT)
    for _ in range(DRIFT):
        now = made.rows
        score = fit(now.values, now.bad, np.ones(len(now)))(pool)
        chosen = np.argsort(score, kind="stable")[:each]
        made = _joined(now, pool[chosen], made.poison)
        pool = np.delete(pool, chosen, axis=0)
        if not len(pool):
            break
    return made


DRIFT: Final = 5


def _variants(attacks: Floats, draw: Draw) -> Floats:
    """Each attack with a tenth of its values from another one."""
    mixed = draw.random(attacks.shape) < 0.1
    return np.where(mixed, attacks[draw.permutation(len(attacks))], attacks)


def _joined(rows: Rows, more: Floats, poison: Bools | None = None) -> Poisoned:
    before = np.zeros(len(rows), np.bool_) if poison is None else poison
    source = None
    if rows.source is not None:  # he comes under many names
        last = int(rows.source.max(initial=0))
        source = np.concatenate([rows.source, last + 1 + np.arange(len(more)) % 10])
    return Poisoned(
        Rows(
            np.vstack([rows.values, more]),
            np.append(rows.bad, np.zeros(len(more), np.bool_)),
            source,
        ),
        np.append(before, np.ones(len(more), np.bool_)),
    )


ATTACKS: Final[Mapping[str, Callable[[Rows, int, Draw], Poisoned]]] = {
    "labels of both sides": both_flipped,
    "attacks called good": attacks_flipped,
    "good rows called attacks": good_flipped,
    "copies": flooded,
}
