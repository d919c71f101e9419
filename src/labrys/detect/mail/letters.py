"""Folds texts so that disguised letters read as what they look like, and one spelling is one text.

Sources: Unicode Standard Annex 15 (compatibility forms), Technical Standard 39 (confusables).
"""

import re
import unicodedata
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.mail.known import KNOWN
from labrys.model.regex import replaced

_UNSEEN: Final = re.compile(
    "[\u0300-\u036f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef]+"
)
_ODD_WORD: Final = re.compile(r"(?<!\w)[A-Za-z0-9_]*+[^\W\x00-\x7f]\w*+")
_ADDRESS: Final = r"(?:https? ?: ?/ ?/ ?|www ?\. ?)[^\s<>\"]+(?: [./?=&-] [^\s]{1,40}){0,12}"
_MAILBOX: Final = r"[\w.+-]{1,64} ?@ ?[\w-]{1,63}(?:\.[\w-]{1,63}| \. [\w-]{2,20}){1,6}"
_APART: Final = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}])"


def folded(texts: pa.Array) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Texts (no nulls) in lower case, as they look, and how many words of each were disguised.

    Addresses become ` zurl ` and ` zmail `, numbers `0`; characters of scripts without blanks stand
    alone. A text without disguises comes back the same whatever was done to its spelling.
    """
    disguised = np.zeros(len(texts), np.int64)
    plain = pc.string_is_ascii(texts)
    odd = np.flatnonzero(~np.asarray(plain.to_numpy(zero_copy_only=False), bool))
    if len(odd):
        made = [undisguised(text) for text in texts.take(pa.array(odd)).to_pylist()]
        disguised[odd] = [count for _, count in made]
        mask = np.zeros(len(texts), bool)
        mask[odd] = True
        texts = pc.replace_with_mask(
            texts, pa.array(mask), pa.array([text for text, _ in made], texts.type)
        )
    low = pc.utf8_lower(texts)
    low = replaced(low, _ADDRESS, " zurl ", (b"http", b"www"))
    low = replaced(low, _MAILBOX, " zmail ", (b"@",))
    low = replaced(low, r" ?' ?", "", (b"'",))
    low = pc.replace_substring_regex(low, r"\d[\d.,]*", "0")
    if len(odd):
        low = replaced(low, _APART, r" \1 ")
    return low, disguised


def undisguised(text: str) -> tuple[str, int]:
    """A text as it looks, and how many of its words were written in letters of other alphabets."""
    if text.isascii():
        return text, 0
    bare = _UNSEEN.sub("", unicodedata.normalize("NFKD", text))
    if bare.isascii():
        return bare, 0
    looks = _looks()
    count = 0

    def latin(found: re.Match[str]) -> str:
        nonlocal count
        word = found[0]
        changed = word.translate(looks)
        if not changed.isascii():
            return word
        # A word wholly of one other alphabet may be a word of that language.
        count += any(char.isascii() and char.isalpha() for char in word)
        return changed

    made = _ODD_WORD.sub(latin, bare.translate(_signs()))
    return unicodedata.normalize("NFC", made), count


@cache
def _looks() -> dict[int, str]:
    pairs = (pair for line in KNOWN["letters"]["look_alike"] for pair in line.split())
    return {ord(char): pair[0] for pair in pairs for char in pair[1:]}


@cache
def _signs() -> dict[int, str]:
    return dict.fromkeys(map(ord, "‘’‚‛′ʼ`´"), "'") | dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
