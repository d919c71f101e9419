"""What the URL model sees of evidence, for `labrys guard drift`."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.url.features import NAMES, USED, Floats, judged, numbers
from labrys.detect.url.parts import parts
from labrys.detect.url.score import model
from labrys.detect.url.unwrap import unwrapped


def reads(shape: str) -> bool:
    """Whether records of this shape are links."""
    return shape == "mail.link"


def watched(shape: str, table: pa.Table) -> pa.Table:
    """A row for each different link of each source that the model judges."""
    found = [
        table[name].cast(pa.string()) for name in ("target", "href") if name in table.column_names
    ]
    if not found:
        return pa.table({"_source": pa.array([], pa.string())})
    pairs = pa.table({"_source": table["_source"], "url": pc.coalesce(*found)}).drop_null()
    pairs = pairs.group_by(["_source", "url"]).aggregate([]).combine_chunks()
    urls = pairs["url"].combine_chunks()
    chosen = judged(parts(unwrapped(urls)))
    made = {name: pa.array(column[chosen]) for name, column in columns(urls).items()}
    return pa.table({"_source": pairs["_source"].filter(pa.array(chosen)), **made})


def columns(urls: pa.Array) -> dict[str, Floats]:
    """The numbers that the model uses of links, and what it says of them."""
    seen = numbers(parts(unwrapped(urls)), model().tables)
    return {
        **{name: np.ascontiguousarray(seen[:, at]) for at, name in enumerate(NAMES) if USED[at]},
        "score": model().scores(urls),
    }
