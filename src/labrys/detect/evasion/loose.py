"""Rules about command lines, read loosely: the same words in any order, spelling and punctuation.

A rule says `delete shadows`; who writes `shadows /all delete`, `-delete` for `/delete`, or a prefix
of an option's name, does the same and is not matched. Rules and lines are brought to one loose
form, in which words are compared instead of text. That finds more than the rule means, so a loose
match alone is no finding: `detector.py` asks the model or the disguises for a second opinion.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

import msgspec
import pyarrow as pa

from labrys.detect.contract import RowDetector
from labrys.detect.evasion.known import KNOWN
from labrys.detect.evasion.readings import readings
from labrys.detect.sigma.detector import SigmaDetector
from labrys.detect.sigma.ir import All, Any_, Atom, Leaf, Node, Not, Rule, RuleSet
from labrys.detect.sigma.match.engine import Engine
from labrys.detect.sigma.match.verify import required
from labrys.errors import ModelError

Keep = Callable[[str, Callable[[], bytes]], bytes]
"""Gives the bytes kept under a name, from what makes them where there are none."""

COLUMN: Final = "_loose"
"""The column that loose rules read."""
WITHOUT_IMAGE: Final = "#renamed"
"""Ends the uid of a rule that is read as if it did not name the program."""

_LONGEST: Final = 8192
_MOST_WORDS: Final = 512
_NO_WORD: Final = re.compile(r"[\s,;=&()<>@+]+")
_PIPE: Final = re.compile(r"\s*\|+\s*")
_DROPPED: Final = re.compile(r"[\"'^`]+")
_OPTION: Final = re.compile(r"^(?:[-/]+|--)(?=[a-z?])")
_PROGRAM: Final = re.compile(r"\.(?:exe|com)(?=$|[:\\])")
_QUOTED_PROGRAM: Final = re.compile(r'"([^"]+)"')
_TRIED: Final = ("windows.sysmon.1", "linux.sysmon.1")
_ENOUGH: Final = 6
"""So many letters a rule must say beside the program's name to be known without that."""
Said = tuple[int, int]
"""Letters and words of a line that a condition asks for at least."""
_NOTHING: Final[Said] = (0, 0)
_SHORTEST_OPTION: Final = 3


@lru_cache(maxsize=65_536)
def loosened(text: str) -> str:
    """The words of a line between single spaces, at most 512 of them."""
    words = _NO_WORD.split(_bare(text[:_LONGEST].lower()), _MOST_WORDS)[:_MOST_WORDS]
    return f" {' '.join(_word(word) for word in words if word)} "


def _bare(text: str) -> str:
    """Without quotes; what follows a pipe stays marked by it."""
    return _PIPE.sub(" |", _DROPPED.sub("", text))


def _word(word: str) -> str:
    if word in ("/c", "/k"):
        return word  # cmd.exe's own; behind a dash they mean other things
    word, option = _OPTION.subn("-", word)
    word = _PROGRAM.sub("", word.replace("/", "\\"))
    return _in_full(word) if option else word


@lru_cache(maxsize=4096)
def _in_full(option: str) -> str:
    """`-enc` → `-encodedcommand`: PowerShell's parameters by their whole name."""
    name = option[1:]
    for full, short in KNOWN["parameters"].items():
        if name in short or (full.startswith(name) and any(name.startswith(s) for s in short)):
            return f"-{full}"
    return option


def loosen(rules: RuleSet) -> RuleSet:
    """The rules about process creation that name words of a command line, read loosely.

    Their atoms compare `COLUMN`; exclusions stay as they are. A rule that says enough beside the
    program's name is there a second time without it, as `uid + WITHOUT_IMAGE`.
    """
    made = _Loosening(rules.atoms)
    loose: list[Rule] = []
    for rule in rules.rules:
        if rule.logsource.category != "process_creation":
            continue
        when, (letters, _) = made.read(rule.when, renamed=False)
        if not letters:
            continue
        loose.append(msgspec.structs.replace(rule, when=when))
        free, (letters, words) = made.read(rule.when, renamed=True)
        if letters >= _ENOUGH and words and free != when:
            uid = rule.uid + WITHOUT_IMAGE
            loose.append(msgspec.structs.replace(rule, when=free, uid=uid))
    atoms = tuple(made.atoms)
    return RuleSet(f"{rules.digest}:loose", atoms, tuple(loose), (), ())


