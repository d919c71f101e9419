"""Decides one atom on one value, for what literals alone cannot: patterns, numbers, addresses."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from ipaddress import ip_address, ip_network
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import re2

from labrys.detect.sigma.ir import Atom
from labrys.detect.sigma.match.functions import FUNCTIONS, Function
from labrys.evidence.values import MULTI

Test = Callable[[str], bool]
BACKTRACKING_LIMIT: Final = 16 << 10
"""Longest value shown to an expression that needs backtracking (look-around, back-references)."""


def lower(text: str) -> str:
    """Simple lower-casing by code point, the one Arrow's `utf8_lower` does."""
    if text.isascii():
        return text.lower()
    return str(pc.utf8_lower(pa.scalar(text)).as_py())


def test(atom: Atom) -> Test:
    """A function that decides `atom` on a whole cell (any of its values)."""
    function = FUNCTIONS.get(atom.op)
    one = partial(_by_function, function, atom.value) if function else _TESTS[atom.op](atom)

    def any_value(cell: str) -> bool:
        if MULTI in cell:
            return any(one(value) for value in cell.split(MULTI))
        return one(cell)

    return any_value


def _by_function(function: Function, wanted: str, value: str) -> bool:
    return function(value, wanted)


def _literal(compare: Callable[[str, str], bool]) -> Callable[[Atom], Test]:
    def make(atom: Atom) -> Test:
        if atom.cased:
            wanted = atom.value
            return lambda value: compare(value, wanted)
        folded = lower(atom.value)
        return lambda value: compare(lower(value), folded)

    return make


def _glob(atom: Atom) -> Test:
    expression = _re2("(?s)\\A(?:" + glob_expression(_cased(atom)) + ")\\z")
    if atom.cased:
        return lambda value: expression.search(value) is not None
    return lambda value: expression.search(lower(value)) is not None


def _cased(atom: Atom) -> str:
    return atom.value if atom.cased else lower(atom.value)


def glob_expression(glob: str) -> str:
    """A Sigma wildcard pattern as a regular expression without anchors."""
    parts: list[str] = []
    for kind, text in glob_parts(glob):
        parts.append({"*": ".*", "?": "."}.get(kind) or re2.escape(text))
    return "".join(parts)


def glob_parts(glob: str) -> list[tuple[str, str]]:
    r"""A wildcard pattern as ("*" | "?" | "text", literal); `\*`, `\?` and `\\` are literal."""
    parts: list[tuple[str, str]] = []
    text: list[str] = []
    position = 0
    while position < len(glob):
        char = glob[position]
        if char == "\\" and glob[position + 1 : position + 2] in ("*", "?", "\\"):
            text.append(glob[position + 1])
            position += 2
            continue
        if char in "*?":
            if text:
                parts.append(("text", "".join(text)))
                text = []
            parts.append((char, char))
        else:
            text.append(char)
        position += 1
    if text:
        parts.append(("text", "".join(text)))
    return parts


def _re(atom: Atom) -> Test:
    linear = linear_expression(atom)
    if linear is not None:
        expression = _re2(linear)

        def search(value: str) -> bool:
            # Unlike PCRE, RE2's `$` does not match before a final newline.
            found = expression.search(value)
            if found is None and value.endswith("\n"):
                found = expression.search(value[:-1])
            return found is not None

        return search
    flags = re.ASCII
    for letter in atom.flags:
        flags |= {"i": re.I, "m": re.M, "s": re.S}[letter]
    slow = re.compile(atom.value, flags)
    return lambda value: slow.search(value[:BACKTRACKING_LIMIT]) is not None


@lru_cache(4096)
def linear_expression(atom: Atom) -> str | None:
    """The atom's expression for RE2, flags inside; None where only backtracking can run it."""
    flags = "".join(sorted(set(atom.flags)))
    value = f"(?{flags}:{atom.value})" if flags else atom.value
    try:
        _re2(value)
    except re2.error:
        return None
    return value


