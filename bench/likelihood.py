"""How likely an incident is an attack: cases with labels, the curve fitted to some, judged on others.

    python -m bench likelihood [--fit] [--lakes DIR]

A case is a made-up ordinary week, alone or with one attack in it: made up by us (at a desk, at a web
server, at sshd, in the cloud, in a mailbox, in a domain), or recorded. The findings of both are put
together, the attack's moved into the week, and joined as a scan would; so what needs the week's own
records to see an attack (rarity, mostly) does not see it. An incident is an attack's where a finding
of it of medium severity or more is. Each case is joined with SigmaHQ's rules and ours, and with ours
alone. The curve is a logistic of the incident's score and severity, and of how many incidents the case has.
"""

import argparse
import json
import os
import random
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.data import Skipped, sigma_rules
from bench.detect import cloud, evtx, hosts, mordor
from bench.detect.found import file_of
from bench.detect.labelled import once
from bench.detect.layers import Configuration
from bench.detect.ordinary import version
from bench.measure import REPO, child, command
from bench.scanning import environment, program
from labrys.triage.likelihood import NAMES, likelihood, numbers

_LAYERS: Final = ("", "public")
"""Without nothing, and without public rules."""
_DAYS: Final = 7
_FIT_OFFICES: Final = tuple(range(1, 8))
_FIT_KINDS: Final = ("desk", "web server", "domain", "evtx")
_OFFICES: Final = tuple(range(8, 15))
_KINDS: Final = ("ssh", "cloud", "mailbox")
_SEEDS: Final = 5
_RECORDED: Final = {"evtx": evtx.ATTACK_EVTX, "mordor": mordor.MORDOR, "stratus": cloud.STRATUS}
_MAY_TRAIN: Final = "evtx_to_mitre/"
"""Of the event logs of attacks those under CC0; the others are for judging."""
_BINS: Final = (0.0, 0.05, 0.2, 0.5, 0.8, 1.01)
_CURVE: Final = REPO / "src" / "labrys" / "triage" / "likelihood.toml"


def main(words: Sequence[str]) -> int:
    """Make the cases, fit where asked, print what the curve says and what was true."""
    parser = argparse.ArgumentParser(prog="python -m bench likelihood", description=__doc__)
    parser.add_argument("--fit", action="store_true", help="write the curve that labrys uses")
    parser.add_argument("--lakes", type=Path, help="where lakes are kept")
    asked = parser.parse_args(words)
    folder = asked.lakes or Path(tempfile.gettempdir(), f"labrys-bench-likelihood-{os.geteuid()}")
    folder.mkdir(parents=True, exist_ok=True)
    known, out = _lakes(folder), folder / "incidents.json"
    child("likelihood.cases", env=environment(folder), lakes=known, out=out)
    rows: list[dict[str, Any]] = json.loads(out.read_text())
    if asked.fit:
        _write(_fitted([row for row in rows if row["fit"]]))
    _print(rows)
    return 0