@dataclass(slots=True)
class _Loosening:
    """Collects the atoms of loose conditions, each once."""

    known: Sequence[Atom]
    numbers: dict[Atom, int] = field(default_factory=dict)

    @property
    def atoms(self) -> Iterator[Atom]:
        return iter(self.numbers)

    def leaf(self, atom: Atom) -> Leaf:
        return Leaf(self.numbers.setdefault(atom, len(self.numbers)))

    def read(self, node: Node, *, renamed: bool) -> tuple[Node, Said]:
        """A condition read loosely, and what of the line it asks for at least."""
        if isinstance(node, Leaf):
            return self._atom(self.known[node.atom], renamed)
        if isinstance(node, Not):
            return Not(self._exact(node.part)), _NOTHING
        parts = [self.read(part, renamed=renamed) for part in node.parts]
        nodes = tuple(part for part, _ in parts)
        letters, words = ([said[at] for _, said in parts] for at in (0, 1))
        if isinstance(node, All):
            return All(nodes), (sum(letters), sum(words))
        return Any_(nodes), (min(letters, default=0), min(words, default=0))

    def _exact(self, node: Node) -> Node:
        if isinstance(node, Leaf):
            return self.leaf(self.known[node.atom])
        if isinstance(node, Not):
            return Not(self._exact(node.part))
        parts = tuple(self._exact(part) for part in node.parts)
        return All(parts) if isinstance(node, All) else Any_(parts)

    def _atom(self, atom: Atom, renamed: bool) -> tuple[Node, Said]:
        exact = self.leaf(atom)
        if atom.field in ("Image", "OriginalFileName"):
            return self._program(atom, exact, renamed), _NOTHING
        if atom.field != "CommandLine":
            return exact, _NOTHING
        if atom.op == "re":
            # As it is: of what it asks for only the shortest text it cannot do without is known.
            letters = max(min(map(len, required(atom)), default=0), _ENOUGH)
            return exact, (letters, 1)
        pieces = [piece for piece in _pieces(atom) if piece.strip()]
        if not pieces or atom.op == "eq":
            return exact, _NOTHING
        parts = tuple(self._piece(piece) for piece in pieces)
        if atom.op == "ends":
            parts = (*parts[:-1], self.leaf(Atom(COLUMN, "ends", pieces[-1])))
        elif atom.op == "starts":
            parts = (self.leaf(Atom(COLUMN, "starts", pieces[0])), *parts[1:])
        said = (sum(len(piece.strip()) for piece in pieces), len(pieces))
        return (parts[0] if len(parts) == 1 else All(parts)), said

    def _piece(self, piece: str) -> Node:
        """A piece as it is, or, if it is an option's name, a prefix of it."""
        whole = self.leaf(Atom(COLUMN, "contains", piece))
        name = piece.strip()
        if not name.startswith("-") or not name[1:].isalpha() or name[1:] in KNOWN["parameters"]:
            return whole
        cuts = range(_SHORTEST_OPTION, len(name))
        return Any_((whole, *(self.leaf(Atom(COLUMN, "contains", f" {name[:n]} ")) for n in cuts)))

    def _program(self, atom: Atom, exact: Leaf, renamed: bool) -> Node:
        """The program by its path, or by what the line calls it; anything if it is renamed."""
        if renamed:
            return All(())
        name = loosened(atom.value.rpartition("\\")[2]).strip()
        if atom.op not in ("eq", "ends", "contains") or not name or " " in name:
            return exact
        said = (self.leaf(Atom(COLUMN, "contains", f"{edge}{name} ")) for edge in (" ", "\\"))
        return Any_((exact, *said))


def _pieces(atom: Atom) -> Iterator[str]:
    """The words an atom asks for, with a space where the line's word must begin or end."""
    if atom.op == "glob":
        for part in re.split(r"(?<!\\)[*?]+", atom.value):
            yield from _words(part.replace("\\\\", "\\"), False, False)
    elif atom.op in ("contains", "starts", "ends", "eq"):
        yield from _words(atom.value, atom.op in ("starts", "eq"), atom.op in ("ends", "eq"))


