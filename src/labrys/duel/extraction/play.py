"""Plays extraction: how far a copy agrees with the model, by how many questions of which kind.

Agreement is counted on things that were never asked of, beside what always giving the commoner answer
would reach. After Tramèr et al. 2016 and Orekondy et al. 2019, on models of our kind.
"""

import time
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from labrys.duel import taxonomy
from labrys.duel.attacks import Order
from labrys.duel.evasion.fight import wilson
from labrys.duel.extraction.copies import learnt
from labrys.duel.extraction.victims import Victim, victim
from labrys.duel.outcome import Curve, Outcome, Table
from labrys.duel.target import Access, Floats, Thing

POOLS: Final = ("ordinary", "shuffled", "made up")
ACCESSES: Final[tuple[Access, ...]] = ("label", "score")
SIZES: Final = (10, 100, 1_000, 10_000)
_JUDGED: Final = 2_000

Held = dict[tuple[str, Access, int], float]


def play(order: Order) -> Outcome:
    """Copy a model. NotPlayed where there is nothing to copy it with."""
    begun = time.monotonic()
    held = victim(order)
    most = order.budget or held.questions
    judged = held.ordinary(_JUDGED, 2 * order.seed)
    truth = held.ask(judged) >= 0
    told = set(map(_key, judged))
    reached: Held = {}
    asked = complete = 0
    try:
        for pool in POOLS:
            order.note(pool)
            things = _pool(held, pool, most, order.seed, told)
            margins = held.ask(things)
            asked = max(asked, len(things))
            for access in ACCESSES:
                for size in _sizes(len(things), most):
                    copy = learnt(held.learn, things[:size], margins[:size], access)
                    reached[pool, access, size] = float((copy(judged) == truth).mean())
        complete = 1
    except KeyboardInterrupt:
        pass
    return _outcome(held, reached, truth, asked, time.monotonic() - begun, complete=bool(complete))


def _pool(held: Victim, pool: str, most: int, seed: int, told: set[bytes]) -> list[Thing]:
    """Different things to ask of, none of which the copy is judged on."""
    draw = np.random.default_rng([seed, POOLS.index(pool)])
    if pool == "made up":
        return held.made_up(most, draw)
    ordinary = held.ordinary(most + _JUDGED, 2 * seed + 1)
    things = [each for each in ordinary if _key(each) not in told][:most]
    return things if pool == "ordinary" else held.shuffled(things, draw)


def _key(thing: Thing) -> bytes:
    return thing.tobytes() if isinstance(thing, np.ndarray) else repr(thing).encode()


def _sizes(there: int, most: int) -> list[int]:
    return sorted({min(size, there) for size in (*SIZES, most) if size <= most})


def _outcome(
    held: Victim,
    reached: Held,
    truth: npt.NDArray[np.bool_],
    asked: int,
    seconds: float,
    *,
    complete: bool,
) -> Outcome:
    entry = taxonomy.attacks()["extraction"]
    common = max(float(truth.mean()), 1 - float(truth.mean()))
    figures = {_name(*key): round(share, 4) for key, share in reached.items()}
    best = max(reached, key=lambda key: (key[1] == "label", reached[key]), default=None)
    return Outcome(
        attack="extraction",
        target=held.name,
        version=held.version,
        rules=f"{asked} questions at most; he keeps the answers and learns a copy from them",
        who="whoever may ask the model as often as he likes",
        figures=figures,
        bounds={
            _name(*key): wilson(round(share * len(truth)), len(truth))
            for key, share in reached.items()
        },
        headline=_name(*best) if best else "",
        cost=f"{best[2]} questions" if best else "",
        tables=tuple(_table(access, reached) for access in ACCESSES if complete),
        curves=tuple(_curves(reached)),
        notes=(
            held.what,
            f"agreement on {len(truth)} things that were not asked of; always giving the commoner "
            f"answer agrees on {common:.1%}",
            *_hidden(reached),
        ),
        techniques=entry.techniques,
        risks=entry.risks,
        seconds=round(seconds, 1),
        complete=complete,
    )


def _name(pool: str, access: Access, size: int) -> str:
    return f"agreement after {size} {pool} questions, told the {access}"


def _table(access: Access, reached: Held) -> Table:
    sizes = sorted({size for _, told, size in reached if told == access})
    rows = tuple(
        (pool, *(_share(reached.get((pool, access, size))) for size in sizes)) for pool in POOLS
    )
    return Table(
        f"agreement of the copy, the attacker is told the {access}",
        ("questions", *map(str, sizes)),
        rows,
    )


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _curves(reached: Held) -> Sequence[Curve]:
    kinds = dict.fromkeys((pool, access) for pool, access, _ in reached)
    return [
        Curve(
            f"{pool}, {access}",
            "questions",
            tuple(
                (float(size), share)
                for (p, a, size), share in sorted(reached.items())
                if (p, a) == (pool, access)
            ),
            logarithmic=True,
        )
        for pool, access in kinds
    ]


def _hidden(reached: Held) -> list[str]:
    """What hiding the score takes from the attacker, at the most questions."""
    sizes = [size for pool, _, size in reached if pool == "ordinary"]
    if not sizes:
        return []
    last = max(sizes)
    told: Floats = np.array([reached.get(("ordinary", a, last), np.nan) for a in ACCESSES])
    moved = 100 * float(told[1] - told[0])
    return [
        f"answering labels only takes {moved:+.1f} points of agreement from him ({last} questions)"
    ]
