"""Reads through links that carry another: what is judged is where they lead, and they themselves.

Whether a link forwards to what it carries cannot be seen: a phisher can hang any address on his own.
"""

import re
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.url.parts import shortened
from labrys.evidence.mail.urls import target, url

_CARRIES: Final = r"(?i)[/?=&#,;_!~](?:https?|hxxps?)(?:[:_]|%3a|%253a)|aHR0c|odHRwO|[?&]u="
_CARRIED: Final = re.compile(f"(?:{_CARRIES[4:]}).*", re.DOTALL | re.IGNORECASE)
_LONGEST: Final = 4_096


Ints = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]


def unwrapped(urls: pa.Array) -> pa.Array:
    """URLs with those that carry another replaced by it; nulls stay."""
    carries = pc.fill_null(pc.match_substring_regex(urls, _CARRIES), False)
    at = np.flatnonzero(carries.to_numpy(zero_copy_only=False))
    if not len(at):
        return urls
    inner = [_inner(text[:_LONGEST]) for text in urls.take(pa.array(at)).to_pylist()]
    return pc.replace_with_mask(urls, carries, pa.array(inner, urls.type))


def views(urls: pa.Array) -> tuple[pa.Array, Ints, Marks]:
    """All that URLs could lead to: texts, whose each is, and which stands for its URL (`unwrapped`).

    A URL that carries none is its only view; another has what it carries, also without what hangs on
    it as query and fragment, and itself without what it carries.
    """
    urls = shortened(urls)
    main = unwrapped(urls)
    carries = pc.fill_null(pc.match_substring_regex(urls, _CARRIES), False)
    at = np.flatnonzero(carries.to_numpy(zero_copy_only=False))
    texts: list[str] = []
    owner: list[int] = []
    for place in at.tolist():
        first, more = main[place].as_py(), _others(urls[place].as_py())
        texts += [one for one in more if one != first]
        owner += [place] * (len(texts) - len(owner))
    every = pa.concat_arrays([main.cast(pa.string()), pa.array(texts, pa.string())])
    whose = np.concatenate([np.arange(len(urls)), np.array(owner, np.int64)])
    return every, whose, np.arange(len(every)) < len(urls)


@lru_cache(maxsize=16_384)
def _others(text: str) -> tuple[str, ...]:
    text = text[:_LONGEST]
    bare = text.partition("#")[0]
    inner = [_inner(one) for one in (bare, bare.partition("?")[0])]
    found = [one for one in inner if one not in (bare, bare.partition("?")[0])]
    return tuple(dict.fromkeys([*found, _CARRIED.sub("", text)]))


@lru_cache(maxsize=16_384)
def _inner(text: str) -> str:
    made = url(text)
    found = target(made)[0] if made is not None else None
    return found.text if found is not None and found.host else text
