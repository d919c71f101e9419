"""How many disguised command lines the evasion detector catches, and what it says on ordinary ones.

`python -m bench evasion [--quick] [--json]`. Process events on which a rule of medium level or above
fires are rewritten by every family of disguises; what no such rule fires on any more has evaded the
rules. It is caught when the evasion detector finds it, and named when it names a rule that the event
was found by before. Families marked + were written for this benchmark only, and nothing in the detector
was made or changed for them. Ordinary events are counted beside it: everything found there is false.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.data import ENDPOINT, sigma_rules, workspace
from bench.evasion.events import bases, ordinary, renumbered
from bench.evasion.families import Draw, Rewrite, families
from labrys.detect.contract import RowDetector
from labrys.detect.evasion.explain import LIKE_ATTACK, OBFUSCATED
from labrys.detect.evasion.seen import PLACES
from labrys.detect.registry import RowFolder, detectors
from labrys.detect.sigma.findings import SIGMA
from labrys.ocsf.schema import Severity
from labrys.scan.rules import armed, builtin_rules, load

Event = dict[str, Any]

LAYERS: Final = ("canonical form", "loose rule", "disguise alone", "model alone")
_SEED: Final = 23
_NUMBERS: Final = re.compile(r"\d+")
_LEADING: Final = ("_id", "_time", "_source", "_offset", "_host")


@dataclass(frozen=True, slots=True)
class Tally:
    """One line of a table."""

    what: str
    family: str
    evasions: int
    caught: int
    named: int
    layers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Tools:
    """Rules and the detectors that run them."""

    sigma: RowDetector
    evasion: RowDetector


def tools(folders: Sequence[Path]) -> Tools:
    """The detectors, as a scan makes them."""
    rules, sigma = load(folders)
    made = next(one for one in detectors() if one.id == "evasion")
    assert isinstance(made, RowFolder)
    return Tools(sigma, armed(made, rules, sigma))


def fired(detector: RowDetector, shape: str, table: pa.Table) -> dict[int, list[Event]]:
    """The findings of medium severity and above (of the evasion detector: all), by row."""
    found: dict[int, list[Event]] = {}
    least = Severity.MEDIUM if detector.id == SIGMA else Severity.INFORMATIONAL
    for finding in detector.detect(shape, table).to_pylist():
        if finding["severity_id"] >= least and finding["detector"] == detector.id:
            found.setdefault(int(finding["evidence"][0]["_id"]), []).append(finding)
    return found


def evaded(what: str, made: Tools, tables: Mapping[str, pa.Table], most: int) -> Iterator[Tally]:
    """For each family, how many of the rewritten events evade the rules, and how many are caught."""
    draw = np.random.default_rng(_SEED)
    tallies: dict[str, Tally] = {}
    for shape, table in tables.items():
        if PLACES[shape].script:
            continue
        base = fired(made.sigma, shape, table)
        chosen = _distinct(table, sorted(base))[:most]
        known = [{finding["rule_uid"] for finding in base[row]} for row in chosen]
        events = table.take(pa.array(chosen, pa.int64())).to_pylist()
        for family, rewrite in families(PLACES[shape].shell).items():
            variants, names = _variants(events, known, family, rewrite, draw)
            if variants:
                schema = table.schema
                if shape == "windows.sysmon.1" and "OriginalFileName" not in schema.names:
                    schema = schema.append(pa.field("OriginalFileName", pa.string()))
                mine = _tally(what, family, made, shape, _table(variants, schema), names)
                tallies[family] = _added(tallies.get(family), mine)
    yield from tallies.values()


def _variants(
    events: Sequence[Event], known: Sequence[set[str]], family: str, rewrite: Rewrite, draw: Draw
) -> tuple[list[Event], list[set[str]]]:
    variants, names = [], []
    for event, uids in zip(events, known, strict=True):
        line = event["CommandLine"]
        changed = rewrite(line, draw)
        if changed == line:
            continue
        variant = {**event, "CommandLine": changed}
        if family.startswith("renamed"):
            variant |= _moved(event, changed.split(" ")[0], kept="stripped" not in family)
        variants.append(variant)
        names.append(uids)
    return variants, names


def _moved(event: Event, path: str, *, kept: bool) -> Event:
    """An event's program under another path, with its version information or without."""
    if "NewProcessName" in event:
        return {"NewProcessName": path}
    name = (event.get("Image") or "").rpartition("\\")[2]
    return {
        "Image": path,
        "OriginalFileName": (event.get("OriginalFileName") or name) if kept else "-",
    }


def _tally(
    what: str, family: str, made: Tools, shape: str, table: pa.Table, names: Sequence[set[str]]
) -> Tally:
    still = fired(made.sigma, shape, table)
    found = fired(made.evasion, shape, table)
    lost = [row for row in range(table.num_rows) if row not in still]
    caught = [row for row in lost if row in found]
    named = [row for row in caught if names[row] & {one["rule_uid"] for one in found[row]}]
    return Tally(
        what,
        family,
        len(lost),
        len(caught),
        len(named),
        Counter(layer(found[row][0]) for row in caught),
    )


