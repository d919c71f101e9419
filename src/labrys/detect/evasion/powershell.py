"""Undoes what PowerShell undoes: backticks, glued strings, formats, character codes, encodings.

Source: the PowerShell language specification (strings, operators) and powershell.exe's parameters.
JavaScript's and VBScript's character codes are read too, for mshta and its kin. Each function gives
the text with its disguise removed, and how many places it was removed in.
"""

import base64
import binascii
import re
import zlib
from typing import Final

import re2

from labrys.detect.evasion.known import KNOWN, VARIABLES

_TICK: Final = re.compile(r"`(?:\r?\n|(?=\S))")
_TICK_IN_WORD: Final = re.compile(r"\w`\w|[\s(&.'\"]`\w")
_GLUED: Final = re.compile(r"(?:'[ \t]{0,8}\+[ \t]{0,8}'|\"[ \t]{0,8}\+[ \t]{0,8}\")")
_MIXED: Final = re.compile(r"['\"][ \t]{0,8}\+[ \t]{0,8}['\"]")
_TEXT: Final = r"(?:'[^'\r\n]*'|\"[^\"\r\n]*\")"
_FORMAT: Final = re2.compile(
    rf"(?i)\(?\s?({_TEXT})\s?\)?\s?-f\s?\(?({_TEXT}(?:\s?,\s?{_TEXT})*)\)?"
)
_JOINED: Final = re2.compile(
    rf"(?i)-join\s?\(\s?({_TEXT}(?:\s?,\s?{_TEXT})+)\s?\)"
    rf"|\(\s?({_TEXT}(?:\s?,\s?{_TEXT})+)\s?\)\s?-join\s?(?:''|\"\")"
)
_REPLACED: Final = re2.compile(
    rf"(?i)\(?({_TEXT})\)?\s?(?:\.replace\s?\(|-[ci]?replace\s?\(?)\s?"
    rf"(?:\[string\])?({_TEXT})\s?,\s?(?:\[string\])?({_TEXT})\s?\)?"
)
_REVERSED: Final = re2.compile(
    rf"(?i)(?:-join\s?)?\(?\s?({_TEXT})\s?\[\s?-1\s?\.\.\s?-\d+\s?\]\s?\)?(?:\s?-join\s?(?:''|\"\")\s?\)?)?"
)
_ONE_TEXT: Final = re.compile(_TEXT)
_PLACE: Final = re.compile(r"\{(\d{1,3})\}")
_CHAR: Final = re.compile(
    r"\(?\[char\]\s?(?:\(\s?)?(0x[0-9a-f]{1,6}|\d{1,7})(?:\s?\))?\)?", re.IGNORECASE
)
_CODES: Final = re2.compile(
    r"(?i)(-join\s?)?\(*\s?(?:(?:\[char\[\]\]|string\.fromcharcode|\[string\]::join\(\s?(?:''|\"\")\s?,\s?)"
    r"\s?[@(\s]*)((?:0x[0-9a-f]{1,6}|\d{1,7})(?:\s?,\s?(?:0x[0-9a-f]{1,6}|\d{1,7}))+)\s?\)*"
    r"(?:\s?-join\s?(?:''|\"\"))?"
)
_VBS: Final = re2.compile(r"(?i)chrw?\(\s?\d{1,5}\s?\)(?:\s?[&+]\s?chrw?\(\s?\d{1,5}\s?\))+")
_CALLED: Final = re.compile(r"[&.]\s?\(?\s?(['\"])([A-Za-z][\w-]{1,40})\1\s?\)?")
_ARGUMENT: Final = re.compile(r"(?<=\s)\(\s?'([^'\s]{1,256})'\s?\)(?=[\s\"';|]|\Z)")
_NUMBER: Final = re.compile(r"0x[0-9a-f]{1,6}|\d{1,7}", re.IGNORECASE)
_INDEXED: Final = re.compile(
    r"\$\{?(?:env:)?(\w{2,24})\}?\[\s?(\d{1,3}(?:\s?,\s?\d{1,3}){0,16})\s?\](\s?-join\s?(?:''|\"\"))?",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(r"\$(?:env:(\w{2,32})|\{env:([\w()]{2,32})\})", re.IGNORECASE)
_ENCODED: Final = re.compile(
    r"(?<=[\s\"',;])[-/](e[a-z]{0,14})(?:\s{1,8}|:)[\"']?([A-Za-z0-9+/]{12,}={0,2})[\"']?(?=\s|\Z|[\"'|;&)])",
    re.IGNORECASE,
)
_FROM_BASE64: Final = re.compile(
    r"(?:\[[\w.]{0,32}encoding\]::\w{1,16}\.getstring\(\s?)?\[?[\w.:\]]{0,32}frombase64string"
    r"\(\s?\(?[\"']([A-Za-z0-9+/\s]{8,}={0,2})[\"']\)?\s?\){1,2}",
    re.IGNORECASE,
)
_ESCAPED: Final = re.compile(
    r"(?:%[0-9a-f]{2}){3,}|(?:\\x[0-9a-f]{2}){3,}|(?:\\u00[0-9a-f]{2}){3,}", re.I
)
_LARGEST: Final = 32_768


def ticks(text: str) -> tuple[str, int]:
    """`` Inv`oke `` → `Invoke`; at the end of a line it joins that to the next."""
    if "`" not in text:
        return text, 0
    return _TICK.sub("", text), len(_TICK_IN_WORD.findall(text))


def glued(text: str) -> tuple[str, int]:
    """`'Inv'+'oke'` → `'Invoke'`."""
    if "+" not in text:
        return text, 0
    text, count = _GLUED.subn("", text)
    text, mixed = _MIXED.subn("", text)
    return text, count + mixed


def formats(text: str) -> tuple[str, int]:
    """`"{1}{0}" -f 'oke','Inv'` → `'Invoke'`; `-join`, `-replace`, calls of texts likewise."""
    count = 0

    def formatted(found: re.Match[str]) -> str:
        nonlocal count
        parts = _texts(found[2])
        places = _PLACE.findall(found[1])
        if not places or max(map(int, places)) >= len(parts):
            return found[0]
        count += 1
        return _quoted(_PLACE.sub(lambda place: parts[int(place[1])], found[1][1:-1])[:_LARGEST])

    def joined(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return _quoted("".join(_texts(found[1] or found[2])))

    def replaced(found: re.Match[str]) -> str:
        nonlocal count
        old, new = found[2][1:-1], found[3][1:-1]
        count += 1
        made = found[1][1:-1].replace(old, new) if old else found[1][1:-1]
        return _quoted(made[:_LARGEST])

    def reversed_(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return _quoted(found[1][1:-1][::-1])

    folded = text.lower()
    if "'" in text or '"' in text:
        text, called = _CALLED.subn(r"\2 ", text)
        text, arguments = _ARGUMENT.subn(r"\1", text)
        count += called + arguments
    if "-f" in folded and "{" in text:
        text = _FORMAT.sub(formatted, text)
    if "-join" in folded:
        text = _JOINED.sub(joined, text)
    if "replace" in folded:
        text = _REPLACED.sub(replaced, text)
    if "-1.." in folded.replace(" ", ""):
        text = _REVERSED.sub(reversed_, text)
    return text, count


def codes(text: str) -> tuple[str, int]:
    """`[char]105+[char]101` → `'ie'`, and letters picked from variables that are always the same."""
    count = 0

    def many(found: re.Match[str]) -> str:
        nonlocal count
        numbers = [
            int(one, 0) if "x" in one.lower() else int(one) for one in _NUMBER.findall(found[0])
        ]
        if not all(9 <= number < 0xD800 for number in numbers):
            return found[0]
        count += len(numbers)
        return _quoted("".join(map(chr, numbers)))

    def picked(found: re.Match[str]) -> str:
        nonlocal count
        name = found[1].lower()
        value = KNOWN["powershell"].get(name, VARIABLES.get(name))
        places = [int(place) for place in found[2].split(",")]
        if value is None or max(places) >= len(value):
            return found[0]
        count += 1
        return _quoted("".join(value[place] for place in places))

    folded = text.lower()
    if "char" in folded or "join" in folded:
        text = _CODES.sub(many, text)
        text = _CHAR.sub(many, text)
    if "chr" in folded:
        text = _VBS.sub(many, text)
    if "$" in text and "[" in text:
        text = _INDEXED.sub(picked, text)
    return text, count


def escapes(text: str) -> tuple[str, int]:
    """Three or more of `%77`, `\\x77` or `\\u0077` in a row become letters."""
    if "%" not in text and "\\" not in text:
        return text, 0

    def letters(found: re.Match[str]) -> str:
        made = "".join(chr(int(part[-2:], 16)) for part in re.findall(r"[^%\\]+", found[0]))
        return made if made.isprintable() else found[0]

    made, count = _ESCAPED.subn(letters, text)
    return made, count if made != text else 0


def variables(text: str) -> tuple[str, int]:
    """`$env:ComSpec` → its default value."""
    if "env:" not in text.lower():
        return text, 0
    made = _NAMED.sub(lambda found: VARIABLES.get((found[1] or found[2]).lower(), found[0]), text)
    return made, 0


def encoded(text: str) -> tuple[str, int]:
    """`-EncodedCommand` and `FromBase64String`: the script itself in place of its Base64."""
    count = 0

    def parameter(found: re.Match[str]) -> str:
        nonlocal count
        name = found[1].lower()
        plain = from_base64(found[2]) if "encodedcommand".startswith(name) or name == "ec" else None
        if plain is None:
            return found[0]
        count += 1
        return f"-EncodedCommand {plain}"

    def call(found: re.Match[str]) -> str:
        nonlocal count
        plain = from_base64(re.sub(r"\s+", "", found[1]))
        if plain is None:
            return found[0]
        count += 1
        return _quoted(plain)

    text = _ENCODED.sub(parameter, text)
    if "frombase64string" in text.lower():
        text = _FROM_BASE64.sub(call, text)
    return text, count


def from_base64(blob: str) -> str | None:
    """The text in Base64, None where it holds no text; compressed text is unpacked, within bounds."""
    try:
        data = base64.b64decode(blob + "=" * (-len(blob) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    if data[:2] == b"\x1f\x8b":
        data = _unpacked(data, 31) or data
    elif blob[:2] in ("7b", "jV", "rV", "nV", "dV", "lV", "tV", "fV", "hV", "pV", "vV", "xV", "zV"):
        data = _unpacked(data, -15) or data
    wide = data[1::2].count(0) * 2 >= len(data) - 1 > 1
    for encoding in ("utf-16-le",) if wide else ("utf-8", "utf-16-le"):
        try:
            plain = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        shown = sum((char.isprintable() and char.isascii()) or char in "\r\n\t" for char in plain)
        if plain and shown * 10 >= len(plain) * 9:
            return plain[:_LARGEST]
    return None


def _unpacked(data: bytes, window: int) -> bytes | None:
    try:
        return zlib.decompressobj(window).decompress(data, _LARGEST * 2)
    except zlib.error:
        return None


def _texts(listed: str) -> list[str]:
    return [found[1:-1] for found in _ONE_TEXT.findall(listed)]


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"
