"""Takes alerts of other products as findings, so that triage joins them with everything else."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.alerts import twice
from labrys.detect.alerts.generic import PLAIN_ENOUGH, SENTENCE, Recognised, others, recognised
from labrys.detect.alerts.products import Holds, Product, Scale, products
from labrys.evidence.timestamps import parse
from labrys.ocsf.attack import technique
from labrys.ocsf.entities import entities, entity_values
from labrys.ocsf.schema import ENTITY, EVIDENCE, FINDING, REASON

DETECTOR: Final = "alerts"
VERSION: Final = "2"
_MULTI: Final = "\x1e"
_LONGEST: Final = 200
_REASON: Final = 400
_TECHNIQUE: Final = re.compile(r"\bT\d{4}(?:\.\d{3})?\b")
_VARYING: Final = r"""\d+(?:[.:]\d+)+|\b[0-9a-fA-F]{8,}\b|\d+|'[^']*'|"[^"]*\""""
"""What differs from one alert of a rule to the next: numbers, addresses, hashes, quotations."""

Flags = npt.NDArray[np.bool_]
Change = Callable[[str], Any]


def detect(shape: str, batch: pa.Table) -> pa.Table:
    """A finding for each record that is an alert of some product."""
    found = [FINDING.empty_table()]
    left = np.ones(batch.num_rows, np.bool_)
    for product in products():
        if any(fnmatchcase(shape, pattern) for pattern in product.shapes):
            _take(shape, batch, product, left, found)
    made = recognised(shape, tuple(batch.column_names))
    if made is not None:
        left &= _plausible(batch, made)
        _take(shape, batch, made.product, left, found)
    return pa.concat_tables(found)


def _plausible(batch: pa.Table, made: Recognised) -> Flags:
    """Which records look like alerts of some product, each by the columns it fills."""
    filled = {
        name: _flags(pc.is_valid(_text(batch, name))) for name in (*made.known, *made.strange)
    }
    none = np.zeros(batch.num_rows, np.int64)
    strange = sum((filled[name] for name in made.strange), none)
    whole = sum((filled[name] for name in made.known), strange)
    bare = (whole <= PLAIN_ENOUGH) & (strange <= others()) & _any(filled, made.titles, none)
    named = _flags(pc.match_substring_regex(_first(batch, made.product.title), SENTENCE))
    telling = _any(filled, made.severity, none) | bare
    perhaps = named & telling & _flags(pc.is_valid(batch["_time"]))
    someone = [name for each in made.product.entities or () for name in each.columns]
    return (_any(filled, made.surely, none) | perhaps) & _any(filled, someone, none)


def _any(filled: dict[str, Flags], names: Sequence[str], none: npt.NDArray[np.int64]) -> Flags:
    return np.asarray(sum((filled[name] for name in names), none) > 0)


def _take(
    shape: str, batch: pa.Table, product: Product, left: Flags, found: list[pa.Table]
) -> None:
    """Add the findings of a product's alerts among the rows that are `left`, and take those."""
    if not set(product.title).intersection(batch.column_names):
        return
    mine = left & _fits(batch, product)
    if mine.any():
        rows = batch.filter(pa.array(mine))
        found.append(_findings(shape, rows, product))
        left &= ~mine


def _fits(batch: pa.Table, product: Product) -> Flags:
    fits = _flags(pc.is_valid(_first(batch, product.title)))
    for each in product.where:
        fits &= _holds(batch, each)
    for name in product.without:
        fits &= _flags(pc.is_null(_text(batch, name)))
    return fits


