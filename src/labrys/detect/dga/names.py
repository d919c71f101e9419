"""A registered name as numbers: how unlike names that people chose, and how it is spelt.

The label that was registered (`example` of `www.example.co.uk`) is read between a mark for its
beginning and one for its end. A model of benign names (interpolated absolute discounting; Ney, Essen
and Kneser 1994) says how surprising each letter is after those before it; runs of four and more
letters that many benign names share count as words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.model.feature import Feature
from labrys.model.grams import Grams, grams

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Tables = Mapping[str, npt.NDArray[Any]]

LONGEST: Final = 63
ORDERS: Final = (1, 2, 3, 4, 5)
BITS: Final[Mapping[int, int]] = {1: 8, 2: 14, 3: 17, 4: 19, 5: 19}
"""How many buckets (2**bits) runs of each size have in the model of benign names."""
WORD_SIZES: Final = (4, 5, 6, 7, 8)
WORD_BITS: Final = 21
LINEAR_SIZES: Final = (1, 2, 3, 4)
LINEAR_BITS: Final = 17
STEP: Final = 0.06
"""Log probabilities are kept in so large steps, in one byte each; 0 is one that was never seen."""

_CHOICE: Final = "hard for a generator as it is; whoever writes a new one chooses it"

FEATURES: Final = tuple(
    Feature(name, f"{what} ({_CHOICE})", "hard", sign)  # type: ignore[arg-type]
    for name, what, sign in (
        ("length", "letters of the label", 0),
        ("surprise", "mean surprise of a letter after the four before it, in nats", 1),
        ("surprise_sum", "sum of those surprises", 0),
        ("surprise_top", "mean of the four greatest surprises", 0),
        ("surprise_pairs", "mean surprise of a letter after the one before it, in nats", 0),
        ("odds", "sum of the weights of the label's letter runs: like generated names", 1),
        ("odds_mean", "mean of those weights", 0),
        ("word_share", "share of the label that runs of benign names cover", 0),
        ("word_bare", "letters that no run of benign names covers", 0),
        ("long_share", "share that runs of six and more letters cover", 0),
        ("vowels", "share of vowels", 0),
        ("consonants", "longest run of consonants", 0),
        ("vowel_run", "longest run of vowels", 0),
        ("digits", "share of digits", 0),
        ("changes", "changes between letters and digits", 0),
        ("hexadecimal", "share of letters and digits that hexadecimal numbers have", 0),
        ("kinds", "different letters in proportion to the label", 0),
        ("entropy", "entropy of the letters, in bits", 0),
        ("rare", "share of the letters j, k, q, v, w, x, y, z", 0),
    )
)
NAMES: Final = tuple(each.name for each in FEATURES)

_VOWEL, _CONSONANT, _DIGIT, _OTHER = range(4)


def _classes() -> npt.NDArray[np.uint8]:
    made = np.full(256, _OTHER, np.uint8)
    made[list(b"bcdfghjklmnpqrstvwxyz")] = _CONSONANT
    made[list(b"aeiou")] = _VOWEL
    made[list(b"0123456789")] = _DIGIT
    return made


def _marks(letters: bytes) -> npt.NDArray[np.bool_]:
    made = np.zeros(256, np.bool_)
    made[list(letters)] = True
    return made


_CLASS: Final = _classes()
_HEXADECIMAL: Final = _marks(b"0123456789abcdef")
_RARE: Final = _marks(b"jkqvwxyz")


@dataclass(frozen=True, slots=True)
class Letters:
    """The letters of all labels, one behind the other, and which label each belongs to."""

    code: npt.NDArray[np.uint8]
    label: Ints
    length: Ints

    def count(self, of: npt.NDArray[np.bool_]) -> Floats:
        """How many letters of each label are marked."""
        return np.bincount(self.label, of.astype(np.float64), len(self.length)).astype(np.float64)

    def longest(self, of: npt.NDArray[np.bool_]) -> Floats:
        """The longest run of marked letters in each label."""
        place = np.arange(len(self.code))
        begins = np.r_[True, self.label[1:] != self.label[:-1]] if len(place) else place == 0
        # Where a run last broke: a letter that is not marked, or the one before a label begins.
        broke = np.maximum.accumulate(np.where(~of, place, np.where(begins, place - 1, -1)))
        made = np.zeros(len(self.length))
        np.maximum.at(made, self.label, np.where(of, place - broke, 0))
        return made


def cut(labels: pa.Array) -> pa.Array:
    """Labels as text without nulls and hyphens, none longer than DNS allows.

    Where hyphens stand is the first thing that a generator would be changed in.
    """
    joined = pc.replace_substring_regex(pc.fill_null(labels.cast(pa.string()), ""), "[-_]", "")
    return pc.utf8_slice_codeunits(joined, 0, LONGEST)


def letters(labels: pa.Array) -> Letters:
    """The letters of labels that were `cut`."""
    length = pc.binary_length(labels).to_numpy(zero_copy_only=False).astype(np.int64)
    joined = "".join(labels.to_pylist()).encode()
    return Letters(
        np.frombuffer(joined, np.uint8), np.repeat(np.arange(len(labels)), length), length
    )


def runs(labels: pa.Array, size: int) -> Grams:
    """The runs of `size` letters of labels and their marks, as the benign model numbers them."""
    return grams(_marked(labels), [size], BITS[size])


def linear(labels: pa.Array) -> Grams:
    """The runs of labels and their marks that the linear model weighs."""
    return grams(_marked(labels), LINEAR_SIZES, LINEAR_BITS)


def words(labels: pa.Array, size: int) -> Grams:
    """The runs of `size` letters of labels, as words are numbered."""
    return grams(labels, [size], WORD_BITS)


def _marked(labels: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise("^", labels, "$", "")


def numbers(labels: pa.Array, tables: Tables) -> Floats:
    """Each label's features (labels × `FEATURES`), by the tables of a model."""
    labels = cut(labels)
    held = letters(labels)
    length = np.maximum(held.length, 1).astype(float)
    kind = _CLASS[held.code]
    mean, total, top, pairs = surprises(labels, tables)
    weighed = linear(labels)
    weights = tables["linear"]
    share, bare, long_share = covered(labels, held, tables["words"])
    digit = kind == _DIGIT
    letter = kind <= _CONSONANT
    inside = held.label[1:] == held.label[:-1]
    change = inside & ((digit[1:] & letter[:-1]) | (letter[1:] & digit[:-1]))
    kinds, entropy = _spread(held)
    columns = {
        "length": held.length.astype(float),
        "surprise": mean,
        "surprise_sum": total,
        "surprise_top": top,
        "surprise_pairs": pairs,
        "odds": weighed.total(weights),
        "odds_mean": weighed.mean(weights),
        "word_share": share,
        "word_bare": bare,
        "long_share": long_share,
        "vowels": held.count(kind == _VOWEL) / length,
        "consonants": held.longest(kind == _CONSONANT),
        "vowel_run": held.longest(kind == _VOWEL),
        "digits": held.count(digit) / length,
        "changes": np.bincount(held.label[1:], change, len(labels)),
        "hexadecimal": held.count(_HEXADECIMAL[held.code]) / length,
        "kinds": kinds / length,
        "entropy": entropy,
        "rare": held.count(_RARE[held.code]) / length,
    }
    return np.column_stack([columns[name] for name in NAMES])


