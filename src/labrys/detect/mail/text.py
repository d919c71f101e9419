"""Scores what a text says by its worst part, so that other text around it does not hide it.

Each word has a weight, each pair of neighbours too, and each beginning of a word. A part scores the
sum of its weights over the root of its length. Parts are overlapping windows of two sizes: text in
front of a message or behind it adds windows, and dilutes only those that it shares with the message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

BITS: Final = 20
SHRINK: Final = 20.0
"""Words that say nothing, added to each part: few words prove little."""
WINDOWS: Final = ((250, 100, SHRINK), (80, 40, 3 * SHRINK))
"""Windows: how many words, how far apart, and how many that say nothing are added. The large ones are
about 1,500 characters; the small ones are for short messages among much other text."""
OFTEN: Final = 2
"""How often a word, pair or beginning counts in as many words as the large windows have: a table that
says the same thing a hundred times says it no louder. Training cuts its passages alike."""
EMPTY: Final = -2.0
"""The score of no text at all."""
_STEM: Final = 5
_LONGEST_WORD: Final = 40
_BASE: Final = 0x100000001B3
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_KINDS: Final = (
    np.uint64(0x2545F4914F6CDD1D),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)
_IN_WORD: Final = np.zeros(256, bool)
_IN_WORD[[*b"abcdefghijklmnopqrstuvwxyz0$%"]] = True
_IN_WORD[128:] = True


@dataclass(frozen=True, slots=True)
class Words:
    """The words of many texts, one after the other: hash of each, of its beginning, its text.

    `start` and `end` are its bytes in `data`.
    """

    whole: Hashes
    stem: Hashes
    text: Ints
    texts: int
    start: Ints
    end: Ints
    data: npt.NDArray[np.uint8]

    def bounds(self) -> tuple[Ints, Ints]:
        """The first word of each text, and the one behind its last."""
        number = np.arange(self.texts)
        return np.searchsorted(self.text, number), np.searchsorted(self.text, number, "right")

    def pairs(self) -> Hashes:
        """The hash of each word with the one before it; of the first of a text, with none."""
        before = np.concatenate([np.zeros(1, np.uint64), self.whole[:-1]])
        before[np.flatnonzero(np.diff(self.text, prepend=-1))] = 0
        made: Hashes = (before * _KINDS[0] + self.whole) * _MIX
        return made

    def spelt(self, at: int) -> str:
        """The word at a place."""
        return bytes(self.data[self.start[at] : self.end[at]]).decode("utf-8", "replace")


def words(folded: pa.Array) -> Words:
    """The words of texts as `letters.folded` makes them. No loop over texts or words."""
    # A character that is in no word, so that none goes from one text into the next.
    data, ends = _bytes(pc.binary_join_element_wise(folded, "\n", ""))
    inside = np.concatenate([[False], _IN_WORD[data]]).view(np.int8)
    edge = np.diff(inside)
    first, last = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
    text = np.searchsorted(ends, first, side="right") - 1
    long = np.minimum(last, first + _LONGEST_WORD)
    sums, powers = _prefix(data)
    whole = _hash(sums, powers, first, long)
    stem = _hash(sums, powers, first, np.minimum(last, first + _STEM))
    return Words(whole, stem, text, len(folded), first, last, data)


def buckets(found: Words) -> tuple[Ints, ...]:
    """The numbers (below 2**BITS) of each word: itself, the pair it ends, its beginning."""
    shift = np.uint64(64 - BITS)
    kinds = zip((found.whole, found.pairs(), found.stem), _KINDS, strict=True)
    return tuple((((value ^ kind) * _MIX) >> shift).astype(np.int64) for value, kind in kinds)


def word_weights(found: Words, weights: npt.NDArray[np.floating]) -> Floats:
    """What each word adds; of what is repeated, only the first `OFTEN` in a window's length."""
    made: Floats = np.zeros(len(found.text))
    for bucket in buckets(found):
        made += np.where(_again(bucket, found.text), 0.0, weights[bucket])
    return made


def _again(bucket: Ints, text: Ints) -> npt.NDArray[np.bool_]:
    """Where a bucket has been `OFTEN` times before in its text, within the size of a large window."""
    key = (text << BITS) | bucket
    order = np.argsort(key, kind="stable")
    before, here = order[:-OFTEN], order[OFTEN:]
    made = np.zeros(len(key), np.bool_)
    made[here] = (key[here] == key[before]) & (here - before < WINDOWS[0][0])
    return made


