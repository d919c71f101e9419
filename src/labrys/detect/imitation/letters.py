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
_TOKEN: Final = re.compile("[\\w\u00ad\u034f\u061c\u180e\u200b-\u200f\u2060-\u2064\ufeff]{3,}")
_EDGES: Final = (
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
)
_LONGEST: Final = 64
_MOST: Final = 100
_NO_CHANCE: Final = 6
_CAPITAL_I: Final = re.compile("(?<=[a-z])I+(?![A-Z])")
_ACCENTS: Final = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
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
    plain = skeleton(visible(text))
    if plain.isascii():
        return plain
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", plain))


@lru_cache(maxsize=4_096)
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


def with_l(text: str) -> str:
    """The text with each capital I that stands behind a small letter read as the l it looks like."""
    if "I" not in text:
        return text
    return _CAPITAL_I.sub(lambda found: "l" * len(found[0]), text)


def disguised(text: str, word: str) -> bool:
    """Whether a word stands in the text in letters that only look like its own.

    `word` in plain small letters. Zero-width characters within it are such a disguise too.
    """
    if text.isascii() or _strange().search(text) is None:
        return False
    shown = visible(text)
    small, plain = _small(shown), skeleton(shown)
    at = plain.find(word)
    while at >= 0:
        if _is_disguise(small[at : at + len(word)], word):
            return True
        at = plain.find(word, at + 1)
    return len(shown) < len(text) and small.count(word) > _small(text).count(word)


def disguised_words(text: str) -> str | None:
    """The words of a text that are disguised, as they are read, joined by U+001E; None for none.

    At most 100 of them. Linear in the text.
    """
    if text.isascii() or _strange().search(text) is None:
        return None
    found: dict[str, None] = {}
    for one in _TOKEN.finditer(text):
        raw = one[0]
        if len(raw) > _LONGEST or raw.isascii():
            continue
        small = _small(visible(raw))
        plain = skeleton(small)
        split = len(small) < len(raw.strip(_EDGES))
        if plain.isascii() and (split or _is_disguise(small, plain)):
            found[plain] = None
            if len(found) >= _MOST:
                break
    return "\x1e".join(found) or None


@cache
def _strange() -> re.Pattern[str]:
    """A look-alike letter, small or capital, or a character that takes no room."""
    signs = {chr(point) for point in _table()}
    signs |= {one.upper() for one in signs if len(one.upper()) == 1}
    return re.compile(f"[{re.escape(''.join(sorted(signs)))}{_ZERO_WIDTH.pattern[1:]}")


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
