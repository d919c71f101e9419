"""Runs of bytes of many texts as numbers: what linear models over names and words add up.

Runs are numbered by a multiplicative hash (Knuth, The Art of Computer Programming 3, 6.4), all texts
at once, without a loop over them. Fold texts first (`pc.utf8_lower` and the like): letters are taken
as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_LONGEST_RUN: Final = 8
_OF_SIZE: Final = np.arange(_LONGEST_RUN + 1, dtype=np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
_LONGEST: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Grams:
    """Every run of every text: run `bucket[i]` (below 2**bits) is in text `text[i]`, of `texts`.

    `text` does not decrease within one size; one size comes after the other.
    """

    bucket: Ints
    text: Ints
    texts: int

    def total(self, weights: npt.NDArray[np.floating]) -> Floats:
        """For each text the sum of its runs' weights, a run counting as often as it occurs."""
        return np.bincount(self.text, weights[self.bucket], self.texts).astype(np.float64)

    def mean(self, weights: npt.NDArray[np.floating]) -> Floats:
        """For each text the mean weight of its runs; 0 where it has none."""
        counts = np.bincount(self.text, minlength=self.texts)
        return self.total(weights) / np.maximum(counts, 1)

    def once(self) -> "Grams":
        """Each run once for each text, in order of text and bucket."""
        width = np.int64(int(self.bucket.max(initial=0)) + 1)
        both = np.unique(self.text * width + self.bucket)
        return Grams(both % width, both // width, self.texts)


def grams(texts: pa.Array, sizes: Sequence[int], bits: int, *, longest: int = _LONGEST) -> Grams:
    """The runs of `sizes` bytes (1 to 8 each) in each of `texts`; nulls have none.

    Of a text only its first `longest` bytes are read. A run never crosses from one text to another.
    """
    made = by_size(texts, sizes, bits, longest=longest)
    buckets = [np.empty(0, np.int64), *(made[size].bucket for size in sizes)]
    owners = [np.empty(0, np.int64), *(made[size].text for size in sizes)]
    return Grams(np.concatenate(buckets), np.concatenate(owners), len(texts))


def by_size(
    texts: pa.Array, sizes: Sequence[int], bits: int, *, longest: int = _LONGEST
) -> dict[int, Grams]:
    """As `grams`, each size for itself; the texts are read once for all sizes."""
    if not all(1 <= size <= _LONGEST_RUN for size in sizes):
        raise ValueError(f"runs are of 1 to {_LONGEST_RUN} bytes, not {list(sizes)}")
    data, ends = _bytes(texts, longest)
    owner = np.repeat(np.arange(len(texts)), np.diff(ends))
    made = {}
    run = np.zeros(len(data) + 1, np.uint64)
    for size in range(1, max(sizes, default=0) + 1):
        length = max(0, len(data) - size + 1)
        # Each run is one byte more behind the one of the size before.
        run = (run[:length] << np.uint64(8)) | data[size - 1 :]
        if size in sizes:
            # Runs of different sizes with the same letters at their end are different runs.
            value = ((run ^ _OF_SIZE[size]) * _MULTIPLIER) >> np.uint64(64 - bits)
            inside = owner[:length] == owner[size - 1 :]
            made[size] = Grams(value[inside].astype(np.int64), owner[:length][inside], len(texts))
    return made


def _bytes(texts: pa.Array, longest: int) -> tuple[npt.NDArray[np.uint8], Ints]:
    """All texts one behind the other, and where each begins and the last ends."""
    if not len(texts):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    filled = pc.fill_null(texts.cast(pa.large_string()), "").cast(pa.large_binary())
    cut = pc.binary_slice(filled, 0, longest)
    ends = np.frombuffer(cut.buffers()[1], np.int64)[cut.offset :][: len(texts) + 1]
    held = cut.buffers()[2]
    data = np.frombuffer(held, np.uint8) if held is not None else np.empty(0, np.uint8)
    return data[ends[0] : ends[-1]], ends - ends[0]
