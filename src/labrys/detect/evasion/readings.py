"""Other spellings of the same command: what programs take as well, though shells change nothing.

Programs take `-` for `/` and the other way round, an option's value behind `:` or a blank, quotes
around any word, and options cut short. A rule that matches one of these spellings was written for
the command.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from labrys.detect.evasion.canon import Shell
from labrys.detect.evasion.known import KNOWN

Respell = Callable[[str], str]

_LONGEST: Final = 8192
# Not `/c` and `/k`: cmd.exe takes no dash, and behind one they mean other things.
_SLASHED: Final = re.compile(r"(?<=\s)/(?![CcKk]\b)(?=[A-Za-z?])")
_DASHED: Final = re.compile(r"(?<=\s)--?(?![CcKk]\b)(?=[A-Za-z?])")
_JOINED: Final = re.compile(r"(?<=\s)([-/][A-Za-z]{1,32})[:=](?=[^\s\\/])")
_OPTION: Final = re.compile(r"(?<=\s)([-/]{1,2})([A-Za-z]{1,24})(?=[\s:=]|\Z)")
_NEEDLESS: Final = re.compile(r"(?<=\s)\"([A-Za-z0-9_./\\:@-]{1,64})\"(?=\s|\Z)")
_POWERSHELL: Final = re.compile(r"\b(?:powershell|pwsh)\b", re.IGNORECASE)
_SHORTEST: Final = 2


def readings(text: str, shell: Shell) -> dict[str, str]:
    """Name of a way of spelling → the line so spelt, where that differs."""
    begun = text[:_LONGEST]
    made = {name: respell(begun) for name, respell in _WAYS[shell].items()}
    return {name: line for name, line in made.items() if line != begun}


def _in_full(line: str) -> str:
    """Options by their whole name."""
    parameters = _POWERSHELL.search(line) is not None

    def full(found: re.Match[str]) -> str:
        return found[1] + _whole(found[2], parameters)

    return _OPTION.sub(full, line)


def _customary(line: str) -> str:
    """PowerShell's parameters as most people cut them."""
    if _POWERSHELL.search(line) is None:
        return line
    short = {
        "encodedcommand": "enc",
        "windowstyle": "w",
        "noprofile": "nop",
        "noninteractive": "noni",
    }

    def cut(found: re.Match[str]) -> str:
        name = _whole(found[2], True).lower()
        return "-" + short[name] if name in short else found[0]

    return _OPTION.sub(cut, line)


@lru_cache(maxsize=4096)
def _whole(option: str, parameter: bool) -> str:
    """The option that this is the beginning of; itself where none is, or several are."""
    name = option.lower()
    if parameter:
        for full, short in KNOWN["parameters"].items():
            if name in short or (full.startswith(name) and any(name.startswith(s) for s in short)):
                return str(full)
    if name in KNOWN["options"] or len(name) < _SHORTEST:
        return option
    begun = sorted((full for full in KNOWN["options"] if full.startswith(name)), key=len)
    return begun[0] if begun and all(full.startswith(begun[0]) for full in begun) else option


_WINDOWS: Final[Mapping[str, Respell]] = {
    "dashes": lambda line: _SLASHED.sub("-", line),
    "slashes": lambda line: _DASHED.sub("/", line),
    "blanks": lambda line: _JOINED.sub(r"\1 ", line),
    "unquoted": lambda line: _NEEDLESS.sub(r"\1", line),
    "whole": _in_full,
    "slashes, whole": lambda line: _in_full(_DASHED.sub("/", line)),
    "dashes, whole": lambda line: _in_full(_SLASHED.sub("-", line)),
    "customary": lambda line: _customary(_JOINED.sub(r"\1 ", _SLASHED.sub("-", line))),
}
_POSIX: Final[Mapping[str, Respell]] = {
    "blanks": lambda line: _JOINED.sub(r"\1 ", line),
    "whole": _in_full,
}
_WAYS: Final[Mapping[Shell, Mapping[str, Respell]]] = {"windows": _WINDOWS, "posix": _POSIX}
