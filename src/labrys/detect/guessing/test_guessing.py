import gzip
import hashlib
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.detect.contract import WindowDetector
from labrys.detect.guessing.features import MEASURES, features
from labrys.detect.guessing.score import score
from labrys.detect.registry import detectors
from labrys.detect.testing import check_same, sail, told_by
from labrys.ocsf.schema import FINDING, Severity

VIEW = {
    "_id": "string",
    "_time": "int64",
    "_source": "string",
    "_offset": "int64",
    "_host": "string",
    "_shape": "string",
    "activity_id": "int64",
    "status_id": "int64",
    "user_name": "string",
    "src_endpoint_ip": "string",
    "dst_endpoint_hostname": "string",
    "device_hostname": "string",
    "auth_protocol": "string",
    "count": "int64",
}
SCHEMA = pa.schema(
    [(name, pa.int64() if kind == "int64" else pa.string()) for name, kind in VIEW.items()]
)
LOW, MEDIUM, HIGH = (int(level) for level in (Severity.LOW, Severity.MEDIUM, Severity.HIGH))
MINUTE, HOUR = 60_000, 3_600_000

Event = dict[str, Any]


def attempt(when: float, ok: bool, user: str | None, source: str | None, **more: Any) -> Event:
    return {
        "_time": int(when),
        "_source": "auth.log",
        "_host": "srv",
        "_shape": "linux.sshd",
        "activity_id": 1,
        "status_id": 1 if ok else 2,
        "user_name": user,
        "src_endpoint_ip": source,
        "device_hostname": "srv",
        **more,
    }


def fails(
    count: int, user: str | None, source: str | None, *, start: float = 0, step: float = 2000
) -> list[Event]:
    return [attempt(start + step * n, False, user, source) for n in range(count)]


@cache
def query(names: tuple[str, ...]) -> str:
    view = ibis.table({name: VIEW[name] for name in names}, name="authentication")
    return str(ibis.to_sql(features(view), dialect="duckdb"))


def rows_of(events: Sequence[Event], names: Sequence[str] = tuple(VIEW)) -> pa.Table:
    numbered = [{"_id": f"r{n:06}", "_offset": n, **event} for n, event in enumerate(events)]
    table = pa.Table.from_pylist(numbered, schema=SCHEMA).select(list(names))
    sql = query(tuple(names))
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("authentication", table)
        made: pa.Table = database.sql(sql).to_arrow_table()
        return made


def find(events: Sequence[Event]) -> list[dict[str, Any]]:
    found = score(rows_of(events))
    assert found.schema == FINDING
    return found.to_pylist()


def told(events: Sequence[Event]) -> list[tuple[str, int]]:
    return sorted((row["rule_uid"], row["severity_id"]) for row in find(events))


def test_a_burst_of_failures_is_one_finding() -> None:
    [found] = find(fails(500, "root", "203.0.113.5"))
    assert (found["rule_uid"], found["severity_id"]) == ("guessing.brute", LOW)
    assert found["techniques"] == ["T1110.001"]
    assert found["tactics"] == ["credential-access"]
    assert (found["time_start"], found["time_end"]) == (0, 499 * 2000)
    assert found["shape"] == "linux.sshd"
    assert [(e["type"], e["value"], e["role"]) for e in found["entities"]] == [
        ("user", "root", "target"),
        ("ip", "203.0.113.5", "source"),
        ("host", "srv", "destination"),
    ]
    assert found["reasons"][0] == {"feature": "failures", "value": "500", "weight": 0.8}
    offsets = [one["_offset"] for one in found["evidence"]]
    assert offsets == [*range(25), *range(485, 500)]


def test_a_guessed_password_is_high_and_says_whose() -> None:
    events = [*fails(60, "admin", "203.0.113.5"), attempt(125_000, True, "admin", "203.0.113.5")]
    [found] = find(events)
    assert (found["rule_uid"], found["severity_id"]) == ("guessing.success", HIGH)
    assert found["techniques"] == ["T1110.001", "T1078"]
    assert found["tactics"] == ["credential-access", "initial-access"]
    assert found["time_end"] == 125_000
    assert found["reasons"][0]["value"] == "a logon as admin, 125 s after the first failure"
    assert found["evidence"][-1]["_offset"] == 60
    assert "reset its password" in found["advice"]


