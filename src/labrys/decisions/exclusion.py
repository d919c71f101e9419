"""Exceptions: which findings are normal here, as data that is applied when findings are looked at.

Nothing is deleted and no rule is changed, so an exception works on what was found long ago, outlives
a new version of its rule, and takes its effect back when it is removed.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.errors import LabrysError
from labrys.ocsf.schema import ENTITY_TYPES

Flags = npt.NDArray[np.bool_]
Pairs = tuple[tuple[str, str], ...]

_LONGEST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One exception. All that it names must hold; it must name a rule, an entity or a value.

    `rule` is a rule's id or title. `entities` are (type, pattern), `values` (field, pattern) of what
    a rule matched. Patterns of one type or field are alternatives. In a pattern `*` stands for any
    text and `?` for one character, case does not matter, and for an `ip` it may be a network.
    It hides what happened `since` and before `until` (epoch milliseconds UTC; None: for ever).
    """

    rule: str = ""
    entities: Pairs = ()
    values: Pairs = ()
    since: int | None = None
    until: int | None = None
    who: str = ""
    why: str = ""
    made: int = 0

    @property
    def id(self) -> str:
        """A short name; the same exception has the same one wherever it is kept."""
        said = repr((self.rule, self.entities, self.values, self.since, self.until))
        return blake2b(said.encode(), digest_size=4).hexdigest()

    def check(self) -> None:
        """Raises `LabrysError` where this could hide everything, or can hide nothing."""
        if not (self.rule or self.entities or self.values):
            raise LabrysError("an exception needs a rule, an entity or a value: it hides all else")
        for kind, _ in self.entities:
            if kind not in ENTITY_TYPES:
                raise LabrysError(f"no entity type {kind!r}; there are: {', '.join(ENTITY_TYPES)}")
        for name, pattern in (*self.entities, *self.values):
            if not pattern.strip("*? "):
                raise LabrysError(f"{name}={pattern} fits everything: say which")
            if len(pattern) > _LONGEST:
                raise LabrysError(f"{name}: a pattern of more than {_LONGEST} characters")
        if not self.why.strip():
            raise LabrysError("say why: whoever finds this exception in a year must understand it")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise LabrysError("the exception ends before it begins")


def hidden(findings: pa.Table, exclusions: Sequence[Exclusion]) -> list[Flags]:
    """For each exception, which of the findings (`ocsf.schema.FINDING`) it hides."""
    if not exclusions or not findings.num_rows:
        return [np.zeros(findings.num_rows, np.bool_) for _ in exclusions]
    entities = _Lists(findings["entities"], "type", "value")
    values = _Lists(findings["reasons"], "feature", "value")
    return [_hidden(findings, each, entities, values) for each in exclusions]


class _Lists:
    """A list column of (name, text) structs, flat: `row` of each item, and distinct texts."""

    def __init__(self, column: pa.ChunkedArray, name: str, text: str) -> None:
        whole = column.combine_chunks()
        flat = pc.list_flatten(whole)
        self.rows = len(whole)
        self.row = pc.list_parent_indices(whole).to_numpy(zero_copy_only=False)
        self.names = pc.struct_field(flat, name).dictionary_encode()
        self.texts = pc.struct_field(flat, text).dictionary_encode()

    def holds(self, wanted: Pairs) -> Flags:
        """Which rows have, for every name, an item that one of its patterns fits."""
        answer = np.ones(self.rows, np.bool_)
        for name in dict.fromkeys(name for name, _ in wanted):
            fits = np.zeros(len(self.texts.dictionary) + 1, np.bool_)
            for pattern in (pattern for other, pattern in wanted if other == name):
                fits[:-1] |= _fits(self.texts.dictionary, pattern, address=name == "ip")
            named = _codes(self.names) == _code(self.names.dictionary, name)
            found = np.zeros(self.rows, np.bool_)
            found[self.row[named & fits[_codes(self.texts)]]] = True
            answer &= found
        return answer


def _hidden(findings: pa.Table, exclusion: Exclusion, entities: _Lists, values: _Lists) -> Flags:
    answer = np.ones(findings.num_rows, np.bool_)
    if exclusion.rule:
        named = [pc.equal(findings[name], exclusion.rule) for name in ("rule_uid", "title")]
        either = pc.fill_null(pc.or_kleene(*named), False)
        answer &= either.combine_chunks().to_numpy(zero_copy_only=False)
    if exclusion.entities:
        answer &= entities.holds(exclusion.entities)
    if exclusion.values:
        answer &= values.holds(exclusion.values)
    if exclusion.since is not None:
        answer &= _before(pa.scalar(exclusion.since), findings["time_start"], or_same=True)
    if exclusion.until is not None:
        answer &= _before(findings["time_start"], pa.scalar(exclusion.until))
    return answer


def _before(left: object, right: object, *, or_same: bool = False) -> Flags:
    """Row by row; what has no time is neither before nor after."""
    compared = (pc.less_equal if or_same else pc.less)(left, right)
    made: Flags = pc.fill_null(compared, False).combine_chunks().to_numpy(zero_copy_only=False)
    return made


def _codes(encoded: pa.DictionaryArray) -> npt.NDArray[np.int64]:
    """Each row's code; one past the last where it is null."""
    filled = pc.fill_null(encoded.indices, len(encoded.dictionary))
    made: npt.NDArray[np.int64] = filled.to_numpy(zero_copy_only=False).astype(np.int64)
    return made


def _code(dictionary: pa.Array, text: str) -> int:
    """The code of a text; one that no row has where it is not among them."""
    made: int = pc.index(dictionary, pa.scalar(text, pa.string())).as_py()
    return made if made >= 0 else len(dictionary) + 1


def _fits(texts: pa.Array, pattern: str, *, address: bool) -> Flags:
    network = _network(pattern) if address else None
    if network is not None:
        inside = (_inside(text, network) for text in texts.to_pylist())
        return np.fromiter(inside, np.bool_, len(texts))
    answer = pc.match_substring_regex(texts, _expression(pattern))
    made: Flags = pc.fill_null(answer, False).to_numpy(zero_copy_only=False)
    return made


def _expression(pattern: str) -> str:
    marks = {"*": ".*", "?": "."}
    return "(?is)^" + "".join(marks.get(part) or re.escape(part) for part in pattern) + "$"


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(pattern: str) -> _Network | None:
    if "/" not in pattern:
        return None
    try:
        return ipaddress.ip_network(pattern, strict=False)
    except ValueError as reason:
        raise LabrysError(f"ip={pattern}: not a network ({reason})") from reason


def _inside(text: str | None, network: _Network) -> bool:
    try:
        return ipaddress.ip_address(text or "") in network
    except ValueError:
        return False


def pairs(given: Iterable[str], what: str) -> Pairs:
    """`name=pattern` texts as pairs; raises `LabrysError` where one is not of that form."""
    made = []
    for text in given:
        name, mark, pattern = text.partition("=")
        if not mark or not name.strip() or not pattern:
            raise LabrysError(f"{what} {text!r}: write it as name=pattern, e.g. {_EXAMPLE[what]}")
        made.append((name.strip(), pattern))
    return tuple(made)


_EXAMPLE: Final = {"--entity": "host=build-*", "--value": "CommandLine=*\\deploy.ps1*"}
