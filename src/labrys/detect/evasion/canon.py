"""The canonical form of a command line: what the shells make of it before they obey.

Every step undoes something that shells, loaders or readers' eyes undo as well; the steps run until
nothing changes any more. The form is only ever matched beside the line itself, so a step that reads
an ordinary line oddly costs nothing unless a rule is about exactly that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.evasion import posix, powershell, windows
from labrys.detect.evasion.letters import undisguised

Shell = Literal["windows", "posix"]
Undo = Callable[[str], tuple[str, int]]

LONGEST: Final = 32_768
"""So much of a line is read; Windows starts no process with a longer one."""
_ROUNDS: Final = 24
"""A line that still changes after so many rounds is nested on purpose; it is left as it is."""


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of disguise: its name in findings, and how sure a sign of hiding one place is.

    Evidence of hiding adds up to `Canon.strength`; 1 is more than ordinary software ever shows.
    """

    name: str
    undo: Undo
    weight: float
    most: float = 2.0


@dataclass(frozen=True, slots=True)
class Canon:
    """A line's canonical form, the names of what was undone, and how surely that was hiding."""

    text: str
    steps: tuple[str, ...] = ()
    strength: float = 0.0
    undecoded: str = ""
    """The line with its disguises undone and its codes still in it, where there were any."""


_DECODED: Final = "an encoded command"
_WINDOWS: Final = (
    Step("carets inside words", windows.carets, 0.34),
    Step("backticks inside words", powershell.ticks, 0.25),
    Step("parts of environment variables", windows.environment, 0.5),
    Step("quotes inside words", windows.quotes, 0.2),
    Step("texts glued together", powershell.glued, 0.1, 0.9),
    Step("texts put together by position", powershell.formats, 0.25, 0.9),
    Step("letters written as codes", powershell.codes, 0.1),
    Step("escaped letters", powershell.escapes, 0.1, 0.3),
    Step(_DECODED, powershell.encoded, 0.2, 0.6),
    Step("environment variables", powershell.variables, 0.0),
    Step("detours in paths", windows.paths, 0.1, 0.3),
    Step("short file names", windows.short_names, 0.1, 0.3),
    Step("blanks and separators", windows.blanks, 0.0),
)
_POSIX: Final = (
    Step("blanks written as variables", posix.blanks, 0.5),
    Step(_DECODED, posix.decoded, 0.3, 0.9),
    Step("quotes and escapes inside words", posix.quotes, 0.15, 0.9),
    Step("words kept in variables", posix.variables, 0.1, 0.5),
    Step("patterns for file names", posix.expansions, 0.1, 0.5),
    Step("blanks and separators", windows.blanks, 0.0),
)
_STEPS: Final[dict[Shell, tuple[Step, ...]]] = {"windows": _WINDOWS, "posix": _POSIX}
_LETTERS: Final = {
    "unseen characters": 0.3,
    "letters in other forms": 0.0,
    "letters of other alphabets": 0.3,
}
_SUSPICIOUS: Final = (
    r"[^\x20-\x7e]|\^|`|\w[\"']+\w|\w(?:''|\"\")|(?:''|\"\")\w"
    r"|[\"'] ?\+ ?[\"']|\s\s|\s$|\$[({\w'@*]|[%!][^%!\s]{1,64}[%!:]|(?i:\[char|chrw?\(|fromcharcode|\bfor %)"
    r"|(?i:base64|xxd|\brev\b|-f ?['\"(]|-join|replace|\[ ?-1)|[-/][eE]\w{0,14}[\s:]+[\"']?[A-Za-z0-9+/]{12}"
    r"|\w~\d|[\\/]\.\.?[\\/]|[\w.:)]\\\\|\w//|[A-Za-z]:/\w|[,;]\s*/\w|^[,;\s]|%[0-9a-fA-F]{2}%"
)
_POSIX_SUSPICIOUS: Final = (
    r"|//|/\.|\\[A-Za-z0-9_./-]|/[\w.-]*[?*\[]|\{[^{}\s]+,|\w=\S+[;&]|\w['\"]|['\"]\w+['\"]\w"
)


def suspicious(lines: pa.Array, shell: Shell) -> pa.Array:
    """Which of `lines` (distinct texts) could have another canonical form; the others have none."""
    pattern = _SUSPICIOUS + (_POSIX_SUSPICIOUS if shell == "posix" else "")
    return pc.fill_null(pc.match_substring_regex(lines, pattern), False)


@lru_cache(maxsize=16_384)
def canonical(line: str, shell: Shell) -> Canon:
    """The canonical form of a line, at most `LONGEST` long; its own canonical form is itself.

    Never raises, whatever the text.
    """
    begun = text = line[:LONGEST]
    counts: dict[str, int] = {}
    undecoded = ""
    for _ in range(_ROUNDS):
        before, coded = text, _DECODED in counts
        text = _round(text, shell, counts)[:LONGEST]
        if _DECODED in counts and not coded:
            undecoded = _plain(before, shell)
        if text == before:
            return _made(begun, text, counts, shell, undecoded)
    return Canon(begun, ("disguises nested too deep to undo",), 1.0)


def _plain(text: str, shell: Shell) -> str:
    """A line after one round of all that is no decoding."""
    text, _ = undisguised(text)
    for step in _STEPS[shell]:
        if step.name != _DECODED:
            text = step.undo(text)[0][:LONGEST]
    return text


def _round(text: str, shell: Shell, counts: dict[str, int]) -> str:
    text, disguises = undisguised(text)
    for name in disguises:
        counts[name] = counts.get(name, 0) + 1
    for step in _STEPS[shell]:
        made, count = step.undo(text)
        if made != text:
            # What a decoded script is written like is its author's habit, not a disguise.
            told = counts.get(step.name, 0)
            counts[step.name] = told if _DECODED in counts else told + count
            text = made[:LONGEST]
    return text


def _made(begun: str, text: str, counts: dict[str, int], shell: Shell, undecoded: str) -> Canon:
    if text == begun:
        return Canon(text)
    strength = sum(_LETTERS.get(name, 0.0) for name in counts)
    for step in _STEPS[shell]:
        strength += min(counts.get(step.name, 0) * step.weight, step.most)
    order = [*_LETTERS, *(step.name for step in _STEPS[shell])]
    return Canon(
        text, tuple(name for name in order if name in counts), round(strength, 3), undecoded
    )
