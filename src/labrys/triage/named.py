"""Which incident somebody means: they name it by its rank, or by the beginning of its id."""

from typing import Any, Final

import pyarrow as pa

from labrys.errors import LabrysError

_SHORTEST: Final = 4
"""So many characters of an id are not taken for a rank."""


def incident(incidents: pa.Table, wanted: str) -> dict[str, Any]:
    """The row of the incident that `wanted` names; raises `LabrysError` where there is none."""
    rows: list[dict[str, Any]] = incidents.to_pylist()
    for row in rows:
        if wanted == str(row["rank"]):
            return row
    for row in rows:
        if len(wanted) >= _SHORTEST and row["uid"].startswith(wanted):
            return row
    there = ("this case has none", "this case has one, of rank 1")
    ranks = there[len(rows)] if len(rows) < len(there) else f"there are ranks 1 to {len(rows):,}"
    raise LabrysError(f"no incident {wanted!r}; {ranks}")
