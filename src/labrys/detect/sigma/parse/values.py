"""Translates the detections of a rule: fields, values and modifiers become conditions on atoms.

pySigma applies the modifiers; what it yields is put in the simplest atom that says the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import product
from typing import Any, Final, cast

import re2
from sigma.exceptions import SigmaError
from sigma.modifiers import (
    SigmaAllModifier,
    SigmaEndswithModifier,
    SigmaStartswithModifier,
)
from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import RegexEngine
from sigma.rule.detection import SigmaDetectionItem
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from labrys.detect.sigma.ir import Atom, Node, Op
from labrys.detect.sigma.parse.errors import Unusable, Waiting
from labrys.detect.sigma.parse.nodes import Atoms, both, either, negated
from labrys.detect.sigma.parse.regex import engine

Placeholders = Mapping[str, Sequence[str]]
Part = str | SpecialChars | Placeholder

ANY: Final = SpecialChars.WILDCARD_MULTI
ONE: Final = SpecialChars.WILDCARD_SINGLE

_SPELLINGS: Final = {
    "utf16le": "wide",
    "equalsfield": "fieldref",
    "endswithfield": "fieldref|endswith",
}
"""Modifiers pySigma does not know: the specification's other name for one, Hayabusa's old ones."""

_NUMERIC: Final = frozenset(
    ["lt", "lte", "gt", "gte", "minute", "hour", "day", "week", "month", "year"]
)
_NUMBERS_TOO: Final = frozenset(["all", "neq", "exists"])
"""Modifiers that leave numbers and truth values what they are; the others read them as text."""

_OURS: Final = frozenset(["lookalike", "disguised", "person"])
"""Modifiers of ours, which pySigma does not see."""
_BESIDE_OURS: Final = frozenset(["expand", "all"])

_MOST_EXPANSIONS: Final = 100_000
_LONGEST_MINIMUM: Final = 32_000


class _AnyExpression(RegexEngine):
    """Lets every expression through pySigma: which engine can run it is decided in `regex`."""

    def compile(self, pattern: str, flags: int = 0) -> Any:
        """Accept without a look."""

    @property
    def error(self) -> type[Exception]:
        """Never raised."""
        return ValueError


_POLICY: Final = SigmaPolicy(regex_engine=_AnyExpression())


class Translator:
    """Turns detections into conditions over one atom table, with the user's placeholder lists."""

    def __init__(self, atoms: Atoms, placeholders: Placeholders) -> None:
        self._atoms = atoms
        self._lists = {name.strip("%").lower(): list(v) for name, v in placeholders.items()}
        self._missing: dict[str, None] = {}

    def detections(self, section: Mapping[Any, Any]) -> dict[str, Node]:
        """Every named detection of a section; raises `Waiting` for all missing lists at once."""
        self._missing = {}
        made: dict[str, Node] = {}
        for name, definition in section.items():
            try:
                made[str(name)] = self.detection(definition)
            except (Unusable, SigmaError) as error:
                raise Unusable(f"detection `{name}`: {error}") from None
        if self._missing:
            raise Waiting(tuple(self._missing))
        return made

    def detection(self, definition: Any) -> Node:
        """A map is joined by `and`, a list by `or`, text alone is a keyword."""
        if isinstance(definition, Mapping):
            if not definition:
                raise Unusable("is empty")
            return both([self._item(str(key), value) for key, value in definition.items()])
        if not isinstance(definition, list):
            return self._item("", definition)
        if not definition:
            raise Unusable("is empty")
        if not any(isinstance(entry, Mapping | list) for entry in definition):
            return self._item("", definition)
        return either([self.detection(entry) for entry in definition])

    def _item(self, key: str, value: Any) -> Node:
        if isinstance(value, Mapping):
            return self._hayabusa(key, value)
        field, *modifiers = key.split("|")
        modifiers = [part for name in modifiers for part in _SPELLINGS.get(name, name).split("|")]
        values = value if isinstance(value, list) else [value]
        if any(isinstance(one, Mapping | list) for one in values):
            raise Unusable(f"`{key}` holds a nested list or map")
        if ours := [name for name in modifiers if name in _OURS]:
            return self._function(key, ours, values)
        if not _NUMERIC.isdisjoint(modifiers):
            values = [_number(one) for one in values]
        elif not _NUMBERS_TOO.issuperset(modifiers):
            values = [_text(one) for one in values]
        try:
            item = SigmaDetectionItem.from_mapping(
                "|".join([field, *modifiers]) if key else None, values, policy=_POLICY
            )
        except SigmaError as error:
            raise Unusable(f"`{key}`: {error}") from None
        nodes = [self._value(item, one) for one in item.value] or [self._null(item.field)]
        node = both(nodes) if SigmaAllModifier in item.modifiers else either(nodes)
        return negated(node) if item.negated else node

    def _function(self, key: str, ours: Sequence[str], values: Sequence[Any]) -> Node:
        """A comparison of ours: literal values, or lists of the user's by `expand`."""
        field, *modifiers = key.split("|")
        others = set(modifiers) - _OURS
        if not field or len(ours) > 1 or not others <= _BESIDE_OURS:
            raise Unusable(f"`{key}`: `{ours[0]}` needs a field, and only goes with expand and all")
        nodes: list[Node] = []
        for value in values:
            if not isinstance(value, str) or not value:
                raise Unusable(f"`{key}`: {value!r} is no text")
            said = SigmaString(value)
            made = self._expanded((said.insert_placeholders() if "expand" in others else said).s)
            texts = ["".join(map(_literally, parts)) for parts in made]
            nodes.append(either([self._leaf(Atom(field, cast(Op, ours[0]), one)) for one in texts]))
        return both(nodes) if "all" in others else either(nodes)

    def _hayabusa(self, key: str, wanted: Mapping[Any, Any]) -> Node:
        """Hayabusa's nested form: `value` and `min_length` are exact, its list files are not here."""
        parts: list[Node] = []
        for name, value in wanted.items():
            if name == "value" and not isinstance(value, Mapping):
                parts.append(self._item(key, value))
            elif name == "min_length" and isinstance(value, int) and 0 <= value <= _LONGEST_MINIMUM:
                parts.append(self._words(key, [ONE] * value + [ANY], cased=False))
            else:
                raise Unusable(f"`{key}`: `{name}` is not part of Sigma and cannot be translated")
        if not parts:
            raise Unusable(f"`{key}` is an empty map")
        return both(parts)

    def _value(self, item: SigmaDetectionItem, value: SigmaType) -> Node:
        if isinstance(value, SigmaString):
            return self._string(item, value)
        if isinstance(value, SigmaExpansion):
            return either([self._value(item, one) for one in value.values])
        if isinstance(value, SigmaRegularExpression):
            return self._expression(item, value)
        if isinstance(value, SigmaNull):
            return self._null(item.field)
        if isinstance(value, SigmaNumber | SigmaBool) and not isinstance(value, SigmaTimestampPart):
            return self._words(item.field, _wanted(item, [str(value).lower()]), cased=False)
        return self._leaf(_comparison(item, value))

    def _null(self, field: str | None) -> Node:
        if not field:
            raise Unusable("null needs a field")
        return self._leaf(Atom(field, "null"))

    def _leaf(self, atom: Atom) -> Node:
        return self._atoms.leaf(atom)

    def _string(self, item: SigmaDetectionItem, value: SigmaString) -> Node:
        cased = isinstance(value, SigmaCasedString)
        return either(
            [
                self._words(item.field, _wanted(item, parts), cased)
                for parts in self._expanded(value.s)
            ]
        )

    def _expression(self, item: SigmaDetectionItem, value: SigmaRegularExpression) -> Node:
        flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
        nodes = []
        for parts in self._expanded(value.regexp.s, for_expression=True):
            text = "".join(_literally(part) for part in parts)
            if SigmaStartswithModifier in item.modifiers:
                text = f"^(?:{text})"
            if SigmaEndswithModifier in item.modifiers:
                text = f"(?:{text})$"
            engine(text, flags)
            nodes.append(self._leaf(Atom(item.field, "re", text, cased=True, flags=flags)))
        return either(nodes)

    def _expanded(
        self, parts: Sequence[Part], *, for_expression: bool = False
    ) -> Iterator[list[Part]]:
        """The value with each placeholder replaced by every entry of the user's list for it."""
        names = list(dict.fromkeys(part.name for part in parts if isinstance(part, Placeholder)))
        choices = [self._lists.get(name.lower(), []) for name in names]
        self._missing |= {name: None for name, c in zip(names, choices, strict=True) if not c}
        total = 1
        for choice in choices:
            total *= len(choice)
        if total > _MOST_EXPANSIONS:
            raise Unusable(f"placeholders expand to {total} values, more than {_MOST_EXPANSIONS}")
        for chosen in product(*choices):
            meaning = dict(zip(names, chosen, strict=True))
            made: list[Part] = []
            for part in parts:
                if isinstance(part, Placeholder):
                    inserted = SigmaString(str(meaning[part.name])).s
                    made.extend(_as_expression(inserted) if for_expression else inserted)
                else:
                    made.append(part)
            yield made

    def _words(self, field: str | None, parts: Sequence[Part], cased: bool) -> Node:
        """The simplest atom for text with wildcards."""
        merged = _merged(parts)
        if merged == [ANY]:
            some = Atom(field, "exists", "true") if field else Atom(None, "contains")
            return self._leaf(some)
        texts = [part for part in merged if isinstance(part, str)]
        shape = tuple("" if isinstance(part, str) else part for part in merged)
        simple: dict[tuple[Any, ...], Op] = {
            (): "eq",
            ("",): "eq",
            (ANY, "", ANY): "contains",
            ("", ANY): "starts",
            (ANY, ""): "ends",
        }
        if shape in simple:
            return self._leaf(Atom(field, simple[shape], "".join(texts), cased))
        return self._leaf(Atom(field, "glob", _glob(merged), cased))


