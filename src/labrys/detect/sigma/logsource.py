"""Binds rules to the shapes they apply to, and their field names to each shape's columns.

What binds to what is data: `logsource.toml` here, which says how it is read, and `fields.toml`
beside the formats.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

from labrys.detect.sigma.fields import Column, Derived, Field, derive
from labrys.detect.sigma.fields import field as as_field
from labrys.detect.sigma.ir import All, Any_, Atom, Leaf, LogSource, Node
from labrys.evidence.registry import formats
from labrys.evidence.windows_event import shape as windows_shape

__all__ = ["Column", "Derived", "Field", "FieldMap", "bind", "derive", "negated", "shapes"]

Guard = tuple[tuple[Atom, ...], ...]
"""Conditions on columns: in each group some atom must be true."""


_PRIVATE: Final = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
    *("127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128"),
)
"""Networks of addresses that are not routed in public (RFC 1918, 3927, 4193, 4291, 6598)."""


@dataclass(frozen=True, slots=True)
class FieldMap:
    """How a rule reads one shape.

    `aliases` says which fields are not columns of their own name; `where` which rows of the shape
    the rule applies to (its atoms name columns, our leading ones too); `lacks` which fields these
    records never hold, so that a rule which excludes by one of them must not run here: it would
    alarm on what its author has excluded.
    """

    aliases: Mapping[str, Field] = field(default_factory=dict)
    where: Guard = ()
    lacks: frozenset[str] = frozenset()

    def column(self, name: str) -> Field:
        """What a rule's field means here; give it to `derive`."""
        return self.aliases.get(name, name)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One `[[bind]]` of the table."""

    logsource: LogSource
    shapes: tuple[str, ...]
    without: tuple[str, ...]
    map: FieldMap

    def fits(self, shape: str) -> bool:
        return _fits(shape, self.shapes) and not _fits(shape, self.without)


def bind(
    logsource: LogSource, shape: str, negated: frozenset[str] = frozenset()
) -> FieldMap | None:
    """How a rule of a log source reads a shape; None where it does not apply to it.

    `negated` are the fields the rule excludes by (`negated`): where the shape lacks one of them,
    the rule does not apply.
    """
    made = _bind(logsource, shape)
    return None if made is None or made.lacks & negated else made


def shapes(logsource: LogSource) -> tuple[str, ...]:
    """The shapes a log source may bind to, as patterns; empty where it binds to nothing."""
    named = [_patterns(group) for group in _groups(logsource)]
    if not named:
        return ()
    narrow = min(named, key=lambda patterns: sum("*" in pattern for pattern in patterns))
    return tuple(
        pattern
        for pattern in narrow
        if all(any(overlap(pattern, other) for other in patterns) for patterns in named)
    )


def negated(when: Node, atoms: Sequence[Atom]) -> frozenset[str]:
    """The fields by which a condition excludes: those of atoms under an odd number of `not`."""
    return frozenset(_negated(when, atoms, False))


def _negated(node: Node, atoms: Sequence[Atom], inverted: bool) -> Iterator[str]:
    if isinstance(node, Leaf):
        name = atoms[node.atom].field
        if inverted and name is not None:
            yield name
    elif isinstance(node, All | Any_):
        for part in node.parts:
            yield from _negated(part, atoms, inverted)
    else:
        yield from _negated(node.part, atoms, not inverted)


@lru_cache(maxsize=65_536)
def _bind(logsource: LogSource, shape: str) -> FieldMap | None:
    groups = _groups(logsource)
    chosen = [next((one for one in group if one.fits(shape)), None) for group in groups]
    if not groups or None in chosen:
        return None
    made = _shape_map(shape)
    for entry in chosen:
        if entry is not None:
            made = _merged(made, entry.map)
    return made


def _merged(under: FieldMap, over: FieldMap) -> FieldMap:
    return FieldMap(
        {**under.aliases, **over.aliases}, under.where + over.where, under.lacks | over.lacks
    )


def _patterns(entries: Sequence[_Entry]) -> list[str]:
    return [pattern for entry in entries for pattern in entry.shapes]


@lru_cache(maxsize=8192)
def _groups(logsource: LogSource) -> tuple[tuple[_Entry, ...], ...]:
    """The entries of each thing the log source says; a shape must fit one entry of every group."""
    table = _table()
    whole = tuple(one for one in table if one.logsource == logsource)
    if logsource.category and logsource.service and whole:
        return (whole,)
    groups = []
    category, product, service = logsource.category, logsource.product, logsource.service
    if category:
        groups.append(_entries(LogSource(category, product)))
    if service:
        groups.append(_entries(LogSource("", product, service)) or _unlisted(product, service))
    if product and not category and not service:
        groups.append(_entries(LogSource("", product)))
    return tuple(groups) if all(groups) else ()


def _entries(wanted: LogSource) -> tuple[_Entry, ...]:
    """The entries for a category or service of a product; of any product where none is named."""
    return tuple(
        entry
        for entry in _table()
        if entry.logsource.category == wanted.category
        and entry.logsource.service == wanted.service
        and wanted.product in ("", entry.logsource.product)
    ) or tuple(
        entry
        for entry in _table()
        if wanted.category
        and entry.logsource == LogSource(wanted.category)
        and wanted.product in _either_product()
    )


@cache
def _either_product() -> frozenset[str]:
    """Products whose records of a category have no shape of their own but a common one."""
    return frozenset(_written()["common"]["products"])


def _unlisted(product: str, service: str) -> tuple[_Entry, ...]:
    """A service the table does not list: the shapes that bear its name, of a known product."""
    pattern = _written()["unlisted"].get(product)
    if pattern is None:
        return ()
    name = re.sub(r"[^a-z0-9]+", "_", service.lower()).strip("_")
    logsource = LogSource("", product, service)
    return (_Entry(logsource, (pattern.format(service=name),), (), FieldMap()),)


@lru_cache(maxsize=8192)
def _shape_map(shape: str) -> FieldMap:
    """What every rule reads in a shape under another name: ours, then the format's own."""
    aliases: dict[str, Field] = {}
    for entry in _written()["shape"]:
        if _fits(shape, entry["shapes"]):
            aliases |= _aliases(entry)
    for pattern, own in _format_fields():
        if fnmatchcase(shape, pattern):
            aliases |= own
    return FieldMap(aliases)


