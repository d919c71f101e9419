"""Which hosts use a brand's name without being the brand's: letter for letter, or nearly.

Names and their misspellings (one letter missing, added or changed, digits and letter pairs that look
alike read as letters) are numbered as `labrys.model.grams` numbers runs of letters; so all hosts are
looked through at once. Source of the idea: Symmetric Delete (Garbe 2012), without the deletion of texts.
"""

import string
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.imitation.brands import every_domain, every_label, table
from labrys.model.grams import by_size, grams
from labrys.model.regex import matched, replaced

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BITS: Final = 40
_SIEVE: Final = 20
_LONGEST_RUN: Final = 8
_ANYWHERE: Final = 5
_MISSPELT: Final = 6
_OWN_LABEL: Final = 3
"""Shorter ones are a brand's own under .com only."""
_LETTERS: Final = frozenset(string.ascii_lowercase)
_LOOKS: Final = (
    *(
        ("rn", "m"),
        ("vv", "w"),
        ("0", "o"),
        ("1", "l"),
        ("3", "e"),
        ("5", "s"),
        ("4", "a"),
        ("-", ""),
    ),
    *(("_", ""),),
)
_OWN_SUFFIX: Final = r"^(com|net|org|io|[a-z]{2}|(com|co|net|org|gov|or|ne|go|ac)\.[a-z]{2})$"


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of letters to look for, by size, as sorted numbers; and a sieve that lets few others by."""

    by_size: dict[int, Ints]
    sieve: npt.NDArray[np.bool_]

    def count(self, texts: pa.Array) -> Floats:
        """How many of the runs stand in each text."""
        made = np.zeros(len(texts))
        runs = by_size(texts, tuple(self.by_size), _BITS)
        for size, wanted in self.by_size.items():
            found = runs[size]
            near = np.flatnonzero(self.sieve[found.bucket >> (_BITS - _SIEVE)])
            bucket = found.bucket[near]
            at = np.minimum(np.searchsorted(wanted, bucket), len(wanted) - 1)
            made += np.bincount(found.text[near][wanted[at] == bucket], minlength=len(texts))
        return made


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of brands (`imitation/brands.toml`, `known.toml`), ready to be looked for."""

    brands: tuple[str, ...]
    own: pa.Array
    labels: pa.Array
    anywhere: Runs
    whole: Runs
    misspelt: Runs
    lures: Runs
    zones: dict[str, pa.Array]


@cache
def known() -> Known:
    """What the detector knows of the world."""
    held: dict[str, Any] = tomllib.loads((files(__package__) / "known.toml").read_text("utf-8"))
    names = tuple(dict.fromkeys((*held["names"], *_labels())))
    own = every_label()
    whole = {*held["own"], *every_domain(), *(f"{label}.com" for label in own)}
    long = [name for name in names if len(name) >= _ANYWHERE]
    exact = {name[:_LONGEST_RUN] for name in long}
    near = {
        made[:_LONGEST_RUN]
        for name in long
        if len(name) >= _MISSPELT
        for made in misspellings(name)
    }
    return Known(
        names,
        pa.array(sorted(whole)),
        pa.array(sorted({*names, *(label for label in own if len(label) >= _OWN_LABEL)})),
        _runs(exact),
        _runs(f".{name}." for name in names if len(name) <= _LONGEST_RUN - 2),
        _runs(near - exact),
        _runs({word[:_LONGEST_RUN] for word in held["lures"]}),
        {kind: pa.array(zones) for kind, zones in held["zones"].items()},
    )


def _labels() -> Iterator[str]:
    """What brands are called in their own domains, as `as_read` reads it; not ordinary words."""
    for brand in table().values():
        if brand.labels and not brand.common:
            name = brand.labels[0].replace("-", "")
            if name.isalpha() and len(name) >= _OWN_LABEL:
                yield name


def misspellings(name: str) -> set[str]:
    """A name with one letter missing, added, changed, or swapped with the next; not the name."""
    made = set()
    for at in range(1, len(name)):
        head, letter, tail = name[:at], name[at], name[at + 1 :]
        made.add(head + tail)
        made.add(head + tail[:1] + letter + tail[1:])
        for other in _LETTERS:
            made.add(head + other + tail)
            made.add(head + other + letter + tail)
    return {each for each in made if each != name and len(each) >= _MISSPELT}


def misspells(part: str, name: str) -> bool:
    """Whether `part` is among `misspellings(name)`, without making them."""
    if part == name or len(part) < _MISSPELT:
        return False
    pairs = enumerate(zip(part, name, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(part), len(name)))
    rest, end = part[same:], name[same:]
    match len(part) - len(name) if same else None:
        case -1:
            return rest == end[1:]
        case 0:
            swapped = end[1:2] + end[:1] + end[2:]
            return rest == swapped or (rest[0] in _LETTERS and rest[1:] == end[1:])
        case 1:
            # Behind the whole name only its last letter can be added: twice is twice.
            return rest[0] in _LETTERS and rest[1:] == end and (bool(end) or rest == name[-1])
    return False


def _misspelt_in(text: str, name: str) -> bool:
    """Whether one of a name's misspellings stands in a text; the first letter is never wrong."""
    begins = [at for at in range(len(text)) if text[at] == name[0]]
    sizes = range(len(name) - 1, len(name) + 2)
    return any(misspells(text[at : at + size], name) for at in begins for size in sizes)


def _runs(texts: Iterable[str]) -> Runs:
    by_size: dict[int, list[str]] = {}
    for text in texts:
        by_size.setdefault(len(text), []).append(text)
    numbered = {
        size: np.unique(grams(pa.array(sorted(several)), [size], _BITS).bucket)
        for size, several in sorted(by_size.items())
    }
    sieve = np.zeros(1 << _SIEVE, np.bool_)
    for numbers in numbered.values():
        sieve[numbers >> (_BITS - _SIEVE)] = True
    return Runs(numbered, sieve)


def as_read(texts: pa.Array) -> pa.Array:
    """Texts as a hasty reader takes them: look-alikes as the letters, words run together."""
    for seen, read in _LOOKS:
        texts = pc.replace_substring(texts, seen, read)
    return texts


def words(texts: pa.Array) -> pa.Array:
    """Texts with a dot before, behind and between their words."""
    apart = replaced(texts, r"[^a-z]+", ".")
    return pc.binary_join_element_wise(".", apart, ".", "")


def owned(domain: pa.Array, label: pa.Array, suffix: pa.Array) -> npt.NDArray[np.bool_]:
    """Whether a registered domain is a brand's own."""
    held = known()
    named = pc.and_(pc.is_in(label, held.labels), matched(suffix, _OWN_SUFFIX))
    made: npt.NDArray[np.bool_] = pc.or_(pc.is_in(domain, held.own), named).to_numpy(
        zero_copy_only=False
    )
    return made


def imitated(host: str) -> list[str]:
    """The brands whose names stand in a host, for saying so."""
    held = known()
    read = as_read(pa.array([host]))[0].as_py()
    apart = words(pa.array([host]))[0].as_py()
    found = [
        name
        for name in held.brands
        if (len(name) >= _ANYWHERE and name in read) or f".{name}." in apart
    ]
    if not found:
        found = [
            name for name in held.brands if len(name) >= _MISSPELT and _misspelt_in(read, name)
        ]
    return found[:3]
