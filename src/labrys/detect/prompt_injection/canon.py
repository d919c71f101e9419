"""Undoes what hides words from a reader of letters: other readings of a text, and what was undone.

Sources: RFC 4648 (base64, hex), RFC 3986 (percent), HTML Standard (references), Unicode 16 chapter
23.9 (tags), Unicode Technical Standard 39 (look-alikes; those are folded for every text).
"""

import base64
import binascii
import codecs
import html
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import unquote_plus

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.model.regex import matched

LONGEST: Final = 1 << 16
"""So much of a text is read: characters."""
_MOST_BLOBS: Final = 32
_DECODED: Final = ("Unicode tags", "base64", "hex", "percent", "character references")
"""Ways inside which there may be another one."""
_LEAST: Final = 12

_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\U000e0020-\U000e007e]")
_TAGS: Final = re.compile("[\U000e0020-\U000e007e]{4,}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{20,}(?:\s{1,2}[A-Za-z0-9+/_-]{20,})*={0,2}")
_HEX: Final = re.compile(r"(?:\\x|0x|%)?[0-9A-Fa-f]{2}(?:[ :,]?(?:\\x|0x)?[0-9A-Fa-f]{2}){14,}")
_SPACED: Final = re.compile(r"(?<!\w)(?:[^\W\d_][ ._*\u00b7-]{1,4}){5,}[^\W\d_](?!\w)")
_PAUSE: Final = re.compile(r"[ ._*\u00b7-]{2,}")
_LEET: Final = str.maketrans("013457@$!|+", "oleastasiit")
_LEET_WORD: Final = re.compile(r"(?<!\S)(?=\S{0,40}[0-9@$!|+])\S{2,40}(?!\S)")
_LONG_WORD: Final = re.compile(r"[^\W\d_]{24,}")
_LONGEST_WORD: Final = 400
_WORD_LETTERS: Final = 16
_BETWEEN: Final = (
    "all any and are as at be by do for from have in into is it me my not now of on only or our out so "
    "that the their them then this to up us was what will with you previous prior above earlier former "
    "secret hidden every must never always word words password emails mail contacts files data link"
)
_STEMS: Final = (
    "ignore", "instruction", "previous", "prompt", "system", "assistant", "reveal", "disregard",
    "response", "answer", "forward", "password", "secret", "emails", "contacts", "summary", "ignorier",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """Another reading of the text with the number `row`; `how` names what was undone."""

    row: int
    text: str
    how: str


def bounded(texts: pa.Array) -> pa.Array:
    """Texts without nulls and of bounded length."""
    return pc.utf8_slice_codeunits(pc.fill_null(texts.cast(pa.string()), ""), 0, LONGEST)


def readings(texts: pa.Array) -> Iterator[Reading]:
    """Other readings of `texts` (no nulls), by one way or by two; only what looks hidden is touched."""
    first = list(_once(texts))
    yield from first
    inner = [each for each in first if each.how in _DECODED]
    for made in _once(pa.array([each.text for each in inner], pa.string())):
        before = inner[made.row]
        how = made.how if made.how == before.how else f"{before.how}, {made.how}"
        yield Reading(before.row, made.text, how)


def _once(texts: pa.Array) -> Iterator[Reading]:
    # Most texts look hidden in no way: one expression for most ways says so.
    every, some = np.arange(len(texts)), _hits(texts, _ANY_LOOK)
    for how, way in WAYS.items():
        among = every if how in _ASIDE else some
        if not len(among):
            continue
        asked = texts if len(among) == len(texts) else texts.take(pa.array(among))
        rows = among[_hits(asked, way.look, ignore_case=way.any_case)]
        if not len(rows):
            continue
        for row, text in zip(rows.tolist(), texts.take(pa.array(rows)).to_pylist(), strict=True):
            made = way.read(text)[:LONGEST]
            if len(made) >= _LEAST and made != text:
                yield Reading(row, made, how)


def _hits(texts: pa.Array, look: str, *, ignore_case: bool = False) -> npt.NDArray[np.intp]:
    hit = matched(texts, look, ignore_case=ignore_case)
    return np.flatnonzero(np.asarray(hit.to_numpy(zero_copy_only=False), bool))


def _tags(text: str) -> str:
    runs = _TAGS.findall(text)[:_MOST_BLOBS]
    return "\n".join("".join(chr(ord(char) - 0xE0000) for char in run) for run in runs)


def _base64(text: str) -> str:
    return "\n".join(filter(None, map(_unpacked, _BASE64.findall(text)[:_MOST_BLOBS])))


def _unpacked(blob: str) -> str:
    """The text in base64; empty where it is none."""
    bare = "".join(blob.split()).rstrip("=").replace("-", "+").replace("_", "/")
    bare = bare[: len(bare) - (len(bare) % 4 == 1)]
    if bare == bare.lower():
        # A path or a name: text in base64 has capitals.
        return ""
    try:
        return _prose(base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True))
    except (binascii.Error, ValueError):
        return ""


