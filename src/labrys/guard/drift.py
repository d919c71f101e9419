"""Whether what a model sees now is like what its card says it was made for: PSI and KS by number.

A card's `reference` holds for each number (features, and the score) where tenths of the things it was
made from lay. PSI (population stability index; Siddiqi, Credit Risk Scorecards, 2006) adds up how far
shares moved, KS (Kolmogorov 1933, Smirnov 1948) is the greatest difference of the cumulated shares at
the same edges. By custom a PSI below 0.1 is steady, above 0.25 a change; here also no further than the sources
of the reference themselves are from each other counts as steady, or all mail would be a change.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from labrys.errors import ModelError

Floats = npt.NDArray[np.float64]
State = Literal["steady", "moved", "drifted", "too few"]
SCORE: Final = "score"
LEAST: Final = 200
"""Of fewer things nothing is said."""
_QUANTILES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_MOVED: Final = 0.1
_DRIFTED: Final = 0.25
_SURE: Final = 1.95
"""KS of two samples of one distribution is below this over the root of their sizes in 999 of 1,000."""
_FURTHER: Final = 1.5
"""So many times further than any source of the reference is from the whole."""
_MANY: Final = 1 / 3


class Histogram(msgspec.Struct, frozen=True):
    """Shares of values up to the first edge, between each two, and above the last.

    `apart` is the PSI of that source of the reference which differs most from the whole.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    apart: float = 0.0


class Reference(msgspec.Struct, frozen=True):
    """What a model was made for: of `rows` things from `source`, the histogram of each number."""

    source: str
    rows: int
    numbers: dict[str, Histogram]


class Moved(msgspec.Struct, frozen=True):
    """How far one number moved."""

    name: str
    psi: float
    ks: float
    state: State


class Drift(msgspec.Struct, frozen=True):
    """What became of one source of evidence; `alarm` where its score drifted, or many numbers did."""

    source: str
    rows: int
    numbers: tuple[Moved, ...]
    alarm: bool


def reference(
    columns: Mapping[str, Floats], source: str, groups: Sequence[str] | None = None
) -> Reference:
    """The reference of things: a column of each number, in the same order; `groups` says for each
    thing which source it is of."""
    rows = max((len(each) for each in columns.values()), default=0)
    numbers = {name: _histogram(each) for name, each in columns.items()}
    if groups is not None:
        of = np.array(groups, object)
        each_of = [of == one for one in dict.fromkeys(groups)]
        for name, whole in numbers.items():
            apart = [
                _moved(name, whole, columns[name][mine], rows).psi
                for mine in each_of
                if mine.sum() >= LEAST
            ]
            numbers[name] = msgspec.structs.replace(whole, apart=max(apart, default=0.0))
    return Reference(source, rows, numbers)


def of_card(card: Mapping[str, Any], place: str) -> Reference:
    """The reference in a card; ModelError where there is none, or it is none."""
    if "reference" not in card:
        raise ModelError(f"{place}: its card says nothing of what it was made for (`reference`)")
    try:
        held = msgspec.convert(card["reference"], Reference)
    except msgspec.ValidationError as error:
        raise ModelError(f"{place}: its card's reference is none ({error})") from error
    if any(len(each.shares) != len(each.edges) + 1 for each in held.numbers.values()):
        raise ModelError(f"{place}: its card's reference is none (edges and shares do not fit)")
    return held


def compared(known: Reference, columns: Mapping[str, Floats], source: str) -> Drift:
    """What a source shows beside the reference; numbers that either lacks are left out."""
    rows = max((len(each) for each in columns.values()), default=0)
    moved = tuple(
        sorted(
            (_moved(name, each, columns[name], known.rows) for name, each in known.numbers.items()
             if name in columns),
            key=lambda one: (one.name != SCORE, -one.psi),
        )
    )  # fmt: skip
    drifted = [one for one in moved if one.state == "drifted"]
    alarm = any(one.name == SCORE for one in drifted) or len(drifted) > _MANY * len(moved)
    return Drift(source, rows, moved, alarm and rows >= LEAST)


def _histogram(values: Floats) -> Histogram:
    kept = values[np.isfinite(values)]
    if not len(kept):
        return Histogram((), (1.0,))
    edges = np.unique(np.round(np.quantile(kept, _QUANTILES), 6))
    shares = _shares(kept, edges)
    return Histogram(tuple(edges.tolist()), tuple(np.round(shares, 6).tolist()))


def _shares(values: Floats, edges: Floats) -> Floats:
    counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    return counts / max(len(values), 1)


def _moved(name: str, known: Histogram, values: Floats, rows: int) -> Moved:
    kept = values[np.isfinite(values)]
    # Values just beside an edge because of rounding are at the edge.
    edges, before = np.array(known.edges) + 1e-6, np.array(known.shares)
    after = _shares(kept, edges)
    # No share is taken for nothing: half a thing more on each side.
    least = 0.5 / max(min(rows, len(kept)), 1)
    one, other = np.maximum(before, least), np.maximum(after, least)
    psi = float(((other - one) * np.log(other / one)).sum())
    ks = float(np.abs(np.cumsum(before - after)).max())
    return Moved(name, round(psi, 4), round(ks, 4), _state(psi, ks, len(kept), rows, known.apart))


def _state(psi: float, ks: float, now: int, then: int, apart: float) -> State:
    if now < LEAST:
        return "too few"
    by_chance = ks < _SURE * float(np.sqrt(1 / now + 1 / max(then, 1)))
    if psi < max(_MOVED, apart) or by_chance:
        return "steady"
    return "drifted" if psi >= max(_DRIFTED, _FURTHER * apart) else "moved"
