"""A scan may be killed at any moment: the next one goes on, and nothing is lost or there twice."""

import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from command import Ran, count, environment, labrys, rows, sources
from labrys.demo.make import make

ROUNDS = 10
SCALE = 4
BIG = 20_000
SMALL_GULPS = """
import sys
from dataclasses import replace
import labrys.cli.scan
import labrys.evidence.records
import labrys.scan.worker as worker
worker._ROUND_ROWS = 1500
labrys.evidence.records.Records.__init__.__kwdefaults__["rows"] = 1000
made = labrys.cli.scan.reading
labrys.cli.scan.reading = lambda settings: replace(made(settings), flush_bytes=300_000)
from labrys.cli import main
main()
"""
"""labrys as it is, but it takes in and commits little at a time, so that there is more to kill."""
GULPS = [sys.executable, "-c", SMALL_GULPS]
SSHD = (
    "Nov 17 10:%02d:%02d web%d sshd[%d]: Failed password for root from 203.0.113.%d port 22 ssh2\n"
)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's working day at several firms, and one log large enough to be read in parts."""
    folder = tmp_path_factory.mktemp("resume") / "evidence"
    make(folder / "0")
    for number in range(1, SCALE):
        for path in (folder / "0").rglob("*.*"):
            if path.suffix in (".json", ".log"):
                copy = folder / str(number) / path.relative_to(folder / "0")
                copy.parent.mkdir(parents=True, exist_ok=True)
                text = path.read_text().replace("10.20.", f"10.{20 + number}.")
                text = text.replace("WS-", f"WS{number}-").replace("web01", f"web{number}1")
                copy.write_text(text.replace("corp.example", f"corp{number}.example"))
    big = (SSHD % (n // 60 % 60, n % 60, n % 3, n, n % 200) for n in range(BIG))
    (folder / "big.log").write_text("".join(big))
    return folder


@pytest.fixture(scope="module")
def whole(evidence: Path) -> tuple[Ran, Path]:
    """The scan that nothing disturbs."""
    case = evidence.parent / "whole"
    ran = scan(evidence, case)
    assert ran.code == 0, ran.err
    assert count(case, "segments") > 5, "many commits, or nothing is tested"
    assert {row["state"] for row in sources(case).values()} == {"done"}
    return ran, case


def scan(evidence: Path, case: Path, *options: str | Path, jobs: int = 2) -> Ran:
    words = ("scan", evidence.name, "-q", "-f", "ndjson", "--lake", case, "--jobs", str(jobs))
    return labrys(*words, *options, cwd=evidence.parent, command=GULPS)


def killed(evidence: Path, case: Path, after: float) -> bool:
    """Start a scan and kill it after so many seconds; whether it was still running."""
    with subprocess.Popen(
        [*GULPS, "scan", evidence.name, "-q", "--lake", str(case), "--jobs", "2"],
        cwd=evidence.parent,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        time.sleep(after)
        process.kill()
        return process.wait() != 0


def begun(evidence: Path, case: Path) -> bool:
    """Start a scan and kill it as soon as something has been committed; whether it still ran."""
    before = count(case, "segments") if (case / "ledger.sqlite").exists() else 0
    with subprocess.Popen(
        [*GULPS, "scan", evidence.name, "-q", "--lake", str(case), "--jobs", "2"],
        cwd=evidence.parent,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            if (case / "ledger.sqlite").exists() and count(case, "segments") > before:
                break
            time.sleep(0.005)
        process.kill()
        return process.wait() != 0


def lines(ran: Ran) -> list[bytes]:
    """The findings and incidents, in an order that does not depend on that of the evidence."""
    return sorted(ran.out.splitlines())


def test_a_scan_killed_ten_times_ends_as_one_that_was_not(
    evidence: Path, whole: tuple[Ran, Path], tmp_path: Path
) -> None:
    case = tmp_path / "case"
    started = time.monotonic()
    scan(evidence, tmp_path / "timed")
    took = time.monotonic() - started
    draw = random.Random(4711)
    died = [
        begun(evidence, case) if number % 2 else killed(evidence, case, draw.uniform(0.2, 1) * took)
        for number in range(ROUNDS)
    ]
    assert sum(died) >= 2, "or nothing was tested"
    last = scan(evidence, case)
    assert last.code == 0, last.err
    assert lines(last) == lines(whole[0])
    assert rows(case) == rows(whole[1])
    assert {row["state"] for row in sources(case).values()} == {"done"}
    files = {path.name for path in (case / "lake").iterdir()}
    assert len(files) == count(case, "segments"), "nothing is left of what was killed"
    assert not list((case / "spool").iterdir())


def test_a_large_source_goes_on_in_its_middle(evidence: Path, tmp_path: Path) -> None:
    case = tmp_path / "case"
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(evidence / "big.log", alone)
    for _ in range(5):
        shutil.rmtree(case, ignore_errors=True)
        begun(alone, case)
        partial = sources(case)["alone/big.log"]
        if partial["state"] == "partial":  # else it was quicker than its killer
            break
    assert partial["state"] == "partial"
    assert 0 < partial["rows"] < BIG
    assert partial["rows"] == len(rows(case)["linux.sshd"])
    assert scan(alone, case).code == 0
    assert sources(case)["alone/big.log"]["rows"] == BIG
    ids = [row["_id"] for row in rows(case)["linux.sshd"]]
    assert len(ids) == len(set(ids)) == BIG


def test_scanning_again_reads_nothing_again(
    evidence: Path, whole: tuple[Ran, Path], tmp_path: Path
) -> None:
    case = tmp_path / "case"
    shutil.copytree(whole[1], case)
    before = state(case)
    again = scan(evidence, case)
    assert (again.code, again.out) == (0, whole[0].out)
    assert state(case) == before


def state(case: Path) -> tuple[Any, ...]:
    """All that a scan which finds nothing new must leave as it is."""
    held = {path.name: path.stat().st_mtime_ns for path in (case / "lake").iterdir()}
    return sources(case), count(case, "segments"), count(case, "found"), held


def test_a_new_file_is_all_that_is_read(
    evidence: Path, whole: tuple[Ran, Path], tmp_path: Path
) -> None:
    case, more = tmp_path / "case", tmp_path / "more"
    shutil.copytree(whole[1], case)
    known, segments, _, held = state(case)
    more.mkdir()
    (more / "new.log").write_text("Nov 17 10:00:00 web9 app[1]: nothing to be found in here\n")
    words = ("scan", evidence.name, more, "-q", "-f", "ndjson", "--lake", case)
    ran = labrys(*words, cwd=evidence.parent, command=GULPS)
    assert ran.code == 0, ran.err
    now, segments_now, _, held_now = state(case)
    assert {name: row for name, row in now.items() if name in known} == known
    assert set(now) - set(known) == {str(more / "new.log")}
    assert segments_now == segments + 1
    assert {name: held_now[name] for name in held} == held
    assert lines(ran) == lines(whole[0])


def test_a_changed_file_is_read_and_what_it_was_stays(evidence: Path, tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "a.log").write_text(SSHD % (1, 1, 1, 1, 1))
    assert scan(folder, tmp_path / "case").code == 0
    (folder / "a.log").write_text(SSHD % (1, 1, 1, 1, 1) + SSHD % (2, 2, 2, 2, 2))
    assert scan(folder, tmp_path / "case").code == 0
    assert len(rows(tmp_path / "case")["linux.sshd"]) == 3


RULE = """
title: Root over SSH
id: 0f0e3a52-6f2e-4c58-9a57-1f6a3f2f0a01
author: tester
logsource: {product: linux, service: sshd}
detection:
  seen: {message|contains: 'Accepted password for deploy'}
  condition: seen
level: low
"""


def test_new_rules_search_old_evidence_without_reading_it(
    evidence: Path, whole: tuple[Ran, Path], tmp_path: Path
) -> None:
    case, rules = tmp_path / "case", tmp_path / "rules"
    shutil.copytree(whole[1], case)
    known, segments, _, held = state(case)
    rules.mkdir()
    (rules / "root.yml").write_text(RULE)
    words = ("scan", evidence.name, "-f", "ndjson", "--lake", case, "-r", rules)
    ran = labrys(*words, cwd=evidence.parent)
    assert ran.code == 0, ran.err
    assert f"searching {segments} segments again with sigma" in ran.err
    now, segments_now, _, held_now = state(case)
    assert (now, segments_now, held_now) == (known, segments, held)
    fresh = labrys(
        *("scan", evidence.name, "-q", "-f", "ndjson", "--lake", tmp_path / "fresh", "-r", rules),
        cwd=evidence.parent,
    )
    assert lines(ran) == lines(fresh)
    assert titles(ran) - titles(whole[0]) == {"Root over SSH"}
    back = scan(evidence, case)
    assert lines(back) == lines(whole[0]), "the old rules find what they found before"


def titles(ran: Ran) -> set[str]:
    return {line["finding_info"]["title"] for line in ran.lines if line["class_uid"] == 2004}


@pytest.mark.parametrize("jobs", [1, 4])
def test_neither_order_nor_processes_change_what_is_found(
    jobs: int, evidence: Path, whole: tuple[Ran, Path], tmp_path: Path
) -> None:
    parts = sorted(evidence.iterdir(), reverse=True)
    parts = [*parts[1::2], *parts[::2]]
    words = ("scan", *(f"evidence/{part.name}" for part in parts), "-q", "-f", "ndjson")
    ran = labrys(
        *(*words, "--lake", tmp_path / "case", "--jobs", str(jobs)),
        cwd=evidence.parent,
        command=GULPS
        if jobs > 1
        else [sys.executable, "-c", "from labrys.cli import main; main()"],
    )
    assert ran.code == 0, ran.err
    assert lines(ran) == lines(whole[0])
    assert rows(tmp_path / "case") == rows(whole[1])


def test_copies_do_not_change_what_is_found(
    evidence: Path, whole: tuple[Ran, Path], tmp_path: Path
) -> None:
    shutil.copytree(evidence, tmp_path / "evidence" / "first")
    shutil.copytree(evidence, tmp_path / "evidence" / "second")
    ran = scan(tmp_path / "evidence", tmp_path / "case", jobs=4)
    assert ran.code == 0, ran.err
    assert nameless(ran) == nameless(whole[0])
    assert sum(map(len, rows(tmp_path / "case").values())) == sum(map(len, rows(whole[1]).values()))


def nameless(ran: Ran) -> list[bytes]:
    """The findings and incidents without where the evidence lay, and in how many copies."""
    lines = re.sub(rb'"_source":"[^"]*"', b'"_source":""', ran.out).splitlines()
    found = [orjson.loads(line) for line in lines]
    for row in found:
        data = [each["data"] for each in row.get("evidences", ())]
        if data:
            row["evidences"] = [
                each for at, each in enumerate(row["evidences"]) if each["data"] not in data[:at]
            ]
    return sorted(map(orjson.dumps, found))
