"""What attackers do to a command line so that it is not recognised and still does the same.

Each family rewrites a line; it leaves alone what it cannot be applied to. `COST` says what it costs
the attacker: 0 nothing, 1 a shell in between (one more process), 2 a file of his own on the host.
"""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from labrys.detect.evasion.known import VARIABLES

Draw = np.random.Generator
Rewrite = Callable[[str, Draw], str]

TRAINED: Final = ("option signs", "blanks", "renamed")
"""Families that the model sees in training; it is judged on the others."""

_WORD: Final = re.compile(r"[A-Za-z]{4,}")
_PROGRAM: Final = re.compile(
    r"^(\"?)((?:[A-Za-z]:|%\w+%)?[\w\\./() -]*?)([\w-]+)(\.exe)?\1(?=\s|$)", re.I
)
_PARAMETERS: Final = {
    "encodedcommand": ("e", "ec", "enco"), "enc": ("e", "ec"), "executionpolicy": ("ex", "exec"),
    "windowstyle": ("win", "wi"), "noprofile": ("nopr", "noprof"), "nop": ("nopro",),
    "noninteractive": ("nonin",), "noni": ("nonint",), "command": ("co", "com"), "ep": ("exe",),
    "exec": ("ex",), "c": ("comm",), "w": ("win",), "domain": ("do", "dom"), "quiet": ("qui",),
    "delete": ("del", "dele"), "active": ("act",), "decode": ("deco", "dec"),
}  # fmt: skip
_LOOK: Final = str.maketrans("aceopxiys", "асеорхіуѕ")


def disguised(line: str, family: str, draw: Draw) -> str:
    """The line rewritten by a family; the same where the family has nothing to work on."""
    return {**WINDOWS, **POSIX}[family](line, draw)


def _some_words(line: str, change: Callable[[str], str], draw: Draw, most: int = 6) -> str:
    """Change some words of letters: always the longest, others by chance."""
    spans = [found.span() for found in _WORD.finditer(line)]
    if not spans:
        return line
    longest = max(spans, key=lambda span: span[1] - span[0])
    chosen = {longest} | {span for span in spans if draw.random() < 0.6}
    made = line
    for begin, end in sorted(sorted(chosen)[:most], reverse=True):
        made = made[:begin] + change(made[begin:end]) + made[end:]
    return made


def _inside(mark: str) -> Rewrite:
    def put(line: str, draw: Draw) -> str:
        def change(word: str) -> str:
            at = int(draw.integers(1, len(word)))
            return word[:at] + mark + word[at:]

        return _some_words(line, change, draw)

    return put


def _caret(line: str, draw: Draw) -> str:
    return _some_words(line, "^".join, draw)


def _quoted(line: str, draw: Draw) -> str:
    def change(word: str) -> str:
        a, b = sorted(draw.integers(1, len(word) + 1, size=2).tolist())
        return f'{word[:a]}"{word[a:b]}"{word[b:]}' if b < len(word) else f'{word[:a]}""{word[a:]}'

    return _some_words(line, change, draw) if '"' not in line else _inside('""')(line, draw)


def _environment(line: str, draw: Draw) -> str:
    names = ("comspec", "programdata", "public", "programfiles")

    def letter(char: str) -> str:
        for name in names:
            at = VARIABLES[name].find(char)
            if at >= 0:
                return f"%{name.upper()}:~{at},1%"
        return char

    def change(word: str) -> str:
        at = int(draw.integers(0, len(word)))
        return "".join(letter(c) if abs(i - at) < 2 else c for i, c in enumerate(word))

    return "cmd /c " + _some_words(line, change, draw)


def _set(line: str, draw: Draw) -> str:
    sets: list[str] = []

    def use(found: re.Match[str]) -> str:
        cut, at = int(draw.integers(1, len(found[0]))), len(sets)
        sets.append(f"set v{at}={found[0][:cut]}&&set w{at}={found[0][cut:]}&&")
        return f"%v{at}%%w{at}%"

    made = _WORD.sub(use, line, count=8)
    return f'cmd /V:ON /c "{"".join(sets)}call {made}"'


def _glued(line: str, draw: Draw) -> str:
    def piece(word: str) -> str:
        at = int(draw.integers(1, len(word)))
        return f"'{word[:at]}'+'{word[at:]}'"

    words = [
        f"({piece(word)})" if len(word) > 3 and "'" not in word else word
        for word in line.replace('"', "").split()
    ]
    return f'powershell -c "&{" ".join(words)}"'


