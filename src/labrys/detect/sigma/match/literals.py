"""All literals of one field in one automaton, scanned over all distinct values in one pass.

Values are lower-cased and joined with U+001E before, between and behind them, so an anchored
comparison is a plain substring: `starts` is separator + literal, `ends` literal + separator, `eq`
both. The elements of a multi-valued cell are already separated the same way, so that one pattern
serves single and multiple values alike.

Hyperscan does the scan where it exists (x86-64); Aho-Corasick elsewhere, with the same answer.
"""

from array import array
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt

SEPARATOR: Final = b"\x1e"
HAS_HYPERSCAN: Final = find_spec("hyperscan") is not None
_END_BITS: Final = 34
"""A match is packed into 64 bits: pattern number above, end position (up to 16 GiB) below."""


class Literals:
    """An automaton over byte patterns; pattern numbers are their positions in `patterns`."""

    def __init__(self, patterns: Sequence[bytes], compiled: bytes | None = None) -> None:
        self._patterns = patterns
        ends = (pattern.endswith(SEPARATOR) for pattern in patterns)
        self._trailing = np.fromiter(ends, np.int64, len(patterns))
        self._compiled = compiled
        self._automaton: Any = None

    def compiled(self) -> bytes:
        """The automaton as bytes for the cache; empty where it is as quick to build again."""
        if not HAS_HYPERSCAN or not self._patterns:
            return b""
        if self._compiled is None:
            import hyperscan

            self._compiled = bytes(hyperscan.dumpb(self._hyperscan()))
        return self._compiled

    def scan(self, text: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Every occurrence in a bytes-like `text`: pattern numbers, and positions inside the match.

        A position is that of the match's last byte which is not a separator, so it always lies
        in the value that matched (or just before it, for an empty one).
        """
        if not self._patterns:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        packed = self._scan_hyperscan(text) if HAS_HYPERSCAN else self._scan_aho(text)
        numbers = packed >> _END_BITS
        ends = packed & ((1 << _END_BITS) - 1)
        return numbers, ends - 1 - self._trailing[numbers]

    def _hyperscan(self) -> Any:
        import hyperscan

        if self._automaton is None:
            if self._compiled is not None:
                self._automaton = hyperscan.loadb(self._compiled, hyperscan.HS_MODE_BLOCK)
                self._automaton.scratch = hyperscan.Scratch(self._automaton)
            else:
                self._automaton = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
                count = len(self._patterns)
                self._automaton.compile(
                    expressions=list(self._patterns),
                    ids=list(range(count)),
                    elements=count,
                    flags=[0] * count,
                    literal=True,
                )
        return self._automaton

    def _scan_hyperscan(self, text: Any) -> npt.NDArray[np.int64]:
        found = array("q")
        keep = found.append

        def on_match(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            keep(number << _END_BITS | end)

        self._hyperscan().scan(text, match_event_handler=on_match)
        return np.frombuffer(found, dtype=np.int64) if found else np.empty(0, np.int64)

    def _scan_aho(self, text: Any) -> npt.NDArray[np.int64]:
        import ahocorasick_rs

        if self._automaton is None:
            self._automaton = ahocorasick_rs.BytesAhoCorasick(list(self._patterns))
        found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        packed: Iterable[int] = (number << _END_BITS | end for number, _start, end in found)
        return np.fromiter(packed, dtype=np.int64, count=len(found))


def pattern(op: str, literal: bytes) -> bytes:
    """The substring to look for: a literal with the separators its comparison is anchored by."""
    before = SEPARATOR if op in ("eq", "starts") else b""
    behind = SEPARATOR if op in ("eq", "ends") else b""
    return before + literal + behind
