import hashlib
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.detect.campaign.features import LEAST, features
from labrys.detect.campaign.score import MOST, score
from labrys.detect.contract import WindowDetector
from labrys.detect.registry import detectors
from labrys.detect.testing import check_same, sail, told_by
from labrys.evidence.mail.alike import of_text
from labrys.ocsf.schema import FINDING, Severity

SCHEMA_OF_VIEW = {
    "_id": "string",
    "_time": "int64",
    "_source": "string",
    "_offset": "int64",
    "_shape": "string",
    "email_from": "string",
    "email_to": "string",
    "email_subject": "string",
    "email_campaign": "string",
}
SCHEMA = pa.schema(
    [
        (name, pa.int64() if kind == "int64" else pa.string())
        for name, kind in SCHEMA_OF_VIEW.items()
    ]
)
LURE = (
    "Dear {0}, your mailbox has reached its storage limit and messages to you are on hold. To keep "
    "your account working please confirm your details on the page below before the end of this "
    "week, or the service will be stopped. Your reference is {1}. The mail team of your company "
    "thanks you for your understanding and wishes you a pleasant day at work with your colleagues."
)
Row = dict[str, Any]


def mail(number: int, text: str, **more: Any) -> Row:
    return {
        "_id": f"m{number}",
        "_time": 1_794_900_000_000 + number * 60_000,
        "_source": "box.mbox",
        "_offset": number,
        "_shape": "mail.message",
        "email_from": f"sender{number % 3}@odd.example",
        "email_to": f"person{number}@corp.example",
        "email_subject": "Storage",
        "email_campaign": "\x1e".join(of_text(text)) or None,
    } | more


def rows_of(rows: list[Row]) -> pa.Table:
    sql = str(ibis.to_sql(features(ibis.table(SCHEMA_OF_VIEW, name="mails")), dialect="duckdb"))
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("mails", pa.Table.from_pylist(rows, SCHEMA))
        made: pa.Table = database.sql(sql).to_arrow_table()
        return made


def found(rows: list[Row]) -> list[Row]:
    made = score(rows_of(rows))
    assert made.schema == FINDING
    return made.to_pylist()


def lures(count: int) -> list[Row]:
    return [mail(n, LURE.format(f"person {n}", n * 7919)) for n in range(count)]


def test_it_is_a_window_detector() -> None:
    (made,) = (one for one in detectors() if one.id == "campaign")
    assert made.kind == "window"
    kept: WindowDetector = made
    assert kept.reads == "email_activity"


def test_a_mailing_is_one_finding_with_its_numbers() -> None:
    others = [
        mail(
            500 + n,
            f"{hashlib.sha256(b'%d' % n).hexdigest()} ".translate(
                str.maketrans("0123456789", "ghijklmnop")
            )
            * 20,
        )
        for n in range(30)
    ]
    (made,) = found(lures(40) + others)
    said = {one["feature"]: one["value"] for one in made["reasons"]}
    assert said["copies"] == "at least 40, from 3 senders to 40 recipients"
    assert said["time"] == "2026-11-17 to 2026-11-17"
    assert made["severity_id"] == Severity.INFORMATIONAL
    assert len(made["evidence"]) == 20
    assert {one["value"] for one in made["entities"] if one["type"] == "user"} == {
        f"sender{n}@odd.example" for n in range(3)
    }


def test_few_copies_are_no_mailing() -> None:
    assert found(lures(LEAST - 1)) == []
    assert len(found(lures(LEAST))) == 1


def test_the_findings_are_bounded() -> None:
    rows = [
        mail(n * 10 + m, "", email_campaign=f"key{n}") for n in range(MOST + 20) for m in range(5)
    ]
    assert len(found(rows)) == MOST


def test_no_rows_no_findings() -> None:
    assert found([mail(1, "")]) == []
    assert score(pa.table({"key": pa.array([], pa.string())})).schema == FINDING


@given(st.randoms())
def test_the_order_of_rows_does_not_matter(chance: Any) -> None:
    rows = [
        {
            "key": f"k{n % 4}",
            "copies": 9,
            "senders": 1,
            "recipients": 2,
            "first": 0,
            "last": 5,
            "_id": f"m{n % 7}",
            "_source": "s",
            "_offset": n % 7,
            "_time": n % 7,
            "_shape": "mail.message",
            "sender": "a@b",
            "subject": "x",
        }
        for n in range(28)
    ]
    first = score(pa.Table.from_pylist(rows)).to_pylist()
    chance.shuffle(rows)
    assert score(pa.Table.from_pylist(rows)).to_pylist() == first


def test_keys_of_texts() -> None:
    one, other = (set(of_text(LURE.format(name, 1))) for name in ("Ann", "Bob Smith"))
    assert len(one) == 4
    assert one & other
    assert not one & set(of_text(LURE[::-1]))
    assert of_text("too short") == []


@pytest.mark.parametrize("text", ["", "\ud800" * 50, "a " * 100_000, "\x00\x1e" * 500])
def test_odd_texts_have_keys_or_none(text: str) -> None:
    assert len(of_text(text)) in (0, 4)


@pytest.mark.sail
def test_spark_connect_gives_the_same_rows(tmp_path: Path) -> None:
    rows = [*lures(30), mail(99, "", email_campaign=None)]
    with sail(tmp_path, {"mails": pa.Table.from_pylist(rows, schema=SCHEMA)}) as session:
        theirs = told_by(session, features(ibis.table(SCHEMA_OF_VIEW, name="mails")))
    check_same(theirs, rows_of(rows).select(theirs.column_names), 19)
