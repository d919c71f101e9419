"""What the name model sees of evidence, for `labrys guard drift`, and what it is asked when loaded."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.dga.model import model
from labrys.detect.dga.names import NAMES, Floats, numbers
from labrys.detect.dga.split import split
from labrys.ocsf.maps import mapping_for

_QUERY: Final = "query.hostname"


def reads(shape: str) -> bool:
    """Whether records of this shape ask for names."""
    return bool(_columns(shape))


def watched(shape: str, table: pa.Table) -> pa.Table:
    """A row for each registered name of each source: `_source`, the numbers, and `score`."""
    found = [
        table[name].cast(pa.string()) for name in _columns(shape) if name in table.column_names
    ]
    if not found:
        return _empty()
    name = pc.coalesce(*found)
    pairs = pa.table({"_source": table["_source"], "name": name}).drop_null()
    pairs = pairs.group_by(["_source", "name"]).aggregate([])
    parts = [split(text) for text in pairs["name"].to_pylist()]
    kept = {
        (source, part.registered.partition(".")[0]): None
        for source, part in zip(pairs["_source"].to_pylist(), parts, strict=True)
        if part is not None
    }
    labels = pa.array([label for _, label in kept], pa.string())
    made = {each: pa.array(column) for each, column in columns(labels).items()}
    return pa.table({"_source": pa.array([source for source, _ in kept], pa.string()), **made})


def columns(labels: pa.Array) -> dict[str, Floats]:
    """The numbers of labels, and what the model says of them."""
    seen = numbers(labels, model().tables)
    return {
        **{name: np.ascontiguousarray(seen[:, at]) for at, name in enumerate(NAMES)},
        "score": model().margins(labels),
    }


def _columns(shape: str) -> tuple[str, ...]:
    return tuple(
        column
        for made in mapping_for(shape)
        for one in made.attributes
        if one.path == _QUERY
        for column in one.columns
    )


def _empty() -> pa.Table:
    return pa.table({"_source": pa.array([], pa.string())})
