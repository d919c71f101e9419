"""Makes the column a rule's field means out of the columns a shape has.

A field is written as data (in `logsource.toml`, and in `fields.toml` of a format's folder):

* `"NewProcessName"`: that column;
* `["Threat Name", "ThreatName"]`: each of them; the cell holds all their values (`MULTI`), so that
  a comparison is true when it is for any of them, and the cell is null where all of them are;
* `{columns = ["Domain", "User"], join = "\\\\"}`: their texts joined, missing and `-` ones left out;
* `{column = "Hashes", part = "MD5"}`: that part of `MD5=…,SHA256=…`;
* `{column = "Path", replace = [["(?i)^\\\\?\\\\", ""]]}`: regular expressions replaced, in order;
* `{column = "Label", map = {"S-1-16-12288" = "High"}}`: values translated, the rest kept, or made
  null with `only = true`;
* `{column = "Pid", as = "hex"}`: read in another way, see `_READINGS`;
* `{value = "true"}`: the same text in every row.

Of one field, `part` comes before `replace`, that before `as`, that before `map`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, unquote_plus

import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.imitation import brands, letters
from labrys.evidence.values import MULTI, MULTI_PICTURE

Column: TypeAlias = pa.Array | pa.ChunkedArray


@dataclass(frozen=True, slots=True)
class Derived:
    """A field that is made from columns, value by value."""

    columns: tuple[str, ...] = ()
    join: str = ""
    part: str = ""
    replace: tuple[tuple[str, str], ...] = ()
    reading: str = ""
    map: tuple[tuple[str, str], ...] = ()
    only: bool = False
    value: str | None = None


Field = str | Derived | tuple[str | Derived, ...]


def field(written: Any) -> Field:
    """A field from the form it is written in; raises ValueError where that makes no sense."""
    if isinstance(written, str):
        return written
    if isinstance(written, list):
        made = tuple(one for part in written if not isinstance(one := field(part), tuple))
        if not made or len(made) < len(written):
            raise ValueError(f"field {written!r} is not a list of columns")
        return made
    unknown = written.keys() - _KEYS
    if unknown or written.get("as", "hex") not in _READINGS:
        raise ValueError(f"field {written!r} is not understood")
    columns = written.get("columns", [written["column"]] if "column" in written else [])
    if bool(columns) is ("value" in written) or (len(columns) > 1 and "join" not in written):
        raise ValueError(f"field {written!r} needs a column, columns and `join`, or a value")
    return Derived(
        columns=tuple(columns),
        join=written.get("join", ""),
        part=written.get("part", ""),
        replace=tuple((old, new) for old, new in written.get("replace", ())),
        reading=written.get("as", ""),
        map=tuple(written.get("map", {}).items()),
        only=written.get("only", False),
        value=written.get("value"),
    )


def derive(wanted: Field, table: pa.Table) -> Column | None:
    """The column a field means in a table, as text; None where the table has none of its columns.

    What is computed is computed once for each distinct value.
    """
    if isinstance(wanted, str):
        return table.column(wanted) if wanted in table.column_names else None
    if isinstance(wanted, Derived):
        return _derived(wanted, table)
    found = [made for one in wanted if (made := derive(one, table)) is not None]
    if len(found) < 2:
        return found[0] if found else None
    return _together([_text(one) for one in found])


def _derived(wanted: Derived, table: pa.Table) -> Column | None:
    if wanted.value is not None:
        return pa.repeat(pa.scalar(wanted.value, pa.string()), table.num_rows)
    present = [name for name in wanted.columns if name in table.column_names]
    if not present:
        return None
    columns = [_text(table.column(name)) for name in present]
    joined = columns[0]
    if len(wanted.columns) > 1:
        joined = _joined(columns, wanted.join)
    return _each(joined, _reader(wanted))


def _text(column: Column) -> pa.Array:
    """A column as one array of plain text."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([])
    return column.cast(pa.string())


def _joined(columns: list[pa.Array], separator: str) -> pa.Array:
    """Texts joined row by row; null, empty and `-` mean that there is nothing to join."""
    real = []
    for column in columns:
        void = pc.or_(pc.equal(column, "-"), pc.equal(column, ""))
        real.append(pc.if_else(pc.fill_null(void, True), None, column))
    return _together(real, separator)


