"""What a message is recognised by among near copies: some runs of its letters, always the same ones.

Source: Broder, On the Resemblance and Containment of Documents, 1997.
"""

from typing import Final

import numpy as np
import pyarrow as pa

from labrys.model.grams import grams

_KEPT: Final = 256
_RUN: Final = 5
_BITS: Final = 40
_EVERY: Final = 4
"""A power of two."""
_LONGEST: Final = 16 << 10
_NAMED: Final = 4


def sketch(text: str) -> tuple[int, ...]:
    """Some of the runs of letters of a text, the same ones wherever they occur; empty for hardly any."""
    runs = grams(pa.array([text.lower()], pa.string()), (_RUN,), _BITS, longest=_LONGEST).bucket
    found = np.sort(runs[runs & (_EVERY - 1) == 0])
    # And not np.unique, whose hashing costs more than all else here.
    kept = found[np.diff(found, prepend=-1) != 0][:_KEPT]
    return tuple(kept.tolist()) if len(kept) >= _RUN else ()


def signature(runs: tuple[int, ...]) -> str:
    """A name that near copies share more likely than not, and other texts hardly ever; empty for no
    runs. The fewer the runs that differ, the likelier the smallest few are the same."""
    return "-".join(f"{run:x}" for run in sorted(runs)[:_NAMED])