def test_spraying_and_stolen_lists() -> None:
    spray = [
        e
        for n in range(3)
        for u in range(12)
        for e in fails(1, f"u{u}", "198.51.100.7", start=n * 90_000 + u * 1000)
    ]
    assert told(spray) == [("guessing.spray", LOW)]
    stuffing = [attempt(n * 500, False, f"u{n}@x.example", "198.51.100.7") for n in range(200)]
    [found] = find(stuffing)
    assert found["techniques"] == ["T1110.003", "T1110.004"]
    hit = [*stuffing, attempt(100_500, True, "u777@x.example", "198.51.100.7")]
    [found] = find(hit)
    assert found["severity_id"] == HIGH
    assert found["entities"][0] == {"type": "user", "value": "u777@x.example", "role": "target"}


def test_spraying_from_inside_weighs_more() -> None:
    inside = [attempt(n * 1000, False, f"u{n}", "10.1.2.3") for n in range(15)]
    assert told(inside) == [("guessing.spray", MEDIUM)]
    known = [attempt(-HOUR, True, "u1", "10.1.2.3"), *inside]
    assert told(known) == [("guessing.spray", LOW)]


def test_low_and_slow_is_seen_over_days() -> None:
    slow = [attempt(n * 40 * MINUTE, False, "root", "203.0.113.5") for n in range(48)]
    [found] = find(slow)
    assert found["rule_uid"] == "guessing.brute"
    assert "over hours or days" in found["title"]
    hit = [*slow, attempt(33 * HOUR, True, "root", "203.0.113.5")]
    assert told(hit) == [("guessing.success", HIGH)]


def test_many_bursts_of_one_source_are_told_as_one() -> None:
    events = [e for n in range(9) for e in fails(15, "root", "203.0.113.5", start=n * HOUR)]
    [found] = find(events)
    assert "over hours or days" in found["title"]
    assert [r["value"] for r in found["reasons"] if r["feature"] == "failures"] == ["135"]
    assert len(find(events[:30])) == 2


def test_many_sources_that_share_the_work() -> None:
    events = [attempt(n * 10 * MINUTE, False, "ceo", f"203.0.113.{n % 40}") for n in range(120)]
    [found] = find(events)
    assert (found["rule_uid"], found["severity_id"]) == ("guessing.spread", LOW)
    assert found["entities"][0] == {"type": "user", "value": "ceo", "role": "target"}
    stranger = [*events, attempt(120 * 10 * MINUTE, True, "ceo", "198.51.100.1")]
    assert told(stranger) == [("guessing.spread", LOW)]
    guesser = [*events, attempt(120 * 10 * MINUTE, True, "ceo", "203.0.113.3")]
    assert told(guesser) == [("guessing.spread", MEDIUM)]


def test_without_a_source_the_host_and_user_tell() -> None:
    events = [attempt(n * 1000, False, "root", None) for n in range(30)]
    assert told(events) == [("guessing.local", LOW)]
    assert told([*events, attempt(31_000, True, "root", "-")]) == [("guessing.local", MEDIUM)]
    assert told([*events, attempt(31_000, True, "ann", None)]) == [("guessing.local", LOW)]


@pytest.mark.parametrize(
    "events",
    [
        [],
        [*fails(6, "ann", "10.0.0.5", step=9000), attempt(60_000, True, "ann", "10.0.0.5")],
        [attempt(n * HOUR, n % 3 != 0, "ann", "10.0.0.5") for n in range(400)],
        [attempt(n * 700, False, "WS01$", "10.0.0.5") for n in range(300)],
        [attempt(n * 100, False, "ann", "10.0.0.5", auth_protocol="publickey") for n in range(40)],
        [attempt(n * 1000, False, "ann", "10.0.0.5", activity_id=2) for n in range(40)],
        [attempt(n * 1000, False, None, None, _host=None, device_hostname=None) for n in range(3)],
        [attempt(n * 1000, True, f"u{n}", "10.0.0.5") for n in range(500)],
    ],
    ids=["nothing", "mistyped", "daily", "machine", "keys", "logoff", "nameless", "busy"],
)
def test_everyday_life_is_no_finding(events: list[Event]) -> None:
    assert find(events) == []


