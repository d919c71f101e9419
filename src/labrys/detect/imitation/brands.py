"""Which brands a text names, which of them a domain belongs to, and which it imitates.

What is known of brands and of services is data: `brands.toml`, `kinds.toml`.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import islice
from typing import Any, Final

import re2

from labrys.detect.imitation.domains import mistyped, parts
from labrys.detect.imitation.letters import as_read, folded, unpacked, with_l
from labrys.evidence.mail.domains import ascii_host, registered

_MOST_TEXT: Final = 4_096
_APART: Final = re.compile(r"[^\w&+.]+|_+|\.(?=\s|$)")
_STOP: Final = re.compile(r"\.(?=\s|$)")
_PLAIN: Final = {
    code: chr(code).lower() if chr(code).isalnum() or chr(code) in "&+." else " "
    for code in range(128)
}
_OF_MEMBERS: Final = frozenset(("de", "at"))
_OPEN: Final = frozenset(("com", "net", "org"))
_COUNTRY: Final = re.compile(r"(?:(?:com|co|net|org|gov|or|ne|gob|gouv)\.)?[a-z]{2}\Z")
_SHORTEST: Final = 5


@dataclass(frozen=True, slots=True)
class Brand:
    """How a brand is called, names that are no ordinary words, and labels of its own domains."""

    owner: str
    """The id of the company whose it is, as `owner` and `named` give it."""
    name: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    common: bool
    """Whether its label is an ordinary word."""
    domain: str
    """One of its own."""


@cache
def table() -> dict[str, Brand]:
    """All brands of the table, by id."""
    return {uid: _brand(uid, one) for uid, one in _read("brands.toml")["brands"].items()}


def every_domain() -> frozenset[str]:
    """Domains that are brands' own as a whole."""
    return frozenset(_known().domains)


def every_label() -> frozenset[str]:
    """Labels of domains that are brands' own under .com, .net, .org and country codes."""
    return frozenset(_known().labels)


