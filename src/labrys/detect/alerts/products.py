"""What is known about the alerts of each product, as `products.toml` says it."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from labrys.ocsf.entities import EntityColumn
from labrys.ocsf.schema import Severity

LEVELS: Final = {level.name.lower(): int(level) for level in Severity}


@dataclass(frozen=True, slots=True)
class Holds:
    """That `column` holds one of `patterns` (lower case, `fnmatch`); any value where there is none."""

    column: str
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scale:
    """How a column's values are severities of ours: by value, or from which number on."""

    column: str
    values: dict[str, int]
    steps: tuple[tuple[float, int], ...]
    otherwise: int


@dataclass(frozen=True, slots=True)
class Product:
    """How records of one product are known for alerts, and which columns say what.

    `higher`: where this holds, severity is at least that, and the technique (if not empty) that.
    `entities` None: the shape's OCSF map says it. `same`: address and port of one side, of the
    other, and the protocol: what copies of an alert share beside its time and rule.
    """

    id: str
    name: str
    shapes: tuple[str, ...]
    where: tuple[Holds, ...]
    without: tuple[str, ...]
    title: tuple[str, ...]
    rule: tuple[str, ...]
    time: tuple[str, ...]
    severity: Scale
    higher: tuple[tuple[Holds, int, str], ...]
    confidence: int
    confidence_column: str
    techniques: tuple[str, ...]
    tactics: tuple[str, tuple[tuple[str, str], ...]]
    reasons: tuple[str, ...]
    entities: tuple[EntityColumn, ...] | None
    same: tuple[str, ...] = ()


@cache
def products() -> tuple[Product, ...]:
    """Every product, in the order in which they are asked."""
    return tuple(_product(entry) for entry in table("products.toml")["product"])


@cache
def table(name: str) -> dict[str, Any]:
    """A TOML file of this folder."""
    return tomllib.loads(files("labrys.detect.alerts").joinpath(name).read_text("utf-8"))


def _product(entry: dict[str, Any]) -> Product:
    confidence = entry["confidence"]
    tactics = entry.get("tactics", {"column": "", "map": {}})
    entities = entry.get("entities")
    return Product(
        id=entry["id"],
        name=entry["name"],
        shapes=tuple(entry["shapes"]),
        where=tuple(_holds(each) for each in entry.get("where", ())),
        without=tuple(entry.get("without", ())),
        title=tuple(entry["title"]),
        rule=tuple(entry["rule"]),
        time=tuple(entry.get("time", ())),
        severity=_scale(entry["severity"]),
        higher=tuple(
            (_holds(each), LEVELS[each["to"]], each.get("technique", ""))
            for each in entry.get("raise", ())
        ),
        confidence=confidence["else"] if isinstance(confidence, dict) else confidence,
        confidence_column=confidence["column"] if isinstance(confidence, dict) else "",
        techniques=tuple(entry.get("techniques", ())),
        tactics=(
            tactics["column"],
            tuple((pattern.lower(), tactic) for pattern, tactic in tactics["map"].items()),
        ),
        reasons=tuple(entry.get("reasons", ())),
        entities=None
        if entities is None
        else tuple(EntityColumn(kind, role, tuple(columns)) for kind, role, columns in entities),
        same=tuple(entry.get("same", ())),
    )


def _holds(entry: dict[str, Any]) -> Holds:
    return Holds(entry["column"], tuple(pattern.lower() for pattern in entry.get("any", ())))


def _scale(entry: dict[str, Any]) -> Scale:
    return Scale(
        column=entry["column"],
        values={value.lower(): LEVELS[name] for value, name in entry.get("map", {}).items()},
        steps=tuple((float(bound), LEVELS[name]) for bound, name in entry.get("steps", ())),
        otherwise=LEVELS[entry["else"]],
    )
