"""Reads through links that carry another: what is judged is where they lead."""

from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.mail.urls import target, url

_CARRIES: Final = r"(?i)[/?=&#,;_!~](?:https?|hxxps?)(?:[:_]|%3a|%253a)|aHR0c|odHRwO|[?&]u="
_LONGEST: Final = 4_096


def unwrapped(urls: pa.Array) -> pa.Array:
    """URLs with those that carry another replaced by it; nulls stay."""
    carries = pc.fill_null(pc.match_substring_regex(urls, _CARRIES), False)
    at = np.flatnonzero(carries.to_numpy(zero_copy_only=False))
    if not len(at):
        return urls
    inner = [_inner(text[:_LONGEST]) for text in urls.take(pa.array(at)).to_pylist()]
    return pc.replace_with_mask(urls, carries, pa.array(inner, urls.type))


@lru_cache(maxsize=16_384)
def _inner(text: str) -> str:
    made = url(text)
    found = target(made)[0] if made is not None else None
    return found.text if found is not None and found.host else text