def _formatted(line: str, draw: Draw) -> str:
    def piece(word: str) -> str:
        at = int(draw.integers(1, len(word)))
        return f"('{{1}}{{0}}' -f '{word[at:]}','{word[:at]}')"

    words = [
        piece(word) if len(word) > 3 and "'" not in word and "{" not in word else word
        for word in line.replace('"', "").split()
    ]
    return f'powershell -c "&{" ".join(words)}"'


def _char_codes(line: str, _: Draw) -> str:
    return 'powershell -c "iex (' + "+".join(f"[char]{ord(c)}" for c in line) + ')"'


def _char_array(line: str, _: Draw) -> str:
    return 'powershell -c "iex (-join[char[]](' + ",".join(str(ord(c)) for c in line) + '))"'


def _encoded(line: str, _: Draw) -> str:
    return "powershell -e " + base64.b64encode(line.encode("utf-16-le")).decode()


def _full_width(line: str, draw: Draw) -> str:
    return _some_words(
        line,
        lambda w: "".join(
            chr(ord(c) + 0xFEE0) if c.isascii() and draw.random() < 0.5 else c for c in w
        ),
        draw,
    )


def _look_alike(line: str, draw: Draw) -> str:
    return _some_words(line, lambda word: word.translate(_LOOK), draw)


def _dashes(line: str, _: Draw) -> str:
    return re.sub(r"(?<=\s)-(?=\w)", "\u2013", line)


def _option_signs(line: str, _: Draw) -> str:
    if re.search(r"\s/[A-Za-z]", line):
        return re.sub(r"(?<=\s)/(?=[A-Za-z])", "-", line)
    return re.sub(r"(?<=\s)-(?=[A-Za-z])", "/", line)


def _blanks(line: str, draw: Draw) -> str:
    return re.sub(
        r" ", lambda _: " " * int(draw.integers(2, 5)) if draw.random() < 0.8 else "\t", line
    )


def _detours(line: str, _: Draw) -> str:
    made = re.sub(r"(?<=\w)\\(?=\w)", lambda _: "\\.\\", line)
    made = re.sub(r"(?i)\\system32\\", r"\\System32\\..\\System32\\", made)
    return made if made != line else "C:/Windows/System32/../System32/" + line


def _doubled(line: str, _: Draw) -> str:
    return re.sub(r"(?<=\w)\\(?=\w)", r"\\\\", line)


def _short_names(line: str, _: Draw) -> str:
    made = line.replace("Program Files (x86)", "PROGRA~2").replace("Program Files", "PROGRA~1")
    return re.sub(r"(?i)\bpowershell(?:\.exe)?\b", "POWERS~1.EXE", made)


def _abbreviated(line: str, draw: Draw) -> str:
    def short(found: re.Match[str]) -> str:
        made = _PARAMETERS.get(found[2].lower())
        return found[1] + (made[int(draw.integers(len(made)))] if made else found[2])

    return re.sub(r"(?<=\s)([-/]+)([A-Za-z]+)(?=\s|$)", short, line)


def _reordered(line: str, draw: Draw) -> str:
    """Options with their values in another order; the program and its first word stay in front."""
    words = line.split(" ")
    head = 2 if len(words) > 3 and words[1][:1] not in "-/" else 1
    groups: list[list[str]] = []
    for word in words[head:]:
        if word[:1] in ("-", "/") or not groups:
            groups.append([word])
        else:
            groups[-1].append(word)
    if len(groups) < 2:
        return line
    order = draw.permutation(len(groups)).tolist()
    return " ".join([*words[:head], *(" ".join(groups[at]) for at in order)])


def _renamed(line: str, draw: Draw) -> str:
    name = "".join(draw.permutation(list("updatesvc"))[:6].tolist())
    return _PROGRAM.sub(lambda found: f"C:\\Tools\\{name}.exe", line, count=1)


def _separators(line: str, _: Draw) -> str:
    return re.sub(r"\s(?=/[A-Za-z])", ",", line)


def _needless(line: str, _: Draw) -> str:
    return re.sub(r"(?<=\s)([A-Za-z]{3,})(?=\s|$)", r'"\1"', line)


