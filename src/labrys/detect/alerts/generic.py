"""Recognises alerts of products we do not know by the names of a table's columns.

`generic.toml` says which names. A table with a column that can only be an alert's title is taken as
it is; one with a mere `name` or `title` only when a severity stands beside it, or when it has
nothing but what every alert has: a name, a time, who and where.
"""

import re
from functools import cache, lru_cache
from typing import Final

from labrys.detect.alerts.products import LEVELS, Holds, Product, Scale, table
from labrys.ocsf.entities import EntityColumn

SENTENCE: Final = r"^\S+\s+\S"
"""A title is more than one word; a name of a thing or a person's short name is not."""
_PUNCTUATION: Final = re.compile(r"[^a-z0-9]")
_PLAIN_ENOUGH: Final = 8
_CONFIDENCE: Final = 40


@lru_cache(512)
def recognised(shape: str, columns: tuple[str, ...]) -> tuple[Product, bool] | None:
    """How to read such a table as alerts, and whether its titles must be sentences to be taken."""
    if shape not in table("generic.toml")["shapes"] or len(columns) > 400:
        return None
    plain = {name: _plain(name) for name in columns if not name.startswith("_")}
    severity = _named(plain, "severity")
    surely, perhaps = _named(plain, "title"), _named(plain, "perhaps")
    entities = _entities(plain)
    telling = bool(severity) or _is_bare(plain)
    if not entities or not (surely or (perhaps and telling)):
        return None
    return _product(shape, plain, surely or perhaps, severity, entities), not surely


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
        where=(Holds(title[0]),),
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
        reasons=(*title[:1], *severity[:1]),
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


def _is_bare(plain: dict[str, str]) -> bool:
    """Whether there is nothing in the table but what alerts have."""
    rest = sum(name not in _known() for name in plain.values())
    return len(plain) <= _PLAIN_ENOUGH and rest <= table("generic.toml")["others"]


@cache
def _known() -> frozenset[str]:
    said = table("generic.toml")
    lists = [said[name] for name in ("title", "perhaps", "severity", "techniques", "time")]
    lists += [said["ignored"], *said["entities"].values()]
    return frozenset(name for names in lists for name in names)


def _plain(name: str) -> str:
    return _PUNCTUATION.sub("", name.lower())
