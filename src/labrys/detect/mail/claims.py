"""Who a message says it is from or for, against the domains it comes from and leads to.

Brands and their domains are those of `labrys.detect.imitation`.
"""

import re
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from labrys.detect.imitation import brands
from labrys.detect.mail import hosts
from labrys.detect.mail.columns import Bools, Floats, Ints, each_distinct
from labrys.detect.mail.letters import folded
from labrys.detect.mail.text import Hashes, Words, counted, phrases, words
from labrys.evidence.mail.domains import registered

_MOST: Final = 300
_LEAST_HOST: Final = 6
_LEAST_NAME: Final = 4
_WORDS: Final = re.compile(r"[^\W\d_]+")
_OFFICE: Final = brands.office()
_MULTI: Final = "\x1e"


def brands_named(said: pa.Array) -> list[str | None]:
    """The brands that each name or subject names, as `brands.named` gives them."""
    return [brands.named(one[:_MOST]) if one else None for one in said.to_pylist()]


def recipient(
    to: pa.Array, name: pa.Array, subject: pa.Array, domain: pa.Array
) -> dict[str, Floats]:
    """Whether name and subject call the recipient's address or domain, which is not the sender's."""
    made: Floats = np.zeros((len(to), 2))
    columns = (one.to_pylist() for one in (to, name, subject, domain))
    for row, (all_, called, about, own) in enumerate(zip(*columns, strict=True)):
        first = all_.partition(_MULTI)[0]
        host = first.rpartition("@")[2]
        if len(first) < _LEAST_HOST or "@" not in first or registered(host) == own:
            continue
        who = host if len(host) >= _LEAST_HOST else first
        made[row] = (who in called.lower(), who in about.lower())
    return {"name_of_recipient": made[:, 0], "subject_of_recipient": made[:, 1]}


def unlike(name: pa.Array, domain: pa.Array) -> Floats:
    """Whether a name has words of an office, and no other word of it stands in the domain."""
    pairs = zip(name.to_pylist(), domain.to_pylist(), strict=True)
    return np.array([_unlike(*pair) for pair in pairs], np.float64)


def _unlike(name: str, domain: str) -> bool:
    said = _WORDS.findall(name[:_MOST].lower())
    rest = [word for word in said if word not in _OFFICE and len(word) > 2]
    if len(rest) == len(said):
        return False
    label = domain.replace("-", "")
    return not any(word in label or label.partition(".")[0] in word for word in rest)


def own_address(to: pa.Array, text: pa.Array) -> Floats:
    """Whether a text holds the first recipient's address."""
    pairs = zip(to.to_pylist(), text.to_pylist(), strict=True)
    firsts = ((all_.partition(_MULTI)[0], said) for all_, said in pairs)
    return np.array([len(one) >= _LEAST_HOST and one in said for one, said in firsts], np.float64)


def strangers(led: pa.Array, own: pa.Array) -> Bools:
    """Whether domains that links lead to are neither a brand's nor a mailer's, nor called as the
    sender's under another ending."""
    pairs = zip(led.to_pylist(), own.to_pylist(), strict=True)
    other = np.array([one.partition(".")[0] != mine.partition(".")[0] for one, mine in pairs], bool)
    return np.asarray((each_distinct(led, hosts.known) == 0) & other, bool)


def same_firm(led: pa.Array, own: pa.Array) -> Bools:
    """Whether the domains that links lead to are of the brand that the sender's is of: a network's
    own shortener, a store of files that writes about its files."""
    pairs = zip(led.to_pylist(), own.to_pylist(), strict=True)
    same = [
        (who := brands.owner(mine)) is not None and brands.owner(one) == who for one, mine in pairs
    ]
    return np.array(same, bool)


def brands_in_text(found: Words, own: pa.Array, longest: int) -> Floats:
    """How many brands each text names that its sender is not."""
    hashes, brand, ids = _names()
    row, at = np.nonzero(counted(found, hashes, brand, len(ids), longest))
    domains = own.to_pylist()
    pairs = zip(row.tolist(), at.tolist(), strict=True)
    strange = [hosts.strange(ids[b], domains[r]) for r, b in pairs]
    return np.bincount(row, np.array(strange, np.float64), found.texts).astype(np.float64)


@cache
def _names() -> tuple[Hashes, Ints, tuple[str, ...]]:
    """The sorted hashes of names of one or two words, the brand of each, and all brands."""
    table = brands.table().values()
    ids = tuple(sorted({one.owner for one in table}))
    names, _ = folded(pa.array([name for one in table for name in one.names], pa.string()))
    owners = [ids.index(one.owner) for one in table for _ in one.names]
    kept: dict[int, int] = {}
    for name, at in zip(names.to_pylist(), owners, strict=True):
        if (
            len(name) >= _LEAST_NAME
            and "0" not in name
            and len(words(pa.array([name])).whole) in (1, 2)
        ):
            kept[int(phrases([name])[0])] = at
    order = sorted(kept)
    return np.array(order, np.uint64), np.array([kept[one] for one in order], np.int64), ids
