"""Makes a line as the log's writer meant it: months in English, without a terminal's colours.

`journalctl` and some daemons write months in the language of the machine (names as in CLDR), and
what is copied from a terminal holds escape sequences (ECMA-48).
"""

import re
from typing import Final

_ENGLISH: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_AS_IS: Final = frozenset(name.encode() for name in _ENGLISH)
_OTHERS: Final = {
    word.encode(): english.encode()
    for english, words in zip(
        _ENGLISH,
        (
            "jan janv ene gen enero sty янв",
            "feb fev fév févr febr lut фев",
            "mar mär märz mars mrt мар",
            "apr avr avril abr kwi апр",
            "may mai maj mei mag май мая",
            "jun juin juni giu cze июн",
            "jul juil juli lug lip июл",
            "aug août aout ago sie авг",
            "sep sept set wrz сен",
            "oct okt ott out paź окт",
            "nov lis ноя",
            "dec déc dic dez gru дек",
        ),
        strict=True,
    )
    for word in words.split()
}
_LONGEST: Final = max(map(len, _OTHERS)) + 1
_DAY: Final = re.compile(rb" {1,2}\d{1,2} \d{1,2}:\d\d")
_COLOUR: Final = re.compile(rb"\x1b\[[0-9;?]{0,20}[A-Za-z]")


def plain(raw: bytes) -> bytes:
    """The line with its month in English, and without escape sequences in front of its message."""
    if raw[:3] in _AS_IS or raw[:1].isdigit():
        return raw
    if b"\x1b[" in raw[:12]:
        raw = _COLOUR.sub(b"", raw)
    word = raw[: raw.find(b" ", 0, _LONGEST + 1)]
    month = _OTHERS.get(word.rstrip(b".").decode("utf-8", "replace").lower().encode())
    if month is None or not _DAY.match(raw, len(word)):
        return raw
    return month + raw[len(word) :]
