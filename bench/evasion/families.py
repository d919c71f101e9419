"""Disguises that this benchmark rewrites command lines with: the detector's own families, and others.

Those of `HELD_OUT` were written for the benchmark only; nothing in the detector was made for them.
"""

import base64
import gzip
import re
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from labrys.detect.evasion.threat import POSIX, TRAINED, WINDOWS

Draw = np.random.Generator
Rewrite = Callable[[str, Draw], str]


def _no_quotes(line: str) -> str:
    return line.replace('"', "").replace("'", "")


def _substituted(line: str, draw: Draw) -> str:
    words = re.sub(
        r"[A-Za-z]{4,}", lambda found: found[0][:2] + "Zq" + found[0][2:], _no_quotes(line)
    )
    return f'cmd.exe /v:on /c "set cl={words}&&call %cl:Zq=%"'


def _zipped(line: str, _: Draw) -> str:
    blob = base64.b64encode(gzip.compress(line.encode(), mtime=0)).decode()
    return (
        'powershell -nop -c "iex (New-Object IO.StreamReader((New-Object IO.Compression.GzipStream('
        f"[IO.MemoryStream][Convert]::FromBase64String('{blob}'),"
        '[IO.Compression.CompressionMode]::Decompress)))).ReadToEnd()"'
    )


def _utf8_base64(line: str, _: Draw) -> str:
    blob = base64.b64encode(line.encode()).decode()
    return (
        f"powershell iex ([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{blob}')))"
    )


def _backwards(line: str, _: Draw) -> str:
    text = _no_quotes(line)
    return f"powershell -c \"iex ('{text[::-1]}'[-1..-{len(text)}] -join '')\""


def _replaced(line: str, draw: Draw) -> str:
    text = re.sub(
        r"[A-Za-z]{4,}", lambda found: found[0][:2] + "!!" + found[0][2:], _no_quotes(line)
    )
    return f"powershell -c \"iex ('{text}' -replace '!!','')\""


def _percent(line: str, _: Draw) -> str:
    text = "".join(f"%{ord(char):02x}" for char in line if ord(char) < 128)
    return f"mshta.exe javascript:new ActiveXObject('WScript.Shell').Run(unescape('{text}'))"


def _mathematical(line: str, _: Draw) -> str:
    bold = {
        **{chr(97 + n): chr(0x1D41A + n) for n in range(26)},
        **{chr(65 + n): chr(0x1D400 + n) for n in range(26)},
    }
    return re.sub(r"[A-Za-z]{4,}", lambda found: "".join(bold[c] for c in found[0]), line)


def _mixed(line: str, draw: Draw) -> str:
    for family in ("blanks", "quotes", "carets"):
        line = WINDOWS[family](line, draw)
    return line


def _padded(line: str, _: Draw) -> str:
    words = line.split(" ")
    return " ".join(
        [words[0], *(f"{word} /nologo" if n % 2 else word for n, word in enumerate(words[1:]))]
    )


def _colons(line: str, _: Draw) -> str:
    return re.sub(r"(\s[-/][A-Za-z]{2,}) (?=[\w\"'\\])", r"\1:", line)


def _for_loop(line: str, _: Draw) -> str:
    program, _space, rest = line.partition(" ")
    half = len(program) // 2
    return f'cmd /c "for %a in ({program[:half]}) do for %b in ({program[half:]}) do %a%b {rest}"'


def _octal(line: str, _: Draw) -> str:
    return "$(printf '" + "".join(f"\\{ord(char):03o}" for char in line) + "')"


def _python_hex(line: str, _: Draw) -> str:
    return f"python3 -c \"import os;os.system(bytes.fromhex('{line.encode().hex()}').decode())\""


def _twice(line: str, _: Draw) -> str:
    inner = f"echo {base64.b64encode(line.encode()).decode()} | base64 -d | sh"
    return f"bash -c 'echo {base64.b64encode(inner.encode()).decode()}|base64 --decode|bash'"


