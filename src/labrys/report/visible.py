"""Text from evidence made safe to look at: nothing in it acts on a terminal or reorders a line."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from labrys.evidence.values import MULTI

_HIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LATEST: Final = 253_402_300_799_999
_EARLIEST: Final = -62_135_596_800_000


def visible(text: object, length: int = 0) -> str:
    """`text` with control characters, invisible ones and direction overrides written out.

    `length` above 0 cuts what is longer, with an ellipsis. Several values in one cell are shown
    separated by a middle dot.
    """
    made = str(text)
    if made.isascii() and made.isprintable() and not 0 < length < len(made):
        return made
    made = made.replace(MULTI, " · ")
    if length and len(made) > length:
        made = made[: length - 1] + "…"
    return _HIDDEN.sub(_spell, made)


def ending(path: str, length: int) -> str:
    """A path made visible; of a long one the end, because that says which file it is."""
    return visible(path if len(path) <= length else f"…{path[1 - length :]}")


def _spell(found: re.Match[str]) -> str:
    character = found.group()
    number = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{number:02x}" if number < 256 else f"\\u{{{number:04x}}}"


def when(time: int | None, *, seconds: bool = True) -> str:
    """Epoch milliseconds as `2026-03-04 09:12:33` in UTC; empty text for no time."""
    moment = _moment(time)
    if moment is None:
        return ""
    return moment.isoformat(" ", "seconds" if seconds else "minutes")[:-6]


def iso(time: int | None) -> str:
    """Epoch milliseconds as `2026-03-04T09:12:33.000Z`; empty text for no time."""
    moment = _moment(time)
    return "" if moment is None else moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def _moment(time: int | None) -> datetime | None:
    if time is None or not _EARLIEST <= time <= _LATEST:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)
