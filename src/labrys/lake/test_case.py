import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from labrys.lake import Case, CaseError, SourceRow
from labrys.lake.case import Result
from labrys.lake.test_segment import rows
from labrys.ocsf.schema import FINDING


def source(name: str = "a.log", digest: str = "d1", path: str = "", **more: object) -> SourceRow:
    known = {"size": 1, "mtime_ns": 2, "inode": 3, "format": "made", "version": "1", **more}
    return SourceRow(name=name, path=path, digest=digest, **known)  # type: ignore[arg-type]


def finding(shape: str | None, uid: str, detector: str = "det") -> pa.Table:
    return pa.Table.from_pylist([{"uid": uid, "detector": detector, "shape": shape}], FINDING)


def uids(case: Case, **current: str) -> list[str]:
    return sorted(case.findings(current or None)["uid"].to_pylist())


def test_rows_sources_and_findings_are_there_after_reopening(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        entry = case.entry(source())
        assert (entry.state, entry.batches) == ("partial", 0)
        result = Result("det", "v1", finding("s.one", "f1"))
        case.commit({"s.one": rows(3)}, [replace(entry, state="done", rows=3)], [result])
    with Case.open(tmp_path / "c", write=False) as case:
        assert [(row.name, row.state, row.rows) for row in case.sources()] == [("a.log", "done", 3)]
        (segment,) = case.segments()
        assert case.read(segment, "s.one")["_id"].to_pylist() == ["r-0", "r-1", "r-2"]
        assert [shape for shape, _ in case.tables(segment)] == ["s.one"]
        assert case.shapes()["s.one"].rows == 3
        assert uids(case) == ["f1"]
        assert case.segments(without=("det", "v1")) == []
        assert case.segments(without=("det", "v2")) == [segment]
        with pytest.raises(CaseError, match="reading only"):
            case.commit({})


def test_the_same_content_is_read_once_and_named(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        first = case.entry(source("a.log"))
        again = case.entry(source("copy.log"))
        assert (again.state, again.same_as) == ("duplicate", "a.log")
        case.commit({}, [again, replace(first, state="done")])
    with Case.open(tmp_path / "c") as case:
        assert case.entry(source("a.log")).state == "done"
        third = case.entry(source("third.log"))
        assert (third.state, third.same_as) == ("duplicate", "a.log")
        problems = dict(case.problems())
        assert "same content as a.log" in problems["copy.log"]
        assert "a.log" not in problems


def test_a_source_named_twice_stays_what_it_is(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        first, second = case.entry(source()), case.entry(source())
        case.commit({}, [second])
        case.commit({}, [replace(first, state="done")])
        case.commit({}, [second])
        assert [row.state for row in case.sources()] == ["done"]


def test_reading_resumes_where_the_ledger_says(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        entry = case.entry(source())
        case.commit({"s": rows(2)}, [replace(entry, batches=1, rows=2)])
    with Case.open(tmp_path / "c") as case:
        entry = case.entry(source("moved.log"))
        assert (entry.state, entry.name, entry.batches, entry.rows) == ("partial", "a.log", 1, 2)
    with Case.open(tmp_path / "c") as case:
        entry = case.entry(source(version="2"))
        assert entry.state == "failed"
        assert "scan it into a new case" in entry.problems[0]


def test_a_failed_source_may_be_tried_again(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        entry = case.entry(source())
        case.commit({}, [replace(entry, state="failed", problems=("the reader crashed",))])
    with Case.open(tmp_path / "c") as case:
        assert case.problems() == [("a.log", "the reader crashed")]
        entry = case.entry(source())
        assert (entry.state, entry.problems) == ("partial", ())


def test_a_file_that_can_be_read_at_last_is_no_longer_a_problem(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        case.commit({}, [source(digest="", state="failed", problems=("no permission",))])
        assert case.problems() == [("a.log", "no permission")]
        entry = case.entry(source(path="/x/a.log"))
        case.commit({}, [replace(entry, state="done")])
        assert [(row.state, row.problems) for row in case.sources()] == [("done", ())]


def test_an_unchanged_file_is_known_without_reading_it(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_text("x")
    stat = file.stat()
    facts = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino}
    with Case.open(tmp_path / "c") as case:
        entry = case.entry(source(path=str(file), **facts))
        case.commit({}, [entry])
        assert case.known(file, stat) is None
        case.commit({}, [replace(entry, state="done")])
        assert case.known(file, stat) == replace(entry, state="done")
        file.write_text("xy")
        assert case.known(file, file.stat()) is None


def test_a_changed_file_is_a_new_source_and_both_are_named(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        old = case.entry(source(path="/x/a.log"))
        case.commit({"s": rows(1)}, [replace(old, state="done", rows=1)])
        new = case.entry(source(path="/x/a.log", digest="d2"))
        case.commit({"s": rows(1)}, [replace(new, state="done")])
        assert {row.digest: row.superseded_by for row in case.sources()} == {"d1": "d2", "d2": ""}
        assert case.shapes()["s"].rows == 2
        assert "has changed since" in dict(case.problems())["a.log"]


def test_newer_findings_replace_older_ones_and_their_files(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        (segment,) = case.commit(
            {"s": rows(1)},
            [],
            [Result("det", "v1", finding("s", "old")), Result("two", "v1", FINDING.empty_table())],
        )
        assert case.segments(without=("two", "v1")) == []
        case.put_findings(segment, Result("det", "v2", finding("s", "new")))
        assert uids(case) == ["new"]
        assert uids(case, det="v1") == []
        case.put_findings(None, Result("win", "w", finding(None, "window", "win")))
        assert uids(case) == ["new", "window"]
        assert case.up_to_date("win", "w")
        case.commit({"s": rows(1)})
        assert not case.up_to_date("win", "w")
        case.put_findings(None, Result("win", "w", FINDING.empty_table()))
        assert uids(case) == ["new"]
        assert case.up_to_date("win", "w")
        assert len(list((case.path / "findings").iterdir())) == 1


def test_findings_follow_their_shape_to_its_segment_and_none_is_lost(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        table = pa.concat_tables([finding("big", "b"), finding("small", "s"), finding(None, "n")])
        made = case.commit({"big": rows(20_000), "small": rows(1)}, [], [Result("det", "v", table)])
        assert [sorted(each.places) for each in made] == [["big"], ["small"]]
        case.put_findings(made[1], Result("det", "w", FINDING.empty_table()))
        assert uids(case) == ["b", "n"]


def test_a_second_writer_gets_a_clear_error_and_a_reader_does_not(tmp_path: Path) -> None:
    open_it = "import sys; from labrys.lake import Case\nwith Case.open(sys.argv[1], write=sys.argv[2]=='w') as c: print(len(c.shapes()))"
    with Case.open(tmp_path / "c") as case:
        case.commit({"s": rows(1)})
        with pytest.raises(CaseError, match="another labrys is writing"):
            Case.open(tmp_path / "c")
        for mode, code in (("w", 1), ("r", 0)):
            done = subprocess.run(
                [sys.executable, "-c", open_it, str(tmp_path / "c"), mode],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == code
            assert ("another labrys is writing" in done.stderr) == (mode == "w")
    with Case.open(tmp_path / "c") as case:
        assert case.shapes()["s"].rows == 1


def test_what_is_not_a_case_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CaseError, match="other things"):
        Case.open(tmp_path / "full")
    with pytest.raises(CaseError, match="not a folder"):
        Case.open(tmp_path / "file")
    with pytest.raises(CaseError, match="no labrys case here"):
        Case.open(tmp_path / "none", create=False)
    with pytest.raises(CaseError, match="no labrys case here"):
        Case.open(tmp_path / "none", write=False)
    assert not (tmp_path / "none").exists()


def test_a_damaged_case_says_what_is_wrong(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        case.commit({"s": rows(1)})
        (segment,) = case.segments()
        segment.file.unlink()
        with pytest.raises(CaseError, match="restore it from a copy"):
            case.read(segment, "s")
        case.put_findings(None, Result("det", "v", finding("s", "f")))
        next((case.path / "findings").iterdir()).unlink()
        with pytest.raises(CaseError, match="restore it from a copy"):
            case.findings()
    (tmp_path / "c" / "ledger.sqlite").write_bytes(b"this is not a database, not at all" * 100)
    with pytest.raises(CaseError, match="cannot be read"):
        Case.open(tmp_path / "c")
    with pytest.raises(CaseError, match="cannot be read"):
        Case.open(tmp_path / "c")  # and the lock was given back


def test_leftovers_go_and_strangers_stay(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        case.commit({"s": rows(1)})
        left = [case.lake / "00000009.parquet", case.lake / ".00000010.parquet.draft"]
        for file in [*left, case.lake / "notes.parquet", case.spool / "half"]:
            file.write_text("x")
    with Case.open(tmp_path / "c") as case:
        assert sorted(os.listdir(case.lake)) == ["00000001.parquet", "notes.parquet"]
        assert os.listdir(case.spool) == []
        case.commit({"s": rows(1)})
        assert case.shapes()["s"].rows == 2


def test_a_copied_case_is_complete(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case:
        case.commit({"s": rows(4)}, [replace(case.entry(source()), state="done")])
    (tmp_path / "c").rename(tmp_path / "elsewhere")
    with Case.open(tmp_path / "elsewhere") as case:
        assert case.read(case.segments()[0], "s").num_rows == 4
        assert case.entry(source()).state == "done"


def test_rows_without_our_columns_are_refused(tmp_path: Path) -> None:
    with Case.open(tmp_path / "c") as case, pytest.raises(CaseError, match="lack the columns"):
        case.commit({"s": pa.table({"x": ["1"]})})