def _number(value: Any) -> Any:
    """Numbers in quotes are numbers to a modifier that compares numbers."""
    if isinstance(value, str):
        try:
            return int(value, 0) if value[:2].lower() == "0x" else float(value)
        except ValueError:
            return value
    return value


def _text(value: Any) -> Any:
    """A number or truth value as the text it is in a log."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _comparison(item: SigmaDetectionItem, value: SigmaType) -> Atom:
    """The atom of a value that compares in its own way."""
    if isinstance(value, SigmaCIDRExpression):
        return Atom(item.field, "cidr", str(value.network))
    if isinstance(value, SigmaExists):
        return Atom(_bound(item), "exists", "true" if value else "false")
    if isinstance(value, SigmaCompareExpression):
        return Atom(_bound(item), _op(value.op), str(value.number))
    if isinstance(value, SigmaTimestampPart):
        return Atom(_bound(item), _op(value.timestamp_part), str(value.number))
    if isinstance(value, SigmaFieldReference):
        kind = (value.starts_with, value.ends_with)
        flags = {(True, True): "contains", (True, False): "starts", (False, True): "ends"}
        return Atom(_bound(item), "fieldref", value.field, flags=flags.get(kind, ""))
    raise Unusable(f"values of type {type(value).__name__} cannot be compared")


def _op(kind: Enum) -> Op:
    """The operator that bears the name of pySigma's."""
    return cast(Op, kind.name.lower())


