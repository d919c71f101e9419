"""Who and what a record is about: typed entities from any shape, through its OCSF maps.

`entities.toml` says which attributes name an entity; the maps say which columns hold them. Values
are normalised, so that the same host, user or address is the same text wherever it comes from.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.ocsf.maps import Attribute, ClassMap, mapping_for
from labrys.ocsf.schema import ENTITY
from labrys.ocsf.values import transform
from labrys.ocsf.vocabulary import data

LONGEST: Final = 1024
"""An entity's value is cut here: evidence decides how long it is, not who reads it."""
MOST: Final = 64
"""Of a field with several values, so many become entities."""
_MULTI: Final = "\x1e"


@dataclass(frozen=True, slots=True)
class EntityColumn:
    """Which source columns of a shape name an entity.

    `columns`: the first non-empty one is the value, read as `how` (`labrys.ocsf.maps.HOW`) says.
    Two kinds are composed of several columns instead ("" where the shape lacks one):
    `how="process"`, columns (host, uid, pid, image), value `host|uid` or `host|pid|image`;
    `how="session"`, columns (host, uid), value `host|uid`.
    """

    type: str
    role: str
    columns: tuple[str, ...]
    how: str = ""


@cache
def entity_columns(shape: str) -> tuple[EntityColumn, ...]:
    """Every entity that records of a shape can name; at least the host that logged them."""
    found = dict.fromkeys(
        column for made in mapping_for(shape) for column in _columns_of(made) if any(column.columns)
    )
    if not any(column.type == "host" and column.role == "device" for column in found):
        found = {EntityColumn("host", "device", ("_host",)): None, **found}
    return tuple(found)


def entities(shape: str, table: pa.Table) -> pa.ListArray:
    """The entities of each row, as lists of `schema.ENTITY`; take the rows that matter first."""
    rows, types, values, roles = [], [], [], []
    for column in entity_columns(shape):
        value = entity_values(table, column)
        if value is None:
            continue
        flat = pc.list_flatten(value)
        rows.append(pc.list_parent_indices(value).to_numpy(zero_copy_only=False))
        values.append(flat)
        types.append(pa.repeat(pa.scalar(column.type), len(flat)))
        roles.append(pa.repeat(pa.scalar(column.role), len(flat)))
    if not rows:
        return pa.array([[] for _ in range(table.num_rows)], pa.list_(ENTITY))
    row = np.concatenate(rows)
    order = pa.array(np.argsort(row, kind="stable"))
    parts = [pa.concat_arrays(each).take(order) for each in (types, values, roles)]
    struct = pa.StructArray.from_arrays(parts, fields=list(ENTITY))
    counts = np.bincount(row, minlength=table.num_rows)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), struct)


def entity_values(table: pa.Table, column: EntityColumn) -> pa.ListArray | None:
    """One entity's normalised values for each row, as lists of text; None where the table lacks it.

    Work is done once for each distinct value of a column.
    """
    if column.how in ("process", "session"):
        composed = _composed(table, column)
        return None if composed is None else _distinct(composed, lambda text: [text[:LONGEST]])
    present = [name for name in column.columns if name in table.column_names]
    if not present:
        return None
    normalise = _NORMALISE.get(column.type, _plain)
    return _distinct(_first(table, present), lambda text: _each(text, column.how, normalise))


def _columns_of(made: ClassMap) -> Iterator[EntityColumn]:
    by_path = {attribute.path: attribute for attribute in made.attributes if attribute.columns}
    host = _first_column(by_path, "device.hostname") or "_host"
    for kind, role, paths in _kinds():
        if kind == "process":
            yield from _process(by_path, role, paths, host)
            continue
        attribute = next((by_path[path] for path in paths if path in by_path), None)
        if attribute is None:
            continue
        if kind == "session":
            yield EntityColumn(kind, role, (host, attribute.columns[0]), "session")
        else:
            yield EntityColumn(kind, role, attribute.columns, attribute.how)


def _process(
    by_path: Mapping[str, Attribute], role: str, prefixes: tuple[str, ...], host: str
) -> Iterator[EntityColumn]:
    for prefix in prefixes:
        uid, pid, image = (
            _first_column(by_path, f"{prefix}.{name}") for name in ("uid", "pid", "file.path")
        )
        if uid or (pid and image):
            yield EntityColumn("process", role, (host, uid, pid, image), "process")
            return


def _first_column(by_path: Mapping[str, Attribute], path: str) -> str:
    attribute = by_path.get(path)
    return attribute.columns[0] if attribute else ""


@cache
def _kinds() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    return tuple(
        (entry["type"], entry["role"], tuple(entry["from"]))
        for entry in data("entities.toml")["entity"]
    )


