"""Any Arrow column as columns of text, nested ones as several with dotted names."""

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.values import MULTI, MULTI_PICTURE, column

_DEEPEST: Final = 8


def texts(batch: pa.RecordBatch) -> list[tuple[str, pa.Array]]:
    """Each column of a batch as one or more `utf8` arrays under its name."""
    return [
        made
        for name, array in zip(batch.schema.names, batch.columns, strict=True)
        for made in _columns(name, array, _DEEPEST)
    ]


def _columns(name: str, array: pa.Array, depth: int) -> Iterator[tuple[str, pa.Array]]:
    kind = array.type
    if pa.types.is_struct(kind) and kind.num_fields and depth:
        for field, below in zip(kind, array.flatten(), strict=True):
            yield from _columns(f"{name}.{field.name}", below, depth - 1)
    elif pa.types.is_dictionary(kind):
        yield name, text(array.dictionary).take(array.indices)
    else:
        yield name, text(array)


def text(array: pa.Array) -> pa.Array:
    """One column as `utf8`: times in ISO 8601, lists joined, other nested values as JSON."""
    kind = array.type
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.string())
    if _is_text(kind):
        return _shown(_valid(array))
    if pa.types.is_list(kind) and _is_text(kind.value_type):
        inner = _shown(_valid(pc.list_flatten(array)))
        if inner.null_count == 0 and not array.offset:
            lists = pa.ListArray.from_arrays(_offsets(array), inner, mask=array.is_null())
            joined = pc.binary_join(lists, MULTI)
            return pc.if_else(pc.equal(pc.list_value_length(array), 0), None, joined)
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        plain = pc.cast(pc.cast(array, pa.int64()), pa.timestamp(kind.unit))
        return pc.binary_join_element_wise(pc.strftime(plain, format="%Y-%m-%dT%H:%M:%S"), zone, "")
    if not pa.types.is_nested(kind) and not pa.types.is_duration(kind):
        return pc.cast(array, pa.string())
    return column([_plain(value) for value in array.to_pylist()])


def _offsets(array: pa.ListArray) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    return pa.concat_arrays(
        [pa.array([0], pa.int32()), pc.cast(pc.cumulative_sum(lengths), pa.int32())]
    )


def _plain(value: Any) -> Any:
    """A map comes as a list of pairs: what it says is an object."""
    if isinstance(value, list) and value and all(type(item) is tuple for item in value):
        return {str(name): item for name, item in value}
    return value


def _is_text(kind: pa.DataType) -> bool:
    return any(
        is_it(kind)
        for is_it in (
            *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
            *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary),
            pa.types.is_binary_view,
        )
    )


def _valid(array: pa.Array) -> pa.Array:
    """As `utf8`, with every byte that is none shown in hex; files may claim what they are not."""
    raw = pc.cast(array, pa.binary())
    try:
        return pc.cast(raw, pa.string())
    except pa.ArrowInvalid:
        decoded = (
            None if value is None else value.decode("utf-8", "backslashreplace")
            for value in raw.to_pylist()
        )
        return pa.array(decoded, pa.string())


def _shown(array: pa.Array) -> pa.Array:
    return pc.replace_substring(array, MULTI, MULTI_PICTURE)
