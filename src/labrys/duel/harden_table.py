"""Hardens a user's own model of rows of numbers: the contract kept in training, and the price of it.

What is free is left out, and more of what is add-only never lowers a score (checked leaf by leaf, not tried).
The price is told on rows of groups that were not learnt from: five folds, alike rows (or those of one group,
if `threat.toml` names a column of groups) in one, the threshold for each from the others. Beside it stands
the same training without the contract, for the model that was given may have seen all rows; and which
columns the price comes from, for there a column that an attacker cannot change pays most.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from labrys.duel import tabular
from labrys.duel.outcome import Outcome, Table
from labrys.duel.poisoning.tables import area
from labrys.duel.target import Floats
from labrys.errors import LabrysError
from labrys.model.monotone import mended

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

FOLDS: Final = 5
RATE: Final = 0.01
_ROUNDS: Final = 300
_LEAST: Final = 30
"""So many rows of each kind are needed in each fold."""
_DEAR: Final = 6
"""Of so many columns is told what their declaration costs."""
_PARAMETERS: Final[Mapping[str, Any]] = {
    "objective": "binary", "num_leaves": 31, "learning_rate": 0.08, "min_data_in_leaf": 20,
    "feature_fraction": 0.8, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 2.0,
    "num_threads": 1, "seed": 1, "deterministic": True, "force_row_wise": True, "verbose": -1,
}  # fmt: skip
FREE, UNBOUND, HARDENED = (
    "trained anew without the contract",
    "without the free columns only",
    "hardened",
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Labelled rows; `fold` says which are held out together."""

    names: list[str]
    values: Floats
    bad: Bools
    fold: Ints


@dataclass(frozen=True, slots=True)
class Bound:
    """What a model may see, and for each column of it whether more may only raise (1)."""

    kept: Bools
    signs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """How scores do on rows that were held out: AUC, and recall and false alarms by fold, each at the
    threshold that 1 % of the other folds' good rows reach."""

    area: float
    recalls: Floats
    recall: float
    alarms: float


def harden(
    model: str, data: Path, given: tabular.Threat, out: Path, say: Callable[[str], None]
) -> Outcome:
    """Train a hardened model on all rows, write it to `out` (LightGBM text), and tell the price.

    Raises LabrysError where there are too few rows of a kind, or nothing is left to learn from.
    """
    names, values, bad = tabular.labelled(data, given)
    rows = Rows(names, values, bad, folds(tabular.groups(data, given, values)))
    for number in range(FOLDS):
        for kind in (True, False):
            if int(((rows.fold == number) & (bad == kind)).sum()) < _LEAST:
                raise LabrysError(f"{data}: {_LEAST} rows of each kind are needed in each fold")
    bound = contract(names, given)
    if not bound.kept.any():
        raise LabrysError(f"{data}: every column is free, so nothing is left to learn from")
    held = {}
    for who, way in ways(bound).items():
        say(f"{FOLDS} folds: {who}")
        held[who] = held_out(rows, way)
    say("which columns cost")
    dear = _dear(rows, bound, area(held[HARDENED], bad))
    text = hardened(names, values, bad, given)
    given_score = tabular.scorer(model, names)(values)
    out.write_bytes(text)
    return _outcome(model, out, rows, bound, held, given_score, dear)


def contract(names: Sequence[str], given: tabular.Threat) -> Bound:
    """Which columns a hardened model sees, and which may only raise."""
    reach = [given.reach.get(name, "hard") for name in names]
    return Bound(
        np.array([each != "free" for each in reach]),
        tuple(int(each == "add_only") for each in reach if each != "free"),
    )


def ways(bound: Bound) -> dict[str, Bound]:
    """The trainings that are compared: without the contract, without free columns, hardened."""
    every = len(bound.kept)
    return {
        FREE: Bound(np.ones(every, np.bool_), (0,) * every),
        UNBOUND: Bound(bound.kept, (0,) * len(bound.signs)),
        HARDENED: bound,
    }


