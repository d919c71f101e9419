"""Fetches the records that incidents rest on, so that a report can show what they say."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from labrys.lake.case import Case
    from labrys.scan.run import Scan

_MOST: Final = 4_000
_LONGEST: Final = 2_000
_MULTI: Final = "\x1e"
_MESSAGE: Final = "mail.message"


def evidence_fields(case: "Case", scan: "Scan") -> dict[str, Mapping[str, str]]:
    """Record id → its fields, of the first records of every incident, worst incidents first."""
    return {
        uid: {name: value.replace(_MULTI, " | ")[:_LONGEST] for name, value in row.items()}
        for uid, row in _rows(case, scan)
    }


def message_fields(case: "Case", scan: "Scan") -> dict[str, Mapping[str, str]]:
    """The same of messages only, whole and with their several values apart."""
    return dict(_rows(case, scan, _MESSAGE))


def _rows(case: "Case", scan: "Scan", only: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    shapes = set(scan.findings["shape"].unique().to_pylist())
    if only and only not in shapes and None not in shapes:
        return
    wanted = _wanted(scan)
    if not wanted:
        return
    ids = pa.array(sorted(wanted))
    for segment in case.segments():
        for shape in segment.places:
            if (shape not in shapes and None not in shapes) or only not in ("", shape):
                continue
            table = case.read(segment, shape)
            for row in table.filter(pc.is_in(table["_id"], value_set=ids)).to_pylist():
                yield (
                    row["_id"],
                    {
                        name: str(value)
                        for name, value in row.items()
                        if value is not None and name not in ("_id", "_source", "_offset")
                    },
                )


def _wanted(scan: "Scan") -> set[str]:
    """Ids of the evidence of incidents, as many as a page can hold."""
    by_uid = dict(
        zip(
            scan.findings["uid"].to_pylist(),
            scan.findings["evidence"].to_pylist(),
            strict=True,
        )
    )
    wanted: set[str] = set()
    for uids in scan.triage.incidents["findings"].to_pylist():
        share = 0
        for uid in uids:
            for item in (by_uid.get(uid) or ())[:5]:
                wanted.add(item["_id"])
                share += 1
            if share > _MOST // 4 or len(wanted) >= _MOST:
                break
    return wanted
