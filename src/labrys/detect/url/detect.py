"""Finds links in mail that look like phishing, each different link of a table judged once."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.url import explain
from labrys.detect.url.features import Floats
from labrys.detect.url.score import model
from labrys.ocsf.entities import entities
from labrys.ocsf.schema import FINDING

SHAPE: Final = "mail.link"
_COLUMNS: Final = ("href", "target")
"""The link as it stands, and where it seems to lead: a phisher can hang any address on his own."""


def detect(shape: str, batch: pa.Table) -> pa.Table:
    """A finding for each link above the model's `slight` limit."""
    if shape != SHAPE or not batch.num_rows:
        return FINDING.empty_table()
    columns = [batch[name].cast(pa.string()) for name in _COLUMNS if name in batch.column_names]
    if not columns:
        return FINDING.empty_table()
    held = model()
    coded = [column.combine_chunks().dictionary_encode() for column in columns]
    told = [held.scores(one.dictionary) for one in coded]
    each = np.stack([_of_rows(one, margin) for one, margin in zip(coded, told, strict=True)])
    worst = each.max(axis=0)
    rows = np.flatnonzero(worst > held.limits["slight"])
    if not len(rows):
        return FINDING.empty_table()
    which = each.argmax(axis=0)[rows].tolist()
    links = [columns[side][row].as_py() for side, row in zip(which, rows.tolist(), strict=True)]
    said = explain.findings(held, dict(zip(links, worst[rows].tolist(), strict=True)))
    return _built(shape, batch.take(pa.array(rows)), [said[link] for link in links])


def _of_rows(coded: pa.DictionaryArray, margin: Floats) -> Floats:
    """The margin of each row, -inf where it has no link."""
    made: Floats = np.append(margin, -np.inf)[
        pc.fill_null(coded.indices, len(margin)).to_numpy(zero_copy_only=False)
    ]
    return made


def _built(shape: str, found: pa.Table, said: list[dict[str, Any]]) -> pa.Table:
    records = found.select(["_id", "_source", "_offset", "_time"]).to_pylist()
    rows = [
        {
            **one,
            "uid": f"{explain.ID}:{record['_id']}",
            "time_start": record["_time"],
            "time_end": record["_time"],
            "entities": cast,
            "evidence": [{name: record[name] for name in ("_id", "_source", "_offset")}],
            "shape": shape,
        }
        for one, record, cast in zip(said, records, entities(shape, found).to_pylist(), strict=True)
    ]
    return pa.Table.from_pylist(rows, FINDING)
