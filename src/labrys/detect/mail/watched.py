"""What the mail model sees of evidence, for `labrys guard drift`."""

import numpy as np
import pyarrow as pa

from labrys.detect.mail.columns import Floats
from labrys.detect.mail.detect import SHAPE
from labrys.detect.mail.features import NAMES, Seen
from labrys.detect.mail.score import TEXTS, model, scores

_AT_ONCE = 2_000


def reads(shape: str) -> bool:
    """Whether records of this shape are messages."""
    return shape == SHAPE


def watched(shape: str, table: pa.Table) -> pa.Table:
    """A row for each message."""
    made = {name: pa.array(column) for name, column in columns(table).items()}
    return pa.table({"_source": table["_source"], **made})


def columns(table: pa.Table) -> dict[str, Floats]:
    """The features of messages, the scores of their texts, and what the model says of them."""
    found = [
        scores(Seen(table.slice(at, _AT_ONCE)), model())
        for at in range(0, table.num_rows, _AT_ONCE)
    ]
    features = np.concatenate([each.features for each in found])
    texts = np.concatenate([each.texts for each in found])
    return {
        **{name: np.ascontiguousarray(features[:, at]) for at, name in enumerate(NAMES)},
        **{f"text, {name}": np.ascontiguousarray(texts[:, at]) for at, name in enumerate(TEXTS)},
        "score": np.concatenate([each.margin for each in found]),
    }
