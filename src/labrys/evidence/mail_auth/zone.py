"""DNS records from files (`name [TTL] [IN] TYPE value`, RFC 1035 section 5): the only DNS there is.

A name that stands in no file is not known to be empty: asking for it raises `NotGiven`. A line
`name NONE` says that the name has nothing but what the files say of it, `*.name NONE` the same of
all below.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from labrys.errors import LabrysError
from labrys.settings import load

_TYPES: Final = frozenset(("TXT", "A", "AAAA", "MX", "PTR", "CNAME", "NONE"))
_OTHERS: Final = frozenset(("SOA", "NS", "SRV", "CAA", "DS", "DNSKEY", "RRSIG", "NSEC", "TLSA"))
"""Types that may stand in a zone file and are of no use here."""
_TOKEN: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"();]+)|([();])|\s+')
_BARE: Final = re.compile(r"\s*([^\s;#]\S*)\s+(?:\d+\s+)?(?:IN\s+)?TXT\s+([^\s\"(].*)", re.I)
"""A text without quotes: then it is all of the line, as people write it down."""
_ESCAPED: Final = re.compile(r"\\(\d{3}|.)")
_MOST_ALIASES: Final = 8


class NotGiven(Exception):
    """No file says what a name has: then nothing may be concluded."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(f"no {kind} record given for {name}")


@dataclass(slots=True)
class Zone:
    """Records by name (lower case, without the last dot) and type; names that are `closed` have
    no others."""

    records: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)

    def ask(self, name: str, kind: str) -> list[str]:
        """The values of a name's records of that type; aliases are followed. `NotGiven`."""
        name = name.lower().rstrip(".")
        for _ in range(_MOST_ALIASES):
            entry = next((made for each in _names(name) if (made := self.records.get(each))), {})
            if kind in entry:
                return entry[kind]
            if "CNAME" not in entry:
                break
            name = entry["CNAME"][0].lower().rstrip(".")
        if name and self.closed.isdisjoint(_names(name)):
            raise NotGiven(name, kind)
        return []

    def add(self, name: str, kind: str, value: str) -> None:
        """Take in one record."""
        name = name.lower().rstrip(".")
        if kind == "NONE":
            self.closed.add(name)
        else:
            self.records.setdefault(name, {}).setdefault(kind, []).append(value)


def _names(name: str) -> Iterator[str]:
    """A name, and the wildcards that stand for it, nearest first."""
    yield name
    while name:
        _, _, name = name.partition(".")
        yield f"*.{name}" if name else "*"


@cache
def given() -> Zone | None:
    """What the setting `mail_records` names; None where it names nothing, LabrysError where it
    cannot be read."""
    named = load().mail_records
    return read(Path(named).expanduser()) if named else None


def read(path: Path) -> Zone:
    """The records in a file, or in all files of a folder; LabrysError names file and line."""
    zone = Zone()
    try:
        files = (
            sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
        )
        for file in files:
            _read(file, file.read_text("utf-8"), zone)
    except (OSError, UnicodeDecodeError) as error:
        raise LabrysError(f"{path}: DNS records cannot be read from it ({error})") from error
    if not zone.records and not zone.closed:
        raise LabrysError(f"{path}: no DNS record in it; write lines of NAME TYPE VALUE")
    return zone


def _read(file: Path, text: str, zone: Zone) -> None:
    for number, words in _entries(text.splitlines()):
        try:
            name, kind, values = _parts(words)
        except ValueError as error:
            raise LabrysError(f"{file}, line {number}: {error}") from error
        if kind in _TYPES:
            # A text of several strings is one (RFC 7208 section 3.3, RFC 6376 section 3.6.2.2).
            zone.add(name, kind, "".join(values) if kind == "TXT" else " ".join(values))


def _parts(words: list[str]) -> tuple[str, str, list[str]]:
    name, *rest = words
    if name.startswith("$") or name == "@":
        raise ValueError(f"{name}: write every name in full, without $ORIGIN")
    while rest and (rest[0].isdigit() or rest[0].upper() == "IN"):
        rest = rest[1:]
    kind = rest[0].upper() if rest else ""
    if kind not in _TYPES | _OTHERS:
        raise ValueError(f"{kind or 'nothing'} is no type of record; write NAME TYPE VALUE")
    if kind != "NONE" and len(rest) < 2:
        raise ValueError(f"the {kind} record of {name} has no value")
    return name, kind, rest[1:]


def _entries(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The words of each record, and the line it begins on; brackets hold lines together."""
    words: list[str] = []
    depth = begun = 0
    for number, line in enumerate(lines, 1):
        if not words and (bare := _BARE.match(line)) is not None:
            yield number, [bare[1], "TXT", bare[2].strip()]
            continue
        begun = begun if words else number
        for found in _TOKEN.finditer("" if line.lstrip().startswith("#") else line):
            quoted, plain, sign = found.groups()
            if sign == ";":
                break
            if quoted is not None:
                words.append(_ESCAPED.sub(_unescaped, quoted))
            elif plain is not None:
                words.append(plain)
            elif sign:
                depth = max(depth + (1 if sign == "(" else -1), 0)
        if words and not depth:
            yield begun, words
            words = []
    if words:
        yield begun, words


def _unescaped(found: "re.Match[str]") -> str:
    said = found[1]
    return chr(int(said) % 256) if len(said) == 3 else said