@lru_cache(8192)
def _re2(expression: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    return re2.compile(expression, options)


def _cidr(atom: Atom) -> Test:
    network = ip_network(atom.value, strict=False)

    def inside(value: str) -> bool:
        try:
            address = ip_address(value.strip().split("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None and network.version == 4:
            address = mapped
        return address.version == network.version and address in network

    return inside


def _number(compare: Callable[[float, float], bool]) -> Callable[[Atom], Test]:
    def make(atom: Atom) -> Test:
        wanted = float(atom.value)

        def test_number(value: str) -> bool:
            if "_" in value:
                return False
            try:
                return compare(float(value), wanted)
            except ValueError:
                return False

        return test_number

    return make


def _time_part(part: Callable[[datetime], int]) -> Callable[[Atom], Test]:
    def make(atom: Atom) -> Test:
        wanted = int(float(atom.value))

        def test_time(value: str) -> bool:
            try:
                moment = datetime.fromisoformat(value.strip())
            except ValueError:
                return False
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            try:
                return part(moment.astimezone(UTC)) == wanted
            except OverflowError:
                return False

        return test_time

    return make


_TESTS: Final[dict[str, Callable[[Atom], Test]]] = {
    "eq": _literal(lambda value, wanted: value == wanted),
    "starts": _literal(lambda value, wanted: value.startswith(wanted)),
    "ends": _literal(lambda value, wanted: value.endswith(wanted)),
    "contains": _literal(lambda value, wanted: wanted in value),
    "glob": _glob,
    "re": _re,
    "cidr": _cidr,
    "lt": _number(lambda value, wanted: value < wanted),
    "lte": _number(lambda value, wanted: value <= wanted),
    "gt": _number(lambda value, wanted: value > wanted),
    "gte": _number(lambda value, wanted: value >= wanted),
    "minute": _time_part(lambda moment: moment.minute),
    "hour": _time_part(lambda moment: moment.hour),
    "day": _time_part(lambda moment: moment.day),
    "week": _time_part(lambda moment: moment.isocalendar().week),
    "month": _time_part(lambda moment: moment.month),
    "year": _time_part(lambda moment: moment.year),
}


@lru_cache(8192)
def required(atom: Atom) -> tuple[str, ...]:
    """Lower-case literals of which at least one is in every value the atom matches; () unknown."""
    if atom.op == "glob":
        texts = [text for kind, text in glob_parts(lower(atom.value)) if kind == "text"]
        return (max(texts, key=len),) if texts else ()
    if atom.op in FUNCTIONS:
        return ()
    if atom.op != "re":
        return (lower(atom.value),) if atom.value else ()
    flags = re.ASCII
    for letter in atom.flags:
        flags |= {"i": re.I, "m": re.M, "s": re.S}[letter]
    try:
        parsed = sre_parser.parse(atom.value, flags)
    except (re.error, OverflowError, RecursionError):
        return ()
    best = _required_in(list(parsed))
    return best if best and min(map(len, best)) >= 2 else ()


def _required_in(items: list[Any]) -> tuple[str, ...]:
    """The best alternatives among a concatenation's parts: those whose shortest is longest."""
    choices: list[tuple[str, ...]] = []
    run: list[str] = []
    for op, argument in [*items, (None, None)]:
        if op is sre.LITERAL and argument < 128:
            run.append(chr(argument).lower())
            continue
        if run:
            choices.append(("".join(run),))
            run = []
        choices.append(_required_by(op, argument))
    return max(choices, key=lambda choice: min(map(len, choice), default=0), default=())


def _required_by(op: Any, argument: Any) -> tuple[str, ...]:
    if op is sre.SUBPATTERN:
        return _required_in(list(argument[-1]))
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT) and argument[0] >= 1:
        return _required_in(list(argument[2]))
    if op is sre.BRANCH:
        branches = [_required_in(list(branch)) for branch in argument[1]]
        if all(branches) and sum(map(len, branches)) <= 64:
            return tuple(text for branch in branches for text in branch)
    return ()
