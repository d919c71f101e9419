"""Regular expressions over a few texts: Arrow compiles them anew in each call, which may cost more
than all else that is done about one message. Here they are compiled once, by the same engine (RE2).
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import re2

_PER_ITEM: Final = 16
"""So many instructions of an expression cost about as much to compile as one match does in Python."""


def replaced(texts: pa.Array, pattern: str, by: str, hints: Sequence[bytes] = ()) -> pa.Array:
    r"""What `pyarrow.compute.replace_substring_regex` gives (texts without nulls; `by` may have `\1`).

    The expression must not match nothing. Where there are `hints`, in lower case, it can match only
    what holds one of them: to look for them costs a fraction of what the expression does.
    """
    if hints:
        hit = holding(texts, hints)
        if not hit.any():
            return texts
        if not hit.all():
            some = replaced(texts.filter(pa.array(hit)), pattern, by)
            return pc.replace_with_mask(texts, pa.array(hit), some)
    made = _few(texts, pattern, by)
    return pc.replace_substring_regex(texts, pattern, by) if made is None else made


def holding(texts: pa.Array, hints: Sequence[bytes]) -> npt.NDArray[np.bool_]:
    """Which texts (no nulls) hold one of the hints, the letters of ASCII in whatever case."""
    low = (text.lower() for text in _bytes(texts))
    return np.fromiter((any(hint in text for hint in hints) for text in low), bool, len(texts))


def matched(texts: pa.Array, pattern: str, *, ignore_case: bool = False) -> pa.Array:
    """What `pyarrow.compute.match_substring_regex` gives (texts without nulls)."""
    found = _compiled(f"(?i){pattern}" if ignore_case else pattern)
    if len(texts) * _PER_ITEM > found.programsize:
        return pc.match_substring_regex(texts, pattern, ignore_case=ignore_case)
    hit = [found.search(text) is not None for text in _bytes(texts)]
    return pa.array(np.array(hit, bool))


def counted(texts: pa.Array, pattern: str) -> pa.Array:
    """What `pyarrow.compute.count_substring_regex` gives (texts without nulls).

    The expression must not match nothing.
    """
    found = _compiled(pattern)
    left = found.programsize // _PER_ITEM - len(texts)
    made = []
    for text in _bytes(texts) if left >= 0 else ():
        count = 0
        # As Arrow does: behind a match a text begins anew, also for `^` and `\b`.
        while left >= 0 and (match := found.search(text)) is not None:
            text, count, left = text[match.end() :], count + 1, left - 1
        made.append(count)
    return pa.array(made, pa.int32()) if left >= 0 else pc.count_substring_regex(texts, pattern)


def _few(texts: pa.Array, pattern: str, by: str) -> pa.Array | None:
    """The texts with what matches replaced; None where there is so much that Arrow is faster."""
    found = _compiled(pattern)
    left = found.programsize // _PER_ITEM - len(texts)
    if left < 0:
        return None
    made: list[bytes] = []
    changed = False
    whole, *rest = (part.encode() for part in by.split(r"\1"))
    for text in _bytes(texts):
        pieces, last = [], 0
        for match in found.finditer(text):
            if (left := left - 1) < 0:
                return None
            pieces.append(text[last : match.start()])
            pieces.append(whole)
            for part in rest:
                pieces += (match.group(1) or b"", part)
            last = match.end()
        changed = changed or bool(pieces)
        made.append(b"".join((*pieces, text[last:])) if pieces else text)
    return pa.array(made, pa.binary()).cast(texts.type) if changed else texts


def _bytes(texts: pa.Array) -> list[bytes]:
    made: list[bytes] = texts.cast(pa.binary()).to_pylist()
    return made


@cache
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern)
