"""One column of a batch, seen through its distinct values: what matches is decided once for each.

Rows refer to distinct values by code; a null row has the code one past the last, whose mask is
always false, so that masks can be looked up without a branch.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.sigma.ir import Atom
from labrys.detect.sigma.match import verify
from labrys.detect.sigma.match.literals import Literals

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_UNKNOWN: Final = 2
_VECTOR_FROM: Final = 48
"""From how many values on Arrow's kernels beat a Python loop."""
_VECTOR: Final = {
    "contains": pc.match_substring,
    "starts": pc.starts_with,
    "ends": pc.ends_with,
}


def texts(values: pa.Array | pa.ChunkedArray) -> Iterator[pa.Array]:
    """All the text of a column, in pieces; of what is encoded by dictionary each value once."""
    for chunk in values.chunks if isinstance(values, pa.ChunkedArray) else (values,):
        yield chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk


class Column:
    """A text column by its distinct values."""

    def __init__(self, values: pa.Array | pa.ChunkedArray) -> None:
        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.unify_dictionaries().combine_chunks()
            if isinstance(encoded, pa.ChunkedArray):  # no rows at all
                encoded = pa.array([], pa.dictionary(pa.int32(), pa.string()))
        self.values: pa.Array = encoded.dictionary
        self.count = len(self.values)
        indices = encoded.indices
        if indices.null_count:
            indices = indices.fill_null(self.count)
        self.codes: npt.NDArray[Any] = indices.to_numpy(zero_copy_only=False)
        self._scanned: dict[Literals, dict[int, Ints]] = {}
        self._masks: dict[Atom, npt.NDArray[np.int8]] = {}

    @cached_property
    def null_rows(self) -> Bools:
        """Which rows have no value."""
        rows: Bools = self.codes == self.count
        return rows

    @cached_property
    def lowered(self) -> pa.Array:
        """The distinct values in lower case."""
        return pc.utf8_lower(self.values)

    @cached_property
    def _joined(self) -> tuple[Any, Ints]:
        """The lower-case values between separators, and where each begins."""
        edge = pa.array([""], pa.string())
        whole = pa.concat_arrays([edge, self.lowered, edge])
        lists = pa.ListArray.from_arrays(pa.array([0, len(whole)], pa.int32()), whole)
        text = pc.binary_join(lists, "\x1e")[0].as_buffer()
        lengths = pc.binary_length(self.lowered).to_numpy(zero_copy_only=False)
        starts = np.empty(self.count, np.int64)
        if self.count:
            starts[0] = 1
            np.cumsum(lengths[:-1] + 1, out=starts[1:])
            starts[1:] += 1
        return text, starts

    @cached_property
    def has_multi(self) -> bool:
        """Whether some cell holds several values."""
        text, _ = self._joined
        separators = int((np.frombuffer(text, np.uint8) == 0x1E).sum())
        return separators != self.count + 1

    @cached_property
    def size(self) -> int:
        """Bytes of text to scan."""
        return len(self._joined[0])

    def scan(self, literals: Literals) -> dict[int, Ints]:
        """Pattern number → sorted codes of the values it occurs in; only patterns that occur."""
        known = self._scanned.get(literals)
        if known is not None:
            return known
        text, starts = self._joined
        numbers, positions = literals.scan(text)
        found: dict[int, Ints] = {}
        if len(numbers):
            codes = np.searchsorted(starts, positions, side="right") - 1
            codes = np.maximum(codes, 0)
            keys = numbers * np.int64(self.count) + codes
            keys.sort()  # and not np.unique, whose hashing is ten times slower here
            keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))]
            numbers, codes = np.divmod(keys, np.int64(self.count))
            cuts = np.flatnonzero(np.diff(numbers)) + 1
            begins = np.concatenate(([0], cuts))
            for number, part in zip(numbers[begins].tolist(), np.split(codes, cuts), strict=True):
                found[number] = part
        self._scanned[literals] = found
        return found

    def sample(self, share: int) -> Any:
        """The first 1/`share` of the joined text, cut at a separator."""
        text, _ = self._joined
        return memoryview(text)[: len(text) // share]

    def decide(self, atom: Atom, codes: Ints, candidates: Ints | None) -> Bools:
        """Whether `atom` holds for the distinct values `codes` (unique); remembered for later.

        `candidates`, where known, are the only codes for which it can hold at all.
        """
        memory = self._masks.get(atom)
        if memory is None:
            memory = np.full(self.count, _UNKNOWN if candidates is None else 0, np.int8)
            if candidates is not None:
                memory[candidates] = _UNKNOWN
            self._masks[atom] = memory
        unknown = codes[memory[codes] == _UNKNOWN]
        if len(unknown):
            memory[unknown] = self._evaluate(atom, unknown)
        decided: Bools = memory[codes] == 1
        return decided

    def _evaluate(self, atom: Atom, codes: Ints) -> Bools:
        if len(codes) >= _VECTOR_FROM and not self.has_multi:
            answer = self._evaluate_vector(atom, codes)
            if answer is not None:
                return answer
        holds = verify.test(atom)
        values = self.values.take(pa.array(codes)).to_pylist()
        return np.fromiter((holds(value) for value in values), np.bool_, len(values))

    def _evaluate_vector(self, atom: Atom, codes: Ints) -> Bools | None:
        source = self.values if atom.cased or atom.op == "re" else self.lowered
        if atom.op in _VECTOR:
            wanted = atom.value if atom.cased else verify.lower(atom.value)
            answer = _VECTOR[atom.op](source.take(pa.array(codes)), wanted)
        elif atom.op == "eq":
            wanted = atom.value if atom.cased else verify.lower(atom.value)
            answer = pc.equal(source.take(pa.array(codes)), wanted)
        elif atom.op == "re" and (linear := verify.linear_expression(atom)) is not None:
            taken = source.take(pa.array(codes))
            answer = pc.match_substring_regex(taken, linear)
            trailing = pc.and_(pc.ends_with(taken, "\n"), pc.invert(answer))
            if pc.any(trailing).as_py():
                return None
        else:
            return None
        result: Bools = answer.to_numpy(zero_copy_only=False).astype(np.bool_)
        return result
