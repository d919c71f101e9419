"""How much URLs look like phishing, as log odds: `scores(urls)`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import pyarrow as pa

from labrys.detect.url.features import (
    BITS,
    FEATURES,
    NAMES,
    PATH_SIZES,
    USED,
    Floats,
    Tables,
    judged,
    numbers,
)
from labrys.detect.url.parts import parts
from labrys.detect.url.unwrap import views
from labrys.errors import ModelError
from labrys.guard import canary
from labrys.model import card, forest
from labrys.model.grams import grams

ASKED: Final = (
    "login.example-office365.top/verify",
    "www.example.org/about",
    *([float(number % size) for number in range(int(USED.sum()))] for size in (2, 3, 7)),
)
"""What the model is asked whenever it is loaded (`guard.canary`)."""
NOTHING: Final = -20.0
"""What a URL gets that says nothing: no web address, a local one, a brand's own, a wrapped one."""
LEVELS: Final = ("unsure", "slight", "low", "sure")
_BATCH: Final = 16_384


@dataclass(frozen=True, slots=True)
class Model:
    """The tables and trees, and the margins that few links in ordinary mail exceed (`LEVELS`)."""

    tables: Tables
    trees: forest.Forest
    limits: dict[str, float]
    version: str = "1"

    def scores(self, urls: pa.Array) -> Floats:
        """The log odds of each URL, by the worst it could lead to; `NOTHING` where it says nothing."""
        made = np.full(len(urls), NOTHING)
        for first in range(0, len(urls), _BATCH):
            texts, owner, _ = views(urls.slice(first, _BATCH))
            np.maximum.at(made[first : first + _BATCH], owner, self._told(texts))
        return made

    def answers(self, asked: Sequence[str | Sequence[float]]) -> Floats:
        """What canaries ask: a text what its letter runs weigh, numbers what the trees make of them.

        Whole links would load the list of registries, which costs more than the model.
        """
        return np.array([self._answer(one) for one in asked])

    def _answer(self, one: str | Sequence[float]) -> float:
        if not isinstance(one, str):
            return float(self.trees.raw(np.array([one], np.float64))[0])
        found = grams(pa.array([one], pa.string()), PATH_SIZES, BITS)
        return float(sum(found.total(self.tables[name])[0] for name in ("host", "path")))

    def _told(self, texts: pa.Array) -> Floats:
        """The log odds of texts as they stand."""
        read = parts(texts)
        made = np.full(len(texts), NOTHING)
        chosen = judged(read)
        if chosen.any():
            made[chosen] = self.trees.raw(numbers(read, self.tables)[:, USED][chosen])
        return made

    def worst(self, urls: Sequence[str]) -> list[str]:
        """The part of each URL that its score is of: where it leads, or itself."""
        texts, owner, _ = views(pa.array(urls, pa.string()))
        told = self._told(texts)
        # Of equals the one that comes first.
        order = np.lexsort((np.arange(len(told)), -told, owner))
        first = order[np.flatnonzero(np.diff(owner[order], prepend=-1))]
        made: list[str] = texts.take(pa.array(first)).to_pylist()
        return made

    def reasons(self, worst: Sequence[str]) -> list[list[tuple[str, float, float]]]:
        """What makes URLs (each the `worst` of one) look like phishing: feature, its value, and its
        part in the log odds."""
        seen = numbers(parts(pa.array(worst, pa.string())), self.tables)[:, USED]
        moved = self.trees.contributions(seen)
        names = [each.what for each, use in zip(FEATURES, USED, strict=True) if use]
        return [
            [(names[at], value[at], part[at]) for at in order if part[at] > 0]
            for value, part, order in zip(
                seen.tolist(), moved.tolist(), np.argsort(-moved, axis=1).tolist(), strict=True
            )
        ]


@cache
def model() -> Model:
    """The model that comes with labrys; ModelError where its files are not those of its card."""
    held = card.load(files("labrys.detect.url") / "model")
    trees = forest.read(held.files["trees.txt"], "url/model/trees.txt")
    if trees.names != tuple(name for name, use in zip(NAMES, USED, strict=True) if use):
        raise ModelError("url/model/trees.txt is of other features: install labrys again")
    limits = {name: held.number("thresholds", name) for name in LEVELS}
    made = Model(held.arrays("tables.npz"), trees, limits, str(held.card.get("version", "1")))
    canary.check(held.card, held.place, made.answers)
    return made


def scores(urls: pa.Array) -> Floats:
    """How much each URL looks like phishing: log odds, `NOTHING` (-20) where it says nothing.

    `urls` is an Arrow array of text, as many as wanted, nulls allowed. Pure and vectorised; compare
    with `model().limits`: 1 % of links in ordinary mail are above `unsure`, 0.1 % above `low`.
    """
    return model().scores(urls)
