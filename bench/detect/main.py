"""`python -m bench detect`: scans every labelled set, with and without layers, and prints figures.

A set's lake is kept: the next run with other rules reads nothing again, it only searches. What is
found is compared with the labels after the scan, so nothing that detects ever sees a label.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bench.data import Skipped, sigma_rules
from bench.detect import cloud, days, evtx, hosts, intrusion, mordor, ordinary
from bench.detect.alone import apart
from bench.detect.bare import bare
from bench.detect.figures import Figure, details, table
from bench.detect.found import Found, folded, read, several
from bench.detect.labelled import Labelled, once
from bench.detect.layers import LAYERS, Configuration
from bench.measure import Cost, Failed, command
from bench.scanning import environment, program

SETS: Final[dict[str, Labelled]] = {
    each.name: each
    for each in (
        evtx.ATTACK_EVTX,
        evtx.BENIGN,
        evtx.SIMULATED,
        evtx.INSIDER,
        cloud.STRATUS,
        cloud.PANTHER,
        mordor.MORDOR,
        hosts.SSH,
        hosts.SCRAPS,
        ordinary.ORDINARY,
        intrusion.INTRUSION,
        days.DAYS,
        evtx.REGRESSION,
    )
}
_EVIDENCE: Final = "evidence"


def main(words: Sequence[str]) -> int:
    """Run what was asked for; 1 where a scan failed."""
    asked = _arguments(words)
    folder = Path(asked.lakes) if asked.lakes else _folder()
    folder.mkdir(parents=True, exist_ok=True)
    without = asked.without or ["public"]
    if "each" in without:
        without = list(LAYERS)
    chosen = [Configuration(), *([] if asked.plain else map(Configuration, dict.fromkeys(without)))]
    results = []
    failed = False
    for name in asked.set or SETS:
        result = _run(SETS[name], folder, chosen)
        failed = failed or "failed" in result
        results.append(result)
        shown = sys.stderr if asked.json else sys.stdout
        print(_printed(result, details_too=asked.details), file=shown, flush=True)
    if asked.json:
        print(json.dumps([_as_json(result) for result in results], indent=1))
    return 1 if failed else 0


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench detect", description=__doc__)
    parser.add_argument("--set", action="append", choices=tuple(SETS), help="only this; repeatable")
    parser.add_argument(
        "--without",
        action="append",
        choices=(*LAYERS, "each"),
        help="one more column, without this layer; default: public, so that ours stand alone",
    )
    parser.add_argument("--plain", action="store_true", help="only the column with all layers")
    parser.add_argument("--details", action="store_true", help="name what was missed or flagged")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--lakes", help="where lakes are kept (LABRYS_BENCH_DETECT)")
    return parser.parse_args(words)


def _folder() -> Path:
    said = os.environ.get("LABRYS_BENCH_DETECT")
    return (
        Path(said) if said else Path(tempfile.gettempdir(), f"labrys-bench-detect-{os.geteuid()}")
    )


def _run(chosen: Labelled, folder: Path, configurations: Sequence[Configuration]) -> dict[str, Any]:
    """The figures of a set under each configuration, and what its scans cost."""
    result: dict[str, Any] = {"set": chosen, "figures": {}, "notes": [], "cost": {}}
    mine = folder / chosen.name
    scans: dict[Configuration, Found] = {}
    begun = time.monotonic()
    try:
        rules = sigma_rules(folder)
        if once(mine / _EVIDENCE, chosen.version, chosen.prepare):
            _forget(mine)
        for one in configurations:
            try:
                arguments = one.scan.arguments(rules)
                if one.scan not in scans:
                    cost, scans[one.scan] = _scan(mine, folder, arguments, chosen)
                    result["cost"][one.name] = cost
                found = scans[one.scan] if one.joined else scans[one.scan].unjoined()
                if one.without == "names":
                    found = bare(found, mine, environment(folder))
                result["figures"][one.name] = list(chosen.measure(found, mine / _EVIDENCE))
            except Skipped as reason:
                result["notes"].append(f"{one.name}: skipped: {reason}")
    except Skipped as reason:
        result["notes"].append(f"skipped: {reason}")
    except Failed as reason:
        result["failed"] = str(reason)
        result["notes"].append(f"failed: {reason}")
    result["seconds"] = time.monotonic() - begun
    return result


def _forget(mine: Path) -> None:
    """Remove the lakes of evidence that is no longer what it was."""
    for lake in mine.glob("*.labrys"):
        shutil.rmtree(lake, ignore_errors=True)


def _scan(
    mine: Path, folder: Path, arguments: Sequence[str], chosen: Labelled
) -> tuple[Cost, Found]:
    evidence = mine / _EVIDENCE
    if not chosen.several:
        lake = mine / "case.labrys"
        cost, found = _scan_case(evidence, lake, folder, arguments, folds=chosen.folds)
        if chosen.alone:
            found = apart(found, lake, evidence, arguments, environment(folder))
        return cost, found
    costs, cases = [], {}
    for part in sorted(path for path in evidence.iterdir() if path.is_dir()):
        lake = mine / f"{part.name}.labrys"
        cost, cases[part.name] = _scan_case(part, lake, folder, arguments, folds=False)
        costs.append(cost)
    worst = max(costs, key=lambda each: each.peak)
    return replace(worst, cpu=sum(each.cpu for each in costs)), several(cases)


def _scan_case(
    evidence: Path, lake: Path, folder: Path, arguments: Sequence[str], *, folds: bool
) -> tuple[Cost, Found]:
    def scanned(form: str) -> tuple[Cost, Path]:
        report = lake.with_name(f"report.{form}")
        words: list[str | Path] = [program(), "scan", evidence, "--lake", lake, *arguments]
        out = ("--format", form, "--out", report)
        return command([*words, "--quiet", *out], env=environment(folder), codes=(0, 1)), report

    cost, report = scanned("ndjson")
    found = read(report, evidence)
    return cost, replace(found, folded=folded(scanned("table")[1])) if folds else found


def _printed(result: dict[str, Any], *, details_too: bool) -> str:
    chosen: Labelled = result["set"]
    lines = [f"\n{chosen.name}: {chosen.counts}"]
    figures: dict[str, list[Figure]] = result["figures"]
    if figures:
        lines.append(table(figures))
    lines.append(f"  traps: {chosen.traps}")
    lines.extend(f"  {note}" for note in result["notes"])
    costs = ", ".join(f"{name} {cost.cpu:.1f}" for name, cost in result["cost"].items())
    lines.append(f"  CPU s of the scans (the first also reads): {costs or '-'}")
    if details_too:
        for name, each in figures.items():
            if told := details(each):
                lines.append(f"  against us, {name}:\n{told}")
    return "\n".join(lines)


def _as_json(result: dict[str, Any]) -> dict[str, Any]:
    chosen: Labelled = result["set"]
    return {
        "set": chosen.name,
        "counts": chosen.counts,
        "traps": chosen.traps,
        "notes": result["notes"],
        "seconds": round(result["seconds"], 1),
        "cpu": {name: round(cost.cpu, 2) for name, cost in result["cost"].items()},
        "figures": {
            name: [each.as_dict() for each in figures]
            for name, figures in result["figures"].items()
        },
    }
