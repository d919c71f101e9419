"""Counts what benign names are made of, and weighs letter runs: the tables that `names.py` reads."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labrys.detect.dga.names import (
    BITS,
    LINEAR_BITS,
    ORDERS,
    STEP,
    WORD_BITS,
    WORD_SIZES,
    Floats,
    Ints,
    cut,
    linear,
    runs,
    words,
)
from labrys.model.grams import Grams

_DISCOUNT: Final = 0.75
_LEAST: Final = 5
"""A run is a word if so many benign labels have it."""
_ROUNDS: Final = 60
_RATE: Final = 0.5
_DECAY: Final = 2e-6
_LEVELS: Final = 127


def benign(labels: pa.Array) -> dict[str, npt.NDArray[Any]]:
    """The chances of letters and the words of benign labels."""
    labels = cut(labels)
    tables: dict[str, npt.NDArray[Any]] = {}
    shorter = runs(labels, 1)
    count = np.bincount(shorter.bucket, minlength=1 << BITS[1]).astype(float)
    # What no benign name has is still possible: one occurrence is shared among all 256 bytes.
    tables["chance_1"] = _bytes(np.log((count + 1 / 256) / (count.sum() + 1)))
    lower = np.exp(-STEP * tables["chance_1"])[shorter.bucket]
    begins = _begins(shorter)
    for order in ORDERS[1:]:
        longer = runs(labels, order)
        place = np.arange(len(longer.text)) - _begins(longer)[longer.text]
        at = begins[longer.text] + place + order - 1
        context = shorter.bucket[_begins(shorter)[longer.text] + place]
        seen, first, count = np.unique(longer.bucket, return_index=True, return_counts=True)
        before = np.bincount(context, minlength=1 << BITS[order - 1]).astype(float)
        followers = np.bincount(context[first], minlength=1 << BITS[order - 1])
        rest = np.where(before > 0, _DISCOUNT * followers / np.maximum(before, 1), 1.0)
        rest = np.clip(rest, 1e-6, 1.0)
        mine = context[first]
        chance = (count - _DISCOUNT) / before[mine] + rest[mine] * lower[at[first]]
        table = np.zeros(1 << BITS[order], np.uint8)
        table[seen] = _bytes(np.log(np.minimum(chance, 1.0)))
        tables[f"chance_{order}"] = table
        tables[f"rest_{order}"] = np.clip(np.rint(-np.log(rest) / STEP), 0, 255).astype(np.uint8)
        lower[at] = np.exp(-STEP * table[longer.bucket])
        shorter = longer
    tables["words"] = _words(labels)
    return tables


def _begins(found: Any) -> Ints:
    count = np.bincount(found.text, minlength=found.texts)
    made: Ints = np.cumsum(count) - count
    return made


def _bytes(said: Floats) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(-said / STEP), 1, 255).astype(np.uint8)


def _words(labels: pa.Array) -> npt.NDArray[np.uint8]:
    known = np.zeros(1 << WORD_BITS, np.bool_)
    for size in WORD_SIZES:
        once = words(labels, size).once()
        bucket, count = np.unique(once.bucket, return_counts=True)
        known[bucket[count >= _LEAST]] = True
    return np.packbits(known, bitorder="little")


def weighed(labels: pa.Array, generated: npt.NDArray[np.bool_], weight: Floats) -> Floats:
    """The weight of each run of the linear model."""
    return logistic(linear(cut(labels)), LINEAR_BITS, generated.astype(np.float64), weight)


def logistic(found: Grams, bits: int, share: Floats, weight: Floats) -> Floats:
    """The weight of each run: a logistic regression by full-batch AdaGrad, the same every time.

    `share` is how much each text is of the second kind (0 to 1), `weight` how much it counts.
    """
    once, size = found.once(), len(share)
    part = weight / weight.sum()
    weights, squares = np.zeros(1 << bits), np.full(1 << bits, 1e-10)
    bias, bias_square = 0.0, 1e-10
    for _ in range(_ROUNDS):
        told = 1 / (1 + np.exp(-(np.bincount(once.text, weights[once.bucket], size) + bias)))
        error = (told - share) * part
        slopes = np.bincount(once.bucket, error[once.text], 1 << bits) + _DECAY * weights
        squares += slopes**2
        weights -= _RATE * slopes / np.sqrt(squares)
        bias_square += float(error.sum()) ** 2
        bias -= _RATE * float(error.sum()) / float(np.sqrt(bias_square))
    return weights


def quantised(weights: Floats) -> npt.NDArray[np.float32]:
    """The weights in 255 levels, so that they pack well."""
    scale = np.float32(max(np.abs(weights).max() / _LEVELS, 1e-9))
    return (np.rint(weights / scale) * scale).astype(np.float32)
