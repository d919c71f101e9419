"""Correlations counted anew in each file by itself, for sets whose files never met.

Rules look at one record at a time, whatever else is in the case; what correlates records (so many
within an hour, new for this account) does not. Reading every file into a case of its own would
cost hours, so the matches that one scan has kept are correlated again, file by file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.detect.found import Finding as Row
from bench.detect.found import Found, file_of
from bench.measure import child

_CORRELATION = "sigma.correlation"


def apart(
    found: Found, lake: Path, evidence: Path, arguments: Sequence[str], env: dict[str, str]
) -> Found:
    """What was found, with the correlations of each file alone instead of those of the case."""
    rules = [word for at, word in enumerate(arguments) if arguments[at - 1 : at] == ["--rules"]]
    _, rows = child(
        "detect.alone.correlations",
        env=env,
        lake=lake,
        evidence=evidence.name,
        rules=rules,
        own="--no-own-rules" not in arguments,
    )
    kept = tuple(each for each in found.findings if each.detector != _CORRELATION)
    return replace(found, findings=(*kept, *(_row(each) for each in rows)))


def _row(told: dict[str, Any]) -> Row:
    lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
    return Row(**{**told, **lists})


# What follows runs in a process of its own.


def correlations(lake: str, evidence: str, rules: list[str], own: bool) -> list[dict[str, Any]]:
    """The findings of correlations in each file of a case."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from labrys.detect.sigma.correlate import correlate, from_findings
    from labrys.detect.sigma.findings import MATCH
    from labrys.lake.case import Case
    from labrys.scan.detection import unique
    from labrys.scan.rules import builtin_rules
    from labrys.scan.run import Options, equip

    chosen = (*([builtin_rules()] if own else []), *map(Path, rules))
    tools = equip(Options(paths=(), rules=chosen, only=("sigma",)))
    if tools.sigma is None:
        return []
    with Case.open(lake, create=False, write=False) as case:
        matches = from_findings(unique(case.findings({MATCH: tools.sigma.digest})))
    sources = matches["_source"].to_pylist()
    files = pa.array([file_of(source, evidence) for source in sources])
    made: list[dict[str, Any]] = []
    for file in files.unique():
        mine = correlate(tools.rules, matches.filter(pc.equal(files, file)))
        made.extend(asdict(row) for row in _findings(mine.findings, file.as_py()))
    return made


def _findings(table: Any, file: str) -> Iterator[Row]:
    for row in table.to_pylist():
        yield Row(
            uid=f"{file}:{row['uid']}",
            rule=row["rule_uid"],
            title=row["title"],
            detector=_CORRELATION,
            severity=row["severity_id"],
            techniques=tuple(row["techniques"]),
            tactics=tuple(row["tactics"]),
            files=(file,),
            entities=tuple(each["value"] for each in row["entities"]),
            shape=row["shape"],
        )
