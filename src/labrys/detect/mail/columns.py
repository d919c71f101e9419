"""Columns of `mail.message` as the features need them: texts, numbers, and values of each link."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.model.regex import counted, matched

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_COUNT: Final = re.compile("[0-9]{1,15}\\Z")
_MULTI: Final = "\x1e"
PRESSED: Final = ("a", "area", "form", "text", "qr", "pdf", "calendar", "meta")
"""Kinds of links that somebody follows; the rest is loaded."""


def texts(table: pa.Table, name: str) -> pa.Array:
    """A column as text without nulls; empty where the table lacks it."""
    if name not in table.column_names:
        return pa.repeat(pa.scalar("", pa.string()), table.num_rows)
    column = table[name]
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pc.fill_null(whole, "") if whole.null_count else whole


def numbers(table: pa.Table, name: str) -> Floats:
    """A column of counts, 0 where there is none or no number."""
    if name not in table.column_names:
        return np.zeros(table.num_rows)
    said = texts(table, name).to_pylist()
    return np.array([float(one) if _COUNT.match(one) else 0.0 for one in said], np.float64)


def mask(made: Any) -> Bools:
    """An Arrow array of booleans without nulls as NumPy's."""
    known = pc.fill_null(made, False) if made.null_count else made
    return np.asarray(known.to_numpy(zero_copy_only=False), bool)


def matches(said: pa.Array, pattern: str) -> Floats:
    """1 where the expression matches, else 0."""
    return mask(matched(said, pattern)).astype(np.float64)


def counts(said: pa.Array, pattern: str, most: float) -> Floats:
    """How often the expression matches, at most so often."""
    found = counted(said, pattern).to_numpy(zero_copy_only=False)
    return np.minimum(np.asarray(found, np.float64), most)


def each_distinct(values: pa.Array, judge: Callable[[str], float]) -> Floats:
    """A number for each value: the function is asked once for each distinct one."""
    coded = values.dictionary_encode()
    made = np.array([judge(value or "") for value in coded.dictionary.to_pylist()], np.float64)
    at = coded.indices.to_numpy(zero_copy_only=False)
    return made[np.asarray(at, np.int64)] if len(made) else np.zeros(len(values))


@dataclass(frozen=True, slots=True)
class Parts:
    """The values of a column of several values, and the row of each."""

    row: Ints
    value: pa.Array

    def any(self, hit: Bools | Floats, rows: int) -> Floats:
        """How many values of each row are hit."""
        return np.bincount(self.row, np.asarray(hit, np.float64), rows).astype(np.float64)


def parts(table: pa.Table, name: str) -> Parts:
    """The values of a column; of an empty cell none."""
    said = texts(table, name)
    full = np.flatnonzero(mask(pc.not_equal(said, "")))
    split = pc.split_pattern(said.take(pa.array(full)), _MULTI)
    row = full[pc.list_parent_indices(split).to_numpy(zero_copy_only=False).astype(np.int64)]
    return Parts(row, pc.list_flatten(split))


@dataclass(frozen=True, slots=True)
class Links:
    """The links of all messages: the row of each, and its columns, "" where it has none."""

    row: Ints
    column: dict[str, pa.Array]
    pressed: Bools
    domain: pa.Array
    """The registered domain where it leads, redirectors followed."""

    def count(self, hit: Bools | Floats, rows: int) -> Floats:
        """How many links of each row are hit."""
        return np.bincount(self.row, np.asarray(hit, np.float64), rows).astype(np.float64)


_OF_LINK: Final = (
    *("hrefs", "texts", "hosts", "domains", "targets", "target_domains", "shown_domains"),
    *("kinds", "schemes"),
)


def links(table: pa.Table) -> Links:
    """The links that the messages' rows carry."""
    said = {name: texts(table, f"link_{name}") for name in _OF_LINK}
    number = np.where(
        mask(pc.equal(said["kinds"], "")),
        0,
        np.asarray(pc.count_substring(said["kinds"], _MULTI), np.int64) + 1,
    )
    total = int(number.sum())
    row = np.repeat(np.arange(table.num_rows), number)
    full = pa.array(np.flatnonzero(number))
    column = {
        name: _aligned(value.take(full), number[number > 0], total) for name, value in said.items()
    }
    pressed = mask(pc.is_in(column["kinds"], pa.array(PRESSED)))
    led = pc.if_else(
        pc.equal(column["target_domains"], ""), column["domains"], column["target_domains"]
    )
    return Links(row, column, pressed, led)


def _aligned(said: pa.Array, number: Ints, total: int) -> pa.Array:
    """The values of a column of links, all "" in rows that lack the column or disagree."""
    split = pc.split_pattern(said, _MULTI)
    length = np.asarray(pc.list_value_length(split).to_numpy(zero_copy_only=False), np.int64)
    wrong = length != number
    if not wrong.any():
        return pc.list_flatten(split)
    row = np.repeat(np.arange(len(number)), number)
    empty = pa.repeat(pa.scalar("", pa.string()), total)
    right = ~wrong[row]
    flat = pc.list_flatten(split.filter(pa.array(~wrong)))
    return pc.replace_with_mask(empty, pa.array(right), flat) if right.any() else empty


def among(values: pa.Array, wanted: Iterable[str]) -> Bools:
    """Where a value is one of these."""
    return mask(pc.is_in(values, pa.array(list(wanted), pa.string())))
