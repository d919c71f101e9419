"""Hardens a user's own model of rows of numbers: the contract kept in training, and the price of it.

What is free is left out, more of what is add-only never lowers a score (checked leaf by leaf, not tried),
and attacks that hide behind other rows' add-only values are learnt as well. Rows that are alike are on one
side of the split: of three parts one trains, one sets the threshold, one is judged. The same training
without the contract stands beside it, for the model that was given may have seen all rows.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from labrys.duel import tabular
from labrys.duel.outcome import Outcome, Table
from labrys.duel.target import Floats
from labrys.errors import LabrysError
from labrys.model.forest import read
from labrys.model.monotone import mended

Bools = npt.NDArray[np.bool_]

_RATE: Final = 0.01
_ROUNDS: Final = 300
_LEAST: Final = 50
"""So many rows of each kind are needed in each part."""
_HIDDEN: Final = 0.3
"""So many of the attacks are learnt a second time, hidden."""
_PARAMETERS: Final[Mapping[str, Any]] = {
    "objective": "binary", "num_leaves": 31, "learning_rate": 0.08, "min_data_in_leaf": 20,
    "feature_fraction": 0.8, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 2.0,
    "num_threads": 1, "seed": 1, "deterministic": True, "force_row_wise": True, "verbose": -1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """How a model does on rows that it has not seen: AUC, and recall at 1 % of the others."""

    area: float
    recall: float
    alarms: float


def harden(
    model: str, data: Path, given: tabular.Threat, out: Path, say: Callable[[str], None]
) -> Outcome:
    """Train a hardened model, write it to `out` (LightGBM text), and tell the price.

    Raises LabrysError where there are too few rows of a kind, or nothing is left to learn from.
    """
    names, rows, bad = tabular.labelled(data, given)
    part = parts(rows)
    for side in (0, 1, 2):
        for kind in (True, False):
            if int(((part == side) & (bad == kind)).sum()) < _LEAST:
                raise LabrysError(
                    f"{data}: {_LEAST} rows of each kind are needed in each of 3 parts"
                )
    kept, signs = contract(names, given)
    if not kept.any():
        raise LabrysError(f"{data}: every column is free, so nothing is left to learn from")
    say("training with the contract, and without")
    text = hardened(names, rows[part == 0], bad[part == 0], given)
    free = _trained(rows[part == 0], bad[part == 0], names, None)
    bound = read(text, str(out))
    told = {
        "as it was given": tabular.scorer(model, names)(rows),
        "trained anew without the contract": read(free, "").raw(rows),
        "hardened": bound.raw(rows[:, kept]),
    }
    price = {who: judged(scores, bad, part) for who, scores in told.items()}
    out.write_bytes(text)
    return _outcome(model, out, names, kept, signs, price)


def contract(names: Sequence[str], given: tabular.Threat) -> tuple[Bools, list[int]]:
    """Which columns a hardened model sees, and for each of these whether more may only raise (1)."""
    reach = [given.reach.get(name, "hard") for name in names]
    kept = np.array([each != "free" for each in reach])
    return kept, [int(each == "add_only") for each in reach if each != "free"]


def hardened(names: Sequence[str], rows: Floats, bad: Bools, given: tabular.Threat) -> bytes:
    """The text of a model that keeps the contract, trained on these rows."""
    kept, signs = contract(names, given)
    seen = rows[:, kept]
    more = np.array(signs, np.bool_)
    draw = np.random.default_rng(1)
    attacks, others = seen[bad], seen[~bad]
    again = attacks[draw.random(len(attacks)) < _HIDDEN].copy()
    hide = others[draw.integers(len(others), size=len(again))]
    again[:, more] = np.fmax(again[:, more], hide[:, more])
    chosen = [name for name, use in zip(names, kept.tolist(), strict=True) if use]
    label = np.concatenate([bad, np.ones(len(again), np.bool_)])
    text = _trained(np.concatenate([seen, again]), label, chosen, signs)
    return mended(text, signs)


def _trained(rows: Floats, bad: Bools, names: Sequence[str], signs: list[int] | None) -> bytes:
    try:
        import lightgbm
    except ImportError as error:
        raise LabrysError("hardening needs more packages: pip install 'labrys[ml]'") from error
    bound = {"monotone_constraints": signs} if signs is not None else {}
    # Missing values would go their own way, past the contract.
    data = lightgbm.Dataset(np.nan_to_num(rows), bad.astype(int), feature_name=list(names))
    made = lightgbm.train({**_PARAMETERS, **bound}, data, _ROUNDS)
    text: bytes = made.model_to_string().encode()
    return text


def parts(rows: Floats) -> npt.NDArray[np.int64]:
    """The part of each row, 0 to 2 (three fifths train); rows that are alike are in one."""
    digest = [hashlib.sha256(row.tobytes()).digest()[0] for row in np.ascontiguousarray(rows)]
    made: npt.NDArray[np.int64] = np.searchsorted([153, 204], digest, side="right").astype(np.int64)
    return made


def judged(scores: Floats, bad: Bools, part: npt.NDArray[np.int64]) -> Judged:
    """How scores do on the last part; the threshold is from the middle one."""
    limit = float(np.quantile(scores[(part == 1) & ~bad], 1 - _RATE, method="higher"))
    attacks, others = scores[(part == 2) & bad], scores[(part == 2) & ~bad]
    order = np.argsort(np.concatenate([attacks, others]), kind="stable")
    ranks = np.empty(len(order))
    values = np.concatenate([attacks, others])[order]
    first = np.searchsorted(values, values, "left")
    ranks[order] = (first + np.searchsorted(values, values, "right") + 1) / 2
    count = len(attacks)
    area = (ranks[:count].sum() - count * (count + 1) / 2) / (count * len(others))
    return Judged(float(area), float((attacks > limit).mean()), float((others > limit).mean()))


def _outcome(
    model: str, out: Path, names: Sequence[str], kept: Bools, signs: Sequence[int],
    price: Mapping[str, Judged],
) -> Outcome:  # fmt: skip
    rows = tuple(
        (who, f"{each.area:.4f}", f"{each.recall:.1%}", f"{each.alarms:.2%}")
        for who, each in price.items()
    )
    free = [name for name, use in zip(names, kept.tolist(), strict=True) if not use]
    anew, hard = price["trained anew without the contract"], price["hardened"]
    return Outcome(
        attack="hardening",
        target=Path(model).name if "://" not in model else model,
        version="",
        rules="trained on three fifths of the rows, threshold from one, judged on one; alike rows in one",
        figures={
            "price in AUC": anew.area - hard.area,
            "price in recall at 1 %": anew.recall - hard.recall,
        },
        tables=(Table("The price", ("model", "AUC", "recall at 1 %", "false alarms"), rows),),
        notes=(
            f"the hardened model is in {out}; it does not look at {', '.join(free) or 'less'}",
            "the model as it was given may have been trained on the rows that it is judged on here",
        ),
        sure=(
            f"more of the {sum(signs)} add-only columns never lowers the hardened model's score, and the "
            f"{len(free)} free ones are not looked at: checked in its trees"
        ),
    )