@cache
def _format_fields() -> tuple[tuple[str, Mapping[str, Field]], ...]:
    """Every `fields.toml` of a format: shape pattern → its aliases."""
    found: list[tuple[str, Mapping[str, Field]]] = []
    for one in formats():
        path = files(one.module.rpartition(".")[0]) / "fields.toml"
        if path.is_file():
            written = tomllib.loads(path.read_text("utf-8")).get("aliases", {})
            for pattern, aliases in written.items():
                found.append((pattern, {name: as_field(made) for name, made in aliases.items()}))
    return tuple(found)


@cache
def _written() -> dict[str, Any]:
    return tomllib.loads((files("labrys.detect.sigma") / "logsource.toml").read_text("utf-8"))


@cache
def _table() -> tuple[_Entry, ...]:
    return tuple(entry for written in _written()["bind"] for entry in _made(written))


def _made(written: Mapping[str, Any]) -> Iterator[_Entry]:
    """The entries of one `[[bind]]`: one for each category and service it names."""
    where = [_guard(column, values) for column, values in written.get("where", {}).items()]
    if "either" in written:
        pairs = written["either"].items()
        where.append(tuple(atom for column, values in pairs for atom in _guard(column, values)))
    if "named" in written:
        where.append((_named(written["named"]),))
    made = FieldMap(_aliases(written), tuple(where), frozenset(written.get("lacks", ())))
    patterns = (*written.get("shapes", ()), *map(_channel, written.get("channels", ())))
    without = tuple(written.get("without", ()))
    for category in _several(written.get("category", "")):
        for service in _several(written.get("service", "")):
            for product in _several(written.get("product", "")):
                yield _Entry(LogSource(category, product, service), patterns, without, made)


def _several(value: str | list[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _channel(name: str) -> str:
    """The shapes of a Windows event channel."""
    return windows_shape(name, None, "").rpartition(".")[0] + ".*"


def _aliases(written: Mapping[str, Any]) -> dict[str, Field]:
    made: dict[str, Field] = {}
    for column in written.get("spaced", ()):
        for sign in ("", "_"):
            made[column.replace(" ", sign)] = column
    for name in written.get("use", ()):
        made |= {key: as_field(one) for key, one in _written()["fields"][name].items()}
    return made | {key: as_field(one) for key, one in written.get("fields", {}).items()}


def _guard(column: str, values: Any) -> tuple[Atom, ...]:
    """A column's possible values; `true` where it only must be there."""
    if values is True:
        return (Atom(column, "contains", ""),)
    return tuple(atom for value in _several(values) for atom in _possible(column, value))


def _possible(column: str, value: str) -> Iterator[Atom]:
    network = value.removeprefix("net ")
    if network != value:
        for one in _PRIVATE if network == "private" else (network,):
            yield Atom(column, "cidr", one)
    elif value.endswith("*"):
        yield Atom(column, "starts", value[:-1])
    else:
        yield Atom(column, "eq", value)


def _named(names: Sequence[str]) -> Atom:
    """The file a record comes from, or its folder, bears one of these names."""
    words = "|".join(map(re.escape, names))
    return Atom("_source", "re", rf"(?:{words})[^/\\]*(?:[/\\][^/\\]*)?$", cased=True, flags="i")


def _fits(shape: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(shape, pattern) for pattern in patterns)


@lru_cache(maxsize=65_536)
def overlap(one: str, other: str) -> bool:
    """Whether some shape fits both patterns (`*` is the only sign)."""
    if not one or not other:
        return (one or other).strip("*") == ""
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(other, one)
    return one[0] == other[0] and overlap(one[1:], other[1:])
