"""Whether a domain is made to be taken for another one."""

import re
from functools import lru_cache
from typing import Final

from labrys.detect.imitation.letters import as_read, folded, unpacked
from labrys.evidence.mail.domains import ascii_host, registered

_SHORTEST_TO_MISTYPE: Final = 5
_LONG: Final = 10
_WORDS: Final = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=16_384)
def parts(host: str) -> tuple[str, str]:
    """The label that somebody chose, and what stands behind it: `a.bank.co.uk` → bank, co.uk."""
    name = registered(host)
    label, _, suffix = name.partition(".")
    return label, suffix


def lookalike(host: str, known: str) -> bool:
    """Whether a host's registered domain is another than `known`, yet looks like it.

    It does when the same is read (look-alike letters and figures, `rn` for m), when one letter is
    wrong, missing or more (two in names from ten letters), when the name stands beside others
    between hyphens, when only the ending is another, or when `known` stands before it.
    """
    label, suffix = parts(ascii_host(host))
    wanted, ending = parts(ascii_host(known))
    if not label or not wanted or (label, suffix) == (wanted, ending):
        return False
    if label == wanted:
        return True
    if ascii_host(host).startswith(f"{wanted}.{ending}."):
        return True
    plain, target = folded(unpacked(label)), folded(unpacked(wanted))
    if as_read(label) == as_read(wanted) or plain.replace("-", "") == target.replace("-", ""):
        return True
    if len(target) >= 4 and target in _WORDS.split(plain):
        return True
    return mistyped(plain, target)


def mistyped(label: str, wanted: str) -> bool:
    """Whether one label is the other with a slip: one letter, or two neighbours exchanged."""
    if len(wanted) < _SHORTEST_TO_MISTYPE or label == wanted:
        return False
    most = 2 if len(wanted) >= _LONG else 1
    if abs(len(label) - len(wanted)) > most:
        return False
    label, wanted = label[:64], wanted[:64]
    # Each letter that only one of them has takes a step; most labels differ in many.
    mine, theirs = set(label), set(wanted)
    if len(mine - theirs) > most or len(theirs - mine) > most:
        return False
    return distance(label, wanted, most) <= most


def distance(one: str, other: str, most: int) -> int:
    """Steps from one text to the other (optimal string alignment); above `most` no matter."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        two_before, before, row = before, row, [at]
        for place, wanted in enumerate(other, 1):
            cost = min(before[place] + 1, row[-1] + 1, before[place - 1] + (letter != wanted))
            if at > 1 and place > 1 and letter == other[place - 2] and one[at - 2] == wanted:
                cost = min(cost, two_before[place - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]
