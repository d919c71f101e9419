"""Which source column is which OCSF attribute: the `ocsf.toml` of every evidence format, as data.

The tables are found beside the formats (`labrys.evidence.*`, and plug-ins of the entry point group
`labrys.evidence`) and read without importing their code. README.md of this folder describes them.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from labrys.errors import LabrysError
from labrys.ocsf.vocabulary import classes

HOW: Final = (
    "",  # the text as it is
    "int",  # a whole number, decimal or 0x…
    "hex",  # a hexadecimal number, with or without 0x
    "seconds",  # seconds with or without a fraction → whole milliseconds
    "lower",
    "basename",  # what follows the last / or \
    "user",  # DOMAIN\user → user
    "domain",  # DOMAIN\user → DOMAIN
    "threat_path",  # the first path in a list of Windows Defender's, file:_C:\a.exe; …
    "threat_url",  # the first address in one, webfile:_C:\a.exe|https://…|…
    "sha256",
    "sha1",
    "md5",
    "imphash",  # that one of a list SHA1=…,MD5=…; a lone value stays itself
)
"""The ways a column's text becomes an attribute's value (`as` in a map)."""

NUMBERS: Final = frozenset(["int", "hex", "seconds"])
"""Those that make a whole number."""

_WILD: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Attribute:
    """How one attribute is filled: from the first non-empty of `columns`, or a constant `value`.

    `codes` turns the column's text into a number (`default` where it lists none).
    """

    path: str
    columns: tuple[str, ...] = ()
    how: str = ""
    value: str | int | None = None
    codes: tuple[tuple[str, int], ...] = ()
    default: int | None = None


@dataclass(frozen=True, slots=True)
class ClassMap:
    """How shapes that match `shapes` become rows of one class.

    `where` keeps only rows whose column has one of the values (all of the columns must).
    """

    shapes: tuple[str, ...]
    class_uid: int
    attributes: tuple[Attribute, ...]
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    origin: str = ""

    def fits(self, shape: str) -> bool:
        """Whether this map is about `shape`."""
        # Most patterns are plain names, and comparing is thirty times quicker than matching.
        return shape in self.shapes or any(
            fnmatchcase(shape, pattern) for pattern in self.shapes if _WILD.search(pattern)
        )


@cache
def maps() -> tuple[ClassMap, ...]:
    """All maps there are, in the order of their folders' names."""
    return tuple(made for origin, text in _tables() for made in parse(text, origin))


@cache
def mapping_for(shape: str) -> tuple[ClassMap, ...]:
    """The maps of one shape, one for each class: the first that fits wins."""
    chosen: dict[int, ClassMap] = {}
    for made in maps():
        if made.class_uid not in chosen and made.fits(shape):
            chosen[made.class_uid] = made
    return tuple(chosen.values())


@cache
def attributes_of(class_uid: int) -> tuple[str, ...]:
    """Every attribute path that some map gives rows of the class: the columns of its view."""
    paths = {
        attribute.path: None
        for made in maps()
        if made.class_uid == class_uid
        for attribute in made.attributes
    }
    return tuple(sorted(paths))


def parse(text: str, origin: str) -> tuple[ClassMap, ...]:
    """The maps in the text of one `ocsf.toml`; `origin` names it in errors."""
    try:
        table = tomllib.loads(text)
        return tuple(_map(entry, origin) for entry in table.get("map", ()))
    except (KeyError, TypeError, ValueError) as reason:
        raise LabrysError(f"{origin}: not a valid OCSF map: {reason!r}") from reason


def _map(entry: Mapping[str, Any], origin: str) -> ClassMap:
    class_uid = int(entry["class_uid"])
    if class_uid not in classes():
        raise ValueError(f"unknown class_uid {class_uid}")
    attributes = [_attribute(path, spec) for path, spec in entry.get("columns", {}).items()]
    for path in ("activity_id", "status_id", "severity_id"):
        if path in entry:
            spec = entry[path]
            made = _attribute(path, {"value": spec} if isinstance(spec, int) else spec)
            attributes.append(made)
    return ClassMap(
        shapes=_texts(entry["shapes"]),
        class_uid=class_uid,
        attributes=tuple(attributes),
        where=tuple((name, _texts(want)) for name, want in entry.get("where", {}).items()),
        origin=origin,
    )


def _attribute(path: str, spec: Any) -> Attribute:
    if isinstance(spec, str | list):
        return Attribute(path, _texts(spec))
    how = spec.get("as", "")
    if how not in HOW:
        raise ValueError(f"{path}: unknown as = {how!r}")
    if unknown := set(spec) - {"column", "columns", "as", "value", "map", "default"}:
        raise ValueError(f"{path}: unknown keys {sorted(unknown)}")
    columns = spec.get("column", spec.get("columns", ()))
    if bool(columns) == ("value" in spec):
        raise ValueError(f"{path}: give either a column or a value")
    codes = tuple((str(key), int(code)) for key, code in spec.get("map", {}).items())
    return Attribute(path, _texts(columns), how, spec.get("value"), codes, spec.get("default"))


def _texts(value: Any) -> tuple[str, ...]:
    """A text or a list of texts, as a tuple."""
    return (value,) if isinstance(value, str) else tuple(str(item) for item in value)


def _tables() -> Iterator[tuple[str, str]]:
    for entry in sorted(entry_points(group="labrys.evidence"), key=lambda made: made.value):
        yield from _table(files(entry.value), entry.value)
    folders = files("labrys").joinpath("evidence")
    for folder in sorted(folders.iterdir(), key=lambda made: made.name):
        yield from _table(folder, f"labrys.evidence.{folder.name}")


def _table(folder: Traversable, origin: str) -> Iterator[tuple[str, str]]:
    path = folder.joinpath("ocsf.toml")
    if path.is_file():
        yield f"{origin}/ocsf.toml", path.read_text("utf-8")
