"""Loading SigmaHQ's 3,780 rules: the first time, from the cache, and by others.

Counted: the load itself (its modules are imported before, and that is said), in a process of its
own. The cached load ends with a detector ready to search, its automata included.
"""

import json
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.data import Skipped, sigma_rules, workspace
from bench.measure import Failed, child
from bench.process_rules import tenzir
from bench.scanning import environment
from bench.table import LABRYS, Row

TARGET: Final = 0.3
_RUNS: Final = 7
_TENZIR: Final = """from_file {events} {{ read_ndjson }}
sigma path={rules}
write_ndjson"""


def run(*, quick: bool) -> list[Row]:
    """All rows."""
    with workspace() as folder:
        rules, env = sigma_rules(folder), environment(folder)
        child("rule_load.ours", env=env, rules=folder / "cache")  # compiles modules
        cold_cost, cold = child("rule_load.ours", env=env, rules=rules)
        runs = [child("rule_load.ours", env=env, rules=rules) for _ in range(2 if quick else _RUNS)]
        cached = median(made["cpu"]["load"] for _, made in runs)
        last_cost, last = runs[-1]
        peer_cost, peer = child("rule_load.pysigma", env=env, rules=rules)
        known = {*last["loaded"], *last["waiting"]}
        same = "yes" if known == set(peer["loaded"]) and last["loaded"] == cold["loaded"] else "no"
        rows = [
            Row(
                "parse and compile",
                LABRYS,
                cpu=cold["cpu"]["load"],
                peak=cold_cost.peak,
                equal=same,
                note=f"{len(cold['loaded']):,} rules loaded, {len(cold['waiting'])} wait for a list "
                f"of the user's, {cold['rejected']} rejected; the same ids as pySigma's",
            ),
            Row(
                "load from the cache",
                LABRYS,
                cpu=cached,
                ratio=1.0,
                peak=last_cost.peak,
                equal="yes" if last["loaded"] == cold["loaded"] else "no",
                note=f"target {TARGET} s: {'met' if cached <= TARGET else 'missed'}; median of "
                f"{len(runs)}; importing the modules {last['cpu']['import']:.2f} s more",
            ),
            Row(
                "parse",
                "pySigma",
                cpu=peer["cpu"]["load"],
                ratio=peer["cpu"]["load"] / cached,
                peak=peer_cost.peak,
                note=f"{len(peer['loaded']):,} rules with their conditions, {peer['errors']} errors; "
                "nothing compiled for matching",
            ),
            _tenzir(folder, rules, cached),
        ]
        rows[0] = Row(**{**rows[0].as_dict(), "ratio": cold["cpu"]["load"] / cached})
        return rows


def _tenzir(folder: Path, rules: Path, cached: float) -> Row:
    work, tool, event = "load", "Tenzir sigma", folder / "event.json"
    event.write_text('{"a":1}\n')
    try:
        asked = _TENZIR.format(events=json.dumps(str(event)), rules=json.dumps(str(rules)))
        cost = tenzir(asked)
        bare = tenzir(f"from_file {json.dumps(str(event))} {{ read_ndjson }}\nwrite_ndjson")
    except (Skipped, Failed) as reason:
        return Row(work, tool, note=str(reason))
    spent = cost.cpu - bare.cpu
    ignored = cost.err.count("sigma operator ignores rule")
    return Row(
        work,
        tool,
        cpu=spent,
        ratio=spent / cached,
        peak=cost.peak,
        note=f"one event, less the same without the sigma operator; {ignored} rules ignored",
    )


# What follows runs in processes of its own.


def ours(rules: str) -> dict[str, Any]:
    """Load rules as a scan does."""
    from bench.child import Laps

    laps = Laps()
    with laps.lap("import"):
        from labrys.scan.rules import load
    Path(rules).mkdir(exist_ok=True)
    with laps.lap("load"):
        compiled, _ = load([Path(rules)])
    return {
        "cpu": laps.cpu,
        "loaded": sorted(rule.uid for rule in compiled.rules),
        "waiting": sorted(one.uid for one in compiled.rejected if one.waiting),
        "rejected": sum(not one.waiting for one in compiled.rejected),
    }


def pysigma(rules: str) -> dict[str, Any]:
    """Parse rules with pySigma, conditions included."""
    from bench.child import Laps

    laps = Laps()
    with laps.lap("import"):
        from sigma.collection import SigmaCollection
        from sigma.rule import SigmaRule
    with laps.lap("load"):
        parsed = SigmaCollection.load_ruleset([rules], collect_errors=True)
        for rule in parsed:
            if isinstance(rule, SigmaRule):
                for condition in rule.detection.parsed_condition:
                    _ = condition.parsed
    return {
        "cpu": laps.cpu,
        "loaded": sorted(str(rule.id) for rule in parsed if rule.id is not None),
        "errors": len(parsed.errors),
    }
