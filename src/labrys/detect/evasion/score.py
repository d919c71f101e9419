"""Scores command lines: how much their words are those of attacks, never less for more words."""

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labrys.detect.evasion.features import BUCKETS, grams
from labrys.errors import ModelError
from labrys.guard import canary

ASKED: Final = (
    "vssadmin delete shadows /all /quiet",
    "ping -n 4 gateway",
    "powershell -nop -w hidden -enc aQBlAHgA",
)
"""What the model is asked whenever it is loaded (`guard.canary`)."""
FILES: Final = ("weights.npz", "ordinary.txt")
WORDS: Final = 6
"""So many of a line's strongest words count."""
MOST: Final = 2.0
"""No word counts for more than this."""
_AT_ONCE: Final = 4 << 20

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Model:
    """Weights (none below zero) by bucket, and the scores from which a line says something.

    `unlike`: hardly any ordinary line has it; enough beside a rule. `attack`: enough alone.
    """

    weights: npt.NDArray[np.float32]
    unlike: float
    attack: float
    version: str


def folder() -> Traversable:
    """Where the model is."""
    return files("labrys.detect.evasion") / "model"


@cache
def model() -> Model:
    """The model that labrys comes with; ModelError where it is missing or not what its card says."""
    return read(folder())


def read(place: Traversable) -> Model:
    """The model in a folder; ModelError where it is missing or not what its card says."""
    try:
        card: dict[str, Any] = json.loads((place / "card.json").read_text("utf-8"))
        files_ = {name: (place / name).read_bytes() for name in FILES}
        wanted = {name: card["files"][name]["sha256"] for name in FILES}
        thresholds = card["thresholds"]
        unlike, attack = float(thresholds["unlike"]), float(thresholds["attack"])
        version = str(card["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{place}: the model of evasions cannot be read ({error!r}); install labrys again, or "
            "make it with `python -m labrys.detect.evasion.train`"
        ) from error
    for name, content in files_.items():
        if hashlib.sha256(content).hexdigest() != wanted[name]:
            raise ModelError(
                f"{place}/{name} is not the file that card.json describes; install labrys again"
            )
    made = Model(unpacked(files_["weights.npz"], str(place)), unlike, attack, version)
    canary.check(card, str(place), lambda asked: scores(pa.array(asked, pa.string()), made.weights))
    return made


def unpacked(content: bytes, place: str) -> npt.NDArray[np.float32]:
    """The weights in the bytes of `weights.npz`; ModelError where they are none."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            buckets, values = kept["buckets"], kept["values"]
            scale = float(kept["scale"])
        weights = np.zeros(BUCKETS, np.float32)
        weights[buckets.astype(np.int64)] = values.astype(np.float32) * scale
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ModelError(f"{place}/weights.npz holds no weights ({error!r})") from error
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ModelError(f"{place}/weights.npz holds weights below zero or no numbers")
    return weights


def scores(lines: pa.Array, weights: npt.NDArray[np.float32]) -> Floats:
    """The score of each of `lines` (texts without nulls), at least 0."""
    made = []
    for part in _parts(lines):
        found = grams(part)
        by_word = np.bincount(found.word, weights[found.bucket], len(found.line))
        made.append(_strongest(np.minimum(by_word, MOST), found.line, found.lines))
    return np.concatenate(made) if made else np.empty(0)


def word_scores(line: str, weights: npt.NDArray[np.float32]) -> list[tuple[str, float]]:
    """What each word of a line counts, strongest first: for explanations."""
    words = [word for word in line.split() if word]
    counted = scores(pa.array(words, pa.string()), weights).tolist() if words else []
    return sorted(zip(words, counted, strict=True), key=lambda pair: -pair[1])


def _parts(lines: pa.Array) -> list[pa.Array]:
    """Lines in parts of a bounded size."""
    if not len(lines):
        return []
    lengths = np.array(pa.compute.binary_length(lines).to_numpy(zero_copy_only=False))
    part = np.cumsum(np.minimum(lengths, _AT_ONCE)) // _AT_ONCE
    cuts = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(lines)]
    return [lines.slice(a, b - a) for a, b in pairwise(cuts) if b > a]


def _strongest(by_word: Floats, line: npt.NDArray[np.int64], lines: int) -> Floats:
    """For each line, the sum of its strongest words."""
    total = np.bincount(line, by_word, lines)
    many = np.bincount(line, by_word > 0, lines) > WORDS
    for at in np.flatnonzero(many).tolist():
        first, last = np.searchsorted(line, [at, at + 1])
        mine = by_word[first:last]
        total[at] = np.partition(mine, len(mine) - WORDS)[-WORDS:].sum()
    return np.asarray(total, np.float64)
