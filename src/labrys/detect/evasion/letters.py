"""Undoes disguises of letters: what looks like ASCII, or like nothing, becomes what it looks like.

Source: Unicode Standard Annex 15 (compatibility forms) and Technical Standard 39 (confusables).
Windows and PowerShell take several dashes and quotes as the plain one themselves.
"""

import re
import unicodedata
from typing import Final

from labrys.detect.evasion.known import KNOWN

_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2796\ufe58\ufe63\uff0d\u02d7"
_SLASHES: Final = "\u2044\u2215\u29f8\u2571\u27cb"
_BACKSLASHES: Final = "\u2216\u29f5\u29f9\ufe68"
_DOUBLE: Final = "\u201c\u201d\u201e\u201f\u2033\u02ba"
_SINGLE: Final = "\u2018\u2019\u201a\u201b\u2032\u02b9\u02bc"
_PLAIN: Final = str.maketrans(
    dict.fromkeys(_DASHES, "-")
    | dict.fromkeys(_SLASHES, "/")
    | dict.fromkeys(_BACKSLASHES, "\\")
    | dict.fromkeys(_DOUBLE, '"')
    | dict.fromkeys(_SINGLE, "'")
)
_LOOKS: Final = {ord(pair[0]): pair[1] for pair in KNOWN["letters"]["confusable"]}
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e007f]+"
)
_WORD: Final = re.compile(r"\w+")
_CONTROL: Final = re.compile("[\x00-\x08\x0e-\x1d\x1f\x7f\x80-\x9f]+")


def undisguised(text: str) -> tuple[str, list[str]]:
    """The text in the letters it shows, and what was undone; ASCII text comes back as it is."""
    steps: list[str] = []
    bare = _CONTROL.sub("", text)
    if not bare.isascii():
        seen = _UNSEEN.sub("", bare)
        if seen != bare:
            steps.append("unseen characters")
        plain = unicodedata.normalize("NFKC", seen.translate(_PLAIN)).translate(_PLAIN)
        if plain != seen:
            steps.append("letters in other forms")
        latin = _WORD.sub(_latin, plain)
        if latin != plain:
            steps.append("letters of other alphabets")
        bare = latin
    elif bare != text:
        steps.append("unseen characters")
    return bare, steps


def _latin(found: re.Match[str]) -> str:
    """A word with its look-alikes in Latin, if it is Latin otherwise (not a word of Russian)."""
    word = found[0]
    if word.isascii():
        return word
    changed = word.translate(_LOOKS)
    return changed if changed.isascii() else word