def _brand(uid: str, one: dict[str, Any]) -> Brand:
    weak = bool(one.get("weak", False))
    names, alone = tuple(one.get("names", ())), tuple(one.get("alone", ()))
    labels, domains = tuple(one.get("labels", ())), one.get("domains", ())
    domain = f"{labels[0]}.com" if labels else str(domains[0])
    return Brand(
        one.get("owned_by", uid),
        (*names, *alone)[0],
        () if weak else names,
        labels,
        weak or bool(alone),
        domain,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """`brands.toml`, by what is asked of it."""

    names: dict[str, str]
    """Names that mean the brand wherever they stand → brand."""
    scriptless: dict[str, str]
    """Those in scripts that put no spaces between words."""
    alone: dict[str, str]
    """Names that are ordinary words too."""
    office: frozenset[str]
    lures: frozenset[str]
    domains: dict[str, str]
    labels: dict[str, str]
    parts: dict[str, str]
    imitated: tuple[tuple[str, str, bool], ...]
    """Label, brand, and whether the label is an ordinary word."""
    expression: Any


def office() -> frozenset[str]:
    """Words of offices: support, security, billing …"""
    return _known().office


def named(text: str) -> str | None:
    """The brands whose names stand in a text, joined by U+001E; None where none does."""
    plain = _plain(text)
    if not plain:
        return None
    known = _known()
    found = set(_names_in(f" {plain} ", known))
    if (other := with_l(text[:_MOST_TEXT])) != text[:_MOST_TEXT]:
        found.update(_names_in(f" {_plain(other)} ", known))
    if not plain.isascii():
        found.update(brand for name, brand in known.scriptless.items() if name in plain)
    rest = list(islice((word for word in plain.split() if word not in known.office), 3))
    if len(rest) <= 2 and (brand := known.alone.get(" ".join(rest))):
        found.add(brand)
    return _said(found)


def _names_in(plain: str, known: _Known) -> Iterator[str]:
    at = 0
    while (found := known.expression.search(plain, at)) is not None:
        yield known.names[found[1]]
        at = found.end() - 1  # the space behind a name may be the one before the next


def owner(host: str) -> str | None:
    """The brand that a host's registered domain belongs to; None where that is nobody known."""
    return _owner(registered(host)) if host else None


@lru_cache(maxsize=16_384)
def _owner(domain: str) -> str | None:
    if not domain:
        return None
    known = _known()
    label, suffix = parts(domain)
    found = known.domains.get(domain)
    if found is None and (suffix in _OPEN or _COUNTRY.match(suffix)):
        found = known.labels.get(label)
    if found is None and suffix in _OF_MEMBERS:
        found = next((brand for part, brand in known.parts.items() if part in label), None)
    return found


def imitated(host: str) -> str | None:
    """The brands whose domains a registered domain is made to resemble; None where none."""
    domain = registered(host) if host else ""
    return _imitated(domain) if domain else None


@lru_cache(maxsize=16_384)
def _imitated(domain: str) -> str | None:
    if _owner(domain) is not None:
        return None
    label = parts(domain)[0]
    plain = folded(unpacked(label))
    read, words = as_read(label), frozenset(re.split(r"[^a-z0-9]+", plain))
    known = _known()
    found = {
        brand
        for wanted, brand, common in known.imitated
        if _resembles(label, plain, read, words, wanted, common)
    }
    return _said(found)


def _resembles(
    label: str, plain: str, read: str, words: frozenset[str], wanted: str, common: bool
) -> bool:
    if label == wanted:
        return False  # another's, under an ending that anybody may have, as often as not
    if plain == wanted:
        return True
    if wanted in words:
        return not common or not _known().lures.isdisjoint(words)
    if len(wanted) < _SHORTEST:
        return False
    rest = plain.removeprefix(wanted)
    if rest == plain:
        rest = plain.removesuffix(wanted)
    if rest != plain and _made_of_lures(rest.strip("-0123456789")):
        return True
    slip = not common and len(wanted) > _SHORTEST and mistyped(plain, wanted)
    return slip or read == _read_as(wanted)


@lru_cache(maxsize=4_096)
def _read_as(wanted: str) -> str:
    return as_read(wanted)


def _made_of_lures(rest: str) -> bool:
    if not rest:
        return False
    return all(_is_lure(one) for one in rest.split("-") if one)


def _is_lure(word: str) -> bool:
    lures = _known().lures
    if word in lures:
        return True
    return any(word[:at] in lures and word[at:] in lures for at in range(2, len(word) - 1))


def embedded(host: str) -> str | None:
    """The brands whose whole domain stands before another registered one, as in a.com.b.net."""
    host = ascii_host(host) if host else ""
    domain = registered(host)
    before = host.removesuffix(domain).strip(".")
    if not domain or before.count(".") < 1 or _owner(domain) is not None:
        return None
    labels = before.split(".")
    found = {
        brand
        for at in range(len(labels) - 1)
        for end in (at + 2, at + 3)
        if (brand := _owner(".".join(labels[at:end]))) is not None
    }
    return _said(found)


def kind(host: str) -> str | None:
    """What a domain is for (`free mail`, `free host` …), joined by U+001E; None where unknown."""
    host = ascii_host(host) if host else ""
    if not host:
        return None
    labels = host.split(".")
    kinds = _kinds()
    found = {
        one
        for at in range(max(len(labels) - 4, 0), len(labels) - 1)
        for one in kinds.get(".".join(labels[at:]), ())
    }
    return _said(found)


def _said(found: set[str]) -> str | None:
    return "\x1e".join(sorted(found)) if found else None


def _plain(text: str) -> str:
    text = text[:_MOST_TEXT]
    if text.isascii():  # the same, several times faster
        return " ".join(_STOP.sub(" ", text).translate(_PLAIN).split())
    return " ".join(_APART.sub(" ", folded(text)).split())


@cache
def _kinds() -> dict[str, list[str]]:
    made: dict[str, list[str]] = {}
    for name, domains in _read("kinds.toml").items():
        for domain in domains:
            made.setdefault(domain, []).append(name)
    return made


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files("labrys.detect.imitation") / name).read_text("utf-8"))


@cache
def _known() -> _Known:
    written = _read("brands.toml")
    names: dict[str, str] = {}
    alone: dict[str, str] = {}
    domains: dict[str, str] = {}
    labels: dict[str, str] = {}
    members: dict[str, str] = {}
    imitated: list[tuple[str, str, bool]] = []
    for uid, one in written["brands"].items():
        brand, weak = one.get("owned_by", uid), one.get("weak", False)
        (alone if weak else names).update({_plain(name): brand for name in one.get("names", ())})
        alone.update({_plain(name): brand for name in one.get("alone", ())})
        domains.update(dict.fromkeys(one.get("domains", ()), brand))
        members.update(dict.fromkeys(one.get("parts", ()), brand))
        for label in one.get("labels", ()):
            labels.setdefault(label, brand)
        common = weak or "alone" in one
        imitated += [(label, brand, common) for label in one.get("labels", ())[:1]]
    spaced = {name: brand for name, brand in names.items() if name.isascii()}
    longest_first = sorted(spaced, key=len, reverse=True)
    return _Known(
        names=spaced,
        scriptless={name: brand for name, brand in names.items() if not name.isascii()},
        alone=alone,
        office=frozenset(" ".join(written["office"]["words"]).split()),
        lures=frozenset(written["lures"]["words"]),
        domains=domains,
        labels=labels,
        parts=members,
        imitated=tuple(imitated),
        expression=re2.compile(f" ({'|'.join(map(re2.escape, longest_first))}) "),
    )
