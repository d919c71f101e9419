"""Whether a forest can be lowered by more of a feature: looked up in its trees, not tried out.

Two rows that differ in one feature part at a split on it. So a tree never falls in a feature if, at every
split on it, no leaf on the right is lower than a leaf on the left that the same other values lead to.
That is checked for all pairs of leaves, so it holds for every row there could be, not for a sample;
a sum of trees none of which falls does not fall. LightGBM's own constraints leave a few such pairs
(measured with its method "advanced"), which `mended` puts right. Missing values (NaN) are not looked at:
features of labrys have none. Source of the idea: Potharst and Feelders 2002 (monotone leaf pairs).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from labrys.model.forest import Floats, Forest, Ints, read

_NOISE: Final = 1e-12
_LEAVES: Final = "leaf_value="
_SIZES: Final = "tree_sizes="


@dataclass(frozen=True, slots=True)
class Pairs:
    """Leaves that meet at a split on a feature: `before` must not be above `after`."""

    feature: int
    before: Ints
    after: Ints


def falling(forest: Forest, signs: Sequence[int]) -> dict[str, float]:
    """Features by which some tree moves against their sign, and by how much at most; empty if none.

    `signs` are those of the forest's features: 1 never lower for more, -1 never higher, 0 either.
    """
    worst: dict[str, float] = {}
    for pairs in _pairs(forest, signs):
        fall = float((forest.leaf[pairs.before] - forest.leaf[pairs.after]).max(initial=0.0))
        if fall > _NOISE:
            name = forest.names[pairs.feature]
            worst[name] = max(worst.get(name, 0.0), fall)
    return worst


def mended(text: bytes, signs: Sequence[int], place: str = "the model") -> bytes:
    """LightGBM's text with leaves raised as far as they were too low; the same bytes where none was.

    Raises ModelError where the text is no such model.
    """
    forest = read(text, place)
    pairs = list(_pairs(forest, signs))
    leaf = forest.leaf.copy()
    while True:
        before = leaf.copy()
        for each in pairs:
            np.maximum.at(leaf, each.after, leaf[each.before])
        if (leaf == before).all():
            break
    return text if not falling(forest, signs) else _written(text, replace(forest, leaf=leaf))


def _written(text: bytes, forest: Forest) -> bytes:
    # How many bytes each tree takes need not be said, and is no longer true.
    every = text.decode("utf-8").split("\n")
    lines, at = [line for line in every if not line.startswith(_SIZES)], 0
    for number, line in enumerate(lines):
        if line.startswith(_LEAVES):
            old = line.removeprefix(_LEAVES).split()
            new = forest.leaf[at : at + len(old)].tolist()
            kept = [a if float(a) == b else repr(b) for a, b in zip(old, new, strict=True)]
            lines[number] = _LEAVES + " ".join(kept)
            at += len(old)
    return "\n".join(lines).encode()


def _pairs(forest: Forest, signs: Sequence[int]) -> Iterator[Pairs]:
    for root in forest.at.tolist():
        for split, (low, high, leaf, right) in _splits(forest, root).items():
            feature = int(forest.feature[split])
            if signs[feature]:
                low[:, feature], high[:, feature] = -np.inf, np.inf
                # Boxes are open below and closed above: they meet where both are more than an edge.
                meet = (
                    (low[~right][:, None] < high[right][None])
                    & (low[right][None] < high[~right][:, None])
                ).all(axis=2)
                one, other = np.nonzero(meet)
                less, more = leaf[~right][one], leaf[right][other]
                yield Pairs(feature, *((less, more) if signs[feature] > 0 else (more, less)))


def _splits(
    forest: Forest, root: int
) -> "dict[int, tuple[Floats, Floats, Ints, np.ndarray[tuple[int], np.dtype[np.bool_]]]]":
    """The leaves below each split of a tree: their boxes, their numbers, and which are on the right."""
    count = len(forest.names)
    found: dict[int, list[tuple[Floats, Floats, int, bool]]] = {}
    begun: tuple[tuple[int, bool], ...] = ()
    waiting = [(root, np.full(count, -np.inf), np.full(count, np.inf), begun)]
    while waiting:
        node, low, high, passed = waiting.pop()
        if node < 0:
            for split, right in passed:
                found.setdefault(split, []).append((low, high, ~node, right))
            continue
        feature, edge = int(forest.feature[node]), float(forest.threshold[node])
        for child, right in ((forest.left[node], False), (forest.right[node], True)):
            less, more = low.copy(), high.copy()
            if right:
                less[feature] = max(less[feature], edge)
            else:
                more[feature] = min(more[feature], edge)
            waiting.append((int(child), less, more, (*passed, (node, right))))
    return {
        split: (
            np.stack([one[0] for one in leaves]),
            np.stack([one[1] for one in leaves]),
            np.array([one[2] for one in leaves], np.int64),
            np.array([one[3] for one in leaves], np.bool_),
        )
        for split, leaves in found.items()
    }
