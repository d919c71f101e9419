"""Where each finding is: the host that it names, or else the account or user."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_KINDS: Final = ("host", "account", "user")


def places(findings: pa.Table) -> pa.Array:
    """For each finding (`ocsf.schema.FINDING`) the first host, account or user, in lower case.

    Empty text where it names none of them.
    """
    lists = findings["entities"].combine_chunks()
    flat, row = pc.list_flatten(lists), pc.list_parent_indices(lists)
    kind, value = pc.struct_field(flat, "type"), pc.struct_field(flat, "value")
    made = np.full(len(lists), -1, np.int64)
    rows = row.to_numpy(zero_copy_only=False)
    for name in reversed(_KINDS):
        known = pc.fill_null(pc.and_(pc.equal(kind, name), pc.is_valid(value)), False)
        chosen = np.flatnonzero(known.to_numpy(zero_copy_only=False))[::-1]
        made[rows[chosen]] = chosen
    found = value.take(pa.array(np.where(made < 0, 0, made), mask=made < 0))
    return pc.fill_null(pc.utf8_lower(found), "")


def pairs(findings: pa.Table) -> list[tuple[str, str]]:
    """(rule uid, place) of each finding."""
    return list(zip(findings["rule_uid"].to_pylist(), places(findings).to_pylist(), strict=True))