def _findings(shape: str, rows: pa.Table, product: Product) -> pa.Table:
    count = rows.num_rows
    title = pc.utf8_slice_codeunits(_first(rows, product.title), 0, _LONGEST)
    ids = _text(rows, "_id")
    time = _time(rows, product)
    techniques = _techniques(rows, product)
    rule = _rule(rows, product, title)
    constant = {"detector": DETECTOR, "version": VERSION, "author": product.name, "shape": shape}
    columns = {
        "uid": _joined(DETECTOR, product.id, pc.coalesce(_same(rows, product, time, rule), ids)),
        "rule_uid": _joined(product.id, rule),
        "title": title,
        "time_start": time,
        "time_end": time,
        "severity_id": _severity(rows, product),
        "confidence": _confidence(rows, product),
        "techniques": techniques,
        "tactics": _tactics(rows, product),
        "entities": entities(shape, rows)
        if product.entities is None
        else _lists(count, _cast(rows, product), ENTITY),
        "evidence": _evidence(rows, ids),
        "reasons": _lists(count, _reasons(rows, product), REASON),
        "advice": pa.repeat(pa.scalar(""), count),
    }
    columns |= {name: pa.repeat(pa.scalar(value), count) for name, value in constant.items()}
    return pa.table({name: columns[name] for name in FINDING.names}, schema=FINDING)


def _same(rows: pa.Table, product: Product, time: pa.Array, rule: pa.Array) -> pa.Array:
    """What the copies of an alert share; null where they cannot be told."""
    if not product.same:
        return pa.nulls(rows.num_rows, pa.string())
    *ends, protocol = (_text(rows, name) for name in product.same)
    return twice.name(time, rule, ends, protocol)


def _rule(rows: pa.Table, product: Product, title: pa.Array) -> pa.Array:
    rule = _first(rows, product.rule)
    if product.rule == product.title:
        rule = _distinct(
            rule, lambda text: re.sub(_VARYING, "#", text[: 2 * _LONGEST]), pa.string()
        )
    return pc.utf8_slice_codeunits(pc.coalesce(rule, title), 0, _LONGEST)


def _time(rows: pa.Table, product: Product) -> pa.Array:
    own = pa.nulls(rows.num_rows, pa.int64())
    for name in product.time:
        made = _distinct(
            _text(rows, name), lambda text: parse(text.partition(_MULTI)[0]), pa.int64()
        )
        own = pc.coalesce(own, made)
    return pc.coalesce(own, rows["_time"].combine_chunks())


def _severity(rows: pa.Table, product: Product) -> pa.Array:
    scale = product.severity
    made = _distinct(_text(rows, scale.column), lambda text: _level(scale, text), pa.int8())
    level = pc.fill_null(made, scale.otherwise).to_numpy(zero_copy_only=False)
    for each, least, _ in product.higher:
        level = np.where(_holds(rows, each), np.maximum(level, least), level)
    return pa.array(level, pa.int8())


def _level(scale: Scale, text: str) -> int:
    plain = text.partition(_MULTI)[0].strip().lower()
    if plain in scale.values:
        return scale.values[plain]
    try:
        number = float(plain)
    except ValueError:
        return scale.values.get(re.sub(r"[^a-z]", "", plain), scale.otherwise)
    reached = [level for bound, level in scale.steps if number >= bound]
    return reached[-1] if reached else scale.otherwise


def _confidence(rows: pa.Table, product: Product) -> pa.Array:
    said = _distinct(_text(rows, product.confidence_column), _share, pa.int8())
    return pc.fill_null(said, product.confidence)


def _share(text: str) -> int | None:
    try:
        return max(0, min(100, int(float(text))))
    except (ValueError, OverflowError):
        return None


def _techniques(rows: pa.Table, product: Product) -> pa.Array:
    columns = [_text(rows, name) for name in product.techniques if name in rows.column_names]
    for each, _, uid in product.higher:
        if uid:
            columns.append(pc.if_else(pa.array(_holds(rows, each)), uid, ""))
    if not columns:
        return _empty(rows.num_rows)
    columns = [pc.fill_null(column, "") for column in columns]
    whole = columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, " ")

    def known(text: str) -> list[str]:
        uids = dict.fromkeys(_TECHNIQUE.findall(text[:2000].upper()))
        return [uid for uid in uids if technique(uid) is not None]

    return _distinct(whole, known, pa.list_(pa.string()))


