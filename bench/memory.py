"""Peak memory of scanning 4 GB with all Windows rules, beside that of an eighth of it.

The input is JSON lines, half of them flat, half in the nested form that EVTX dumpers write, in two
files: simulated process events, of which about one in 200 matches some rule. `peak` is the largest process, `tree` the
sum over all processes, sampled every 0.2 s (what they share counts once for each).
"""

import shutil
from pathlib import Path
from typing import Any, Final

from bench.data import Skipped, windows_rules, workspace
from bench.measure import child
from bench.scanning import environment, scan
from bench.table import LABRYS, Row

SIZE: Final = 4_000_000_000
PARTS: Final = (8, 1)
BLOCK: Final = 50_000
MATCHING: Final = 200
"""One event in so many matches a rule."""


def run(*, quick: bool) -> list[Row]:
    """All rows, the small input first."""
    size = SIZE // 40 if quick else SIZE
    with workspace() as folder:
        free = shutil.disk_usage(folder).free
        if free < 4 * size:
            raise Skipped(
                f"{free / 1e9:.1f} GB are free in {folder.parent}, {4 * size / 1e9:.0f} needed"
            )
        rules = windows_rules(folder)
        return [_row(folder, rules, size // part) for part in PARTS]


def _row(folder: Path, rules: Path, size: int) -> Row:
    evidence, lake, env = folder / "evidence", folder / "case.labrys", environment(folder)
    evidence.mkdir()
    _, made = child("memory.write", env=env, into=evidence, size=size, rules=rules)
    cost = scan([evidence], lake, [rules], folder)
    _, said = child("scanning.counts", env=env, lake=lake)
    kept = sum(path.stat().st_size for path in lake.rglob("*") if path.is_file())
    equal = "yes" if said["rows"] == made["rows"] and not said["unparsed"] else "no"
    for path in (evidence, lake):
        shutil.rmtree(path)
    return Row(
        f"scan {size / 1e9:.1f} GB of JSON",
        LABRYS,
        cpu=cost.cpu,
        events=made["rows"],
        peak=cost.peak,
        tree=cost.tree,
        equal=equal,
        note=f"as many records kept as written ({made['rows']:,}, none unreadable), "
        f"{said['findings']:,} findings, {said['incidents']} incidents; the case takes "
        f"{kept / 1e6:,.0f} MB; {cost.wall:.0f} s wall",
    )


# What follows runs in a process of its own.


def write(into: str, size: int, rules: str) -> dict[str, Any]:
    """Write both files, together about `size` bytes."""
    from bench.process_steps import literals
    from labrys.scan.rules import load

    compiled, detector = load([Path(rules)])
    known = literals(compiled)
    rows = written = block = 0
    with Path(into, "flat.json").open("wb") as flat, Path(into, "nested.json").open("wb") as nested:
        while written < size:
            lines = _lines(block, known, detector, block % 2 == 1)
            data = b"".join(lines)
            (nested if block % 2 else flat).write(data)
            written += len(data)
            rows += len(lines)
            block += 1
    return {"rows": rows}


def _lines(block: int, known: dict[str, list[str]], detector: Any, nest: bool) -> list[bytes]:
    """A block of events with most of those that match left out."""
    import pyarrow as pa

    from bench.generate import SHAPE, process_events

    table = process_events(BLOCK, "medium", known, seed=block)
    found = detector.detect(SHAPE, table)["evidence"].to_pylist()
    matching = sorted({one["_offset"] for row in found for one in row})
    drop = set(matching[len(matching) // MATCHING :])
    keep = [number for number in range(table.num_rows) if number not in drop]
    return flat_lines(table.take(pa.array(keep)), nest=nest)


def flat_lines(table: Any, *, nest: bool) -> list[bytes]:
    """Events as JSON lines: flat, or nested as an EVTX dumper writes them."""
    import orjson

    lines = []
    for row in table.drop_columns(["_id", "_source"]).to_pylist():
        time, number, host = row.pop("_time"), row.pop("_offset"), row.pop("_host")
        event = _event(row, time, host, number)
        lines.append(orjson.dumps(_nested(event) if nest else event) + b"\n")
    return lines


def _event(row: dict[str, Any], time: int, host: str, number: int) -> dict[str, Any]:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(time / 1000, UTC).isoformat().replace("+00:00", "Z")
    channel, event_id = row.pop("Channel"), int(row.pop("EventID"))
    return {
        "Provider_Name": "Microsoft-Windows-Sysmon",
        "EventID": event_id,
        "Channel": channel,
        "Computer": host,
        "EventRecordID": number,
        "TimeCreated": moment,
        **row,
    }


def _nested(event: dict[str, Any]) -> dict[str, Any]:
    """The same as an EVTX dumper writes it."""
    data = dict(event)
    system = {
        "Provider": {"#attributes": {"Name": data.pop("Provider_Name")}},
        "EventID": data.pop("EventID"),
        "TimeCreated": {"#attributes": {"SystemTime": data.pop("TimeCreated")}},
        "EventRecordID": data.pop("EventRecordID"),
        "Channel": data.pop("Channel"),
        "Computer": data.pop("Computer"),
    }
    return {"Event": {"System": system, "EventData": data}}