def test_a_known_source_that_mistypes_is_never_more_than_low() -> None:
    known = [attempt(-day * 24 * HOUR, True, "ann", "10.0.0.5") for day in range(1, 20)]
    mistyped = fails(12, "ann", "10.0.0.5", step=15_000)
    events = [*known, *mistyped, attempt(200_000, True, "ann", "10.0.0.5")]
    assert told(events) == [("guessing.brute", LOW)]
    # No human types a hundred wrong passwords in three minutes, known or not.
    machine = fails(100, "ann", "10.0.0.5", step=1500)
    events = [*known, *machine, attempt(155_000, True, "ann", "10.0.0.5")]
    assert told(events) == [("guessing.success", HIGH)]


def test_an_old_saved_password_that_is_renewed_is_no_more_than_medium() -> None:
    stale = fails(14, "svc", "10.0.0.9", step=5 * MINUTE)
    events = [*stale, attempt(70 * MINUTE, True, "svc", "10.0.0.9")]
    assert told(events) == [("guessing.success", MEDIUM)]


def test_a_success_before_or_long_after_is_not_the_guess() -> None:
    burst = fails(30, "root", "203.0.113.5", start=HOUR)
    late = [*burst, attempt(3 * HOUR, True, "root", "203.0.113.5")]
    assert ("guessing.success", HIGH) not in told(late)
    other = [*burst, attempt(HOUR + 70_000, True, "root", "203.0.113.99")]
    assert told(other) == [("guessing.brute", LOW)]


def test_one_attempt_logged_twice_counts_once() -> None:
    once = fails(8, "ann", "203.0.113.5")
    twice = [*once, *({**event, "_shape": "linux.pam"} for event in once)]
    assert find(twice) == []
    repeated = [
        attempt(0, False, "ann", "203.0.113.5"),
        attempt(9, False, "ann", "203.0.113.5", count=12),
    ]
    assert told(repeated) == [("guessing.brute", LOW)]


def test_the_order_of_events_does_not_matter() -> None:
    events = [
        {"_id": f"e{n}", "_offset": n, **event}
        for n, event in enumerate(
            [
                *fails(40, "root", "203.0.113.5"),
                attempt(80_000, True, "root", "203.0.113.5"),
                *(attempt(n * 1000, False, f"u{n}", "198.51.100.7") for n in range(25)),
            ]
        )
    ]
    mixed = list(events)
    random.Random(3).shuffle(mixed)
    assert find(events) == find(mixed)


def test_only_the_columns_of_the_contract_are_needed() -> None:
    few = [name for name in VIEW if name not in ("count", "auth_protocol")]
    assert score(rows_of(fails(20, "root", "203.0.113.5"), few)).num_rows == 1


def test_the_query_can_be_said_to_spark() -> None:
    table = ibis.table(VIEW, name="authentication")
    text = str(ibis.to_sql(features(table), dialect="pyspark"))
    assert "authentication" in text
    kinds = dict(features(table).schema().items())
    assert {str(kinds[name]) for name in MEASURES} == {"int64"}


