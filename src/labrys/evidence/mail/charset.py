"""Turns the bytes of a header or body into text, whatever charset they claim (WHATWG's aliases).

Only codecs of text are ever looked up: Python would also import, expand or warn for others.
"""

import codecs
import re
from encodings.aliases import aliases
from functools import lru_cache
from typing import Final

_NOT_CHARSETS: Final = frozenset(
    (
        *("base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec"),
        *("zlib_codec", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"),
        *("mbcs", "oem"),
    )
)
_WIDER: Final = {
    "ascii": "cp1252",
    "iso8859_1": "cp1252",
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "tis_620": "cp874",
    "iso8859_11": "cp874",
}
"""What mail programs really mean: the superset that browsers read these as."""
_ALSO: Final = {
    "ks_c_5601_1987": "cp949",
    "gb18030": "gb18030",
    "cp_850": "cp850",
    "utf8mb4": "utf_8",
    "x_sjis": "cp932",
    "x_gbk": "gb18030",
    "iso_8859_8_i": "iso8859_8",
    "windows_31j": "cp932",
    "utf_8": "utf_8",
    "utf_7": "utf_7",
    "unicode_1_1_utf_7": "utf_7",
    "utf_16": "utf_16",
    "utf_16le": "utf_16_le",
    "utf_16be": "utf_16_be",
    "koi8_r": "koi8_r",
    "koi8_u": "koi8_u",
    "iso_2022_jp": "iso2022_jp",
    "windows_874": "cp874",
}
_NOT_A_LETTER: Final = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=1024)
def codec(name: str) -> str | None:
    """Python's codec for a charset's name; None for none that is one of text."""
    plain = _NOT_A_LETTER.sub("_", name[:64].lower()).strip("_")
    found = _ALSO.get(plain) or aliases.get(plain) or _of_itself(plain)
    if found is None or found in _NOT_CHARSETS:
        return None
    found = _WIDER.get(found, found)
    try:
        return found if codecs.lookup(found) else None
    except LookupError:  # an alias of a codec that this platform lacks
        return None


def _of_itself(plain: str) -> str | None:
    """A charset that is called as its codec is, such as `cp1251` or `koi8_t`."""
    known = plain in _CODECS or plain.replace("_", "") in _CODECS
    return (plain if plain in _CODECS else plain.replace("_", "")) if known else None


_CODECS: Final = frozenset(aliases.values())


def text(raw: bytes, charset: str = "") -> tuple[str, str]:
    r"""`raw` as text, and what was wrong with its charset ("" when nothing was).

    What the declared charset cannot be is read as UTF-8, or else as Windows-1252 with `\xNN` for
    a byte that has no meaning there.
    """
    if raw.isascii() and charset[:7].lower() not in _NOT_ASCII and b"\x1b" not in raw:
        return raw.decode("ascii"), ""
    found = codec(charset) if charset else None
    trouble = ""
    if found is not None:
        try:
            return raw.decode(found), ""
        except (UnicodeError, ValueError):
            trouble = f"not in its charset {charset[:40]}"
    elif charset:
        trouble = f"unknown charset {charset[:40]}"
    try:
        return raw.decode("utf-8"), trouble if found != "cp1252" else ""
    except UnicodeDecodeError:
        if found is not None and _mostly(raw, found):
            return raw.decode(found, "replace"), trouble
        return raw.decode("cp1252", "backslashreplace"), trouble


_NOT_ASCII: Final = frozenset(("utf-7", "utf7", "unicode", "utf-16", "utf-16l", "utf-16b", "utf16"))


def _mostly(raw: bytes, found: str) -> bool:
    """Whether a charset reads nearly all of `raw`: then the rest is damage, not another charset."""
    made = raw[:4096].decode(found, "replace")
    return made.count("\ufffd") * 20 <= len(made)