def windows(value: Floats, found: Words) -> tuple[Floats, Ints, Ints]:
    """For each text the score of its worst window, and that window's first word and the one behind.

    Windows are of the sizes and at the steps of `WINDOWS`; a text without words has `EMPTY`.
    """
    total = np.concatenate([np.zeros(1), np.cumsum(value)])
    made, at, to = np.full(found.texts, EMPTY), *np.zeros((2, found.texts), np.int64)
    for size, step, shrink in WINDOWS:
        text, begin, end = _cut(found, size, step)
        score = (total[end] - total[begin]) / np.sqrt(end - begin + shrink)
        # The last of a text in this order is its worst; of equals the one that begins first.
        order = np.lexsort((-begin, score, text))
        last = order[np.flatnonzero(np.diff(text[order], append=-1))]
        better = last[score[last] > made[text[last]]]
        where = text[better]
        made[where], at[where], to[where] = score[better], begin[better], end[better]
    return made, at, to


def _cut(found: Words, size: int, step: int) -> tuple[Ints, Ints, Ints]:
    """Windows of `size` words, each `step` after the one before: text, first word, one behind."""
    first, last = found.bounds()
    length = last - first
    number = np.where(length > 0, 1 + np.maximum(0, -(-(length - size) // step)), 0)
    text = np.repeat(np.arange(found.texts), number)
    nth = np.arange(len(text)) - np.repeat(np.cumsum(number) - number, number)
    begin = first[text] + nth * step
    return text, begin, np.minimum(begin + size, last[text])


def mean(value: Floats, found: Words) -> Floats:
    """For each text the score of all its words: for short ones, such as subjects."""
    first, last = found.bounds()
    made: Floats = np.bincount(found.text, value, found.texts) / np.sqrt(last - first + SHRINK)
    return made


def counted(found: Words, wanted: Hashes, topic: Ints, topics: int, longest: int) -> Floats:
    """For each text and topic, the most words or pairs of it in any `longest` words.

    `wanted` are sorted hashes, `topic` says for each what it belongs to; a word of two counts twice.
    """
    places, owners = [], []
    for value in (found.whole, found.pairs()):
        left = np.searchsorted(wanted, value, "left")
        right = np.searchsorted(wanted, value, "right")
        for more in range(int((right - left).max(initial=0))):
            hit = np.flatnonzero(right - left > more)
            places.append(hit)
            owners.append(topic[left[hit] + more])
    made = np.zeros((found.texts, topics))
    if not places:
        return made
    place, owner = np.concatenate(places), np.concatenate(owners)
    # In the order of topics; words of one topic far from those of the next.
    far = len(found.text) + longest
    at = np.sort(owner * far + place)
    many = np.searchsorted(at, at, "right") - np.searchsorted(at, at - longest, "right")
    owner, place = at // far, at % far
    same = found.text[place] == found.text[np.maximum(place - longest + 1, 0)]
    # Near the beginning of a text the words before it do not count.
    first = np.searchsorted(found.text, found.text[place])
    early = ~same
    many[early] = np.searchsorted(at, at[early], "right") - np.searchsorted(
        at, owner[early] * far + first[early], "left"
    )
    np.maximum.at(made, (found.text[place], owner), many.astype(np.float64))
    return made


def phrases(said: Sequence[str]) -> Hashes:
    """The sorted hashes of words and of pairs of words, as `counted` looks for them."""
    made: list[int] = []
    for phrase in said:
        found = words(pa.array([phrase], pa.string()))
        match len(found.whole):
            case 1:
                made.append(int(found.whole[0]))
            case 2:
                made.append(int(found.pairs()[1]))
            case count:
                raise ValueError(f"{phrase!r} has {count} words, not one or two")
    return np.unique(np.array(made, np.uint64))


def _bytes(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], Ints]:
    filled = pc.fill_null(texts.cast(pa.large_string()), "").cast(pa.large_binary())
    if not len(filled):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    ends = np.frombuffer(filled.buffers()[1], np.int64)[filled.offset :][: len(filled) + 1]
    held = filled.buffers()[2]
    data = np.frombuffer(held, np.uint8) if held is not None else np.empty(0, np.uint8)
    return data[ends[0] : ends[-1]], ends - ends[0]


def _prefix(data: npt.NDArray[np.uint8]) -> tuple[Hashes, Hashes]:
    """Sums so far of bytes times powers of a base, modulo 2**64, and the inverse of each power."""
    size = len(data)
    value = (data.astype(np.uint64) + np.uint64(1)) * _powers(_BASE, size)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(value, dtype=np.uint64)])
    return sums, _powers(pow(_BASE, -1, 1 << 64), size)


def _powers(base: int, count: int) -> Hashes:
    made = np.full(count, base, np.uint64)
    made[:1] = 1
    return np.multiply.accumulate(made)


def _hash(sums: Hashes, inverse: Hashes, first: Ints, last: Ints) -> Hashes:
    """The polynomial hash of the bytes from `first` to before `last`, wherever they stand."""
    made: Hashes = (sums[last] - sums[first]) * inverse[first]
    return made
