"""A scan that is killed at any moment loses nothing and finds nothing twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from labrys.cli.progress import Silent
from labrys.demo.make import make
from labrys.lake.case import Case
from labrys.scan.ingest import Reading
from labrys.scan.rules import builtin_rules
from labrys.scan.run import Options, Scan, scan

LABRYS = str(Path(sys.executable).with_name("labrys"))


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume") / "evidence"
    make(folder)
    return folder


def scanned(case: Path, *paths: Path, jobs: int = 2, flush: int = 96 << 20, **more: object) -> Scan:
    rules = more.get("rules", (builtin_rules(),))
    reading = Reading(jobs=jobs, flush_bytes=flush)
    options = Options(paths=paths, rules=rules, reading=reading)  # type: ignore[arg-type]
    with Case.open(case) as opened:
        return scan(opened, options, Silent())


def ids(case: Path) -> list[str]:
    with Case.open(case, write=False) as opened:
        tables = [
            opened.read(segment, shape, ["_id"])
            for segment in opened.segments()
            for shape in segment.places
        ]
    return sorted(pa.concat_tables(tables)["_id"].to_pylist())


def uids(done: Scan) -> list[str]:
    return sorted(done.findings["uid"].to_pylist())


@pytest.fixture(scope="module")
def whole(evidence: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Scan]:
    case = tmp_path_factory.mktemp("whole") / "case"
    done = scanned(case, evidence)
    return ids(case), done


def test_killed_again_and_again(
    evidence: Path, whole: tuple[list[str], Scan], tmp_path: Path
) -> None:
    draw = random.Random(4)
    case = tmp_path / "case"
    command = [LABRYS, "scan", str(evidence), "--lake", str(case), "-q", "-o", str(tmp_path / "o")]
    for _ in range(8):
        running = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(0.3 + draw.random() * 1.5)
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    done = scanned(case, evidence)
    assert ids(case) == whole[0]
    assert uids(done) == uids(whole[1])
    assert done.triage.incidents.equals(whole[1].triage.incidents)


def test_interrupted_by_the_user(
    evidence: Path, whole: tuple[list[str], Scan], tmp_path: Path
) -> None:
    case = tmp_path / "case"
    command = [LABRYS, "scan", str(evidence), "--lake", str(case), "-q", "-o", str(tmp_path / "o")]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(0.8)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode in (130, 0)
    assert "Traceback" not in said
    scanned(case, evidence)
    assert ids(case) == whole[0]


def test_small_commits_other_jobs_and_another_order_change_nothing(
    evidence: Path, whole: tuple[list[str], Scan], tmp_path: Path
) -> None:
    parts = sorted(evidence.iterdir(), reverse=True)
    done = scanned(tmp_path / "case", *parts, jobs=1, flush=1)
    assert ids(tmp_path / "case") == whole[0]
    assert uids(done) == uids(whole[1])
    assert done.triage.incidents["uid"].to_pylist() == whole[1].triage.incidents["uid"].to_pylist()


def test_unchanged_evidence_is_not_read_again(evidence: Path, tmp_path: Path) -> None:
    case = tmp_path / "case"
    copy = tmp_path / "evidence"
    make(copy)
    first = scanned(case, copy)
    with Case.open(case, write=False) as opened:
        before = [segment.file.name for segment in opened.segments()]
    second = scanned(case, copy)
    with Case.open(case, write=False) as opened:
        assert [segment.file.name for segment in opened.segments()] == before
    assert uids(second) == uids(first)
    extra = copy / "extra.log"
    extra.write_text("<34>1 2026-11-17T10:00:00Z host app - - - hello\n")
    scanned(case, copy)
    with Case.open(case, write=False) as opened:
        added = [each for each in opened.segments() if each.file.name not in before]
    assert sum(segment.rows for segment in added) == 1


def test_new_rules_search_old_evidence(evidence: Path, tmp_path: Path) -> None:
    case, rules = tmp_path / "case", tmp_path / "rules"
    rules.mkdir()
    first = scanned(case, evidence, rules=(rules,))
    assert "sigma" not in first.findings["detector"].to_pylist()
    (rules / "cron.yml").write_text(
        "title: Chrome\nid: 3c1de5f6-0b1a-4f0e-9a54-2f5b0f6f7afe\n"
        "logsource: {product: windows, category: process_creation}\n"
        "detection:\n  s:\n    Image|endswith: '\\chrome.exe'\n  condition: s\nlevel: low\n"
    )
    with Case.open(case, write=False) as opened:
        before = [segment.file.name for segment in opened.segments()]
    second = scanned(case, evidence, rules=(rules,))
    with Case.open(case, write=False) as opened:
        assert [segment.file.name for segment in opened.segments()] == before
    assert second.findings["title"].to_pylist().count("Chrome") > 10
