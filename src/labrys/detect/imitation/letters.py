"""Letters that look like others, folded to plain ones.

Source: Unicode Technical Standard 39 (confusables) for which letters look alike; the table is our
own choice of those that stand for Latin letters, and folds letter by letter, so that places stay.
"""

import re
import unicodedata
from functools import cache, lru_cache
from typing import Final

_ALIKE: Final = {
    "a": "аɑα∂ａⱥ",
    "b": "ЬƄʙбв",
    "c": "сϲᴄⅽⲥ",
    "d": "ԁⅾɗժ",
    "e": "еҽ℮ⅇєε",
    "f": "ƒꬵϝẝ",
    "g": "ɡցǥɢ",
    "h": "һհнʜ",
    "i": "іıɩιӏⅰǐїі",
    "j": "јϳʝ",
    "k": "κкқᴋ",
    "l": "ⅼاןⵏǀ",
    "m": "мⅿᴍ",
    "n": "ոռпηɴ",
    "o": "оοσօ०০๐໐ഠ〇ᴏ",
    "p": "рρ⍴ᴘ",
    "q": "ԛգզ",
    "r": "гᴦⲅʀ",
    "s": "ѕꜱʂ",
    "t": "тτᴛ",
    "u": "υսʋᴜ",
    "v": "νѵᴠⅴ",
    "w": "ԝѡաᴡω",
    "x": "хχⅹ×",
    "y": "уүʏγყ",
    "z": "ᴢʐ",
}
_ZERO_WIDTH: Final = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u2060-\u2064\ufeff]")
_NO_CHANCE: Final = 6
_LATIN: Final = re.compile("[a-z]")
_FIGURES: Final = str.maketrans("013457", "oleast")


@cache
def _table() -> dict[int, str]:
    made = {ord(sign): plain for plain, signs in _ALIKE.items() for sign in signs}
    styled = (*range(0x1D400, 0x1D800), *range(0xFF21, 0xFF5B), *range(0x2100, 0x2150))
    for point in (*styled, *range(0x24B6, 0x24EA), *range(0x1D2C, 0x1D6B)):
        plain = unicodedata.normalize("NFKC", chr(point)).lower()
        if len(plain) == 1 and plain.isascii() and plain.isalnum():
            made[point] = plain
    return made


def visible(text: str) -> str:
    """The text without characters that take no room."""
    return text if text.isascii() else _ZERO_WIDTH.sub("", text)


@lru_cache(maxsize=4_096)
def skeleton(text: str) -> str:
    """The text in small letters, look-alike letters as the Latin ones; as long as it was."""
    text = _small(text)
    return text if text.isascii() else text.translate(_table())


def _small(text: str) -> str:
    """In small letters, one for one (some capitals would become two characters)."""
    made = text.lower()
    if len(made) == len(text):
        return made
    return "".join(low if len(low := one.lower()) == 1 else one for one in text)


def folded(text: str) -> str:
    """The skeleton of a text without accents; its length may differ."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", skeleton(visible(text)))
    return "".join(one for one in plain if not unicodedata.combining(one))


def as_read(label: str) -> str:
    """A domain's label as a hasty eye reads it: figures as letters, `rn` as m, `vv` as w."""
    label = folded(unpacked(label)).translate(_FIGURES)
    return label.replace("rn", "m").replace("vv", "w")


def unpacked(label: str) -> str:
    """A label of a domain in letters: `xn--…` decoded (RFC 3492)."""
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label


def disguised(text: str, word: str) -> bool:
    """Whether a word stands in the text in letters that only look like its own.

    `word` in plain small letters. Zero-width characters within it are such a disguise too.
    """
    if text.isascii():
        return False
    shown = visible(text)
    plain, small = skeleton(shown), _small(shown)
    at = plain.find(word)
    while at >= 0:
        if _is_disguise(small[at : at + len(word)], word):
            return True
        at = plain.find(word, at + 1)
    return len(shown) < len(text) and small.count(word) > _small(text).count(word)


def _is_disguise(said: str, word: str) -> bool:
    """Whether letters are mixed, styled, or too many to be a word of another script by chance."""
    if said == word:
        return False
    if len(word) >= _NO_CHANCE or _LATIN.search(said):
        return True
    return all(_is_styled(one) for one in said)


def _is_styled(sign: str) -> bool:
    plain = unicodedata.normalize("NFKC", sign)
    return plain != sign and plain.isascii()
