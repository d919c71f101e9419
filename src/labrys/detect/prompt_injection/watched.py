"""What the model of prompt injections sees of mail, for `labrys guard drift`."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.prompt_injection.canon import bounded
from labrys.detect.prompt_injection.score import HEADS, Floats, model, scores

_SHAPE = "mail.message"
_TEXT = "text_visible"


def reads(shape: str) -> bool:
    """Whether records of this shape are mail: other records are too many things to be alike."""
    return shape == _SHAPE


def watched(shape: str, table: pa.Table) -> pa.Table:
    """A row for each message."""
    if _TEXT not in table.column_names:
        return pa.table({"_source": pa.array([], pa.string())})
    said = pc.fill_null(table[_TEXT].cast(pa.string()), "").to_pylist()
    made = {name: pa.array(column) for name, column in columns(said).items()}
    return pa.table({"_source": table["_source"], **made})


def columns(said: Sequence[str]) -> dict[str, Floats]:
    """How long texts are, what each head says of them, and the most that any says."""
    texts = bounded(pa.array(said, pa.string()))
    found, _ = scores(texts, model())
    letters = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    return {
        "letters": letters.astype(np.float64),
        **{head: np.ascontiguousarray(found[:, at]) for at, head in enumerate(HEADS)},
        "score": found.max(axis=1),
    }
