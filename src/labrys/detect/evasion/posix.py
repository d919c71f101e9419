"""Undoes what POSIX shells undo: quotes, escapes, `$IFS`, variables, braces, globs, encodings.

Source: POSIX.1-2024, Shell Command Language, and the Bash manual for what is Bash's own. Each
function gives the text with its disguise removed, and how many places it was removed in.
"""

import re
from fnmatch import fnmatchcase
from typing import Final

from labrys.detect.evasion.known import PATHS
from labrys.detect.evasion.powershell import from_base64

_IFS: Final = re.compile(r"\$\{IFS[^}]{0,16}\}|\$IFS(?:\$\d)?(?!\w)|\$IFS(?=\d)")
_FIRST_SLASH: Final = re.compile(r"\$\{(?:HOME|PATH|PWD|OLDPWD|SHELL):0:1\}")
_NOTHING: Final = re.compile(
    r"(?<=[\w/])(?:\$[@*]|\$\{[@*]\}|\$[1-9](?!\w)|\$\(\)|``|\$\{[a-z]\})(?=[\w/])"
    r"|(?<=[\w/])\$[1-9](?=[A-Za-z])"
)
_ANSI: Final = re.compile(r"\$'((?:[^'\\]|\\.){0,4096})'", re.DOTALL)
_BACKSLASHED: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|([0-7]{1,3})|(.))", re.DOTALL
)
_PRINTED: Final = re.compile(
    r"(?:\$\(|`)\s?(?:printf|echo\s(?:-ne?|-en?))\s(?:'%b'\s)?(['\"]?)((?:\\x[0-9a-fA-F]{2}|\\[0-7]{2,4}|[\w/.-]){1,2048})\1\s?(?:\)|`)"
    r"|\b(?:printf|echo\s-n?e)\s(['\"])((?:\\x[0-9a-fA-F]{2}|\\[0-7]{2,4}){2,2048}[^'\"]{0,256})\3(?=\s?\|)"
)
_ESCAPED: Final = re.compile(
    r"(?<=[A-Za-z0-9_./-])\\(?=[A-Za-z0-9_./-])|(?<![\w\\'\"])\\(?=[a-z]{2})"
)
_QUOTED_INSIDE: Final = re.compile(
    r"(?<=[\w/.-])(?:''|\"\")|(?:''|\"\")(?=[\w/.-])"
    r"|(?<=[\w/.-])'([\w/.-]{1,64})'|'([\w/.-]{1,64})'(?=[\w/.-])"
    r"|(?<=[\w/.-])\"([\w/.-]{1,64})\"|\"([\w/.-]{1,64})\"(?=[\w/.-])"
)
_BRACES: Final = re.compile(r"(?<![\w$\"'}])\{([\w./~-]{1,64}(?:,[^\s{},;&|]{1,128}){1,32})\}")
_GLOB: Final = re.compile(r"(?<![\w.*?\]])(?:/[\w.*?\[\]-]{1,32}){2,4}(?![\w/*?\[])")
_ASSIGNED: Final = re.compile(
    r"(?<![\w$.-])([A-Za-z_]\w{0,31})=(?:'([^'\n]{0,256})'|\"([^\"\n$`]{0,256})\"|([^\s;&|'\"$`()]{1,256}))(?=[\s;&])"
)
_USED: Final = re.compile(r"\$(?:([A-Za-z_]\w{0,31})|\{([A-Za-z_]\w{0,31})\})")
_BASE64: Final = re.compile(
    r"(?:\$\(|`)?\s?(?:echo|printf)\s(?:-n\s)?['\"]?([A-Za-z0-9+/]{6,}={0,2})['\"]?\s?\|\s?"
    r"(?:\S{0,16}base64|openssl\s(?:enc\s)?-?base64)\s(?:-d|-D|--decode|-di|-A\s-d|-d\s-A)(?:\s?\)|`)?"
    r"|\S{0,16}base64\s(?:-d|-D|--decode)\s?<<<\s?['\"]?([A-Za-z0-9+/]{6,}={0,2})['\"]?(?:\s?\)|`)?"
    r"|(?:base64\.)?b64decode\(\s?b?['\"]([A-Za-z0-9+/]{6,}={0,2})['\"]\s?\)(?:\.decode\(\s?\))?"
)
_HEX: Final = re.compile(
    r"(?:\$\(|`)?\s?(?:echo|printf)\s(?:-n\s)?['\"]?((?:[0-9a-fA-F]{2}){3,})['\"]?\s?\|\s?xxd\s(?:-r\s-p|-p\s-r|-rp|-ps\s-r)(?:\s?\)|`)?"
    r"|(?:bytes\.fromhex|unhexlify)\(\s?b?['\"]((?:[0-9a-fA-F]{2}){3,})['\"]\s?\)(?:\.decode\(\s?\))?"
)
_REVERSED: Final = re.compile(
    r"(?:\$\(|`)?\s?(?:rev\s?<<<\s?(['\"]?)([^'\"\n|)]{3,512})\1|echo\s(['\"]?)([^'\"\n|]{3,512})\3\s?\|\s?rev)(?:\s?\)|`)?"
)
_DETOUR: Final = re.compile(
    r"(?<=[\w.\"' =])/[\w.-]{1,64}/\.\.(?=/)|/\.(?=/)|(?<![:\w])/(?=/)|(?<=[\w])(?<!:)/(?=/[\w.])"
)
_PLAIN_ESCAPES: Final = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "e": "",
    "a": "",
    "b": "",
    "f": "",
    "v": "",
}
_LONGEST_VALUE: Final = 256


