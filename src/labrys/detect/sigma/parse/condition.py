"""Reads the condition of a rule: `1 of selection_* and not (filter or keywords)`.

Operators bind `or` < `and` < `not` < `N of pattern` < parentheses; capital letters are accepted.
"""

import re
from collections.abc import Callable, Mapping
from itertools import combinations
from math import comb
from typing import Final

from labrys.detect.sigma.ir import Node
from labrys.detect.sigma.parse.errors import Unusable
from labrys.detect.sigma.parse.nodes import both, either, negated

_TOKEN: Final = re.compile(r"[()]|[^\s()]+")
_QUANTIFIER: Final = re.compile(r"\d{1,6}|all|any", re.IGNORECASE)
_DEEPEST: Final = 64
_MOST_COMBINATIONS: Final = 2000


def condition(text: str, detections: Mapping[str, Node]) -> Node:
    """The condition over the rule's named detections; raises `Unusable` where it is malformed."""
    reader = _Reader(text, detections)
    node = reader.disjunction(0)
    if reader.next:
        raise Unusable(f"condition `{text}`: unexpected `{reader.next}`")
    return node


class _Reader:
    """Where we are in the condition: a recursive descent over its tokens."""

    def __init__(self, text: str, detections: Mapping[str, Node]) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        self._at = 0
        self._detections = detections

    @property
    def next(self) -> str:
        """The token to read next; empty text at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def disjunction(self, depth: int) -> Node:
        """`a or b or …`."""
        return self._chain("or", self._conjunction, either, depth)

    def _conjunction(self, depth: int) -> Node:
        return self._chain("and", self._negation, both, depth)

    def _chain(
        self,
        word: str,
        operand: Callable[[int], Node],
        join: Callable[[list[Node]], Node],
        depth: int,
    ) -> Node:
        parts = [operand(depth)]
        while self._takes(word):
            parts.append(operand(depth))
        return join(parts)

    def _negation(self, depth: int) -> Node:
        inverted = False
        while self._takes("not"):
            inverted = not inverted
        node = self._operand(depth)
        return negated(node) if inverted else node

    def _operand(self, depth: int) -> Node:
        word = self.next
        self._at += 1
        if word == "(":
            if depth >= _DEEPEST:
                raise Unusable(f"condition nests deeper than {_DEEPEST} parentheses")
            node = self.disjunction(depth + 1)
            if self.next != ")":
                raise self._malformed("`)`")
            self._at += 1
            return node
        if _QUANTIFIER.fullmatch(word) and self._takes("of"):
            pattern = self.next
            self._at += 1
            return self._selector(word.lower(), pattern)
        if word in self._detections:
            return self._detections[word]
        if word in ("", ")") or word.lower() in ("and", "or", "not", "of"):
            self._at -= 1
            raise self._malformed("a detection's name")
        raise Unusable(f"condition names `{word}`, which the rule does not define")

    def _selector(self, quantifier: str, pattern: str) -> Node:
        names = _matching(pattern, self._detections)
        if not names:
            raise Unusable(f"`{quantifier} of {pattern}` fits no detection of the rule")
        nodes = [self._detections[name] for name in names]
        if quantifier == "all":
            return both(nodes)
        wanted = 1 if quantifier == "any" else int(quantifier)
        if not 1 <= wanted <= len(nodes):
            raise Unusable(f"`{quantifier} of {pattern}` has only {len(nodes)} to choose from")
        if comb(len(nodes), wanted) > _MOST_COMBINATIONS:
            raise Unusable(f"`{quantifier} of {pattern}` has too many combinations")
        return either([both(chosen) for chosen in combinations(nodes, wanted)])

    def _takes(self, word: str) -> bool:
        found = self.next
        if found.lower() != word or found in self._detections:
            return False
        self._at += 1
        return True

    def _malformed(self, expected: str) -> Unusable:
        found = f"`{self.next}`" if self.next else "its end"
        return Unusable(f"condition `{self._text}`: expected {expected}, found {found}")


def _matching(pattern: str, names: Mapping[str, Node]) -> list[str]:
    """The names a pattern means; those that begin with `_` only if the pattern does too."""
    hidden = pattern.startswith("_")
    if pattern.lower() == "them":
        return [name for name in names if not name.startswith("_")]
    fits = re.compile(".*".join(map(re.escape, pattern.split("*"))))
    return [name for name in names if fits.fullmatch(name) and (hidden or name[:1] != "_")]
