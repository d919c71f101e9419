"""`labrys scan` of 558 EVTX files of known attacks with all of SigmaHQ's Windows rules.

The whole command counts: start-up, rules from the cache, reading, writing the lake, matching,
window detectors, incidents, the report. `after start-up` leaves out what the same command takes
for an empty folder. Tenzir cannot read EVTX and knows no log sources: it gets the events as JSON
lines made by us, and its matches count only on records that the rule's log source is about.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bench.data import Skipped, unpacked, windows_rules, workspace
from bench.measure import Failed, child
from bench.process_rules import agreement, tenzir
from bench.scanning import environment, scan
from bench.table import LABRYS, Row, per_event

ARCHIVES: Final = ("evtx_attack_samples", "evtx_to_mitre")
SAMPLE: Final = 1_500
_SIGMA: Final = """from_file {events} {{ read_ndjson }}
sigma path={rules}
rule = finding_info.analytic.uid
row = evidences[0].data._id
shape = evidences[0].data._shape
select rule, row, shape
write_ndjson"""


def run(*, quick: bool) -> list[Row]:
    """All rows."""
    with workspace() as folder:
        rules = windows_rules(folder)
        names = ARCHIVES[:1] if quick else ARCHIVES
        evidence = [unpacked(name, folder) for name in names]
        rows = list(_ours(folder, evidence, rules))
        rows.extend(_from_lines(folder, rules))
        ours = next(row for row in rows if row.work == "EVTX, after start-up")
        return [replace(row, ratio=per_event(row, ours)) for row in rows]


def _ours(folder: Path, evidence: list[Path], rules: Path) -> Iterator[Row]:
    empty = folder / "empty"
    empty.mkdir()
    first = scan([empty], folder / "first.labrys", [rules], folder)
    start = scan([empty], folder / "none.labrys", [rules], folder)
    files = sum(1 for each in evidence for path in each.rglob("*.evtx"))
    size = sum(path.stat().st_size for each in evidence for path in each.rglob("*.evtx"))
    lake = folder / "case.labrys"
    whole = scan(evidence, lake, [rules], folder)
    env = environment(folder)
    _, said = child("scanning.counts", env=env, lake=lake)
    _, checked = child("scanning.check", env=env, lake=lake, rules=[rules], sample=SAMPLE)
    yield Row(
        "empty folder, rules not cached",
        LABRYS,
        cpu=first.cpu,
        peak=first.peak,
        tree=first.tree,
        note="the first scan with these rules: parses and compiles them all",
    )
    yield Row("empty folder", LABRYS, cpu=start.cpu, peak=start.peak, tree=start.tree)
    note = (
        f"{files} files, {size / 1e6:,.0f} MB; {said['rows']:,} records "
        f"({said['unparsed']} unreadable), {said['findings']:,} findings of {said['rules']} rules, "
        f"{said['incidents']} incidents; {checked['rows']:,} records × all rules that apply "
        f"({checked['pairs']:,} pairs, {checked['matches']} matches) against the plain evaluator"
    )
    yield Row(
        "EVTX to report",
        LABRYS,
        cpu=whole.cpu,
        events=said["rows"],
        peak=whole.peak,
        tree=whole.tree,
        equal=checked["equal"],
        note=note,
    )
    yield Row(
        "EVTX, after start-up",
        LABRYS,
        cpu=whole.cpu - start.cpu,
        events=said["rows"],
        peak=whole.peak,
        tree=whole.tree,
    )


def _from_lines(folder: Path, rules: Path) -> Iterator[Row]:
    """The same events as JSON lines, by us and by Tenzir."""
    env, lines = environment(folder), folder / "lines" / "events.json"
    lines.parent.mkdir()
    case = folder / "case.labrys"
    child("scanning.as_lines", env=env, lake=case, out=lines, rules=[])
    start = scan([folder / "empty"], folder / "nothing.labrys", [rules], folder)
    whole = scan([lines], folder / "lines.labrys", [rules], folder)
    _, said = child("scanning.counts", env=env, lake=folder / "lines.labrys")
    rows = said["rows"]
    yield Row(
        "JSON lines, after start-up",
        LABRYS,
        cpu=whole.cpu - start.cpu,
        events=rows,
        peak=whole.peak,
        tree=whole.tree,
        note=f"{lines.stat().st_size / 1e6:,.0f} MB; {said['findings']:,} findings",
    )
    answer, bare, named = folder / "tenzir.ndjson", folder / "bare.json", folder / "named.json"
    bare.write_text('{"_id":"","_shape":""}\n')
    work, tool = "JSON lines, after start-up", "Tenzir sigma"
    try:
        # Without our field map it would miss every rule that reads Security events as Sysmon's.
        child("scanning.as_lines", env=env, lake=case, out=named, rules=[rules])
        started = tenzir(_pipeline(bare, rules))
        made = tenzir(_pipeline(named, rules), answer)
    except (Skipped, Failed) as reason:
        yield Row(work, tool, note=str(reason))
        return
    _, said = child("evtx_corpus.theirs", env=env, answer=answer, rules=rules)
    _, ours = child("scanning.found", env=env, lake=case)
    equal, differ = agreement(ours, said["bound"], set())
    yield Row(
        work,
        tool,
        cpu=made.cpu - started.cpu,
        events=rows,
        peak=made.peak,
        tree=made.tree,
        equal=equal,
        note=f"matches only, no lake, incidents or report; start-up with rules {started.cpu:.1f} s; "
        f"of its {said['all']:,} matches {said['elsewhere']:,} are on records that the rule's log "
        f"source does not mean, {said['unlike']:,} on records without the field that the rule "
        f"excludes by; neither compared. {differ}",
    )


def _pipeline(events: Path, rules: Path) -> str:
    return _SIGMA.format(events=json.dumps(str(events)), rules=json.dumps(str(rules)))


def theirs(answer: str, rules: str) -> dict[str, Any]:
    """Tenzir's matches by rule, on records of shapes that the rule applies to."""
    from labrys.detect.sigma.logsource import bind, negated
    from labrys.scan.rules import load

    compiled, _ = load([Path(rules)])
    known = {
        rule.uid: (rule.logsource, negated(rule.when, compiled.atoms)) for rule in compiled.rules
    }
    made: dict[str, set[str]] = {}
    total = elsewhere = unlike = 0
    with Path(answer).open(encoding="utf-8") as stream:
        for line in stream:
            match = json.loads(line)
            total += 1
            source, excludes = known[match["rule"]]
            if bind(source, match["shape"]) is None:
                elsewhere += 1
            elif bind(source, match["shape"], excludes) is None:
                unlike += 1
            else:
                made.setdefault(match["rule"], set()).add(match["row"])
    return {
        "all": total,
        "elsewhere": elsewhere,
        "unlike": unlike,
        "bound": {uid: sorted(ids) for uid, ids in made.items()},
    }