names = st.one_of(
    st.none(), st.sampled_from(["", "root", "Ann", "-", "a\x00b", "\U0001f480", "x" * 3000])
)
addresses = st.one_of(
    st.none(), st.sampled_from(["203.0.113.5", "10.0.0.1", "::1", "no address", "-"])
)
events_of_any_kind = st.builds(
    lambda when, status, user, source, activity, count, shape: attempt(
        when, False, user, source, status_id=status, activity_id=activity, count=count, _shape=shape
    ),
    st.one_of(st.integers(0, 5 * HOUR), st.sampled_from([-(1 << 62), (1 << 62)])),
    st.sampled_from([1, 2, 2, 2, 99, None]),
    names,
    addresses,
    st.sampled_from([1, 1, 1, 2, None]),
    st.sampled_from([None, None, 1, 5, 10**12, -3]),
    st.sampled_from(["linux.sshd", "linux.pam"]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(events_of_any_kind, max_size=80))
def test_whatever_the_events_findings_are_sound(events: list[Event]) -> None:
    found = find(events)
    known = {f"r{n:06}" for n in range(len(events))}
    for row in found:
        ids = [one["_id"] for one in row["evidence"]]
        assert ids
        assert set(ids) <= known
        assert len(ids) == len(set(ids)) <= 50
        assert row["time_start"] <= row["time_end"]
    assert len({row["uid"] for row in found}) == len(found)


def test_the_registry_knows_it_and_it_keeps_the_contract() -> None:
    [detector] = [one for one in detectors() if one.id == "guessing"]
    assert detector.kind == "window"
    kept: WindowDetector = detector
    assert kept.reads == "authentication"
    assert len(kept.digest) == 64
    rows = rows_of(fails(20, "root", "203.0.113.5"))
    assert detector.score(rows).num_rows == 1
    assert detector.features(ibis.table(VIEW, name="authentication")).columns


DATA = Path(__file__).parents[5] / "shared" / "data" / "endpoint" / "linux"


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "guessed"),
    [("elastic_auth.log.gz", ["24.151.103.17"]), ("loghub_OpenSSH_2k.log.gz", [])],
)
def test_real_ssh_logs(name: str, guessed: list[str], tmp_path: Path) -> None:
    if not (DATA / name).is_file():
        pytest.skip(f"{name} is not beside the checkout")
    from labrys.evidence.records import Source
    from labrys.evidence.syslog.read import read
    from labrys.lake.case import Case
    from labrys.lake.engine import connect, table

    content = gzip.decompress((DATA / name).read_bytes())
    path = tmp_path / "auth.log"
    path.write_bytes(content)
    source = Source(
        path, name, hashlib.sha256(content).hexdigest(), len(content), 1_500_000_000_000
    )
    shapes: dict[str, list[pa.RecordBatch]] = {}
    for shape, batch in read(source):
        shapes.setdefault(shape, []).append(batch)
    tables = {
        shape: pa.concat_tables(map(_table, batches), promote_options="default")
        for shape, batches in shapes.items()
    }
    with Case.open(tmp_path / "case") as case:
        case.commit(tables)
        engine = connect(case, memory="500MB", threads=1)
        found = score(engine.arrow(features(table(engine, "authentication")))).to_pylist()
        engine.close()
    high = [row for row in found if row["severity_id"] >= HIGH]
    sources = [e["value"] for row in high for e in row["entities"] if e["role"] == "source"]
    assert sources == guessed
    assert 3 <= len(found) <= 15


def _table(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch])


@pytest.mark.sail
def test_spark_connect_gives_the_same_rows(tmp_path: Path) -> None:
    chance = random.Random(5)
    events = [
        attempt(
            chance.randrange(0, 48 * HOUR),
            chance.random() < 0.4,
            chance.choice(["ann", "Bob", "root", None]),
            chance.choice([None, "-", "10.0.0.1", f"203.0.113.{chance.randrange(8)}"]),
            _shape=chance.choice(["linux.sshd", "linux.pam"]),
            count=chance.choice([None, 2, 5000]),
        )
        for _ in range(1000)
    ]
    numbered = [{"_id": f"r{n:06}", "_offset": n, **event} for n, event in enumerate(events)]
    with sail(
        tmp_path, {"authentication": pa.Table.from_pylist(numbered, schema=SCHEMA)}
    ) as session:
        theirs = told_by(session, features(ibis.table(VIEW, name="authentication")))
    check_same(theirs, rows_of(events), 100)
