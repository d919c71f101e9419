"""What one value of evidence is as the text of a column, and nested values as flat ones.

A field with several values holds them joined by `MULTI` (U+001E, the ASCII record separator); a raw
U+001E inside a value becomes its visible picture U+241E, so evidence can never forge the separator.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import orjson
import pyarrow as pa

MULTI: Final = "\x1e"
MULTI_PICTURE: Final = "\u241e"


def column(values: Sequence[Any]) -> pa.Array:
    """Values of one field as a `utf8` array: numbers as the source wrote them, lists joined."""
    try:
        made = pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid, UnicodeEncodeError):
        return pa.array([cell(value) for value in values], pa.string())
    if has_separator(made):
        return pa.array([cell(value) for value in values], pa.string())
    return made


def has_separator(array: pa.Array) -> bool:
    """Whether the text of a `utf8` array holds `MULTI` anywhere."""
    data = array.buffers()[2]
    return data is not None and MULTI.encode() in data.to_pybytes()


def cell(value: Any) -> str | None:
    """One value as the text a column holds; a list becomes its elements joined by `MULTI`."""
    if value is None:
        return None
    if type(value) is list and value:
        with suppress(TypeError):  # some element is no text
            joined = MULTI.join(value)
            if joined.isascii() and joined.count(MULTI) == len(value) - 1:
                return joined
    if isinstance(value, list | tuple):
        parts = [scalar(item) for item in value if item is not None]
        return MULTI.join(parts) if parts else None
    return scalar(value)


def scalar(value: Any) -> str:
    """One scalar as text: booleans and numbers as JSON writes them, no lone surrogates."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
    elif isinstance(value, Mapping | list | tuple):
        text = json_text(value)
    else:
        text = str(value)
    if MULTI in text:
        text = text.replace(MULTI, MULTI_PICTURE)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def json_text(value: Any) -> str:
    """A nested value as JSON text, however deep."""
    with suppress(TypeError, RecursionError):
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    # too deep for that one, a number beyond 64 bits, or a lone surrogate
    with suppress(TypeError, ValueError, RecursionError):
        return json.dumps(value, default=str)
    return "(a value that cannot be shown as text)"


def flatten(value: Mapping[str, Any], *, depth: int = 12) -> dict[str, Any]:
    """A nested object as one level with dotted names, `{"a": {"b": 1}}` → `{"a.b": 1}`.

    A list of scalars stays a list; a list of objects gives, for each name in it, the list of that
    name's values. Below `depth` levels the rest is kept as JSON text, so hostile nesting is cheap.
    """
    flat: dict[str, Any] = {}
    _flatten_into(flat, "", value, depth)
    return flat


def _flatten_into(flat: dict[str, Any], prefix: str, value: Mapping[str, Any], depth: int) -> None:
    for key, item in value.items():
        name = prefix + key
        kind = type(item)
        if kind is dict:  # not isinstance of Mapping: that check costs as much as all the rest
            if depth <= 0 or not item:
                _append(flat, name, json_text(item) if item else None)
            else:
                _flatten_into(flat, name + ".", item, depth - 1)
        elif kind is list:
            _flatten_list(flat, name, item, depth)
        elif name in flat:
            _append(flat, name, item)
        else:
            flat[name] = item


def _flatten_list(flat: dict[str, Any], name: str, items: list[Any], depth: int) -> None:
    plain: list[Any] = []
    for item in items:
        if isinstance(item, dict) and depth > 0:
            _flatten_into(flat, name + ".", item, depth - 1)
        elif isinstance(item, list):
            plain.append(json_text(item))
        else:
            plain.append(item)
    if plain or not items:
        _append(flat, name, plain)


def _append(flat: dict[str, Any], name: str, value: Any) -> None:
    """Set a name, or, when a list of objects repeats it, collect its values."""
    if name not in flat:
        flat[name] = value
        return
    if value is None or value == []:
        return
    have = flat[name]
    merged = have if isinstance(have, list) else [] if have is None else [have]
    merged.extend(value if isinstance(value, list) else [value])
    flat[name] = merged
