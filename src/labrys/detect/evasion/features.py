"""Command lines in numbers: which short runs of letters occur in which of their words.

The line is folded first: letters small, numbers `0`, quotes gone, whatever separates words a
space, `/` before an option's name `-`. Runs of 4 and of 6 letters are numbered by a hash. What an
attacker can do to them: runs are add-only (a line can always be longer), and the words of a program's
own language (its options, its verbs) are hard to leave out; names, paths and addresses are free, and
training sees to it that they tell nothing. Scores use no weight below zero and only the strongest
words, so that adding words never makes a line look better.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

SIZES: Final = (4, 6)
REACH: Final = 4
"""Words so near to each other are also numbered together, in either order."""
BUCKETS: Final = 1 << 18
LONGEST: Final = 8192
"""Bytes of a line that are looked at."""

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_SPACE: Final = 32
_SEPARATORS: Final = b"\t\n\r\x0b\x0c,;=|&()<>@+[]{}\x1e"
_NOTHING: Final = b"\"'^`"
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_LONGEST_WORD: Final = 24
_LETTER: Final = (np.arange(256, dtype=np.uint64) + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
_PLACE: Final = np.cumprod(
    np.full(_LONGEST_WORD + 1, 0x94D049BB133111EB, dtype=np.uint64)
) | np.uint64(1)


@dataclass(frozen=True, slots=True)
class Grams:
    """All runs of many lines: `bucket[i]` occurs in word `word[i]`; word `w` is of line `line[w]`."""

    bucket: Ints
    word: Ints
    line: Ints
    lines: int


def _fold() -> Bytes:
    table = np.arange(256, dtype=np.uint8)
    table[ord("A") : ord("Z") + 1] += 32
    table[ord("0") : ord("9") + 1] = ord("0")
    table[list(_SEPARATORS)] = _SPACE
    table[list(_NOTHING)] = 0
    table[ord("/")] = ord("\\")
    return table


_FOLD: Final = _fold()


def grams(lines: pa.Array) -> Grams:
    """The runs of letters in each of `lines` (texts without nulls)."""
    folded, begins, count = _folded(lines)
    if not len(folded):
        empty = np.empty(0, np.int64)
        return Grams(empty, empty, empty, count)
    # A word begins with the space before it.
    spaces = folded == _SPACE
    word = np.cumsum(spaces) - 1
    line = np.searchsorted(begins, np.flatnonzero(spaces), side="right") - 1
    buckets, words = [], []
    for size in SIZES:
        if len(folded) < size:
            continue
        hashed, starts = _hashes(folded, size, begins)
        buckets.append(hashed)
        words.append(word[starts])
    paired, first = _pairs(folded, word, line)
    buckets.append(paired)
    words.append(first)
    return Grams(np.concatenate(buckets), np.concatenate(words), line.astype(np.int64), count)


def _pairs(folded: Bytes, word: Ints, line: Ints) -> tuple[Ints, Ints]:
    """The bucket of each two near words of a line, and the first of them; paths by their last part."""
    at = np.arange(len(folded))
    cut = (folded == _SPACE) | (folded == ord("\\"))
    begins = np.maximum.accumulate(np.where(cut, at, 0))
    last = np.maximum.reduceat(np.where(cut, at, 0), np.flatnonzero(folded == _SPACE))
    place = np.minimum(at - begins, _LONGEST_WORD)
    part = np.where(begins == last[word], _LETTER[folded] * _PLACE[place], np.uint64(0))
    part[cut] = 0
    hashed = np.add.reduceat(part, np.flatnonzero(folded == _SPACE))
    buckets, firsts = [], []
    for step in range(1, REACH + 1):
        first = np.flatnonzero(
            (line[:-step] == line[step:]) & (hashed[:-step] != 0) & (hashed[step:] != 0)
        )
        both = hashed[first] + hashed[first + step]
        buckets.append(((both * _MULTIPLIER) >> np.uint64(64 - 18)).astype(np.int64))
        firsts.append(first)
    return np.concatenate(buckets), np.concatenate(firsts)


def _folded(lines: pa.Array) -> tuple[Bytes, Ints, int]:
    """All lines folded, one behind the other, each between spaces; where each begins."""
    count = len(lines)
    if not count:
        return np.empty(0, np.uint8), np.empty(0, np.int64), 0
    raw = lines.cast(pa.large_binary())
    short = pc.binary_slice(raw, 0, LONGEST)
    space = pa.scalar(b" ", pa.large_binary())
    spaced = pc.binary_join_element_wise(space, short, space, pa.scalar(b"", pa.large_binary()))
    offsets = np.frombuffer(spaced.buffers()[1], np.int64)[spaced.offset :][: count + 1]
    data = np.frombuffer(spaced.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    owner = np.repeat(np.arange(count), np.diff(offsets))
    folded = _FOLD[data]
    kept = folded != 0
    folded, owner = folded[kept], owner[kept]
    folded, owner = _without_suffix(folded, owner)
    fresh = np.append(True, owner[1:] != owner[:-1])
    again = np.append(False, folded[1:] == folded[:-1])
    keep = ~(again & ((folded == _SPACE) | (folded == ord("0")))) | fresh
    folded, owner = folded[keep], owner[keep]
    # Options: a backslash that was a slash, behind a space and before a letter.
    if len(folded) > 2:
        letter = (folded >= ord("a")) & (folded <= ord("z")) | (folded == ord("?"))
        option = (folded[1:-1] == ord("\\")) & (folded[:-2] == _SPACE) & letter[2:]
        folded[1:-1][option] = ord("-")
    begins = np.searchsorted(owner, np.arange(count)).astype(np.int64)
    return folded, begins, count


def _without_suffix(folded: Bytes, owner: Ints) -> tuple[Bytes, Ints]:
    """Programs by their name: `.exe` at a word's end goes."""
    if len(folded) < 5:
        return folded, owner
    found = np.ones(len(folded) - 4, np.bool_)
    for at, letter in enumerate(b".exe "):
        found &= folded[at : len(folded) - 4 + at] == letter
    kept = np.ones(len(folded), np.bool_)
    for at in range(4):
        kept[np.flatnonzero(found) + at] = False
    return folded[kept], owner[kept]


def _hashes(folded: Bytes, size: int, begins: Ints) -> tuple[Ints, Ints]:
    """The bucket of each run of `size` letters inside a line, and where it starts."""
    length = len(folded) - size + 1
    value = np.zeros(length, np.uint64)
    for at in range(size):
        value = (value << np.uint64(8)) | folded[at : at + length]
    value = (value * _MULTIPLIER) >> np.uint64(64 - 18)
    inside = np.ones(length + size, np.bool_)
    for back in range(1, size):
        edge = begins[1:] - back
        inside[edge[(edge >= 0) & (edge < length)]] = False
    starts = np.flatnonzero(inside[:length])
    return value[starts].astype(np.int64), starts
