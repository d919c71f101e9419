"""Evaluates a LightGBM model from its text form, with NumPy alone.

Importing LightGBM costs more than scoring a case, and with it comes SciPy: too much to ask of a
core installation for walking down some trees. Only what our training makes is understood: numerical
splits, missing values as NaN or not at all, one output. The tests hold it to LightGBM's own answers.

Source: LightGBM, `src/io/tree.cpp` (what the text form means) and `docs/Parameters`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from labrys.errors import ModelError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CATEGORICAL: Final = 1
_DEFAULT_LEFT: Final = 2
_NAN: Final = 2
_CELLS: Final = 1 << 20
"""Rows times trees that are walked at once."""
_MOST_NODES: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Forest:
    """All trees' nodes one after the other; a child below zero is a leaf, `~child` its number.

    `at` is where a tree begins: its first node, or its only leaf. `value` and `leaf` are what the
    model adds up to so far at a node and at a leaf.
    """

    names: tuple[str, ...]
    at: Ints
    feature: Ints
    threshold: Floats
    nan_left: npt.NDArray[np.bool_]
    nan_is_missing: npt.NDArray[np.bool_]
    left: Ints
    right: Ints
    value: Floats
    leaf: Floats

    def raw(self, rows: Floats) -> Floats:
        """The margin (log odds for a binary model) of each of `rows` (n × features)."""
        total = np.zeros(len(rows))
        for part in self._parts(len(rows)):
            node = self._start(part)
            live = node >= 0
            while live.any():
                node[live] = self._step(rows[part], node, live)
                live = node >= 0
            total[part] = self.leaf[~node].sum(axis=1)
        return total

    def contributions(self, rows: Floats) -> Floats:
        """How much each feature moved each row's margin on its way down the trees (n × features).

        The change of the expected value at each split goes to the split's feature (Saabas 2014);
        with what the roots expect they sum to the margin.
        """
        made = np.zeros((len(rows), len(self.names)))
        for part in self._parts(len(rows)):
            node = self._start(part)
            live = node >= 0
            while live.any():
                before = node[live]
                after = self._step(rows[part], node, live)
                moved = self._expected(after) - self.value[before]
                row = np.nonzero(live)[0] + part.start
                np.add.at(made, (row, self.feature[before]), moved)
                node[live] = after
                live = node >= 0
        return made

    def _parts(self, count: int) -> Iterator[slice]:
        step = max(1, _CELLS // max(1, len(self.at)))
        return (slice(first, min(first + step, count)) for first in range(0, count, step))

    def _start(self, part: slice) -> Ints:
        return np.tile(self.at, (part.stop - part.start, 1))

    def _step(self, rows: Floats, node: Ints, live: npt.NDArray[np.bool_]) -> Ints:
        """Where those that are still at a node go next."""
        here = node[live]
        seen = rows[np.nonzero(live)[0], self.feature[here]]
        missing = np.isnan(seen)
        goes_left = np.where(missing, 0.0, seen) <= self.threshold[here]
        goes_left = np.where(missing & self.nan_is_missing[here], self.nan_left[here], goes_left)
        made: Ints = np.where(goes_left, self.left[here], self.right[here])
        return made

    def _expected(self, node: Ints) -> Floats:
        made: Floats = np.where(
            node >= 0, self.value[np.maximum(node, 0)], self.leaf[np.maximum(~node, 0)]
        )
        return made


def probability(margin: Floats) -> Floats:
    """The probability that a margin stands for."""
    made: Floats = 1.0 / (1.0 + np.exp(-np.clip(margin, -60.0, 60.0)))
    return made


def read(text: bytes, place: str) -> Forest:
    """The forest in LightGBM's text form; ModelError, naming `place`, where it is not one of ours."""
    try:
        head, *trees = text.decode("utf-8").partition("\nend of trees")[0].split("\nTree=")
        names = tuple(_table(head)["feature_names"].split())
        return _joined(names, [_table(tree) for tree in trees])
    except (ValueError, KeyError, IndexError) as error:
        raise ModelError(
            f"{place}: not a LightGBM model that labrys can run ({error!r})"
        ) from error


def _table(part: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in part.splitlines())
    return {name: value for name, sign, value in pairs if sign}


def _joined(names: tuple[str, ...], trees: Sequence[Mapping[str, str]]) -> Forest:
    nodes = [_integers(tree, "split_feature") for tree in trees]
    leaves = [_reals(tree, "leaf_value") for tree in trees]
    node_at = np.cumsum([0, *(len(each) for each in nodes)])
    leaf_at = np.cumsum([0, *(len(each) for each in leaves)])
    if not trees or not all(len(each) for each in leaves) or node_at[-1] > _MOST_NODES:
        raise ValueError("no trees, or too many")
    kinds = np.concatenate([_integers(tree, "decision_type") for tree in trees])
    if (kinds & _CATEGORICAL).any():
        raise ValueError("splits on categories")
    if ((kinds >> 2) & 3 == 1).any():
        raise ValueError("zero taken for missing")
    made = Forest(
        names=names,
        at=np.where(np.diff(node_at) > 0, node_at[:-1], ~leaf_at[:-1]),
        feature=np.concatenate(nodes),
        threshold=np.concatenate([_reals(tree, "threshold") for tree in trees]),
        nan_left=(kinds & _DEFAULT_LEFT) > 0,
        nan_is_missing=(kinds >> 2) & 3 == _NAN,
        left=_children(trees, "left_child", node_at, leaf_at),
        right=_children(trees, "right_child", node_at, leaf_at),
        value=np.concatenate([_reals(tree, "internal_value") for tree in trees]),
        leaf=np.concatenate(leaves),
    )
    _sound(made)
    return made


def _integers(tree: Mapping[str, str], key: str) -> Ints:
    return np.array(tree.get(key, "").split(), dtype=np.int64)


def _reals(tree: Mapping[str, str], key: str) -> Floats:
    return np.array(tree.get(key, "").split(), dtype=np.float64)


def _children(trees: Sequence[Mapping[str, str]], key: str, node_at: Ints, leaf_at: Ints) -> Ints:
    made = []
    for number, tree in enumerate(trees):
        child = _integers(tree, key)
        made.append(np.where(child >= 0, child + node_at[number], child - leaf_at[number]))
    return np.concatenate(made)


def _sound(forest: Forest) -> None:
    """Refuse what would read outside of the arrays or never come to a leaf."""
    count = len(forest.feature)
    each = (forest.threshold, forest.left, forest.right, forest.value, forest.nan_left)
    if any(len(array) != count for array in each):
        raise ValueError("arrays of different lengths")
    if count and not 0 <= forest.feature.min() <= forest.feature.max() < len(forest.names):
        raise ValueError("a split on a feature that is not there")
    place = np.arange(count)
    for child in (forest.left, forest.right):
        # LightGBM numbers a child node after its parent: so every way ends.
        if ((child >= 0) & ((child <= place) | (child >= count))).any():
            raise ValueError("a node that leads back")
        if (~child[child < 0] >= len(forest.leaf)).any():
            raise ValueError("a leaf that is not there")
    if not (np.isfinite(forest.leaf).all() and np.isfinite(forest.value).all()):
        raise ValueError("values that are no numbers")
