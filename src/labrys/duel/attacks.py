"""The attacks there are. Each is a module with `play(order) -> Outcome`, loaded when it is asked for.

To add one: a line in `ATTACKS`, and an entry of its name in `taxonomy.toml`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from labrys.duel.outcome import Outcome
from labrys.duel.target import Access
from labrys.errors import LabrysError

ATTACKS: Final = {
    "evasion": "labrys.duel.evasion.play",
    "extraction": "labrys.duel.extraction.play",
    "inference": "labrys.duel.inference.play",
    "poisoning": "labrys.duel.poisoning.play",
}


class NotPlayed(LabrysError):
    """This attack cannot be played on this model; the message says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for: one model, ours by `name` or the user's own, and what the attacker may do.

    `budget` is the questions he may ask: for each attack in evasion, in all in extraction; None for
    what the attack is usually played with. `share` is what poisoning may put into the training.
    `note` is told how far it is.
    """

    name: str = ""
    model: str = ""
    data: Path | None = None
    threat: Path | None = None
    budget: int | None = None
    attacks: int = 30
    access: Access = "score"
    most_cost: int = 2
    searches: tuple[str, ...] = ()
    seed: int = 1
    share: float | None = None
    note: Callable[[str], None] = lambda _: None

    @property
    def own(self) -> bool:
        """Whether it is a model of the user's."""
        return bool(self.model)


def play(attack: str, order: Order) -> Outcome:
    """Play one attack; NotPlayed where it cannot be, LabrysError where there is no such attack."""
    if attack not in ATTACKS:
        raise LabrysError(f"no attack {attack!r}; there are {', '.join(ATTACKS)}, and all")
    made: Outcome = import_module(ATTACKS[attack]).play(order)
    return made