def _hex(text: str) -> str:
    found = (re.sub(r"\\x|0x|[ :,%]", "", run) for run in _HEX.findall(text)[:_MOST_BLOBS])
    return "\n".join(filter(None, (_prose(bytes.fromhex(run[: len(run) & ~1])) for run in found)))


def _prose(data: bytes) -> str:
    """Bytes as text where they are text of several words, else nothing."""
    for code in ("utf-8", "utf-16-le"):
        try:
            made = data.decode(code)
        except UnicodeDecodeError:
            continue
        # Characters of no width are folded later.
        seen = _UNSEEN.sub("", made)
        if seen.count(" ") >= 2 and all(char.isprintable() or char.isspace() for char in seen):
            return made
    return ""


def _spaced(text: str) -> str:
    """Words whose letters stand apart; where more than one sign parts the words they stay apart."""
    return _SPACED.sub(lambda found: _closed(found[0]), text)


def _closed(run: str) -> str:
    words = [re.sub(r"[ ._*\u00b7-]", "", word) for word in _PAUSE.split(run)]
    return " ".join(words) if len(words) > 1 else _parted(words[0])


def _run_together(text: str) -> str:
    return _LONG_WORD.sub(lambda found: _parted(found[0]), text)


def _parted(word: str) -> str:
    """Words written without blanks, parted so that as few letters as can be are in no known word."""
    low, known = word[:_LONGEST_WORD].lower(), _vocabulary()
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(low) + 1):
        tries = [(best[end - 1][0] + 1, end - 1)]
        tries += [
            (best[begin][0] + 0.3, begin)
            for begin in range(max(0, end - _WORD_LETTERS), end)
            if low[begin:end] in known
        ]
        best.append(min(tries))
    parts: list[str] = []
    end, loose = len(low), False
    while end:
        begin = best[end][1]
        single = end - begin == 1
        # Letters of no word stay together.
        parts = (
            [low[begin:end] + parts[0], *parts[1:]]
            if single and loose
            else [low[begin:end], *parts]
        )
        end, loose = begin, single
    return " ".join(parts) + word[_LONGEST_WORD:]


@cache
def _vocabulary() -> frozenset[str]:
    """Words of orders to assistants (`classes.toml`), and small ones between them."""
    text = (files("labrys.detect.prompt_injection") / "classes.toml").read_text("utf-8")
    listed = tomllib.loads(text)["classes"].values()
    return frozenset(_BETWEEN.split()) | {word for each in listed for word in each.split()}


def _leet(text: str) -> str:
    return _LEET_WORD.sub(lambda found: _letters(found[0]), text)


def _letters(word: str) -> str:
    return word.translate(_LEET) if any(char.isalpha() for char in word) else word


def _rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


def _backwards(text: str) -> str:
    return "\n".join(line[::-1] for line in text.split("\n"))


@dataclass(frozen=True, slots=True)
class Way:
    """`look` finds texts (RE2) that may be hidden so; `read` undoes it, what it cannot read is ""."""

    look: str
    read: Callable[[str], str]
    any_case: bool = False


WAYS: Final[Mapping[str, Way]] = {
    "Unicode tags": Way("[\U000e0020-\U000e007e]{4}", _tags),
    "base64": Way(r"(?:^|[^A-Za-z0-9+/_.-])[A-Za-z0-9+/_-]{0,16}[A-Za-z0-9+/]{20}", _base64),
    "hex": Way(r"[0-9A-Fa-f]{2}(?:[ :,]?(?:\\x|0x)?[0-9A-Fa-f]{2}){14}", _hex),
    "percent": Way(r"%[0-9A-Fa-f]{2}|[A-Za-z]\+[A-Za-z]+\+[A-Za-z]", unquote_plus),
    "character references": Way(r"&(?:#x?[0-9A-Fa-f]{2,6}|[a-z]{2,6});", html.unescape),
    "letters apart": Way(r"(?:^|[^\pL])(?:\pL[ ._*-]{1,4}){5}", _spaced),
    "words run together": Way("[A-Za-z]{24}", _run_together),
    "leetspeak": Way(
        r"(?:(?:^|\s)[A-Za-z]*(?:[A-Za-z][013457@$!|]|[013457@$!|][A-Za-z])[A-Za-z013457@$!|]*[.,!?]?"
        r"(?:\s+\S{1,12})?){3}",
        _leet,
    ),
    "rot13": Way("|".join(codecs.encode(stem, "rot13") for stem in _STEMS), _rot13, any_case=True),
    "written backwards": Way("|".join(stem[::-1] for stem in _STEMS), _backwards, any_case=True),
}
_ASIDE: Final = ("base64", "letters apart", "leetspeak")
"""Joined with the others these would have more states than RE2 keeps at hand."""
_ANY_LOOK: Final = "|".join(
    f"(?i:{way.look})" if way.any_case else f"(?:{way.look})"
    for how, way in WAYS.items()
    if how not in _ASIDE
)
