"""What an attack on a model came to, whatever the attack: figures, tables, what is sure.

Evasion, poisoning, extraction and inference each give this; one report shows them all, and the next
duel is compared with it.
"""

import msgspec


class Table(msgspec.Struct, frozen=True):
    """A few rows for a person to read."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Curve(msgspec.Struct, frozen=True):
    """A share (0 to 1) that grows with what the attacker spends; `points` in the order of `across`."""

    title: str
    across: str
    points: tuple[tuple[float, float], ...]
    logarithmic: bool = False


class Example(msgspec.Struct, frozen=True):
    """Something before the attack and after it, as a person reads it."""

    title: str
    before: str
    after: str


class Outcome(msgspec.Struct, frozen=True):
    """One attack on one model. Whatever comes from evidence may be hostile: reports escape it.

    `rules` says in a sentence what the attacker may do, and `who` who can do that. `figures` are
    shares between 0 and 1 by name, compared with those of the last duel under the same rules, each
    with its 95 % `bounds` where it has some; `headline` names the figure that says most (else the
    first). `cost` is what winning costs, in words. `sure` is what no attack of this kind can do, and
    why. `techniques` are ATLAS ids, `risks` BIML ids.
    """

    attack: str
    target: str
    version: str
    rules: str
    figures: dict[str, float]
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    sure: str = ""
    techniques: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    seconds: float = 0.0
    complete: bool = True
    bounds: dict[str, tuple[float, float]] = {}
    headline: str = ""
    who: str = ""
    cost: str = ""
    curves: tuple[Curve, ...] = ()
    examples: tuple[Example, ...] = ()

    @property
    def chief(self) -> str:
        """The figure that says most; empty where there is none."""
        return self.headline if self.headline in self.figures else next(iter(self.figures), "")
