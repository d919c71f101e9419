"""Watching evidence grow comes to what a scan of it comes to, whatever happens meanwhile."""

import gzip
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from command import COMMAND, Ran, count, environment, labrys, rows, sources
from labrys.demo.make import make
from labrys.lake.ledger import CaseError

SSHD = (
    "Nov 17 10:%02d:%02d web1 sshd[%d]: Failed password for root from 203.0.113.%d port 22 ssh2\n"
)
RULE = """
title: The word that matters
id: 0f0e3a52-6f2e-4c58-9a57-1f6a3f2f0a11
author: tester
logsource: {product: linux, service: sshd}
detection:
  seen: {message|contains: 'from 203.0.113.7 port'}
  condition: seen
level: high
"""


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's day."""
    folder = tmp_path_factory.mktemp("watch") / "evidence"
    make(folder)
    return folder


@pytest.fixture(scope="module")
def whole(evidence: Path) -> list[dict[str, Any]]:
    """What a scan finds in it."""
    ran = labrys(
        *("scan", evidence.name, "-q", "-f", "ndjson", "--lake", evidence.parent / "whole"),
        cwd=evidence.parent,
    )
    assert ran.code == 0, ran.err
    return ordered(ran.lines)


def log(first: int, last: int) -> str:
    return "".join(SSHD % (n // 60 % 60, n % 60, n, n % 20) for n in range(first, last))


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "rule.yml").write_text(RULE)
    return folder


@contextmanager
def watching(
    folder: Path, *words: str | Path, idle: str = "3s"
) -> Iterator[subprocess.Popen[bytes]]:
    """A watch over `folder`/evidence in the background; it must have ended by itself."""
    with subprocess.Popen(
        [*COMMAND, "watch", "evidence", "--lake", "case", "--idle", idle, *map(str, words)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[bytes], timeout: float = 90) -> Ran:
    out, err = process.communicate(timeout=timeout)
    return Ran(process.returncode, out, err.decode())


def once(folder: Path, *words: str | Path, timeout: float = 90) -> Ran:
    """Watch until nothing grows any more."""
    with watching(folder, *words, idle="1s") as process:
        return ended(process, timeout)


def until(what: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def uids(lines: list[dict[str, Any]], kind: int = 2004) -> list[str]:
    return sorted(line["finding_info"]["uid"] for line in lines if line["class_uid"] == kind)


def now(folder: Path) -> list[dict[str, Any]]:
    """What the case in a folder holds now."""
    return ordered(labrys("incidents", "--json", "--lake", "case", cwd=folder).lines)


def ordered(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In an order that does not depend on that of the evidence."""
    return sorted(lines, key=lambda line: line["metadata"]["uid"])


def grow(source: Path, target: Path, draw: random.Random) -> Iterator[None]:
    """Copy a folder a piece at a time; logs line by line and in the middle of lines."""
    left = {path: path.read_bytes() for path in sorted(source.rglob("*")) if path.is_file()}
    while left:
        path = draw.choice(sorted(left))
        content = left[path]
        whole = path.suffix not in (".log", ".json") or content.startswith((b"{\n", b"["))
        size = len(content) if whole else draw.randint(1, max(2000, len(content) // 3))
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with copy.open("ab") as stream:
            stream.write(content[:size])
        left[path] = content[size:]
        if not left[path]:
            del left[path]
        yield


def test_growing_evidence_comes_to_what_a_scan_of_it_does(
    evidence: Path, whole: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "evidence").mkdir()
    with watching(tmp_path, "-f", "ndjson", "--every", "2s") as process:
        for _ in grow(evidence, tmp_path / "evidence", random.Random(7)):
            time.sleep(0.05)
        ran = ended(process)
    assert ran.code == 0, ran.err
    assert now(tmp_path) == whole
    told = Counter(uids(ran.lines))
    assert set(told.values()) == {1}
    assert set(told) >= set(uids(whole))
    assert uids(whole, 2005)[0] in uids(ran.lines, 2005)
    assert rows(tmp_path / "case") == rows(evidence.parent / "whole")


def test_a_watch_killed_again_and_again_loses_nothing_and_repeats_nothing(
    evidence: Path, whole: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "evidence").mkdir()
    draw = random.Random(4711)
    growing = grow(evidence, tmp_path / "evidence", draw)
    words = ("-f", "ndjson", "--out", "told.ndjson", "--every", "1s")
    died = 0
    for _ in range(6):
        with watching(tmp_path, *words, idle="60s") as process:
            end = time.monotonic() + draw.uniform(1.5, 4)
            while time.monotonic() < end:
                next(growing, None)
                time.sleep(0.05)
            process.kill()
            died += process.wait() == -signal.SIGKILL
    assert died == 6
    for _ in growing:
        pass
    last = once(tmp_path, *words)
    assert last.code == 0, last.err
    assert now(tmp_path) == whole
    assert rows(tmp_path / "case") == rows(evidence.parent / "whole")
    lines = [orjson.loads(line) for line in (tmp_path / "told.ndjson").read_bytes().splitlines()]
    told = Counter(uids(lines))
    assert set(told.values()) == {1}
    assert set(told) >= set(uids(whole))
    files = {path.name for path in (tmp_path / "case" / "lake").iterdir()}
    assert len(files) >= count(tmp_path / "case", "segments")


def test_a_log_is_followed_through_its_rotations(rule: Path, tmp_path: Path) -> None:
    """Renamed, packed, truncated, removed: every line comes once."""
    folder, case = tmp_path / "evidence", tmp_path / "case"
    folder.mkdir()
    path = folder / "auth.log"
    path.write_text(log(0, 100))

    def held() -> int:
        try:
            return len(rows(case).get("linux.sshd", ()))
        except CaseError:  # it is only being made
            return 0

    with watching(
        tmp_path, "--only", "sigma", "--no-own-rules", "-r", rule, "-f", "ndjson", idle="4s"
    ) as process:
        until(lambda: held() == 100)
        with path.open("a") as stream:  # who writes keeps on writing after the renaming
            stream.write(log(100, 150))
            path.rename(folder / "auth.log.1")
            stream.write(log(150, 200))
        path.write_text(log(200, 300))
        until(lambda: held() == 300)
        packed = gzip.compress((folder / "auth.log.1").read_bytes())
        (folder / "auth.log.2.gz").write_bytes(packed)
        (folder / "auth.log.1").unlink()
        time.sleep(1.5)
        with path.open("r+") as stream:  # copytruncate
            shutil.copy(path, folder / "auth.log.1")
            stream.truncate(0)
        with path.open("a") as stream:
            stream.write(log(300, 400))
        until(lambda: held() == 400)
        ran = ended(process)
    assert ran.code == 0, ran.err
    ids = [row["_id"] for row in rows(case)["linux.sshd"]]
    assert len(set(ids)) == len(ids) == 400
    assert len(uids(ran.lines)) == 20
    assert len(set(uids(ran.lines))) == 20
    fresh = labrys(
        *(
            "scan",
            "evidence",
            "-q",
            "--only",
            "sigma",
            "--no-own-rules",
            "-r",
            rule,
            "-f",
            "ndjson",
            "--lake",
            "new",
        ),
        cwd=tmp_path,
    )
    assert uids(fresh.lines) == uids(ran.lines), "a scan of what lies there now says the same"


def test_what_rotated_while_nobody_watched_is_read_once(rule: Path, tmp_path: Path) -> None:
    folder, case = tmp_path / "evidence", tmp_path / "case"
    folder.mkdir()
    words = ("--only", "sigma", "--no-own-rules", "-r", rule, "-f", "ndjson")
    (folder / "auth.log").write_text(log(0, 100))
    assert len(uids(once(tmp_path, *words).lines)) == 5
    with (folder / "auth.log").open("a") as stream:
        stream.write(log(100, 200))
    packed = gzip.compress((folder / "auth.log").read_bytes())
    (folder / "auth.log.1.gz").write_bytes(packed)
    (folder / "auth.log").write_text(log(200, 300))
    assert len(uids(once(tmp_path, *words).lines)) == 10
    ids = [row["_id"] for row in rows(case)["linux.sshd"]]
    assert len(set(ids)) == len(ids) == 300
    assert uids(once(tmp_path, *words).lines) == []


def test_a_scan_of_what_was_watched_reads_only_the_rest(rule: Path, tmp_path: Path) -> None:
    folder, case = tmp_path / "evidence", tmp_path / "case"
    folder.mkdir()
    (folder / "auth.log").write_text(log(0, 100))
    once(tmp_path, "--only", "sigma", "--no-own-rules", "-r", rule)
    words = (
        "scan",
        "evidence",
        "-q",
        "--only",
        "sigma",
        "--no-own-rules",
        "-r",
        rule,
        "-f",
        "ndjson",
    )
    assert len(uids(labrys(*words, "--lake", "case", cwd=tmp_path).lines)) == 5
    with (folder / "auth.log").open("a") as stream:
        stream.write(log(100, 200))
    assert len(uids(labrys(*words, "--lake", "case", cwd=tmp_path).lines)) == 10
    assert len(rows(case)["linux.sshd"]) == 200


def test_a_watch_of_what_was_scanned_reads_only_the_rest(rule: Path, tmp_path: Path) -> None:
    folder, case = tmp_path / "evidence", tmp_path / "case"
    folder.mkdir()
    (folder / "auth.log").write_text(log(0, 100))
    words = ("--only", "sigma", "--no-own-rules", "-r", rule, "-f", "ndjson")
    assert labrys("scan", "evidence", "-q", *words, "--lake", "case", cwd=tmp_path).code == 0
    with (folder / "auth.log").open("a") as stream:
        stream.write(log(100, 200))
    assert len(uids(once(tmp_path, *words).lines)) == 5, "what the scan told is not told again"
    assert len(rows(case)["linux.sshd"]) == 200


def test_standard_input_is_watched_to_its_end(rule: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *COMMAND,
            "watch",
            "-",
            "--lake",
            "case",
            "--only",
            "sigma",
            "--no-own-rules",
            "-r",
            rule,
            "-f",
            "ndjson",
        ],
        input=log(0, 200).encode(),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert len(uids(lines)) == 10
    assert len(rows(tmp_path / "case")["linux.sshd"]) == 200
    assert not list((tmp_path / "case" / "inbox" / "stdin").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_with_a_summary(number: int, rule: Path, tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "auth.log").write_text(log(0, 40))
    with watching(tmp_path, "--only", "sigma", "--no-own-rules", "-r", rule, idle="60s") as process:
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        os.kill(process.pid, number)
        ran = ended(process)
    assert "high" in first
    assert "The word that matters on web1 [evidence/auth.log at " in first
    assert ran.code == 0, ran.err
    assert "told of 2 findings" in ran.err


def test_what_cannot_be_read_is_told_by_the_exit_code(rule: Path, tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "auth.log").write_text(log(0, 40) + "\0\1\2\n")
    (tmp_path / "evidence" / "broken.gz").write_bytes(gzip.compress(b"x" * 100_000)[:-20])
    ran = once(tmp_path, "--only", "sigma", "--no-own-rules", "-r", rule)
    assert ran.code == 1, ran.err
    assert any("broken.gz" in name for name in sources(tmp_path / "case"))


def test_many_small_commits_become_few_segments(rule: Path, tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    path = tmp_path / "evidence" / "auth.log"
    with watching(
        tmp_path, "--only", "sigma", "--no-own-rules", "-r", rule, "--every", "1s"
    ) as process:
        for number in range(120):
            with path.open("a") as stream:
                stream.write(log(number * 10, number * 10 + 10))
            time.sleep(0.25)
        ran = ended(process)
    assert ran.code == 0, ran.err
    assert len(rows(tmp_path / "case")["linux.sshd"]) == 1200
    assert len({row["_id"] for row in rows(tmp_path / "case")["linux.sshd"]}) == 1200
    assert 0 < count(tmp_path / "case", "segments") < 70
    assert len(uids(now(tmp_path))) == 60


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to watch"),
        (["missing"], "no such file or folder: missing"),
        ([".", "--every", "often"], "no time span"),
        ([".", "--connector", "nftables"], "need --respond block"),
        ([".", "--respond", "block", "--connector", "nftables"], "add --yes"),
        (["--interface", "-w"], "no network interface"),
        (["--interface", "nosuchnic0", "--lake", "c"], "cannot be captured from"),
    ],
)
def test_what_cannot_be_watched_is_told(words: list[str], said: str, tmp_path: Path) -> None:
    if "nosuchnic0" in words and not any(map(shutil.which, ("dumpcap", "tcpdump"))):
        said = "neither dumpcap nor tcpdump"
    ran = labrys("watch", *words, cwd=tmp_path)
    assert ran.code == 2, ran.err
    assert said in " ".join(ran.err.replace("│", " ").split())