def _fitted(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The curve: what it begins with, and what each of `NAMES` adds, never less than nothing."""
    from scipy.optimize import minimize

    x = np.array([[1.0, *_numbers(row)] for row in rows])
    y = np.array([row["true"] for row in rows], float)

    def loss(made: Any) -> float:
        points = x @ made
        return float((np.logaddexp(0, points) - y * points).sum() + 0.05 * (made[1:] ** 2).sum())

    bounds = [(None, None), *[(0, None)] * len(NAMES)]
    start = np.array([0.0, *[1.0] * len(NAMES)])
    made = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x
    return dict(zip(("base", *NAMES), (round(float(each), 3) for each in made), strict=True))


def _numbers(row: dict[str, Any]) -> tuple[float, ...]:
    return numbers(row["score"], row["severity"], row["incidents"])


def _write(made: dict[str, float]) -> None:
    text = _CURVE.read_text("utf-8")
    for name, value in made.items():
        text = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
    _CURVE.write_text(text, "utf-8")


def _print(rows: list[dict[str, Any]]) -> None:
    """For each kind of case: how many, how well ranked, how well calibrated."""
    for fit in (True, False):
        print("\nfitted to" if fit else "\njudged on")
        mine = [row for row in rows if row["fit"] == fit]
        for layer in ("all rules", "ours"):
            for kind in dict.fromkeys(row["kind"] for row in mine):
                _told(f"{kind}, {layer}", [
                    row for row in mine if (row["kind"], row["layer"]) == (kind, layer)
                ])  # fmt: skip
        _told("together", mine)


def _told(name: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    y = np.array([row["true"] for row in rows], float)
    p = np.array([likelihood(row["score"], row["severity"], row["incidents"]) for row in rows])
    share = y.mean()
    held = {row["case"] for row in rows if row["attack"]}
    first = {row["case"] for row in rows if row["true"] and row["rank"] == 1}
    found = {row["case"] for row in rows if row["true"]}
    bins = [
        f"{int(chosen.sum())} at {p[chosen].mean():.2f}, true {y[chosen].mean():.2f}"
        for low, high in pairwise(_BINS)
        if (chosen := (p >= low) & (p < high)).any()
    ]
    print(
        f"  {name}: {len({row['case'] for row in rows})} cases, {len(held)} with an attack, in an "
        f"incident {len(found)}, first {len(first)}; {len(rows)} incidents, {int(y.sum())} true; "
        f"AUC {_area(p, y)}; Brier {((p - y) ** 2).mean():.3f} ({share * (1 - share):.3f}); "
        + "; ".join(bins)
    )


def _area(p: Any, y: Any) -> str:
    good, bad = p[y > 0], p[y == 0]
    if not len(good) or not len(bad):
        return "-"
    higher = (good[:, None] > bad).mean() + (good[:, None] == bad).mean() / 2
    return f"{higher:.3f}"


def _lakes(folder: Path) -> dict[str, dict[str, str]]:
    """Every lake by layer and name, scanned unless it is there."""
    rules = sigma_rules(folder)
    made: dict[str, dict[str, str]] = {layer: {} for layer in _LAYERS}
    for name, prepare, stamp in _evidence():
        mine = folder / name.replace(" ", "_")
        evidence = mine / "evidence"
        try:
            fresh = once(evidence, stamp, prepare)
        except Skipped as reason:
            print(f"{name}: skipped: {reason}")
            continue
        for layer in _LAYERS:
            lake = mine / f"{layer or 'all'}.labrys"
            if fresh:
                shutil.rmtree(lake, ignore_errors=True)
            if not lake.is_dir():
                more = Configuration(layer).arguments(rules)
                command(
                    [program(), "scan", evidence, "--lake", lake, "--quiet", *more],
                    env=environment(folder),
                    codes=(0, 1),
                )
            made[layer][name] = str(lake)
    return made


def _evidence() -> Iterator[tuple[str, Any, str]]:
    """Name, what fills the folder, and its version."""
    from bench.benign import footholds, make

    stamp = version()
    for seed in (*_FIT_OFFICES, *_OFFICES):
        yield (
            f"office {seed}",
            lambda into, seed=seed: make.write(into, days=_DAYS, seed=seed),
            stamp,
        )
    for seed in range(_SEEDS):
        yield f"desk {seed}", lambda into, seed=seed: _desk(into, seed), stamp
        for kind in footholds.KINDS:
            yield (
                f"{kind} {seed}",
                lambda into, seed=seed, kind=kind: footholds.write(into, kind, seed),
                stamp,
            )
    for name, labelled in _RECORDED.items():
        yield name, labelled.prepare, labelled.version
    yield "scraps", hosts.SCRAPS.prepare, hosts.SCRAPS.version


def _desk(into: Path, seed: int) -> None:
    """The records of an intrusion at a desk, without those of the office around it."""
    from bench.benign import make
    from bench.benign.intrusion import once as morning
    from bench.benign.intrusion import spread

    marks = make.write(
        into,
        days=_DAYS,
        seed=100 + seed,
        attacked=spread(1 + seed % 3, seed, 1) if seed % 2 else morning(2),
    )
    for path in [each for each in into.rglob("*") if each.is_file()]:
        held = marks.get(path.relative_to(into).as_posix())
        if held is None:
            path.unlink()
            continue
        text = path.read_bytes()
        path.write_bytes(b"".join(text[at : text.index(b"\n", at) + 1] for at in sorted(held)))


# What follows runs in a process of its own.


def cases(lakes: dict[str, dict[str, str]], out: str) -> int:
    """Join every case; a row for each incident."""
    rows = []
    for layer, known in lakes.items():
        found = {name: _findings(lake) for name, lake in known.items()}
        for kind, fit, name, office, attack in _cases(found):
            about = {"layer": "ours" if layer else "all rules", "kind": kind, "fit": fit}
            rows += [
                about | {"case": f"{layer}/{name}"} | row for row in _incidents(office, attack)
            ]
    Path(out).write_text(json.dumps(rows))
    return len(rows)


def _findings(lake: str) -> Any:
    from labrys.lake.case import Case
    from labrys.scan.run import reopened

    with Case.open(lake, create=False, write=False) as case:
        return reopened(case).findings


def _cases(found: dict[str, Any]) -> Iterator[tuple[str, bool, str, Any, Any]]:
    """Kind, whether it is fitted to, name, the findings of the week and of the attack."""
    for fit, offices, kinds in ((True, _FIT_OFFICES, _FIT_KINDS), (False, _OFFICES, _KINDS)):
        for seed in offices:
            office = found[f"office {seed}"]
            yield "office", fit, f"office {seed}", office, None
            for kind in kinds:
                for number in range(seed % 2, _SEEDS, 2):
                    if (attack := found.get(f"{kind} {number}")) is not None:
                        yield kind, fit, f"office {seed} {kind} {number}", office, attack
    draw = random.Random(9)
    for kind in _RECORDED:
        for file, attack in _by_file(found[kind]) if kind in found else ():
            fit = file.startswith(_MAY_TRAIN)
            seed = draw.choice(_FIT_OFFICES if fit else _OFFICES)
            named = f"office {seed} {kind} {file}"
            yield kind, fit, named, found[f"office {seed}"], attack
    if "scraps" in found:
        yield "scraps", False, "scraps", found["scraps"], None


def _by_file(findings: Any) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa

    mine: dict[str, list[int]] = {}
    for row, evidence in enumerate(findings["evidence"].to_pylist()):
        files = {file_of(each["_source"], "evidence") for each in evidence}
        if len(files) == 1:
            mine.setdefault(files.pop(), []).append(row)
    for file, rows in sorted(mine.items()):
        yield file, findings.take(pa.array(rows))


def _incidents(office: Any, attack: Any) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    from labrys.triage import incidents

    true: set[str] = set()
    findings = office
    if attack is not None:
        moved = _moved(attack)
        findings = pa.concat_tables([office, moved])
        true = {
            uid
            for uid, severity in zip(
                moved["uid"].to_pylist(), moved["severity_id"].to_pylist(), strict=True
            )
            if severity >= 3
        }
    table = incidents(findings).incidents.to_pylist()
    for row in table:
        yield {
            "rank": row["rank"],
            "score": row["score"],
            "severity": row["severity_id"],
            "incidents": len(table),
            "true": any(uid in true for uid in row["findings"]),
            "attack": bool(true),
        }


def _moved(attack: Any) -> Any:
    """An attack's findings, so that the first is somewhere in the week."""
    import pyarrow.compute as pc

    from bench.benign.scene import START

    first = pc.min(attack["time_start"]).as_py()
    if first is None:
        return attack
    draw = random.Random(attack["uid"][0].as_py())
    begin = int((START + timedelta(days=draw.uniform(0.5, 5.5))).timestamp() * 1000)
    for name in ("time_start", "time_end"):
        at = attack.schema.get_field_index(name)
        attack = attack.set_column(at, attack.schema.field(at), pc.add(attack[name], begin - first))
    return attack
