"""How far a source was read: how to go on with it, and what that leaves unknown."""

from collections.abc import Iterator
from dataclasses import replace

from labrys.lake.ledger import SourceRow


def resumed(source: SourceRow, row: SourceRow) -> SourceRow:
    """How to go on with `source`, whose content the case has as `row`."""
    if row.state == "done" and row.name != source.name:
        return replace(source, state="duplicate", same_as=row.name)
    made = replace(
        row,
        path=source.path,
        mtime_ns=source.mtime_ns,
        inode=source.inode,
        superseded_by="",
        state="done" if row.state == "done" else "partial",
    )
    if row.state == "done":
        return made
    if row.batches and (row.format, row.version) != (source.format, source.version):
        reason = (
            f"was read in part by {row.format} {row.version}, which is now"
            f" {source.format} {source.version}: scan it into a new case"
        )
        return replace(made, state="failed", problems=(*row.problems, reason))
    return replace(made, format=source.format, version=source.version, problems=())


def problems(row: SourceRow) -> Iterator[str]:
    """What the reader of results must know about a source, nothing for a good one."""
    yield from row.problems
    if row.state == "unknown":
        yield "no format recognises it; it was not read"
    if row.state == "duplicate":
        yield f"has the same content as {row.same_as}; it was not read again"
    if row.state == "partial":
        yield f"was read in part only ({row.rows} records); scan again to go on"
    if row.unparsed:
        yield f"{row.unparsed} records could not be understood (shape unparsed)"
    if row.superseded_by:
        yield "has changed since; the records of both contents are in the case"
