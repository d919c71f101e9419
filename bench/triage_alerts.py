"""Alerts of three other products on five attacked networks: is the attack one incident, the first?

AIT-ADS: alerts of Wazuh, Suricata and AMiner over days, labelled by attack phase (which time) and
by attack step (which event). labrys gets a table without labels, names or severities of ours: time,
name, address, host. A phase counts as found when the first incident holds an alert of its time that
is labelled as an attack step, comes from a host that the attack touched (one with a labelled alert),
or is of a rule that its host reports in no other time; it is told apart how many phases have a
labelled alert in there. An incident of at least medium severity without any
alert of a phase or step is false; they are counted a second time in the days before the attack
alone, where no attack can draw them in.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Final

from bench.data import ENDPOINT, Skipped, workspace
from bench.measure import child
from bench.scanning import environment, scan
from bench.table import LABRYS, Row

NETWORKS: Final = ("fox", "russellmitchell", "santos", "shaw", "wardbeck")
_BENIGN: Final = "false_positive"
_NO_STEP: Final = "-"
_DAY: Final = 86_400_000


def run(*, quick: bool) -> list[Row]:
    """All rows."""
    rows = []
    with workspace() as folder:
        for network in NETWORKS[1:2] if quick else NETWORKS:
            rows.append(_network(folder, network))
    return rows


def _network(folder: Path, network: str) -> Row:
    labelled = ENDPOINT / f"alerts_ait_{network}.parquet"
    if not labelled.is_file():
        raise Skipped(f"{labelled.name} is not in ../shared/data/endpoint beside the checkout")
    alerts, lake = folder / f"{network}.parquet", folder / f"{network}.labrys"
    env = environment(folder)
    child("triage_alerts.without_labels", env=env, labelled=labelled, alerts=alerts)
    cost = scan([alerts], lake, [], folder, "--only", "alerts")
    _, found = child("triage_alerts.judge", env=env, lake=lake, labelled=labelled)
    phases = len(found["found"]) + len(found["missed"])
    missed = f" (not {', '.join(found['missed'])})" if found["missed"] else ""
    note = (
        f"{network}: {len(found['found'])} of {phases} phases in the first incident{missed}, "
        f"{found['labelled']} of {found['labellable']} with a labelled alert; "
        f"{found['steps']:.1%} of labelled alerts and {found['others']:,} others in it; "
        f"{found['false']:.2f} false incidents a day, {found['before']:.2f} in the "
        f"{found['days_before']:.1f} days before the attack; "
        f"{found['alerts']:,} alerts → {found['lines']} lines ({found['reduction']:.3%} less)"
    )
    return Row(
        f"alerts, {network}",
        LABRYS,
        cost.cpu,
        found["alerts"],
        None,
        cost.peak,
        cost.tree,
        "-",
        note,
    )


# What follows runs in processes of its own.


def without_labels(labelled: str, alerts: str) -> int:
    """The alerts as a user would have them."""
    import pyarrow.parquet as pq

    table = pq.read_table(labelled).select(["time", "name", "ip", "host"])
    pq.write_table(table.replace_schema_metadata(None), alerts)
    return int(table.num_rows)


def judge(lake: str, labelled: str) -> dict[str, Any]:
    """What the first incident holds of the attack, and how much else there is."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from labrys.lake.case import Case
    from labrys.scan.run import reopened
    from labrys.triage import incidents

    labels = pq.read_table(labelled)
    phase = labels["time_label"].to_pylist()
    step = labels["event_label"].to_pylist()
    host = labels["host"].to_pylist()
    touched = {name for name, what in zip(host, step, strict=True) if what != _NO_STEP}
    with Case.open(lake, create=False, write=False) as case:
        result = reopened(case)
    findings = result.findings
    row = dict(zip(findings["uid"].to_pylist(), _rows(findings), strict=True))
    found = [
        ([row[uid] for uid in uids], severity)
        for uids, severity in zip(
            result.triage.incidents["findings"].to_pylist(),
            result.triage.incidents["severity_id"].to_pylist(),
            strict=True,
        )
    ]
    first = found[0][0] if found else []
    phases = sorted(set(phase) - {_BENIGN})
    sorts = list(zip(labels["name"].to_pylist(), host, strict=True))
    everyday = {sorts[at] for at in range(len(phase)) if phase[at] == _BENIGN}
    inside = {
        phase[at]
        for at in first
        if step[at] != _NO_STEP or host[at] in touched or sorts[at] not in everyday
    }
    with_step = {phase[at] for at in range(len(phase)) if step[at] != _NO_STEP} - {_BENIGN}
    steps = Counter(what != _NO_STEP for what in step)[True]
    times = labels["time"].to_pylist()
    begins = min(time for time, name in zip(times, phase, strict=True) if name != _BENIGN)
    earlier = findings.filter(pc.less(findings["time_start"], begins * 1000))
    alone = incidents(earlier).incidents["severity_id"].to_pylist()
    days_before = (begins - min(times)) * 1000 / _DAY
    false = sum(
        severity >= 3 and all(phase[at] == _BENIGN and step[at] == _NO_STEP for at in rows)
        for rows, severity in found
    )
    lines = len(found) + result.triage.folded.num_rows
    return {
        "alerts": len(phase),
        "found": sorted(inside & set(phases)),
        "missed": [name for name in phases if name not in inside],
        "labelled": len({phase[at] for at in first if step[at] != _NO_STEP} - {_BENIGN}),
        "labellable": len(with_step),
        "steps": sum(step[at] != _NO_STEP for at in first) / max(1, steps),
        "others": sum(step[at] == _NO_STEP and phase[at] == _BENIGN for at in first),
        "false": false / ((max(times) - min(times)) * 1000 / _DAY),
        "before": sum(severity >= 3 for severity in alone) / days_before,
        "days_before": days_before,
        "lines": lines,
        "reduction": 1 - lines / len(phase),
    }


def _rows(findings: Any) -> list[int]:
    """Which row of the table each finding is."""
    return [evidence[0]["_offset"] for evidence in findings["evidence"].to_pylist()]
