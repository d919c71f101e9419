"""The second scan of the same evidence: how long, and that nothing is read again."""

from pathlib import Path

from bench.data import unpacked, windows_rules, workspace
from bench.evtx_corpus import ARCHIVES
from bench.evtx_dense import copied
from bench.measure import Cost, child
from bench.scanning import environment, scan
from bench.table import LABRYS, Row


def run(*, quick: bool) -> list[Row]:
    """All rows."""
    with workspace() as folder:
        rules = windows_rules(folder)
        corpus = [unpacked(name, folder) for name in (ARCHIVES[:1] if quick else ARCHIVES)]
        edge = unpacked("evtx_parser_edge_cases", folder)
        dense = [copied(edge, folder / "dense", 2 if quick else 10)]
        (folder / "empty").mkdir()
        nothing = [folder / "empty"]
        scan(nothing, folder / "1.labrys", [rules], folder)  # compiles the rules
        empty = scan(nothing, folder / "2.labrys", [rules], folder)
        return [
            Row("empty folder", LABRYS, cpu=empty.cpu, peak=empty.peak),
            *_twice(folder, "many small files", corpus, rules),
            *_twice(folder, "dense files", dense, rules),
        ]


def _twice(folder: Path, name: str, evidence: list[Path], rules: Path) -> list[Row]:
    lake, env = folder / f"{name}.labrys", environment(folder)
    first = scan(evidence, lake, [rules], folder)
    before = child("rescan.state", env=env, lake=lake)[1]
    report = (folder / "report.ndjson").read_bytes()
    again = scan(evidence, lake, [rules], folder)
    after = child("rescan.state", env=env, lake=lake)[1]
    same = before == after and (folder / "report.ndjson").read_bytes() == report
    return [
        _row(f"first scan, {name}", first, before["rows"], 1.0, "-", f"{before['files']} files"),
        _row(
            f"second scan, {name}",
            again,
            before["rows"],
            again.cpu / first.cpu,
            "yes" if same else "no",
            "the same segments, findings and report, byte for byte",
        ),
    ]


def _row(work: str, cost: Cost, events: int, ratio: float, equal: str, note: str) -> Row:
    return Row(work, LABRYS, cost.cpu, events, ratio, cost.peak, cost.tree, equal, note)


# What follows runs in a process of its own.


def state(lake: str) -> dict[str, object]:
    """What a case holds, by the files it is in and the ids of what was found."""
    from hashlib import sha256

    from labrys.lake.case import Case

    with Case.open(lake, create=False, write=False) as case:
        uids = sorted(case.findings()["uid"].to_pylist())
        segments = sorted(
            (path.name, sha256(path.read_bytes()).hexdigest()) for path in case.lake.iterdir()
        )
        return {
            "segments": segments,
            "findings": sha256("\n".join(uids).encode()).hexdigest(),
            "rows": sum(shape.rows for shape in case.shapes().values()),
            "files": len(case.sources()),
        }