def hardened(names: Sequence[str], values: Floats, bad: Bools, given: tabular.Threat) -> bytes:
    """The text of a model that keeps the contract, trained on these rows."""
    bound = contract(names, given)
    return mended(trained(names, values, bad, bound), bound.signs)


def trained(names: Sequence[str], values: Floats, bad: Bools, bound: Bound) -> bytes:
    """The text of a model that is bound so, trained on these rows."""
    text: bytes = _booster(names, values, bad, bound).model_to_string().encode()
    return text


def _booster(names: Sequence[str], values: Floats, bad: Bools, bound: Bound) -> Any:
    try:
        import lightgbm
    except ImportError as error:
        raise LabrysError("hardening needs more packages: pip install 'labrys[ml]'") from error
    chosen = [name for name, use in zip(names, bound.kept.tolist(), strict=True) if use]
    signs = {"monotone_constraints": list(bound.signs)} if any(bound.signs) else {}
    # Missing values would go their own way, past the contract.
    seen = np.nan_to_num(values[:, bound.kept])
    data = lightgbm.Dataset(seen, bad.astype(int), feature_name=chosen)
    return lightgbm.train({**_PARAMETERS, **signs}, data, _ROUNDS)


def held_out(rows: Rows, bound: Bound) -> Floats:
    """The margin of each row by a model that has not seen its fold."""
    made = np.zeros(len(rows.bad))
    for number in range(FOLDS):
        mine = rows.fold == number
        booster = _booster(rows.names, rows.values[~mine], rows.bad[~mine], bound)
        seen = np.nan_to_num(rows.values[mine][:, bound.kept])
        made[mine] = booster.predict(seen, raw_score=True, num_threads=1)
    return made


def folds(group: Ints) -> Ints:
    """The fold of each row: groups by chance, but the same ones each time."""
    order = np.random.default_rng(1).permutation(int(group.max(initial=-1)) + 1)
    made: Ints = order[group] % FOLDS
    return made


def judged(scores: Floats, bad: Bools, fold: Ints, rate: float = RATE) -> Judged:
    """How scores of rows that were held out do."""
    limit = limits(scores, bad, fold, rate)
    caught = scores > limit
    recalls = np.array([caught[bad & (fold == one)].mean() for one in np.unique(fold[bad])])
    return Judged(area(scores, bad), recalls, float(caught[bad].mean()), float(caught[~bad].mean()))


def limits(scores: Floats, bad: Bools, fold: Ints, rate: float = RATE) -> Floats:
    """For each row the score that `rate` of the good rows of other folds reach."""
    made = np.zeros(len(scores))
    for one in np.unique(fold):
        made[fold == one] = np.quantile(scores[(fold != one) & ~bad], 1 - rate, method="higher")
    return made


def _dear(rows: Rows, bound: Bound, now: float) -> list[tuple[str, str, str]]:
    """What is gained by each of the columns that say most, were it one that no attacker can change."""
    every = ways(bound)[FREE]
    gain = _booster(rows.names, rows.values, rows.bad, every).feature_importance("gain")
    signs = np.zeros(len(rows.names), np.int64)
    signs[bound.kept] = bound.signs
    declared = [at for at in np.argsort(-gain).tolist() if signs[at] or not bound.kept[at]]
    made = []
    for at in declared[:_DEAR]:
        kept, said = bound.kept.copy(), signs.copy()
        kept[at], said[at] = True, 0
        scores = held_out(rows, Bound(kept, tuple(said[kept].tolist())))
        # By the area: so small a change of recall is chance.
        made.append(
            (rows.names[at], "add_only" if signs[at] else "free", area(scores, rows.bad) - now)
        )
    made.sort(key=lambda each: -each[2])
    return [(name, what, f"{more:+.4f}") for name, what, more in made]