def layer(finding: Event) -> str:
    """Which of the detector's layers a finding is of."""
    if finding["rule_uid"] in (OBFUSCATED, LIKE_ATTACK):
        return LAYERS[2] if finding["rule_uid"] == OBFUSCATED else LAYERS[3]
    return LAYERS[1] if finding["reasons"][0]["feature"] == "rule all but matched" else LAYERS[0]


def _added(one: Tally | None, other: Tally) -> Tally:
    if one is None:
        return other
    return Tally(
        one.what, one.family, one.evasions + other.evasions, one.caught + other.caught,
        one.named + other.named, Counter(one.layers) + Counter(other.layers),
    )  # fmt: skip


def _distinct(table: pa.Table, rows: Sequence[int]) -> list[int]:
    """The first row of each command line; lines that differ in numbers only are one."""
    lines = table.column("CommandLine").to_pylist()
    first: dict[str, int] = {}
    for row in rows:
        if lines[row]:
            first.setdefault(_NUMBERS.sub("0", lines[row]), row)
    return list(first.values())


def _table(events: Sequence[Event], schema: pa.Schema) -> pa.Table:
    if "Image" not in schema.names and "Image" in events[0]:
        events = [
            {key: value for key, value in event.items() if key != "Image"} for event in events
        ]
    return renumbered(pa.Table.from_pylist(list(events), schema=schema))


def said_of(
    made: Tools, tables: Mapping[str, pa.Table]
) -> tuple[int, int, list[str], float, float]:
    """Events, distinct lines, what is found on them, and CPU seconds of evasions and of the rules."""
    events = lines = 0
    said: list[str] = []
    ours = theirs = 0.0
    for shape, table in tables.items():
        events += table.num_rows
        column = PLACES[shape].column
        if column in table.column_names:
            lines += len(pc.unique(table.column(column)))
        begun = time.process_time()
        made.sigma.detect(shape, table)
        between = time.process_time()
        found = made.evasion.detect(shape, table)
        ours, theirs = ours + time.process_time() - between, theirs + between - begun
        for finding in found.to_pylist():
            written = next(r["value"] for r in finding["reasons"] if r["feature"] == "as written")
            said.append(
                f"{Severity(finding['severity_id']).name.lower()}: {finding['title']} | {written[:140]}"
            )
    return events, lines, said, ours, theirs


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench evasion", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer events")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    asked = parser.parse_args(arguments)
    document: dict[str, Any] = {"evasions": [], "ordinary": []}
    with workspace() as folder:
        for what, rules, tables, most in bases(folder, asked.quick):
            rows = list(evaded(what, tools(rules), tables, most))
            document["evasions"] += [asdict(row) for row in rows]
            if not asked.json:
                _print_tallies(what, rows)
        for rules in (
            [builtin_rules()],
            [builtin_rules(), sigma_rules(folder)] if ENDPOINT.is_dir() else [],
        ):
            if not rules:
                continue
            made = tools(rules)
            for what, tables_of in ordinary(folder):
                events, lines, said, ours, theirs = said_of(made, tables_of())
                name = f"{what}, {'our rules' if len(rules) == 1 else 'SigmaHQ and ours'}"
                document["ordinary"].append(
                    {"what": name, "events": events, "lines": lines, "found": said}
                )
                if not asked.json:
                    print(
                        f"{name}: {events:,} events, {lines:,} distinct lines, {len(said)} findings; "
                        f"CPU {ours:.2f} s (rules {theirs:.2f} s)"
                    )
                    for text, count in Counter(said).most_common(12):
                        print(f"    {count} × {text}")
    if asked.json:
        print(json.dumps(document, indent=1))
    return 0


def _print_tallies(what: str, rows: Sequence[Tally]) -> None:
    print(f"\n{what}\n{'family':28}{'evasions':>9}{'caught':>8}{'':>6}{'named':>7}  by")
    parts = {
        "all families": rows,
        "not trained on": [row for row in rows if "(trained)" not in row.family],
        "+ this benchmark's alone": [row for row in rows if row.family.startswith("+")],
    }
    for row in [*rows, *(_sum(what, name, part) for name, part in parts.items())]:
        share = f"{row.caught / row.evasions:.0%}" if row.evasions else "-"
        by = ", ".join(f"{name} {count}" for name, count in sorted(row.layers.items()))
        print(f"{row.family:28}{row.evasions:9}{row.caught:8}{share:>6}{row.named:7}  {by}")


def _sum(what: str, name: str, rows: Sequence[Tally]) -> Tally:
    total = Tally(what, name, 0, 0, 0, {})
    for row in rows:
        total = _added(total, row)
    return Tally(what, name, total.evasions, total.caught, total.named, total.layers)


if __name__ == "__main__":
    raise SystemExit(main())
