"""Runs `labrys scan` as a user would, and looks into the case it leaves."""

import os
import random
import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from bench.measure import REPO, Cost, command


def program() -> Path:
    """The command of the installation that `LABRYS_BENCH_LABRYS` names, or of this Python's.

    The core set alone is what most users have; what other packages bring along (pandas, which
    Arrow imports where it finds it) takes its time at every start.
    """
    said = os.environ.get("LABRYS_BENCH_LABRYS")
    return Path(said) if said else Path(sys.executable).with_name("labrys")


def scan(
    paths: Sequence[Path], lake: Path, rules: Sequence[Path], folder: Path, *more: str | Path
) -> Cost:
    """Scan into `lake` with the user's rules only; compiled rules are kept under `folder`."""
    chosen = [word for each in rules for word in ("--rules", each)]
    return command(
        [
            program(),
            "scan",
            *paths,
            *("--lake", lake),
            *chosen,
            "--no-own-rules",
            "--quiet",
            *("--format", "ndjson", "--out", folder / "report.ndjson"),
            *more,
        ],
        env=environment(folder),
        codes=(0, 1),
    )


def environment(folder: Path) -> dict[str, str]:
    """Settings of ours alone: nothing of the user's own files or cache."""
    return {
        "LABRYS_CACHE": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "TMPDIR": str(folder),
    }


# What follows runs in processes of its own.


def counts(lake: str) -> dict[str, Any]:
    """What a case holds."""
    from labrys.evidence.records import UNPARSED
    from labrys.lake.case import Case
    from labrys.scan.run import reopened

    with Case.open(lake, create=False, write=False) as case:
        shapes = case.shapes()
        found = reopened(case)
        return {
            "rows": sum(shape.rows for shape in shapes.values()),
            "unparsed": shapes[UNPARSED].rows if UNPARSED in shapes else 0,
            "shapes": len(shapes),
            "sources": len(found.sources),
            "findings": found.findings.num_rows,
            "rules": len(found.findings["rule_uid"].unique()),
            "incidents": found.triage.incidents.num_rows,
        }


def check(lake: str, rules: list[str], sample: int) -> dict[str, Any]:
    """A sample of a case's records × all rules that apply, against the plain evaluator."""
    import pyarrow as pa

    from labrys.detect.sigma.findings import SIGMA
    from labrys.detect.sigma.logsource import bind, negated
    from labrys.lake.case import Case
    from labrys.scan.rules import load

    reference = plain_evaluator()
    compiled, _ = load([Path(each) for each in rules])
    with Case.open(lake, create=False, write=False) as case:
        tables = [each for segment in case.segments() for each in case.tables(segment)]
        found = {
            (row["rule_uid"], row["evidence"][0]["_id"])
            for row in case.findings().select(["detector", "rule_uid", "evidence"]).to_pylist()
            if row["detector"] == SIGMA
        }
    total = sum(table.num_rows for _, table in tables)
    chosen = sorted(random.Random(5).sample(range(total), min(sample, total)))
    seen: set[str] = set()
    expected: set[tuple[str, str]] = set()
    pairs = at = 0
    for shape, table in tables:
        mine = [row - at for row in chosen if at <= row < at + table.num_rows]
        at += table.num_rows
        if not mine:
            continue
        part = table.take(pa.array(mine))
        ids = part["_id"].to_pylist()
        seen.update(ids)
        for rule in compiled.rules:
            fields = bind(rule.logsource, shape, negated(rule.when, compiled.atoms))
            if fields is None:
                continue
            pairs += len(mine)
            events = bound_events(reference, compiled, shape, part, fields)
            expected.update(
                (rule.uid, uid)
                for uid, event in zip(ids, events, strict=True)
                if reference.holds(rule.when, compiled, event)
            )
        bound_events.cache_clear()
    ours = {pair for pair in found if pair[1] in seen}
    unlike = len(ours ^ expected)
    return {
        "rows": len(seen),
        "pairs": pairs,
        "matches": len(expected),
        "equal": "yes" if not unlike else f"no ({unlike} pairs)",
    }


