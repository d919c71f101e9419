"""Columns of Arrow as arrays of NumPy: distinct values, text as numbers."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Tiny = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]


def unique(values: Ints) -> Ints:
    """The distinct values, sorted: by sorting, which is many times faster than numpy's hashing."""
    ordered = np.sort(values)
    fresh = np.ones(len(ordered), np.bool_)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return ordered[fresh]


def numbered(values: Ints) -> tuple[Ints, Ints]:
    """The distinct values, sorted, and for each value its place among them."""
    sorting = np.argsort(values)
    ordered = values[sorting]
    fresh = np.ones(len(ordered), np.bool_)
    fresh[1:] = ordered[1:] != ordered[:-1]
    places = np.empty(len(ordered), np.int64)
    places[sorting] = np.cumsum(fresh) - 1
    return ordered[fresh], places


def integers(column: pa.ChunkedArray, default: int) -> Ints:
    """Numbers as int64; where there is none, the default."""
    filled = pc.fill_null(column, default).cast(pa.int64())
    return np.asarray(filled.combine_chunks().to_numpy(zero_copy_only=False), np.int64)


def ranked(column: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Text as numbers into its distinct values, which are sorted; nothing is the empty text."""
    encoded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    names = encoded.dictionary
    ranks = np.empty(len(names), np.int64)
    sorting = pc.sort_indices(names).to_numpy()
    ranks[sorting] = np.arange(len(names))
    indices = encoded.indices.to_numpy(zero_copy_only=False)
    return ranks[indices], names.take(pa.array(sorting))


def few(column: pa.ChunkedArray) -> tuple[Small | Tiny, list[str]]:
    """Text as numbers into its distinct values, which are few; in less memory, chunk by chunk."""
    encoded = column.dictionary_encode()
    names: dict[str, int] = {}
    parts = [np.zeros(0, np.int8)]
    chunks = encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]
    for chunk in chunks:
        known = [names.setdefault(name or "", len(names)) for name in chunk.dictionary.to_pylist()]
        missing = names.setdefault("", len(names)) if chunk.null_count else 0
        codes = np.array([*known, missing], np.int8 if len(names) < _TINY else np.int32)
        indices = pc.fill_null(chunk.indices, len(known)).to_numpy(zero_copy_only=False)
        parts.append(codes[indices])
    return np.concatenate(parts), list(names)


_TINY: Final = 128