def _bound(item: SigmaDetectionItem) -> str:
    if not item.field:
        raise Unusable("this modifier needs a field")
    return str(item.field)


def _wanted(item: SigmaDetectionItem, parts: Sequence[Part]) -> list[Part]:
    """A keyword is looked for anywhere in a value, unless a modifier ties it to an end."""
    made = list(parts)
    if item.field is None:
        if SigmaStartswithModifier not in item.modifiers:
            made.insert(0, ANY)
        if SigmaEndswithModifier not in item.modifiers:
            made.append(ANY)
    return made


def _merged(parts: Sequence[Part]) -> list[Part]:
    """Adjacent texts joined, runs of `*` made one."""
    merged: list[Part] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, str) and isinstance(last, str):
            merged[-1] = last + part
        elif not (part == "" or (part is ANY and last is ANY)):
            merged.append(part)
    return merged


def _glob(parts: Sequence[Part]) -> str:
    signs: dict[Any, str] = {ANY: "*", ONE: "?"}
    return "".join(
        part.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
        if isinstance(part, str)
        else signs[part]
        for part in parts
    )


def _literally(part: Part) -> str:
    """A part of an expression as it was written."""
    return part if isinstance(part, str) else {ANY: "*", ONE: "?"}[part]  # type: ignore[index]


def _as_expression(parts: Sequence[Part]) -> list[Part]:
    """A list's entry inside an expression: its text literal, its wildcards as such."""
    signs: dict[Any, str] = {ANY: ".*", ONE: "."}
    return [re2.escape(part) if isinstance(part, str) else signs[part] for part in parts]
