"""Finds records that try to instruct the assistants that will read them."""

from typing import Final

import pyarrow as pa

from labrys.detect.prompt_injection import explain
from labrys.detect.prompt_injection.places import places
from labrys.detect.prompt_injection.score import model
from labrys.detect.prompt_injection.seen import seen
from labrys.ocsf.entities import entities
from labrys.ocsf.schema import FINDING

_AT_ONCE: Final = 2_000


def detect(shape: str, batch: pa.Table) -> pa.Table:
    """A finding for each record with a text above the model's lowest limit."""
    place = places().get(shape)
    if place is None or not batch.num_rows:
        return FINDING.empty_table()
    parts = (batch.slice(at, _AT_ONCE) for at in range(0, batch.num_rows, _AT_ONCE))
    return pa.concat_tables([_found(shape, part) for part in parts])


def _found(shape: str, batch: pa.Table) -> pa.Table:
    place, held = places()[shape], model()
    made = explain.findings(dict(sorted(seen(batch, place, held).items())), place, held)
    if not made:
        return FINDING.empty_table()
    taken = batch.take(pa.array(list(made)))
    records = taken.select(["_id", "_source", "_offset", "_time"]).to_pylist()
    rows = [
        {
            **said,
            "uid": f"{explain.ID}:{record['_id']}",
            "time_start": record["_time"],
            "time_end": record["_time"],
            "entities": cast,
            "evidence": [{name: record[name] for name in ("_id", "_source", "_offset")}],
            "shape": shape,
        }
        for said, record, cast in zip(
            made.values(), records, entities(shape, taken).to_pylist(), strict=True
        )
    ]
    return pa.Table.from_pylist(rows, FINDING)
