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


class Outcome(msgspec.Struct, frozen=True):
    """One attack on one model. Whatever comes from evidence may be hostile: reports escape it.

    `rules` says in a sentence what the attacker may do. `figures` are shares between 0 and 1 by name,
    compared with those of the last duel under the same rules; `sure` is what no attack of this kind
    can do, and why. `techniques` are ATLAS ids, `risks` BIML ids.
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
