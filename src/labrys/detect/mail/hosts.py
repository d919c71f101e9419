"""What the name of a host says about who put it there: traits of one host or domain."""

import math
import re
from functools import lru_cache
from typing import Final

from labrys.detect.imitation import brands
from labrys.detect.mail.known import KNOWN
from labrys.detect.mail.letters import undisguised

SHORT: Final = frozenset(KNOWN["hosts"]["shorteners"])
FREE_MAIL: Final = frozenset(KNOWN["hosts"]["free_mail"])
ODD: Final = frozenset(KNOWN["hosts"]["odd_endings"])
_FREE_HOSTING: Final = frozenset(KNOWN["hosts"]["free_hosting"])
MAILERS: Final = frozenset(KNOWN["hosts"]["mailers"])
"""Registered domains of services that send for others."""
_LONG_MARK: Final = 5
_PIECES: Final = re.compile(r"[.\-_]")


def _marks() -> dict[str, bool]:
    """What stands for a brand in hosts, and whether it is looked for within words and misspelt."""
    made: dict[str, bool] = {}
    for brand in brands.table().values():
        squeezed = (re.sub(r"\W", "", name.lower()) for name in brand.names if name.isascii())
        for mark in (*brand.labels[:1], *squeezed):
            if len(mark) >= _SHORT_MARK and "-" not in mark:
                made[mark] = not brand.common and len(mark) >= _LONG_MARK
    return made


_SHORT_MARK: Final = 4
_MARKS: Final = _marks()
_LONG_MARKS: Final = frozenset(mark for mark, long in _MARKS.items() if long)


def strange(named: str | None, domain: str) -> bool:
    """Whether brands are named (joined as `brands.named` gives them) and none of them owns a domain."""
    return named is not None and brands.owner(domain) not in named.split("\x1e")


@lru_cache(maxsize=65_536)
def known(domain: str) -> bool:
    """Whether a registered domain is a brand's, or that of a service that sends for others."""
    return domain in MAILERS or brands.owner(domain) is not None


def shortener(host: str) -> bool:
    """Whether this is a service that makes short addresses for anybody."""
    return host.removeprefix("www.") in SHORT


def free_hosting(host: str) -> bool:
    """Whether anybody can have a page there at once, under a name of that service."""
    labels = host.split(".")
    return any(".".join(labels[at:]) in _FREE_HOSTING for at in range(len(labels) - 1))


def odd_ending(host: str) -> bool:
    """Whether the name ends like those that are registered in bulk."""
    return host.rpartition(".")[2] in ODD


def odd_label(host: str) -> bool:
    """Whether a label is international, has many digits or hyphens, or no pattern of letters."""
    return any(_odd(label) for label in host.split(".")[-4:-1])


def deep(host: str) -> bool:
    """Whether there are five labels or more."""
    return host.count(".") >= 4


@lru_cache(maxsize=65_536)
def apes(host: str) -> str:
    """The brand whose name a host bears, or nearly bears, without being the brand's; else ""."""
    if not host or brands.owner(host) is not None:
        return ""
    plain = undisguised(_decoded(host))[0].lower().translate(_DIGITS)
    for piece in _PIECES.split(plain):
        if piece in _MARKS:
            return piece
        if found := _HELD.search(piece):
            return found[0]
        if 4 <= len(piece) <= _LONGEST_MARK + 1:
            for key in (piece, *_shorter(piece)):
                for mark in _NEIGHBOURS.get(key, ()):
                    if near(mark, piece):
                        return mark
    return ""


def _shorter(word: str) -> list[str]:
    """The word without each of its letters."""
    return [word[:at] + word[at + 1 :] for at in range(len(word))]


_HELD: Final = re.compile("|".join(map(re.escape, sorted(_LONG_MARKS, key=len, reverse=True))))
_LONGEST_MARK: Final = max(map(len, _LONG_MARKS))
_NEIGHBOURS: Final[dict[str, list[str]]] = {}
for _mark in _LONG_MARKS:
    # Words that are one edit apart share one of these (Garbe's symmetric deletion).
    for _key in {_mark, *_shorter(_mark)}:
        _NEIGHBOURS.setdefault(_key, []).append(_mark)


def near(one: str, other: str) -> bool:
    """Whether two words are one edit (a letter more, less, other, or two swapped) apart."""
    if one == other:
        return False
    if len(one) > len(other):
        one, other = other, one
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) == len(other):
        swapped = one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
        return one[at + 1 :] == other[at + 1 :] or swapped
    return len(other) - len(one) == 1 and one[at:] == other[at + 1 :]


_DIGITS: Final = str.maketrans("01357", "olest")


def _decoded(host: str) -> str:
    try:
        return ".".join(
            label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label
            for label in host.split(".")
        )
    except (UnicodeError, ValueError):
        return host


@lru_cache(maxsize=65_536)
def _odd(label: str) -> bool:
    if label.startswith("xn--") or label.count("-") >= 3:
        return True
    digits = sum(map(str.isdecimal, label))
    if digits >= 4 or (digits >= 2 and len(label) >= 8):
        return True
    return len(label) >= 10 and _surprise(label) > 3.4 and _vowels(label) < 0.25


def _surprise(label: str) -> float:
    """Shannon entropy of its letters, in bits."""
    return -sum(
        share * math.log2(share)
        for share in (label.count(letter) / len(label) for letter in set(label))
    )


def _vowels(label: str) -> float:
    return sum(letter in "aeiouy" for letter in label) / len(label)
