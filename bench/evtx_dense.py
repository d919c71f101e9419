"""EVTX files full of events into the lake: events per CPU second, without rules and with all.

Sample files of attacks are mostly empty chunks; these are not. Each is repeated under several names
with another byte in the unused part of its header, so that no two are the same file. Counted: the
whole `labrys scan` less what it takes for an empty folder. The parser alone (the `evtx` package, to
JSON, in one thread) says how much of it is parsing that nobody here could save.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bench.data import unpacked, windows_rules, workspace
from bench.measure import child
from bench.scanning import environment, scan
from bench.table import LABRYS, Row, per_event

COPIES: Final = 10
_UNUSED: Final = 1024
"""In the header block, behind the header's 128 bytes."""


def run(*, quick: bool) -> list[Row]:
    """All rows."""
    copies = 2 if quick else COPIES
    with workspace() as folder:
        evidence = copied(unpacked("evtx_parser_edge_cases", folder), folder / "dense", copies)
        rules = windows_rules(folder)
        (folder / "empty").mkdir()
        rows = list(_parser(evidence))
        expected = rows[0].events or 0
        rows.append(_scan(folder, evidence, [], expected))
        rows.append(_scan(folder, evidence, [rules], expected))
        ours = next(row for row in rows if row.tool == LABRYS)
        return [replace(row, ratio=per_event(row, ours)) for row in rows]


def copied(files: Path, into: Path, copies: int) -> Path:
    """Each EVTX file so many times, no two with the same bytes."""
    into.mkdir()
    mark = 0
    for path in sorted(files.rglob("*.evtx")):
        content = bytearray(path.read_bytes())
        for number in range(copies):
            mark += 1
            content[_UNUSED : _UNUSED + 4] = mark.to_bytes(4, "little")
            (into / f"{number:02d} {path.name}").write_bytes(content)
    return into


def _parser(evidence: Path) -> Iterator[Row]:
    cost, made = child("evtx_dense.parse", evidence=evidence, decode=False)
    size = sum(path.stat().st_size for path in evidence.iterdir())
    note = f"{size / 1e6:,.0f} MB in {len(list(evidence.iterdir()))} files"
    yield Row(
        "EVTX to JSON bytes", "evtx parser", cost.cpu, made["events"], peak=cost.peak, note=note
    )
    cost, made = child("evtx_dense.parse", evidence=evidence, decode=True)
    yield Row("EVTX to Python objects", "evtx parser", cost.cpu, made["events"], peak=cost.peak)


def _scan(folder: Path, evidence: Path, rules: list[Path], expected: int) -> Row:
    name = "all Windows rules" if rules else "no rules"
    nothing = [folder / "empty"]
    scan(nothing, folder / f"{name} 1.labrys", rules, folder)  # compiles the rules
    empty = scan(nothing, folder / f"{name} 2.labrys", rules, folder)
    lake = folder / f"{name}.labrys"
    cost = scan([evidence], lake, rules, folder)
    _, said = child("scanning.counts", env=environment(folder), lake=lake)
    readable = said["rows"] - said["unparsed"]
    return Row(
        f"EVTX to lake, {name}",
        LABRYS,
        cpu=cost.cpu - empty.cpu,
        events=said["rows"],
        peak=cost.peak,
        tree=cost.tree,
        equal="yes" if readable == expected else f"no ({readable:,} of {expected:,})",
        note=f"as many records as the parser alone reads, and {said['unparsed']} kept as "
        f"unreadable; {said['findings']:,} findings, {said['incidents']} incidents; start-up "
        f"{empty.cpu:.2f} s not counted; {cost.wall:.1f} s wall",
    )


# What follows runs in a process of its own.


def parse(evidence: str, decode: bool) -> dict[str, Any]:
    """Read every record with the parser alone."""
    import orjson
    from evtx import PyEvtxParser

    events = 0
    for path in sorted(Path(evidence).iterdir()):
        parser = PyEvtxParser(str(path), number_of_threads=1, validate_checksums=False)
        records = parser.records_json()
        while True:
            try:
                record: Any = next(records)
            except StopIteration:
                break
            except RuntimeError:
                continue
            if decode:
                orjson.loads(record["data"])
            events += 1
    return {"events": events}
