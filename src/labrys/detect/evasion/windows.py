"""Undoes what cmd.exe and the C runtime undo: carets, quotes, environment strings, path detours.

Source: Microsoft's documentation of cmd.exe, of `set`, and of parsing C command-line arguments. Each
function gives the text with its disguise removed, and how many places it was removed in.
"""

import re
from collections.abc import Mapping
from typing import Final

from labrys.detect.evasion.known import KNOWN, PROGRAMS, VARIABLES

_CARET: Final = re.compile(r"\^(?:\r?\n)?")
_CARET_IN_WORD: Final = re.compile(r"\w\^+\w")
_QUOTED: Final = re.compile(r'[^\s"]*(?:"[^"]*(?:"|\Z)[^\s"]*)+')
_INSIDE: Final = re.compile(r'\w"+\w|\w""(?:\s|\Z)|(?:\A|\s)""\w')
_CUT: Final = re.compile(
    r"([%!])([^%!:=\s\"&|]{1,64}):~(-?\d{1,5})(?:,(-?\d{1,5}))?\1", re.IGNORECASE
)
_CHANGED: Final = re.compile(r"([%!])([^%!:=\s\"&|]{1,64}):\*?([^%!=\s]{1,32})=([^%!]{0,32})\1")
_WHOLE: Final = re.compile(r"%([^%!:=\s\"&|]{1,64})%|!(\w{1,64})!")
_SET: Final = re.compile(
    r"\bset\s{1,8}(?:/a\s{1,8})?(\"?)([^=&|\"\s%!]{1,64})=([^&|\"\r\n]{0,256})", re.IGNORECASE
)
_FOR: Final = re.compile(
    r"\bfor\s%%?([A-Za-z])\sin\s\(\s?([^()'\"\s*?%!]{1,256})\s?\)\sdo\s", re.IGNORECASE
)
_CALL: Final = re.compile(
    r"([&|(]\s{0,8}|\A\s{0,8}|/[ck]\s{0,8}\"?)call\s{1,8}(?=\S)", re.IGNORECASE
)
_HERE: Final = re.compile(r"[\\/](?:\.[\\/])+")
_PARENT: Final = re.compile(r"[\\/][^\\/:*?\"<>|\s]{1,128}[\\/]\.\.(?=[\\/])")
_DOUBLED: Final = re.compile(r"(?<=[\w.)%~-])\\{2,}(?=[\w.])|(?<=\b[A-Za-z]:)\\{2,}")
_SLASHED: Final = re.compile(r"(?<![\w/])([A-Za-z]:)((?:[\\/]+[^\s\"'\\/:|<>,;]{1,128}){1,16})")
_SHORT: Final = re.compile(r"\b(\w{1,6}~\d)(\.\w{1,3})?(?![\w~])")
_SEPARATED: Final = re.compile(r"[\s,;]*[,;][\s,;]*(?=/[A-Za-z?])|\A[\s,;]*[,;][\s,;]*")
_BLANKS: Final = re.compile(r"[^\S\r\n]{2,}|\t|\xa0")
_LONGEST_VALUE: Final = 1024
_LONGEST: Final = 1 << 16
_LONG_PROGRAMS: Final = sorted(name for name in PROGRAMS if len(name) > 8)


def carets(text: str) -> tuple[str, int]:
    """`w^hoami` → `whoami`; a caret before the end of a line joins it to the next."""
    if "^" not in text:
        return text, 0
    return _CARET.sub("", text), len(_CARET_IN_WORD.findall(text))


def quotes(text: str) -> tuple[str, int]:
    """`who""am"i"` → `whoami`: quotes inside a word say nothing."""
    if '"' not in text or _INSIDE.search(text) is None:
        return text, 0
    count = 0

    def bare(found: re.Match[str]) -> str:
        nonlocal count
        inside = len(_INSIDE.findall(found[0]))
        if not inside:
            return found[0]
        count += inside
        return found[0].replace('"', "")

    return _QUOTED.sub(bare, text), count