WINDOWS: Final[Mapping[str, Rewrite]] = {
    "carets": _caret,
    "quotes": _quoted,
    "needless quotes": _needless,
    "environment": _environment,
    "set and call": _set,
    "backticks": lambda line, draw: (
        'powershell -c "' + _inside("`")(line.replace('"', ""), draw) + '"'
    ),
    "glued": _glued,
    "formatted": _formatted,
    "character codes": _char_codes,
    "character array": _char_array,
    "encoded": _encoded,
    "full width": _full_width,
    "look-alikes": _look_alike,
    "unseen letters": _inside("\u200b"),
    "soft hyphens": _inside("\u00ad"),
    "dashes": _dashes,
    "option signs": _option_signs,
    "blanks": _blanks,
    "detours": _detours,
    "doubled": _doubled,
    "short names": _short_names,
    "abbreviated": _abbreviated,
    "reordered": _reordered,
    "renamed": _renamed,
    "separators": _separators,
}


def _variables(line: str, draw: Draw) -> str:
    names = iter("abdeghjkmnpqtuvw")
    sets = []

    def use(found: re.Match[str]) -> str:
        first, second = next(names, ""), next(names, "")
        if not second:
            return found[0]
        cut = int(draw.integers(1, len(found[0])))
        sets.append(f"{first}={found[0][:cut]};{second}={found[0][cut:]};")
        return f"${{{first}}}${{{second}}}"

    made = _WORD.sub(use, line)
    return "".join(sets) + made


def _globbed(line: str, draw: Draw) -> str:
    def change(found: re.Match[str]) -> str:
        path = list(found[0])
        at = [i for i, c in enumerate(path) if c.isalpha()]
        for i in draw.choice(at, size=max(1, len(at) // 4), replace=False).tolist():
            path[i] = "?"
        return "".join(path)

    return re.sub(r"/(?:bin|usr/bin|etc|sbin|usr/sbin)/[a-z0-9]{2,}(?![\w/.-])", change, line)


POSIX: Final[Mapping[str, Rewrite]] = {
    "blanks as variables": lambda line, _: re.sub(r" (?=\S)", "${IFS}", line),
    "empty quotes": _inside("''"),
    "escaped letters": _inside("\\"),
    "empty variables": _inside("$@"),
    "spelt in hex": lambda line, draw: _some_words(
        line, lambda word: "$'" + "".join(f"\\x{ord(c):02x}" for c in word) + "'", draw
    ),
    "base64 to a shell": lambda line, _: (
        f"echo {base64.b64encode(line.encode()).decode()} | base64 -d | sh"
    ),
    "hex to a shell": lambda line, _: f"echo {line.encode().hex()} | xxd -r -p | bash",
    "reversed": lambda line, _: (
        f"rev<<<'{line[::-1]}' | sh" if "'" not in line and "|" not in line else line
    ),
    "words in variables": _variables,
    "braces": lambda line, _: (
        "{" + ",".join(line.split()) + "}" if not re.search(r"[\"'{};|&<>,]", line) else line
    ),
    "globs": _globbed,
    "path detours": lambda line, _: re.sub(
        r"(?<=[\w ])/(?=(?:bin|etc|tmp|dev|usr|var)/)", "/./", re.sub(r"^/", "//", line)
    ),
}
COST: Final[Mapping[str, int]] = {
    **dict.fromkeys((*WINDOWS, *POSIX), 0),
    **dict.fromkeys(
        ("environment", "set and call", "backticks", "glued", "formatted", "encoded"), 1
    ),
    **dict.fromkeys(
        ("character codes", "character array", "base64 to a shell", "hex to a shell"), 1
    ),
    "renamed": 2,
}

_PLAIN: Final = ("report", "backup", "library", "season", "printer", "holiday", "summary", "garden")


def _words_behind(line: str, draw: Draw) -> str:
    return f"{line} {' '.join(draw.choice(_PLAIN, 4).tolist())}"


def _comment_behind(line: str, draw: Draw) -> str:
    return f"{line} & rem {' '.join(draw.choice(_PLAIN, 6).tolist())}"


def _program_behind(line: str, draw: Draw) -> str:
    return f"{line} & echo {draw.choice(_PLAIN)}"


ADD_ONLY: Final[Mapping[str, Rewrite]] = {
    "words behind": _words_behind,
    "a comment behind": _comment_behind,
    "a command behind": _program_behind,
}
"""What only adds, behind the line: none of it may ever lower a score."""
