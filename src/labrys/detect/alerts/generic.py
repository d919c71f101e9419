"""Recognises alerts of products we do not know by the names of a table's columns.

`generic.toml` says which names. A record with a column that can only be an alert's title is taken as
it is; one with a mere `name` or `title` only when a severity stands beside it, or when it has
nothing but what every alert has: a name, a time, who and where. Each record is judged by the columns
that it fills itself, because a table may come from several files.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from labrys.detect.alerts.products import LEVELS, Product, Scale, table
from labrys.ocsf.entities import EntityColumn

SENTENCE: Final = r"^\S+\s+\S"
"""A title is more than one word; a name of a thing or a person's short name is not."""
_PUNCTUATION: Final = re.compile(r"[^a-z0-9]")
PLAIN_ENOUGH: Final = 8
"""A record with no severity fills at most so many columns."""
_CONFIDENCE: Final = 40


@dataclass(frozen=True, slots=True)
class Recognised:
    """How to read a table as alerts, and which columns tell whether a record is one.

    `surely` may hold a title that can be nothing else, `titles` one where there is no severity;
    `known` are the columns that alerts have, `strange` the others.
    """

    product: Product
    surely: tuple[str, ...]
    titles: tuple[str, ...]
    severity: tuple[str, ...]
    known: tuple[str, ...]
    strange: tuple[str, ...]


@lru_cache(512)
def recognised(shape: str, columns: tuple[str, ...]) -> Recognised | None:
    """What such a table would be as alerts; None where it can hold none."""
    if shape not in table("generic.toml")["shapes"]:
        return None
    plain = {name: _plain(name) for name in columns if not name.startswith("_")}
    severity = _named(plain, "severity")
    surely, perhaps = _named(plain, "title"), _named(plain, "perhaps")
    entities = _entities(plain)
    if not entities or not (surely or perhaps):
        return None
    return Recognised(
        product=_product(shape, plain, (*surely, *perhaps), severity, entities),
        surely=surely,
        titles=tuple(name for name in perhaps if plain[name] not in _described()),
        severity=severity,
        known=tuple(name for name, short in plain.items() if short in _known()),
        strange=tuple(name for name, short in plain.items() if short not in _known()),
    )


def others() -> int:
    """So many columns that alerts do not have may a record fill that has no severity."""
    return int(table("generic.toml")["others"])


def _product(
    shape: str,
    plain: dict[str, str],
    title: tuple[str, ...],
    severity: tuple[str, ...],
    entities: tuple[EntityColumn, ...],
) -> Product:
    levels = {name: LEVELS[level] for name, level in table("generic.toml")["levels"].items()}
    return Product(
        id="alert",
        name="",
        shapes=(shape,),
        where=(),
        without=(),
        title=title,
        rule=title,
        time=(),
        severity=Scale(severity[0] if severity else "", levels, (), LEVELS["low"]),
        higher=(),
        confidence=_CONFIDENCE,
        confidence_column="",
        techniques=_named(plain, "techniques"),
        tactics=("", ()),
        reasons=severity[:1],
        entities=entities,
    )


def _named(plain: dict[str, str], what: str) -> tuple[str, ...]:
    """The columns that have one of the names listed under `what`, likeliest first."""
    places = {name: place for place, name in enumerate(table("generic.toml")[what])}
    found = [(places[name], column) for column, name in plain.items() if name in places]
    return tuple(column for _, column in sorted(found))


def _entities(plain: dict[str, str]) -> tuple[EntityColumn, ...]:
    made = []
    for words, names in table("generic.toml")["entities"].items():
        kind, role = words.split()
        places = {name: place for place, name in enumerate(names)}
        found = sorted((places[name], column) for column, name in plain.items() if name in places)
        if found:
            made.append(EntityColumn(kind, role, tuple(column for _, column in found)))
    return tuple(made)


@cache
def _described() -> frozenset[str]:
    return frozenset(table("generic.toml")["described"])


@cache
def _known() -> frozenset[str]:
    said = table("generic.toml")
    lists = [said[name] for name in ("title", "perhaps", "severity", "techniques", "time")]
    lists += [said["ignored"], *said["entities"].values()]
    return frozenset(name for names in lists for name in names)


def _plain(name: str) -> str:
    return _PUNCTUATION.sub("", name.lower())