def blanks(text: str) -> tuple[str, int]:
    """Runs of blanks become one space; `,` and `;` before an option too, as cmd reads them."""
    text, separators = _SEPARATED.subn(lambda found: " " if found.start() else "", text)
    text, runs = _BLANKS.subn(" ", text)
    bare = text.strip()
    return bare, separators + runs + (bare != text)


def environment(text: str) -> tuple[str, int]:
    """Parts of variables become the letters they stand for: `%COMSPEC:~0,1%` → `C`.

    Variables are those the line sets itself, and those every Windows has by default.
    """
    if "%" not in text and "!" not in text:
        return text, 0
    text, loops = _loops(text)
    own = {found[2].lower(): found[3] for found in _SET.finditer(text) if "%" not in found[3]}
    values = {**VARIABLES, **own} if own else VARIABLES
    count = loops

    def put(found: re.Match[str], name: str, value: str | None) -> str:
        nonlocal count
        if value is None:
            return found[0]
        count += name in own or found.re is not _WHOLE
        return value[:_LONGEST_VALUE]

    text = _CUT.sub(lambda found: put(found, found[2].lower(), _cut(found, values)), text)
    text = _CHANGED.sub(lambda found: put(found, found[2].lower(), _changed(found, values)), text)

    def whole(found: re.Match[str]) -> str:
        name = (found[1] or found[2]).lower()
        return put(found, name, values.get(name))

    text = _WHOLE.sub(whole, text)
    if own:
        text = _CALL.sub(r"\1", text)
    return text, count


def _loops(text: str) -> tuple[str, int]:
    """`for %a in (who) do %aami` → `whoami`: loops over one value."""
    values = {found[1]: found[2] for found in _FOR.finditer(text)}
    if not values:
        return text, 0
    text = _FOR.sub("", text)
    for letter, value in values.items():
        text = text.replace(f"%{letter}", value)[:_LONGEST]
    return text, len(values)


def _cut(found: re.Match[str], values: Mapping[str, str]) -> str | None:
    """What `%name:~start,length%` stands for."""
    value = values.get(found[2].lower())
    if value is None:
        return None
    start = int(found[3])
    start = max(len(value) + start, 0) if start < 0 else start
    if found[4] is None:
        return value[start:]
    length = int(found[4])
    return value[start : length if length < 0 else start + length]


def _changed(found: re.Match[str], values: Mapping[str, str]) -> str | None:
    """What `%name:old=new%` stands for."""
    value = values.get(found[2].lower())
    if value is None:
        return None
    return re.sub(re.escape(found[3]), lambda _: found[4], value[:_LONGEST_VALUE], flags=re.I)


def paths(text: str) -> tuple[str, int]:
    """Detours in paths: `C:/a/../Windows\\\\.\\System32` → `C:\\Windows\\System32`."""
    text, doubled = _DOUBLED.subn(lambda _: "\\", text)
    text, here = _HERE.subn(lambda found: found[0][0], text) if "." in text else (text, 0)
    text, parents = _PARENT.subn("", text) if ".." in text else (text, 0)
    count = 0

    def turned(found: re.Match[str]) -> str:
        nonlocal count
        count += "/" in found[2]
        return found[1] + found[2].replace("/", "\\")

    if ":/" in text or "/" in text:
        text = _SLASHED.sub(turned, text)
    return text, doubled + here + parents + count


def short_names(text: str) -> tuple[str, int]:
    """`C:\\PROGRA~1` → `C:\\Program Files`, where default installations have that 8.3 name."""
    if "~" not in text:
        return text, 0
    count = 0

    def full(found: re.Match[str]) -> str:
        nonlocal count
        stem, suffix = found[1].lower(), (found[2] or "").lower()
        name = KNOWN["short_names"].get(stem) if not suffix else None
        if name is None and suffix in (".exe", ""):
            begins = stem.partition("~")[0]
            made = [one for one in _LONG_PROGRAMS if len(begins) == 6 and one.startswith(begins)]
            name = made[0] + suffix if made else None
        if name is None:
            return found[0]
        count += 1
        return str(name)

    return _SHORT.sub(full, text), count