def _together(columns: list[pa.Array], separator: str = MULTI) -> pa.Array:
    """The texts of each row that are not null, joined; null where all of them are."""
    if separator == MULTI:
        columns = _once(columns)
    void = columns[0].is_null()
    for column in columns[1:]:
        void = pc.and_(void, column.is_null())
    # With "skip", Arrow leaves out the rows in which every text is null; give them one.
    first = pc.if_else(void, "", columns[0])
    made = pc.binary_join_element_wise(first, *columns[1:], separator, null_handling="skip")
    return pc.if_else(void, None, made)


def _once(columns: list[pa.Array]) -> list[pa.Array]:
    """Columns of alternatives, each null where one before it says the same."""
    kept = columns[:1]
    for column in columns[1:]:
        same = pc.fill_null(pc.equal(column, kept[0]), False)
        for earlier in kept[1:]:
            same = pc.or_(same, pc.fill_null(pc.equal(column, earlier), False))
        kept.append(pc.if_else(same, None, column))
    return kept


def _each(column: pa.Array, read: Callable[[str], str | None] | None) -> pa.Array:
    """A function applied to every value, once for each distinct cell."""
    if read is None:
        return column
    encoded = column.dictionary_encode()
    made = pa.array([_cell(cell, read) for cell in encoded.dictionary.to_pylist()], pa.string())
    return made.take(encoded.indices)


def _cell(cell: str, read: Callable[[str], str | None]) -> str | None:
    if MULTI not in cell:
        return read(cell)
    values = [made for value in cell.split(MULTI) if (made := read(value)) is not None]
    return MULTI.join(values) if values else None


def _reader(wanted: Derived) -> Callable[[str], str | None] | None:
    steps: list[Callable[[str], str | None]] = []
    if wanted.part:
        steps.append(_part_reader(wanted.part.lower()))
    for old, new in wanted.replace:
        steps.append(_replacer(re.compile(old), new))
    if wanted.reading:
        steps.append(_READINGS[wanted.reading])
    if wanted.map:
        steps.append(_translator(dict(wanted.map), wanted.only))
    if not steps:
        return None

    def read(value: str) -> str | None:
        made: str | None = value
        for step in steps:
            if made is None:
                break
            made = step(made)
        return made

    return read


def _part_reader(name: str) -> Callable[[str], str | None]:
    def read(value: str) -> str | None:
        for entry in value.split(","):
            key, found, rest = entry.partition("=")
            if found and key.strip().lower() == name:
                return rest.strip()
        return None

    return read


def _replacer(old: re.Pattern[str], new: str) -> Callable[[str], str]:
    return lambda value: old.sub(lambda found: found.expand(new), value)


def _translator(table: Mapping[str, str], only: bool) -> Callable[[str], str | None]:
    return lambda value: table.get(value, None if only else value)


def _hex(value: str) -> str:
    """`0x1a4` as the decimal number it is."""
    try:
        return str(int(value, 16)) if value[:2].lower() == "0x" and len(value) <= 18 else value
    except ValueError:
        return value


def _decoded(value: str) -> str:
    """A request target with one layer of percent-encoding undone, `+` in the query too."""
    path, mark, query = value.partition("?")
    made = unquote(path) + mark + unquote_plus(query)
    return made.replace(MULTI, MULTI_PICTURE)


_DWORD: Final = "%%1876"
_QWORD: Final = "%%1883"
_BINARY: Final = "%%1875"


def _registry(value: str) -> str:
    """`<type> <data>` of Security event 4657 as Sysmon writes registry data."""
    kind, _, data = value.partition(" ")
    if kind == _BINARY:
        return "Binary Data"
    if kind not in (_DWORD, _QWORD):
        return data if kind.startswith("%%") else value
    try:
        number = int(data, 0)
    except ValueError:
        return data
    if kind == _DWORD:
        return f"DWORD (0x{number & 0xFFFFFFFF:08x})"
    return f"QWORD (0x{number >> 32 & 0xFFFFFFFF:08x}-0x{number & 0xFFFFFFFF:08x})"


_READINGS: Final[dict[str, Callable[[str], str | None]]] = {
    "brand owner": brands.owner,
    "brands embedded": brands.embedded,
    "brands imitated": brands.imitated,
    "brands named": brands.named,
    "decoded": _decoded,
    "disguised words": letters.disguised_words,
    "hex": _hex,
    "lower": str.lower,
    "purpose": brands.kind,
    "registry": _registry,
}
_KEYS: Final = frozenset(
    ["column", "columns", "join", "part", "replace", "as", "map", "only", "value"]
)