def _tactics(rows: pa.Table, product: Product) -> pa.Array:
    column, patterns = product.tactics
    if column not in rows.column_names:
        return _empty(rows.num_rows)

    def known(text: str) -> list[str]:
        return [tactic for pattern, tactic in patterns if fnmatchcase(text.lower(), pattern)]

    return pc.coalesce(
        _distinct(_text(rows, column), known, pa.list_(pa.string())), _empty(rows.num_rows)
    )


def _evidence(rows: pa.Table, ids: pa.Array) -> pa.Array:
    offset = rows["_offset"].combine_chunks()
    struct = pa.StructArray.from_arrays(
        [ids, _text(rows, "_source"), offset], fields=list(EVIDENCE)
    )
    return pa.ListArray.from_arrays(pa.array(np.arange(len(ids) + 1, dtype=np.int32)), struct)


Part = tuple[pa.Array, list[pa.Array]]
"""Row numbers, and the fields of a struct for each of them."""


def _cast(rows: pa.Table, product: Product) -> Iterator[Part]:
    for column in product.entities or ():
        value = entity_values(rows, column)
        if value is not None:
            flat = pc.list_flatten(value)
            alike = [pa.repeat(pa.scalar(text), len(flat)) for text in (column.type, column.role)]
            yield pc.list_parent_indices(value), [alike[0], flat, alike[1]]


def _reasons(rows: pa.Table, product: Product) -> Iterator[Part]:
    for name in dict.fromkeys((*product.reasons, *product.title)):
        if name in rows.column_names:
            text = _text(rows, name)
            row = np.flatnonzero(_flags(pc.is_valid(text)))
            shown = pc.utf8_slice_codeunits(text.take(pa.array(row)), 0, _REASON)
            shown = pc.replace_substring(shown, _MULTI, ", ")
            alike = pa.repeat(pa.scalar(name), len(row))
            yield pa.array(row), [alike, shown, pa.repeat(pa.scalar(1.0), len(row))]


def _lists(count: int, parts: Iterable[Part], kind: pa.StructType) -> pa.Array:
    """For each row the structs that parts have for it, in the order of the parts."""
    found = list(parts)
    if not found:
        return pa.array([[]] * count, pa.list_(kind))
    row = np.concatenate([each.to_numpy(zero_copy_only=False) for each, _ in found])
    order = pa.array(np.argsort(row, kind="stable"))
    fields = [
        pa.concat_arrays(each).take(order) for each in zip(*(one for _, one in found), strict=True)
    ]
    counts = np.bincount(row.astype(np.int64), minlength=count)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.StructArray.from_arrays(fields, fields=list(kind))
    )


def _holds(table: pa.Table, each: Holds) -> Flags:
    text = _text(table, each.column)
    if not each.patterns:
        return _flags(pc.is_valid(text))

    def fits(value: str) -> bool:
        parts = value.lower().split(_MULTI)
        return any(fnmatchcase(part, pattern) for part in parts for pattern in each.patterns)

    return _flags(_distinct(text, fits, pa.bool_()))


def _first(table: pa.Table, names: Sequence[str]) -> pa.Array:
    """The first of some columns that is not empty in each row."""
    columns = [_text(table, name) for name in names if name in table.column_names]
    return pc.coalesce(*columns) if columns else pa.nulls(table.num_rows, pa.string())


def _text(table: pa.Table, name: str) -> pa.Array:
    """A column as text, null where it is missing or blank."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    text = table[name].cast(pa.string()).combine_chunks()
    return _distinct(text, lambda value: value if value.strip() else None, pa.string())


def _distinct(values: pa.Array, change: Change, kind: pa.DataType) -> pa.Array:
    """Each value changed; the work is done once for each distinct one."""
    encoded = values.dictionary_encode()
    changed = pa.array([change(text) for text in encoded.dictionary.to_pylist()], kind)
    return changed.take(encoded.indices)


def _joined(*parts: Any) -> pa.Array:
    return pc.binary_join_element_wise(*parts, ":")


def _empty(count: int) -> pa.Array:
    return pa.array([[]] * count, pa.list_(pa.string()))


def _flags(values: pa.Array | pa.ChunkedArray) -> Flags:
    made: Flags = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return np.array(made, np.bool_)
