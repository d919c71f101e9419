"""What the evasion model sees of evidence, for `labrys guard drift`."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.evasion.score import Floats, Model, model, scores
from labrys.detect.evasion.seen import PLACES


def reads(shape: str) -> bool:
    """Whether records of this shape hold commands."""
    return shape in PLACES


def watched(shape: str, table: pa.Table) -> pa.Table:
    """A row for each different command of each source."""
    column = PLACES[shape].column
    if column not in table.column_names:
        return pa.table({"_source": pa.array([], pa.string())})
    line = table[column].cast(pa.string())
    pairs = pa.table({"_source": table["_source"], "line": line}).drop_null()
    pairs = pairs.group_by(["_source", "line"]).aggregate([]).combine_chunks()
    made = columns(pairs["line"].combine_chunks(), model())
    return pa.table(
        {"_source": pairs["_source"], **{name: pa.array(each) for name, each in made.items()}}
    )


def columns(lines: pa.Array, held: Model) -> dict[str, Floats]:
    """How long commands are, of how many words, and what the model says of them."""
    letters = pc.utf8_length(lines).to_numpy(zero_copy_only=False)
    words = pc.count_substring_regex(lines, r"\S+").to_numpy(zero_copy_only=False)
    return {
        "letters": letters.astype(np.float64),
        "words": words.astype(np.float64),
        "score": scores(lines, held.weights),
    }