def _first(table: pa.Table, names: list[str]) -> pa.Array:
    """The first non-empty cell of each row."""
    columns = []
    for name in names:
        text = _text(table, name)
        blank = pc.fill_null(pc.is_in(text, value_set=_BLANK), False)
        columns.append(pc.if_else(blank, pa.scalar(None, pa.string()), text))
    return columns[0] if len(columns) == 1 else pc.coalesce(*columns)


def _text(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    column = table.column(name)
    return pc.cast(column, pa.string()).combine_chunks()


def _composed(table: pa.Table, column: EntityColumn) -> pa.Array | None:
    host_name, uid_name, *rest = column.columns
    names = [name for name in (uid_name, *rest) if name]
    if not any(name in table.column_names for name in names):
        return None
    host = _alone(_text(table, host_name), "host")
    uid = _alone(_text(table, uid_name), column.how)
    by_uid = pc.binary_join_element_wise(host, uid, "|")
    if column.how == "session":
        return by_uid
    pid, image = (_text(table, name) for name in rest)
    pid = _mapped(pid, lambda text: transform("int", text))
    by_pid = pc.binary_join_element_wise(host, pid, _mapped(image, str.lower), "|")
    return pc.coalesce(by_uid, by_pid)


def _alone(values: pa.Array, kind: str) -> pa.Array:
    return _mapped(values, _NORMALISE[kind])


def _mapped(values: pa.Array, change: Callable[[str], str | None]) -> pa.Array:
    encoded = values.dictionary_encode()
    changed = pa.array([change(text) for text in encoded.dictionary.to_pylist()], pa.string())
    return changed.take(encoded.indices)


def _distinct(values: pa.Array, change: Callable[[str], list[str]]) -> pa.ListArray:
    encoded = values.dictionary_encode()
    changed = pa.array(
        [change(text) for text in encoded.dictionary.to_pylist()], pa.list_(pa.string())
    )
    return changed.take(encoded.indices)


def _each(text: str, how: str, normalise: Callable[[str], str | None]) -> list[str]:
    """The normalised values of one cell, each once."""
    parts = text.split(_MULTI, MOST)[:MOST]
    read = (transform(how, part) for part in parts)
    made = (normalise(part) for part in read if part)
    return list(dict.fromkeys(value[:LONGEST] for value in made if value))


_BLANK: Final = pa.array(["", "-"])
_NOBODY: Final = frozenset(["", "-", "n/a", "none", "null", "unknown", "local", "localhost"])
_SHARED_SESSIONS: Final = frozenset(["0x0", "0x3e3", "0x3e4", "0x3e5", "0x3e7", "0", "999"])
_ZERO_UID: Final = re.compile(r"\{?[0-]*\}?\Z")
_HASH: Final = re.compile(r"[0-9a-f]{32,128}\Z")
_WINDOWS_PATH: Final = re.compile(r"[A-Za-z]:|\\|.*\\")


def _plain(text: str) -> str | None:
    text = text.strip()
    return None if text in ("", "-") else text


def _name(text: str) -> str | None:
    text = text.strip().lower()
    return None if text in _NOBODY else text


def _host(text: str) -> str | None:
    return _name(text.strip().lstrip("\\").rstrip("."))


def _domain(text: str) -> str | None:
    name = text.strip().lower().strip(".")
    return name if "." in name and _address(name) is None else None


def _ip(text: str) -> str | None:
    address = _address(text)
    if address is None or address.is_unspecified or address.is_loopback:
        return None
    return str(address)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in `1.2.3.4`, `1.2.3.4:443`, `[::1]:443`, `fe80::1%eth0` or `::ffff:1.2.3.4`."""
    text = text.strip()[:64]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _digest(text: str) -> str | None:
    text = text.strip().lower()
    return text if _HASH.match(text) and text.strip("0") else None


def _file(text: str) -> str | None:
    """A path; Windows paths lower-cased, because Windows takes them so."""
    made = _plain(text)
    return made.lower() if made and _WINDOWS_PATH.match(made) else made


def _uid(text: str) -> str | None:
    made = _name(text)
    return None if made is None or _ZERO_UID.match(made) else made


def _session(text: str) -> str | None:
    """A logon id; those that every Windows machine has (SYSTEM and the services) name nobody."""
    made = _name(text)
    return None if made in _SHARED_SESSIONS else made


_NORMALISE: Final[dict[str, Callable[[str], str | None]]] = {
    "host": _host,
    "user": _name,
    "ip": _ip,
    "domain": _domain,
    "hash": _digest,
    "file": _file,
    "registry": _name,
    "service": _name,
    "process": _uid,
    "session": _session,
}
