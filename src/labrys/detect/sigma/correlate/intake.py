"""Reads the matches to correlate out of findings, where the row detector has left them."""

import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.sigma.correlate.pool import MATCHES


def from_findings(findings: pa.Table) -> pa.Table:
    """Findings of single records (`ocsf.schema.FINDING`) as matches (`MATCHES`).

    Their reasons must name the fields that `needed_fields` asks for, a field's first value counts.
    Findings of no record or of several are no matches of base rules and are left out.
    """
    one = pc.fill_null(pc.equal(pc.list_value_length(findings["evidence"]), 1), False)
    findings = findings.filter(one).combine_chunks()
    if findings.num_rows == 0:
        return MATCHES.empty_table()
    record = pc.list_flatten(findings["evidence"].combine_chunks())
    reasons = findings["reasons"].combine_chunks()
    flat = pc.list_flatten(reasons)
    lengths = pc.fill_null(pc.list_value_length(reasons), 0)
    ends = pc.cumulative_sum(lengths.cast(pa.int32()))
    fields = pa.MapArray.from_arrays(
        pa.concat_arrays([pa.array([0], pa.int32()), ends]),
        pc.struct_field(flat, "feature"),
        pc.struct_field(flat, "value"),
    )
    count = findings.num_rows
    return pa.table(
        {
            "rule": findings["rule_uid"],
            "_id": pc.struct_field(record, "_id"),
            "_time": findings["time_start"],
            "_source": pc.struct_field(record, "_source"),
            "_offset": pc.struct_field(record, "_offset"),
            "_host": pa.nulls(count, pa.string()),
            "shape": findings["shape"],
            "fields": fields,
            "entities": findings["entities"],
        },
        schema=MATCHES,
    )
