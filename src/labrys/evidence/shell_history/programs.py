"""Finds which programs a line typed in a shell starts, as far as its words tell."""

import re
from typing import Final

_LONGEST: Final = 8 << 10
_MOST: Final = 16
_TOKEN: Final = re.compile(
    r"""(?P<end>[|;&\n()`]|\$\()|(?P<space>[ \t\r]+)"""
    r"""|(?P<word>(?:'[^']*+'|"(?:[^"\\]++|\\.)*+"|\\.|[^\s|;&()`'"\\$]|\$(?!\())++)|.""",
    re.DOTALL,
)
_ASSIGNED: Final = re.compile(r"[A-Za-z_]\w*\+?=")
_STARTERS: Final = frozenset(
    [
        *("sudo", "doas", "nohup", "env", "time", "exec", "command", "builtin", "xargs", "nice"),
        *("ionice", "setsid", "stdbuf", "timeout", "watch", "strace", "ltrace", "chroot"),
        *("unshare", "nsenter", "busybox", "then", "do", "else", "if", "while", "until", "!", "{"),
    ]
)
"""Words after which another program stands."""
_KEYWORDS: Final = frozenset(
    [
        *("then", "do", "else", "if", "while", "until", "!", "for", "done", "fi", "case", "esac"),
        *("select", "function", "elif", "{", "}", "[[", "foreach", "switch", "try", "catch"),
    ]
)
_WITH_VALUE: Final = frozenset(["-u", "-g", "-I"])
"""Options of theirs whose value is no program."""
_QUOTE: Final = re.compile(r"""['"]""")
_QUOTED: Final = re.compile(r"""['"]|\\(?=.)""")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?[smhd]?")


def programs(line: str, *, windows: bool = False) -> list[str]:
    """Every word of a line that names a program, without quotes, each once, in order."""
    found: dict[str, None] = {}
    expected, value = True, False
    for token in _TOKEN.finditer(line, 0, _LONGEST):
        if token["end"]:
            expected, value = token["end"] != ")", False
        elif token["word"] and expected:
            word = (_QUOTE if windows else _QUOTED).sub("", token["word"])
            if value or not word or word[0] == "-" or _ASSIGNED.match(word) or _is_number(word):
                value = word in _WITH_VALUE  # all this is of the program before
                continue
            if word not in _KEYWORDS:
                found[word] = None
                if len(found) >= _MOST:
                    break
            expected = word in _STARTERS
    return list(found)


def _is_number(word: str) -> bool:
    return _NUMBER.fullmatch(word) is not None
