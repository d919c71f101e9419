"""Plays poisoning: against a table of the user's own, against what mail learns, against feedback."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from labrys.duel import taxonomy
from labrys.duel.attacks import NotPlayed, Order
from labrys.duel.outcome import Outcome
from labrys.duel.poisoning import feedback, mail, tables
from labrys.duel.tabular import Threat, labelled, threat
from labrys.errors import LabrysError
from labrys.guard.training.rows import Rows
from labrys.model.feature import Reach

BUDGET: Final = 0.05
"""Of what is learnt from, so much is the attacker's."""
NAMES: Final = ("mail", "feedback")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of the user's own, and what an attacker can do to each column."""

    name: str
    columns: tuple[str, ...]
    reach: tuple[Reach, ...]
    rows: Rows


def table(data: Path, given: Threat) -> Table:
    """The rows of a Parquet file with what `threat.toml` says of them; LabrysError as `labelled`."""
    names, values, bad = labelled(data, given)
    reach = tuple(given.reach.get(name, "hard") for name in names)
    return Table(data.name, tuple(names), reach, Rows(values, bad))


def play(order: Order) -> Outcome:
    """Poison what the ordered model learns from; NotPlayed where it learns from nobody."""
    share = order.share or BUDGET
    if order.own:
        if order.data is None or order.threat is None:
            raise NotPlayed("poisoning of a model of your own takes --data and --threat")
        return poison(table(order.data, threat(order.threat)), share, order.seed, order.note)
    if order.name not in NAMES:
        raise NotPlayed(f"{order.name} learns from no data of yours; {_listed(NAMES)} do")
    return poison(order.name, share, order.seed, order.note)


def poison(
    target: str | Table,
    budget: float = BUDGET,
    seed: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Poison the training of a table, of our mail detector (`mail`) or what people say (`feedback`).

    `budget` is the attacker's share of what is learnt from. LabrysError where there is no such target,
    or the packages for training (the extra [ml]) are not installed.
    """
    begun = time.monotonic()
    if not 0 < budget <= 0.5:
        raise LabrysError(f"the attacker's share is above 0 and at most 0.5, not {budget}")
    if isinstance(target, Table):
        _needs("lightgbm")
        made = tables.play(
            target.name, target.columns, target.reach, target.rows, budget, seed, say
        )
    elif target == "mail":
        _needs("sklearn")
        made = mail.play(budget, seed, say)
    elif target == "feedback":
        made = feedback.play(budget, seed, say)
    else:
        raise LabrysError(
            f"nothing to poison of {target!r}; there are {_listed(NAMES)}, or a table"
        )
    entry = taxonomy.attacks()["poisoning"]
    return msgspec.structs.replace(
        made,
        who="whoever writes to those whose mail or reports are learnt from, or labels rows",
        techniques=entry.techniques,
        risks=entry.risks,
        seconds=round(time.monotonic() - begun, 1),
    )


def _needs(package: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise LabrysError("poisoning trains models: pip install 'labrys[ml]'")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