def _rotated(line: str, _: Draw) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    turned = line.translate(str.maketrans(letters, letters[13:] + letters[:13]))
    return f"echo '{turned}' | tr 'a-z' 'n-za-m' | sh"


def _cut_path(line: str, _: Draw) -> str:
    return line.replace("/", "${HOME:0:1}")


def _split_quotes(line: str, draw: Draw) -> str:
    return re.sub(
        r"[a-z]{4,}", lambda found: f"{found[0][:2]}\"{found[0][2:3]}\"'{found[0][3:]}'", line
    )


def _own_cut(line: str, _: Draw) -> str:
    return f'cmd /v:on /c "set q=zzz{_no_quotes(line)}&&!q:~3!"'


def _continued(line: str, _: Draw) -> str:
    return "cmd /c " + re.sub(
        r"[A-Za-z]{4,}", lambda found: found[0][:2] + "^\r\n" + found[0][2:], line
    )


def _escaped_letters(line: str, _: Draw) -> str:
    text = "".join(f"\\u{ord(char):04x}" if char.isalpha() else char for char in _no_quotes(line))
    return f"mshta.exe \"javascript:new ActiveXObject('WScript.Shell').Run('{text}')\""


def _three_parts(line: str, _: Draw) -> str:
    text = _no_quotes(line)
    third = len(text) // 3
    parts = f"'{text[2 * third :]}','{text[:third]}','{text[third : 2 * third]}'"
    return f"powershell -c \"iex ('{{1}}{{2}}{{0}}' -f {parts})\""


def _letter_list(line: str, _: Draw) -> str:
    letters = ",".join(f"'{char}'" for char in _no_quotes(line))
    return f"powershell -c \"iex (({letters}) -join '')\""


def _here_string(line: str, _: Draw) -> str:
    return f'bash <<< "$(echo {base64.b64encode(line.encode()).decode()} | base64 -d)"'


def _echoed(line: str, _: Draw) -> str:
    return "$(echo -e '" + "".join(f"\\x{ord(char):02x}" for char in line) + "')"


def _by_openssl(line: str, _: Draw) -> str:
    blob = base64.b64encode(line.encode()).decode()
    return f"sh -c 'echo {blob} | openssl enc -base64 -d -A | sh'"


SEEN: Final[Mapping[str, Mapping[str, Rewrite]]] = {
    "windows": {"for loops": _for_loop},
    "posix": {"Python and hex": _python_hex, "cut variables": _cut_path},
}
"""Of this benchmark's own families those that the detector was mended for."""
HELD_OUT: Final[Mapping[str, Mapping[str, Rewrite]]] = {
    "windows": {
        "substituted variable": _substituted, "compressed": _zipped, "UTF-8 Base64": _utf8_base64,
        "backwards": _backwards, "replaced": _replaced, "percent codes": _percent,
        "mathematical letters": _mathematical, "several at once": _mixed, "padded": _padded,
        "colons for blanks": _colons, "own variable cut": _own_cut, "continued lines": _continued,
        "escaped letters": _escaped_letters, "three parts": _three_parts, "list of letters": _letter_list,
    },
    "posix": {
        "octal": _octal, "encoded twice": _twice, "rotated": _rotated, "split quotes": _split_quotes,
        "here string": _here_string, "echoed in hex": _echoed, "by openssl": _by_openssl,
    },
}  # fmt: skip


def families(shell: str) -> dict[str, Rewrite]:
    """Every family for a shell; those of this benchmark alone are marked."""
    ours = {**(WINDOWS if shell == "windows" else POSIX), **SEEN[shell]}
    made = {(f"{name} (trained)" if name in TRAINED else name): one for name, one in ours.items()}
    if shell == "windows":
        made["renamed and stripped (trained)"] = WINDOWS["renamed"]
    return {**made, **{f"+ {name}": one for name, one in HELD_OUT[shell].items()}}