def _spread(held: Letters) -> tuple[Floats, Floats]:
    """How many different letters each label has, and their entropy in bits."""
    both, count = np.unique(held.label * 256 + held.code, return_counts=True)
    label = both // 256
    share = count / held.length[label]
    size = len(held.length)
    return (
        np.bincount(label, minlength=size).astype(float),
        np.bincount(label, -share * np.log2(share), size).astype(float),
    )


def surprises(labels: pa.Array, tables: Tables) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean, sum, and mean of the greatest four surprises of each label's letters; mean by pairs.

    `labels` as `cut` gives them; of the orders those count that the tables have.
    """
    size = len(labels)
    shorter = runs(labels, 1)
    owner, begins = shorter.text, _begins(shorter)
    said = -STEP * _or(tables["chance_1"][shorter.bucket], 255)
    pairs: Floats = np.zeros(size)
    for order in ORDERS[1:]:
        if f"chance_{order}" not in tables:
            break
        longer = runs(labels, order)
        place = np.arange(len(longer.text)) - _begins(longer)[longer.text]
        at = begins[longer.text] + place + order - 1
        context = shorter.bucket[_begins(shorter)[longer.text] + place]
        kept = tables[f"chance_{order}"][longer.bucket]
        weight = -STEP * tables[f"rest_{order}"][context]
        said[at] = np.where(kept > 0, -STEP * kept, weight + said[at])
        shorter = longer
        if order == 2:
            pairs = _mean(said, owner, size)
    rank = np.lexsort((said, owner))
    first = np.arange(len(said)) - begins[owner] < 4
    top = _mean(said[rank][first], owner[first], size)
    total = np.bincount(owner, -said, size).astype(float)
    return _mean(said, owner, size), total, top, pairs


def _begins(found: Grams) -> Ints:
    """Where the runs of each text begin."""
    count = np.bincount(found.text, minlength=found.texts)
    made: Ints = np.cumsum(count) - count
    return made


def _or(kept: npt.NDArray[np.uint8], other: int) -> Floats:
    return np.where(kept > 0, kept, other).astype(np.float64)


def _mean(said: Floats, owner: Ints, size: int) -> Floats:
    count = np.maximum(np.bincount(owner, minlength=size), 1)
    made: Floats = np.bincount(owner, -said, size) / count
    return made


def covered(
    labels: pa.Array, held: Letters, known: npt.NDArray[np.uint8]
) -> tuple[Floats, Floats, Floats]:
    """The share of each label that known runs cover, the letters left, and the share of long runs."""
    begins = np.cumsum(held.length) - held.length
    depth = np.zeros(len(held.code) + 1, np.int64)
    deep = np.zeros(len(held.code) + 1, np.int64)
    for size in WORD_SIZES:
        found = words(labels, size)
        place = np.arange(len(found.text)) - _begins(found)[found.text]
        hit = (known[found.bucket >> 3] >> (found.bucket & 7).astype(np.uint8)) & 1 > 0
        at = (begins[found.text] + place)[hit]
        for line in (depth, deep) if size >= 6 else (depth,):
            np.add.at(line, at, 1)
            np.add.at(line, at + size, -1)
    under, long = np.cumsum(depth)[:-1] > 0, np.cumsum(deep)[:-1] > 0
    length = np.maximum(held.length, 1)
    return held.count(under) / length, held.count(~under), held.count(long) / length
