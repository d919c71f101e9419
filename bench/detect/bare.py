"""Incidents as they would be if findings named no file, hash, link or domain: what ties them then?"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.detect.found import Found, Incident, several
from bench.measure import child

_TAKEN: Final = ("file", "hash", "url", "domain")


def bare(found: Found, lakes: Path, env: dict[str, str]) -> Found:
    """What was found, joined anew without those names; `lakes` holds the lake of each case."""
    if found.cases:
        return several(
            {
                name: _rejoined(each, lakes / f"{name}.labrys", env)
                for name, each in found.cases.items()
            }
        )
    return _rejoined(found, lakes / "case.labrys", env)


def _rejoined(found: Found, lake: Path, env: dict[str, str]) -> Found:
    _, rows = child("detect.bare.incidents", env=env, lake=lake)
    made = tuple(
        Incident(rank, severity, title, frozenset(findings), ())
        for rank, severity, title, findings in rows
    )
    return replace(found, incidents=made)


# What follows runs in a process of its own.


def incidents(lake: str) -> list[tuple[int, int, str, list[str]]]:
    """Rank, severity, title and findings of each incident."""
    import pyarrow as pa

    from labrys.lake.case import Case
    from labrys.scan.run import reopened
    from labrys.triage import incidents as joined

    with Case.open(lake, create=False, write=False) as case:
        findings = reopened(case).findings
    at = findings.schema.get_field_index("entities")
    kept = [
        [each for each in named or () if each["type"] not in _TAKEN]
        for named in findings["entities"].to_pylist()
    ]
    field = findings.schema.field(at)
    table = joined(findings.set_column(at, field, pa.array(kept, field.type))).incidents
    return [
        (row["rank"], row["severity_id"], row["title"], row["findings"])
        for row in table.to_pylist()
    ]
