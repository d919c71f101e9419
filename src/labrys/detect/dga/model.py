"""The name model: how much a registered label looks generated, as log odds."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import pyarrow as pa

from labrys.detect.dga.names import NAMES, Floats, Tables, numbers
from labrys.errors import ModelError
from labrys.guard import canary
from labrys.model import card, forest

ASKED: Final = ("microsoft", "a-quiet-garden", "qx7zk2v9plw4", "kdjfhgkjdfhgtr")
"""What the model is asked whenever it is loaded (`guard.canary`)."""
LEVELS: Final = ("unsure", "low", "sure")
_BATCH: Final = 20_000


@dataclass(frozen=True, slots=True)
class Model:
    """The tables and trees, and the margins that few benign names exceed (`LEVELS`)."""

    tables: Tables
    trees: forest.Forest
    limits: dict[str, float]

    def margins(self, labels: pa.Array) -> Floats:
        """The log odds of each label; a label is what was registered, in lower case."""
        made = np.zeros(len(labels))
        for first in range(0, len(labels), _BATCH):
            part = labels.slice(first, _BATCH)
            made[first : first + len(part)] = self.trees.raw(numbers(part, self.tables))
        return made

    def parts(self, labels: pa.Array) -> Floats:
        """How much each feature (`names.NAMES`) moved each label's log odds."""
        return self.trees.contributions(numbers(labels, self.tables))


@cache
def model() -> Model:
    """The model that comes with labrys; ModelError where its files are not those of its card."""
    held = card.load(files("labrys.detect.dga") / "model")
    trees = forest.read(held.files["trees.txt"], "dga/model/trees.txt")
    if trees.names != NAMES:
        raise ModelError("dga/model/trees.txt is of other features: install labrys again")
    limits = {name: held.number("thresholds", name) for name in LEVELS}
    made = Model(held.arrays("tables.npz"), trees, limits)
    canary.check(held.card, held.place, lambda asked: made.margins(pa.array(asked, pa.string())))
    return made
