import shutil
import sqlite3
from pathlib import Path

import pytest

from labrys.decisions import Decisions, Exclusion, Regrouping, Verdict, kept, opened
from labrys.decisions.store import FILE
from labrys.errors import LabrysError


def test_nothing_is_created_by_looking(tmp_path: Path) -> None:
    assert kept(tmp_path) == Decisions()
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    one = Exclusion("r1", (("host", "a*"),), (("Image", "*\\x"),), 1, 2, "me", "because", 3)
    verdict = Verdict("i1", "false", (("r1", "ws01"),), 2, "me", "a test", 4)
    wish = Regrouping("apart", ("f1", "f2"), "me", "another case", 5)
    with opened(tmp_path) as store:
        store.add(one)
        store.judge(verdict)
        store.regroup(wish)
    assert kept(tmp_path) == Decisions((one,), (verdict,), (wish,))


def test_the_same_exception_is_kept_once_and_can_be_removed(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.add(Exclusion("r1", why="first"))
        made = store.add(Exclusion("r1", why="second"))
        assert [each.why for each in store.all().exclusions] == ["second"]
        with pytest.raises(LabrysError, match="no decisions begin"):
            store.remove("zzz")
        assert store.remove(made.id[:4]) == made
        assert store.all().exclusions == ()


def test_a_later_verdict_of_the_same_person_replaces_an_earlier_one(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.judge(Verdict("i1", "false", why="x"))
        store.judge(Verdict("i1", "true", why="y"))
        assert [each.verdict for each in store.all().verdicts] == ["true"]
        store.judge(Verdict("i1", "true", who="you", why="z"))
        assert len(store.all().verdicts) == 2
        with pytest.raises(LabrysError, match="at most"):
            store.regroup(Regrouping("sideways", (), why="x"))
        with pytest.raises(LabrysError, match="one of"):
            store.judge(Verdict("i1", "maybe", why="x"))
        with pytest.raises(LabrysError, match="say why"):
            store.judge(Verdict("i1", "true"))


def test_a_database_that_does_not_answer_is_an_error_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(LabrysError) as error, opened(tmp_path, "sqlite:////no/such/folder/x.db"):
        pass
    assert "/no/such/folder" in str(error.value)


def test_decisions_come_along_with_a_copy_of_the_case(tmp_path: Path) -> None:
    case, copy = tmp_path / "one.labrys", tmp_path / "two.labrys"
    case.mkdir()
    with opened(case) as store:
        store.judge(Verdict("i1", "false", (("r1", "ws01"),), 2, "me", "a test", 4, 3, ("impact",)))
        store.regroup(Regrouping("apart", ("f1",), "me", "another case", 5))
    shutil.copytree(case, copy)
    assert kept(copy) == kept(case)
    with opened(copy) as store:
        store.remove(kept(copy).verdicts[0].id)
    assert kept(case).verdicts
    assert not kept(copy).verdicts


def test_verdicts_of_earlier_versions_are_read(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.judge(Verdict("i1", "false", (("r1", "ws01"),), 2, "me", "a test", 4))
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute(
            "update labrys_verdict set content = json_remove(content, '$.tactics', '$.severity')"
        )
    database.close()
    assert kept(tmp_path).verdicts == (
        Verdict("i1", "false", (("r1", "ws01"),), 2, "me", "a test", 4),
    )