def _words(text: str, begins: bool, ends: bool) -> Iterator[str]:
    loose = loosened(text)
    words = loose.split()
    bare = _bare(text)
    begins = begins or _NO_WORD.match(bare) is not None
    ends = ends or (bare != "" and _NO_WORD.match(bare[-1]) is not None)
    for at, word in enumerate(words):
        left = " " if at or begins else ""
        right = " " if at < len(words) - 1 or ends else ""
        yield f"{left}{word}{right}"


class LooseRules:
    """Rules read loosely, without those that match ordinary lines so read."""

    def __init__(self, rules: RuleSet, sigma: RowDetector, keep: Keep) -> None:
        kept = msgspec.msgpack.decode(
            keep(f"{rules.digest[:40]}-{_digest()}.loose", lambda: _made(rules, sigma)), type=_Kept
        )
        self.detector = SigmaDetector(kept.rules, kept.compiled)
        self.ordinary = {way: frozenset(uids) for way, uids in kept.ordinary.items()}
        """Way of spelling (`readings.py`) → rules that match ordinary lines so spelt."""


class _Kept(msgspec.Struct, array_like=True):
    rules: RuleSet
    compiled: bytes
    ordinary: dict[str, list[str]]


def _made(rules: RuleSet, sigma: RowDetector) -> bytes:
    loose = loosen(rules)
    table = ordinary_table()
    found = _found(SigmaDetector(loose), table)
    loose = msgspec.structs.replace(
        loose, rules=tuple(rule for rule in loose.rules if rule.uid not in found)
    )
    spelt = {way: sorted(_found(sigma, part)) for way, part in _respelt(table).items()}
    return msgspec.msgpack.encode(_Kept(loose, Engine(loose).compiled(), spelt))


def _found(detector: RowDetector, table: pa.Table) -> set[str]:
    tables = (detector.detect(shape, table) for shape in _TRIED)
    return {uid for findings in tables for uid in findings["rule_uid"].to_pylist()}


def _respelt(table: pa.Table) -> dict[str, pa.Table]:
    """The ordinary lines in each way of spelling that changes them."""
    lines: dict[str, dict[int, str]] = {}
    for row, line in enumerate(table.column("CommandLine").to_pylist()):
        for way, text in readings(line, "posix" if line.startswith("/") else "windows").items():
            lines.setdefault(way, {})[row] = text
    at = table.schema.get_field_index("CommandLine")
    return {
        way: table.take(pa.array(list(texts))).set_column(
            at, "CommandLine", pa.array(list(texts.values()))
        )
        for way, texts in lines.items()
    }


@cache
def ordinary_table() -> pa.Table:
    """The ordinary lines that the model comes with, as process events; ModelError without them."""
    place = files("labrys.detect.evasion") / "model" / "ordinary.txt"
    try:
        lines = place.read_text("utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise ModelError(f"{place}: cannot be read ({error}); install labrys again") from error
    lines = [line for line in lines if line]
    count = len(lines)
    return pa.table(
        {
            "_id": [str(number) for number in range(count)],
            "_time": pa.array([0] * count, pa.int64()),
            "_source": ["ordinary.txt"] * count,
            "_offset": pa.array(range(count), pa.int64()),
            "_host": pa.nulls(count, pa.string()),
            "Image": [_started(line) for line in lines],
            "ParentImage": ["C:\\Windows\\explorer.exe"] * count,
            "CommandLine": lines,
            COLUMN: [loosened(line) for line in lines],
        }
    )


def _started(line: str) -> str:
    """The program file that a line starts."""
    quoted = _QUOTED_PROGRAM.match(line)
    path = quoted[1] if quoted else line.split(" ", 1)[0]
    if path.startswith("/"):
        return path
    path = path if path.lower().endswith(".exe") else f"{path}.exe"
    return path if "\\" in path else f"C:\\Windows\\System32\\{path}"


@cache
def _digest() -> str:
    """Changes with the way of reading loosely and with the ordinary lines."""
    folder = files("labrys.detect.evasion")
    names = ("loose.py", "readings.py", "known.toml", "model/ordinary.txt")
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in names)).hexdigest()[:16]
