"""Small segments put together hold what they held apart, also when killed half-way."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from labrys.lake import Case
from labrys.lake.case import Result
from labrys.lake.compaction import MOST
from labrys.lake.engine import connect
from labrys.lake.segment import BIG
from labrys.lake.test_case import finding, uids
from labrys.lake.test_kill import WORK, holdings
from labrys.lake.test_segment import rows
from labrys.ocsf.schema import FINDING

COMPACTING = WORK.partition("    for segment in case.segments(without")[0].replace(
    "        scan(case, name)\n", "        scan(case, name)\n        case.compact(2)\n"
)


def filled(path: Path, commits: int = 6) -> None:
    """A case of many small commits: two shapes, two detectors, one of which finds little."""
    with Case.open(path) as case:
        for number in range(commits):
            table = rows(3).set_column(0, "_id", pa.array([f"{number}-{n}" for n in range(3)]))
            one = Result("one", "v1", finding("s.one", f"one-{number}", "one"))
            two = FINDING.empty_table() if number else finding("s.two", "two-0", "two")
            shapes = {"s.one": table, "s.two": table.append_column(f"c{number}", table["_id"])}
            case.commit(shapes, [], [one, Result("two", "v1", two)])
        case.put_findings(None, Result("wide", "v1", finding(None, "wide-0", "wide")))


def held(path: Path) -> dict[str, list[dict[str, object]]]:
    """Every record, without empty cells, by shape."""
    found: dict[str, list[dict[str, object]]] = {}
    with Case.open(path, write=False) as case:
        for segment in case.segments():
            for shape, table in case.tables(segment):
                for row in table.to_pylist():
                    kept = {name: value for name, value in row.items() if value is not None}
                    found.setdefault(shape, []).append(kept)
    return {shape: sorted(each, key=lambda row: str(row["_id"])) for shape, each in found.items()}


def test_nothing_changes_but_the_number_of_files(tmp_path: Path) -> None:
    filled(tmp_path / "c")
    before = held(tmp_path / "c")
    with Case.open(tmp_path / "c") as case:
        known, generation = uids(case), case.generation()
        assert case.up_to_date("wide", "v1")
        assert case.compact(7) == 0, "there are not so many yet"
        assert case.compact(6) == 6
        assert case.compact(2) == 0
        (segment,) = case.segments()
        assert segment.rows == 36
        assert case.generation() > generation
        assert case.up_to_date("wide", "v1"), "what was found in the whole lake stays true"
        assert uids(case) == known
        assert case.segments(without=("one", "v1")) == []
        assert case.segments(without=("one", "v2")) == [segment]
        assert case.shapes()["s.two"].rows == 18
        engine = connect(case)
        try:
            asked = engine.sql('SELECT count(*) AS n, count(c3) AS c FROM "s.two"').read_all()
            assert asked.to_pylist() == [{"n": 18, "c": 3}]
        finally:
            engine.close()
    assert held(tmp_path / "c") == before
    assert len(list((tmp_path / "c" / "lake").iterdir())) == 1


def test_what_is_found_later_goes_on_being_found(tmp_path: Path) -> None:
    filled(tmp_path / "c")
    with Case.open(tmp_path / "c") as case:
        case.compact(2)
        (segment,) = case.segments()
        case.put_findings(segment, Result("one", "v2", finding("s.one", "new", "one")))
        assert uids(case, one="v2", two="v1", wide="v1") == ["new", "two-0", "wide-0"]


def test_who_reads_meanwhile_still_finds_the_old_files(tmp_path: Path) -> None:
    filled(tmp_path / "c")
    with Case.open(tmp_path / "c", write=False) as reader, Case.open(tmp_path / "c") as case:
        case.compact(2)
        assert len(reader.segments()) == 6
        assert len([table for each in reader.segments() for table in reader.tables(each)]) == 12
        assert len(uids(reader)) == 8
        case.compact(2)
        assert len(list(case.lake.iterdir())) == 1


def test_only_what_the_same_detectors_have_searched_goes_together(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        for number in range(4):
            digest = "v1" if number % 2 else "v2"
            case.commit({"s.one": rows(2)}, [], [Result("one", digest, FINDING.empty_table())])
        assert case.compact(4) == 4
        assert len(case.segments()) == 2
        assert len(case.segments(without=("one", "v1"))) == 1


def test_segments_do_not_become_too_large(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        for _ in range(6):
            case.commit({"s.one": rows(BIG - 1)})
        case.commit({"s.one": rows(BIG)})
        case.compact(2)
        assert sorted(each.rows for each in case.segments()) == [BIG, 2 * (BIG - 1), 4 * (BIG - 1)]
        assert max(each.rows for each in case.segments()) <= MOST


@pytest.mark.parametrize("seed", range(6))
def test_killed_while_compacting_it_ends_as_if_undisturbed(seed: int, tmp_path: Path) -> None:
    def work(case: Path, die_after: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", f"{COMPACTING}\nprint(steps)", str(case), str(die_after)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = work(tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout.split()[-1])
    with Case.open(tmp_path / "whole", write=False) as case:
        assert len(case.segments()) == 1
    chance = random.Random(seed)
    for _ in range(5):
        died = work(tmp_path / "c", chance.randrange(steps // 3, steps))
        assert died.returncode in (0, -signal.SIGKILL), died.stderr
    assert work(tmp_path / "c").returncode == 0
    assert holdings(tmp_path / "c") == holdings(tmp_path / "whole")