class _Events:
    """The plain evaluator's rows of a part of a table, made once for each field map."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], tuple[Any, list[Any]]] = {}

    def __call__(self, reference: Any, rules: Any, shape: str, part: Any, fields: Any) -> list[Any]:
        key = (shape, id(fields))
        if key not in self._made:
            made = list(reference.events(rules, part, fields))
            self._made[key] = (fields, made)
        return self._made[key][1]

    def cache_clear(self) -> None:
        self._made.clear()


bound_events = _Events()


def plain_evaluator() -> Any:
    """The slow reference of the tests, remembering what it has lower-cased."""
    sys.path.insert(0, str(REPO / "tests"))
    import sigma_reference  # type: ignore[import-not-found]

    sigma_reference.lower = lru_cache(1 << 20)(sigma_reference.lower)
    return sigma_reference


def as_lines(lake: str, out: str, rules: list[str]) -> int:
    """Every record of a case as a JSON line with its shape and id, for tools that read no EVTX.

    Several values are a list, and what is a number in every record of its shape is a number. With
    `rules`, each record also has the fields that these rules name otherwise than its source does.
    """
    import orjson

    from labrys.lake.case import Case

    ours = {"_time", "_source", "_offset", "_host"}
    rows = 0
    with Case.open(lake, create=False, write=False) as case, Path(out).open("wb") as stream:
        for segment in case.segments():
            for shape, table in case.tables(segment):
                aliases = _aliases(rules, shape, table) if rules else {}
                kept = [name for name in table.column_names if name not in ours]
                columns = {name: table[name].to_pylist() for name in kept} | aliases
                columns = {name: _typed(cells) for name, cells in columns.items()}
                for row in range(table.num_rows):
                    said = {name: cells[row] for name, cells in columns.items()}
                    said = {name: cell for name, cell in said.items() if cell is not None}
                    stream.write(orjson.dumps({**said, "_shape": shape}) + b"\n")
                    rows += 1
    return rows


def _typed(cells: list[str | None]) -> list[Any]:
    """Text as the numbers it holds throughout, or as lists where there are several values."""
    from labrys.evidence.values import MULTI

    held = [cell for cell in cells if cell is not None]
    if all(_PLAIN_NUMBER.fullmatch(cell) for cell in held):
        return [None if cell is None else int(cell) for cell in cells]
    return [cell.split(MULTI) if cell is not None and MULTI in cell else cell for cell in cells]


_PLAIN_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}")


def _aliases(rules: list[str], shape: str, table: Any) -> dict[str, list[str | None]]:
    """The fields of a shape that rules call by another name than its records."""
    from labrys.detect.sigma.fields import derive
    from labrys.detect.sigma.logsource import bind

    made: dict[str, list[str | None]] = {}
    for source in _sources(tuple(rules)):
        fields = bind(source, shape)
        for name in fields.aliases if fields is not None else ():
            if name not in made and name not in table.column_names and fields is not None:
                column = derive(fields.column(name), table)
                if column is not None:
                    made[name] = column.to_pylist()
    return made


@lru_cache
def _sources(rules: tuple[str, ...]) -> list[Any]:
    """The log sources of rules, the narrow ones first."""
    from labrys.scan.rules import load

    compiled, _ = load([Path(each) for each in rules])
    found = {rule.logsource for rule in compiled.rules}
    return sorted(found, key=lambda one: (not one.category, not one.service, str(one)))


def found(lake: str) -> dict[str, list[str]]:
    """Rule uid → ids of the records it found, ascending."""
    from labrys.detect.sigma.findings import SIGMA
    from labrys.lake.case import Case

    made: dict[str, set[str]] = {}
    with Case.open(lake, create=False, write=False) as case:
        for row in case.findings().select(["detector", "rule_uid", "evidence"]).to_pylist():
            if row["detector"] == SIGMA:
                made.setdefault(row["rule_uid"], set()).add(row["evidence"][0]["_id"])
    return {uid: sorted(ids) for uid, ids in made.items()}