def _outcome(
    model: str, out: Path, rows: Rows, bound: Bound, held: Mapping[str, Floats], given: Floats,
    dear: Sequence[tuple[str, str, str]],
) -> Outcome:  # fmt: skip
    price = {who: judged(scores, rows.bad, rows.fold) for who, scores in held.items()}
    shown = {"as it was given": judged(given, rows.bad, rows.fold), **price}
    lines = [
        (who, f"{each.area:.4f}", f"{each.recall:.1%}", f"{each.alarms:.2%}")
        for who, each in shown.items()
    ]
    pair = together(held[HARDENED], held[FREE], rows)
    lines.append(("either of the two", "-", f"{pair.recall:.1%}", f"{pair.alarms:.2%}"))
    lost = price[FREE].recalls - price[HARDENED].recalls
    free = [name for name, use in zip(rows.names, bound.kept.tolist(), strict=True) if not use]
    return Outcome(
        attack="hardening",
        target=Path(model).name if "://" not in model else model,
        version="",
        rules=f"{FOLDS} folds, alike rows or groups in one, thresholds from the other folds",
        figures={
            "price in AUC": price[FREE].area - price[HARDENED].area,
            "price in recall at 1 %": price[FREE].recall - price[HARDENED].recall,
            "of it, by the free columns": price[FREE].recall - price[UNBOUND].recall,
            "its standard error over the folds": float(lost.std(ddof=1) / np.sqrt(len(lost))),
        },
        tables=(
            Table("The price", ("model", "AUC", "recall at 1 %", "false alarms"), tuple(lines)),
            Table(
                "What a column would give back, could no attacker change it",
                ("column", "declared", "AUC"), tuple(dear),
            ),
        ),
        notes=(
            f"the hardened model is in {out}, trained on all rows; it does not look at "
            f"{', '.join(free) or 'less'}",
            f"alone: alarm above {threshold(held[HARDENED], rows.bad, RATE):.4g} (log odds), where 1 % of good rows "
            "that were held out lie",
            f"beside one without the contract, both where {pair.rate:.2%} lie (this one: above "
            f"{threshold(held[HARDENED], rows.bad, pair.rate):.4g}): of what they find, {pair.sure:.1%} of attacks "
            "stay found whatever is added, the rest an attacker can take away",
            "the model as it was given may have been trained on the rows that it is judged on here",
        ),
        sure=(
            f"more of the {sum(bound.signs)} add-only columns never lowers the hardened model's score, and the "
            f"{len(free)} free ones are not looked at: checked in its trees"
        ),
    )  # fmt: skip


def threshold(scores: Floats, bad: Bools, rate: float) -> float:
    """The score that so many good rows reach."""
    return float(np.quantile(scores[~bad], 1 - rate, method="higher"))


@dataclass(frozen=True, slots=True)
class Pair:
    """An alarm where either of two models has one: recall, false alarms, the recall of the bound one
    alone, and the share of good rows at which each alone is to alarm."""

    recall: float
    alarms: float
    sure: float
    rate: float


def together(bound: Floats, free: Floats, rows: Rows) -> Pair:
    """Both models at one share of good rows, so that 1 % of them reach either in the other folds."""
    sure, either = np.zeros((2, len(rows.bad)))
    limit = {}
    for one in np.unique(rows.fold).tolist():
        mine, others = rows.fold == one, (rows.fold != one) & ~rows.bad
        odd = [_oddness(scores, scores[others]) for scores in (bound, free)]
        limit[one] = float(np.quantile(np.maximum(*odd)[others], 1 - RATE, method="higher"))
        sure[mine], either[mine] = odd[0][mine] > limit[one], np.maximum(*odd)[mine] > limit[one]
    return Pair(
        float(either[rows.bad].mean()),
        float(either[~rows.bad].mean()),
        float(sure[rows.bad].mean()),
        1 - float(np.mean(list(limit.values()))),
    )


def _oddness(scores: Floats, good: Floats) -> Floats:
    """The share of good rows' scores that each score is above, with the scores' own order beyond them."""
    beyond = 1 / (1 + np.exp(-scores)) / (len(good) + 1)
    made: Floats = np.searchsorted(np.sort(good), scores, "left") / len(good) + beyond
    return made
