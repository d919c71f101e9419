"""Kill -9 at any instant loses nothing and repeats nothing: done for real, in another process."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labrys.lake import Case

WORK = """
import os, signal, sys
from dataclasses import replace
import pyarrow as pa
from labrys.lake import Case, SourceRow
from labrys.lake.case import Result
from labrys.ocsf.schema import FINDING

die_after, steps = int(sys.argv[2]), 0

def count(event, arguments):
    global steps
    if event.startswith(("open", "os.", "sqlite3.", "fcntl.")):
        steps += 1
        if steps == die_after:
            os.kill(os.getpid(), signal.SIGKILL)

def batches(name):
    for number in range(6):
        ids = [f"{name}-{number}-{row}" for row in range(3)]
        leading = {"_id": ids, "_time": [1, 2, 3], "_source": ids, "_offset": [1, 2, 3]}
        yield f"shape.{number % 3}", pa.table({**leading, "_host": ids, "X": ids})

def findings(tables):
    ids = [(shape, uid) for shape, table in tables.items() for uid in table["_id"].to_pylist()]
    rows = [{"uid": uid, "detector": "det", "shape": shape} for shape, uid in ids]
    return Result("det", "v1", pa.Table.from_pylist(rows, FINDING))

def scan(case, name):
    entry = case.entry(SourceRow(name, "", 1, 1, 1, name, "made", "1"))
    if entry.state != "partial":
        return
    pending = {}
    for number, (shape, table) in enumerate(batches(name)):
        if number < entry.batches:
            continue
        pending[shape] = table
        if number % 2:
            entry = replace(entry, batches=number + 1, rows=3 * (number + 1))
            case.commit(pending, [entry], [findings(pending)])
            pending = {}
    case.commit({}, [replace(entry, state="done")])

print("ready", flush=True)
sys.addaudithook(count)
with Case.open(sys.argv[1]) as case:
    for name in ("a", "b", "c"):
        scan(case, name)
    for segment in case.segments(without=("later", "v1")):
        made = findings(dict(case.tables(segment))).table.slice(0, 1)
        made = made.set_column(1, "detector", pa.array(["later"]))
        case.put_findings(segment, Result("later", "v1", made))
print(steps)
"""


def work(case: Path, die_after: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WORK, str(case), str(die_after)],
        capture_output=True,
        text=True,
        check=False,
    )


def holdings(path: Path) -> tuple[list[str], list[str], list[tuple[str, str, int]]]:
    """Every row id, finding and source, and proof that no other file is in the case."""
    with Case.open(path) as case:
        ids = [
            uid
            for segment in case.segments()
            for _, table in case.tables(segment)
            for uid in table["_id"].to_pylist()
        ]
        found = case.findings()
        pairs = [
            f"{who} {uid}"
            for who, uid in zip(
                found["detector"].to_pylist(), found["uid"].to_pylist(), strict=True
            )
        ]
        files = {each.file.name for each in case.segments()}
        assert set(os.listdir(case.lake)) == files
        return sorted(ids), sorted(pairs), [(s.name, s.state, s.rows) for s in case.sources()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, int]:
    """What an undisturbed run gives, and in how many steps."""
    path = tmp_path_factory.mktemp("whole") / "c"
    done = work(path)
    assert done.returncode == 0, done.stderr
    ids, pairs, sources = holdings(path)
    assert len(ids) == len(set(ids)) == 3 * 6 * 3
    assert sources == [(name, "done", 18) for name in "abc"]
    return (ids, pairs, sources), int(done.stdout.split()[-1])


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_random_steps_it_ends_as_if_undisturbed(
    seed: int, tmp_path: Path, whole: tuple[object, int]
) -> None:
    expected, steps = whole
    chance = random.Random(seed)
    for _ in range(4):
        done = work(tmp_path / "c", chance.randrange(1, steps))
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
    assert work(tmp_path / "c").returncode == 0
    assert holdings(tmp_path / "c") == expected


@pytest.mark.parametrize("delay", [0.004, 0.03])
def test_killed_from_outside_it_ends_as_if_undisturbed(
    delay: float, tmp_path: Path, whole: tuple[object, int]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORK, str(tmp_path / "c"), "0"], stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        time.sleep(delay)
        running.kill()
    assert work(tmp_path / "c").returncode == 0
    assert holdings(tmp_path / "c") == whole[0]
