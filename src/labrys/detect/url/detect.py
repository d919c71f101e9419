"""Finds links in mail that look like phishing, each different link of a table judged once."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.url import explain
from labrys.detect.url.score import model
from labrys.ocsf.entities import entities
from labrys.ocsf.schema import FINDING

SHAPE: Final = "mail.link"
_COLUMNS: Final = ("target", "href")
"""Where the link is: where it leads if that could be told, else as it stands."""


def detect(shape: str, batch: pa.Table) -> pa.Table:
    """A finding for each link above the model's `slight` limit."""
    if shape != SHAPE or not batch.num_rows:
        return FINDING.empty_table()
    columns = [batch[name].cast(pa.string()) for name in _COLUMNS if name in batch.column_names]
    if not columns:
        return FINDING.empty_table()
    coded = pc.coalesce(*columns).combine_chunks().dictionary_encode()
    held = model()
    margin = held.scores(coded.dictionary)
    worst = np.flatnonzero(margin > held.limits["slight"])
    chosen = pc.fill_null(pc.is_in(coded.indices, pa.array(worst, coded.indices.type)), False)
    said = {
        at: explain.finding(held, coded.dictionary[at].as_py(), margin[at]) for at in worst.tolist()
    }
    found = batch.filter(chosen)
    which = coded.indices.filter(chosen).to_pylist()
    return _built(shape, found, [said[at] for at in which])


def _built(shape: str, found: pa.Table, said: list[dict[str, Any]]) -> pa.Table:
    if not said:
        return FINDING.empty_table()
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