def blanks(text: str) -> tuple[str, int]:
    """`cat${IFS}/etc/passwd` → `cat /etc/passwd`; what expands to nothing goes."""
    if "$" not in text and "`" not in text:
        return text, 0
    text, separators = _IFS.subn(" ", text)
    text, slashes = _FIRST_SLASH.subn("/", text)
    text, nothing = _NOTHING.subn("", text)
    return text, separators + slashes + nothing


def quotes(text: str) -> tuple[str, int]:
    """`c''at`, `c\\at`, `w"ho"ami` and `$'\\x63at'` → what the shell makes of them."""
    text, codes = _ANSI.subn(lambda found: _spelt(found[1]), text) if "$'" in text else (text, 0)
    text, printed = _PRINTED.subn(lambda found: _spelt(found[2] or found[4]), text)
    text, pieces = _QUOTED_INSIDE.subn(
        lambda found: next((part for part in found.groups() if part), ""), text
    )
    text, escaped = _ESCAPED.subn("", text) if "\\" in text else (text, 0)
    return text, codes + printed + pieces + escaped


def variables(text: str) -> tuple[str, int]:
    """`a=c;b=at;$a$b` → `…;cat`: variables that the line itself sets."""
    if "$" not in text or "=" not in text:
        return text, 0
    own = {
        found[1]: next((part for part in found.groups()[1:] if part is not None), "")
        for found in _ASSIGNED.finditer(text)
    }
    count = 0

    def value(found: re.Match[str]) -> str:
        nonlocal count
        made = own.get(found[1] or found[2])
        if made is None:
            return found[0]
        count += 1
        return made[:_LONGEST_VALUE]

    return (_USED.sub(value, text), count) if own else (text, 0)


def expansions(text: str) -> tuple[str, int]:
    """`{cat,/etc/passwd}` and `/b?n/c?t` → `cat /etc/passwd` and `/bin/cat`; detours in paths."""
    braces = globs = 0
    if "{" in text:
        text, braces = _BRACES.subn(lambda found: found[1].replace(",", " "), text)
    if "?" in text or "*" in text or "[" in text:

        def path(found: re.Match[str]) -> str:
            nonlocal globs
            known = _matching(found[0])
            globs += known is not None
            return known or found[0]

        text = _GLOB.sub(path, text)
    text, detours = _DETOUR.subn("", text) if "/" in text else (text, 0)
    return text, braces + globs + detours


def decoded(text: str) -> tuple[str, int]:
    """`echo … | base64 -d`, `xxd -r -p` and `rev` → what they print."""
    count = 0

    def plain(found: re.Match[str]) -> str:
        nonlocal count
        blob = next(part for part in found.groups() if part)
        made = from_base64(blob) if found.re is _BASE64 else _from_hex(blob)
        count += made is not None
        return found[0] if made is None else made

    def turned(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return (found[2] or found[4])[::-1]

    if "64" in text:
        text = _BASE64.sub(plain, text)
    if "xxd" in text or "hex" in text:
        text = _HEX.sub(plain, text)
    if "rev" in text:
        text = _REVERSED.sub(turned, text)
    return text, count


def _spelt(escaped: str) -> str:
    def letter(found: re.Match[str]) -> str:
        if found[1] or found[2]:
            return chr(int(found[1] or found[2], 16))
        if found[3]:
            return chr(int(found[3], 8) & 0xFF)
        return _PLAIN_ESCAPES.get(found[4], found[4])

    made = _BACKSLASHED.sub(letter, escaped)
    return made.encode("utf-8", "replace").decode("utf-8")


def _from_hex(blob: str) -> str | None:
    made = bytes.fromhex(blob).decode("utf-8", "replace")
    return made if all(char.isprintable() or char in "\r\n\t" for char in made) else None


def _matching(glob: str) -> str | None:
    """The known path that a pattern means; None where it is no pattern or means none."""
    if not any(sign in glob for sign in "?*["):
        return None
    depth = glob.count("/")
    found = (path for path in PATHS if path.count("/") == depth and fnmatchcase(path, glob))
    return next(found, None)
