"""Names taken apart and judged; hosts that ask for many that do not exist, and hosts that may."""

import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.detect.contract import WindowDetector
from labrys.detect.dga.explain import MOST
from labrys.detect.dga.features import COLUMNS, DAY, MOST_NAMES, features
from labrys.detect.dga.model import model
from labrys.detect.dga.names import FEATURES, LONGEST, NAMES, cut, letters, numbers
from labrys.detect.dga.score import score
from labrys.detect.dga.split import split
from labrys.detect.dga.threat import COST, MUTATIONS
from labrys.detect.dga.train_generators import KINDS, generators, labels
from labrys.detect.registry import detectors
from labrys.detect.testing import check_same, sail, told_by
from labrys.model.card import packed
from labrys.model.feature import used
from labrys.ocsf.schema import FINDING, Severity

VIEW = {
    "_id": "string",
    "_time": "int64",
    "_source": "string",
    "_offset": "int64",
    "_host": "string",
    "_shape": "string",
    "src_endpoint_ip": "string",
    "src_endpoint_port": "int64",
    "dst_endpoint_ip": "string",
    "device_hostname": "string",
    "query_hostname": "string",
    "query_type": "string",
    "answers_rdata": "string",
    "rcode": "string",
    "rcode_id": "int64",
}
SCHEMA = pa.schema(
    [(name, pa.int64() if kind == "int64" else pa.string()) for name, kind in VIEW.items()]
)
NONE, INFORMATIONAL, LOW, MEDIUM, HIGH = range(5)
WORDS = ["river", "stone", "table", "window", "orange", "silver", "market", "garden"]

Event = dict[str, Any]


def asked(
    name: str | None, *, dead: bool, when: int = 0, host: str | None = "10.0.0.5", **more: Any
) -> Event:
    return {
        "_time": when,
        "_source": "dns.log",
        "_shape": "zeek.dns",
        "src_endpoint_ip": host,
        "query_hostname": name,
        "query_type": "A",
        "rcode": "NXDOMAIN" if dead else "NOERROR",
        "rcode_id": 3 if dead else 0,
        "answers_rdata": None if dead else "192.0.2.7",
        **more,
    }


@cache
def query(names: tuple[str, ...]) -> str:
    view = ibis.table({name: VIEW[name] for name in names}, name="dns_activity")
    return str(ibis.to_sql(features(view), dialect="duckdb"))


def rows_of(events: Sequence[Event], names: Sequence[str] = tuple(VIEW)) -> pa.Table:
    numbered = [{"_id": f"r{n:06}", "_offset": n, **event} for n, event in enumerate(events)]
    table = pa.Table.from_pylist(numbered, schema=SCHEMA).select(list(names))
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("dns_activity", table)
        made: pa.Table = database.sql(query(tuple(names))).to_arrow_table()
    return made


def find(events: Sequence[Event]) -> list[dict[str, Any]]:
    found = score(rows_of(events))
    assert found.schema == FINDING
    return found.to_pylist()


def told(events: Sequence[Event]) -> list[tuple[str, int]]:
    return [(row["rule_uid"], row["severity_id"]) for row in find(events)]


def drawn(count: int, low: int = 14, high: int = 20, seed: int = 5) -> list[str]:
    draw = random.Random(seed)
    letters_ = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(draw.choices(letters_, k=draw.randint(low, high))) for _ in range(count)]


def test_what_was_registered() -> None:
    assert str(split("WWW.Example.CO.UK.")) == str(split("example.co.uk"))
    assert [split(host) and split(host).registered for host in (  # type: ignore[union-attr]
        "a.b.example.co.uk", "d111abcdef8.cloudfront.net", "bot7.ddns.net", "https://u@x.example.org:8/y",
    )] == ["example.co.uk", "cloudfront.net", "bot7.ddns.net", "example.org"]  # fmt: skip
    for nothing in (
        *("", ".", "localhost", "qkzjwvxhty", "printer.local", "4.3.2.1.in-addr.arpa", "co.uk"),
        *("192.0.2.1", "0x7f.1", "[2001:db8::1]", "wpad.lan", "a..", "_ldap._tcp", "x" * 3000),
    ):
        assert split(nothing) is None, nothing


def test_letters_in_runs() -> None:
    held = letters(cut(pa.array(["aab", None, "", "bbba", "x" * 200])))
    assert held.length.tolist() == [3, 0, 0, 4, LONGEST]
    assert held.longest(held.code == ord("b")).tolist() == [1, 0, 0, 3, 0]
    assert held.longest(held.code == ord("a")).tolist() == [2, 0, 0, 1, 0]
    assert held.count(held.code == ord("a")).tolist() == [2, 0, 0, 1, 0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | st.text(max_size=90), max_size=8))
def test_each_label_is_judged_on_its_own(texts: list[str | None]) -> None:
    """Any text in: finite numbers, the same alone as among others."""
    held = model()
    together = numbers(pa.array(texts, pa.string()), held.tables)
    assert np.isfinite(together).all()
    assert together.shape == (len(texts), len(NAMES))
    for at, text in enumerate(texts):
        alone = numbers(pa.array([text], pa.string()), held.tables)
        np.testing.assert_allclose(alone[0], together[at], atol=1e-9)


def test_model_knows_drawn_letters_from_names_people_chose() -> None:
    held = model()
    chosen = ["gardenhouse", "muenchen-reisen", "kaffeekueche", "ibm", "bookshop24", "casadelsol"]
    ordinary = held.margins(pa.array(chosen))
    generated = held.margins(pa.array(drawn(40)))
    assert (ordinary < held.limits["unsure"]).all()
    assert (generated > held.limits["low"]).mean() > 0.9
    assert held.limits["unsure"] < held.limits["low"] < held.limits["sure"]


def test_what_the_card_says_is_what_the_model_is() -> None:
    card = json.loads((Path(__file__).parent / "model" / "card.json").read_text("utf-8"))
    assert list(card["features"]) == sorted(NAMES)
    assert used(FEATURES) == FEATURES
    assert sum(file["bytes"] for file in card["files"].values()) < 2 << 20
    for file in card["data"]["files"]:
        assert file.get("licence") or all(one["licence"] for one in file["source"])


def burst(names: Sequence[str], **more: Any) -> list[Event]:
    return [asked(f"{name}.com", dead=True, when=n * 1000, **more) for n, name in enumerate(names)]


def test_a_burst_is_high_and_names_what_answered() -> None:
    names = drawn(40)
    events = [*burst(names), asked("xkqjvhzwpfmtrgd.net", dead=False, when=50_000)]
    [found] = find(events)
    assert (found["rule_uid"], found["severity_id"]) == ("dga.generated", HIGH)
    assert found["entities"][0] == {"type": "ip", "value": "10.0.0.5", "role": "source"}
    assert {"type": "domain", "value": "xkqjvhzwpfmtrgd.net", "role": "destination"} in found[
        "entities"
    ]
    shown = {one["value"] for one in found["entities"] if one["role"] == "object"}
    assert len(shown) == MOST
    assert shown <= {f"{name}.com" for name in names}
    assert found["time_start"] == 0
    assert found["time_end"] == 39_000


def test_a_few_are_less() -> None:
    names = drawn(40)
    assert told(burst(names[:6])) == [("dga.generated", MEDIUM)]
    assert told(burst(names[:3])) == [("dga.generated", LOW)]
    assert all(level == INFORMATIONAL for _, level in told(burst(names[:1])))


def test_words_are_seen_by_their_number_only() -> None:
    draw = random.Random(2)
    names = list(dict.fromkeys("".join(draw.choices(WORDS, k=3)) for _ in range(400)))
    assert told(burst(names[:200])) == [("dga.missing", MEDIUM)]
    assert told(burst(names[:60])) == [("dga.missing", LOW)]
    spread = [{**event, "_time": n * 600_000} for n, event in enumerate(burst(names[:60]))]
    assert told(spread) == []


def test_names_that_all_exist() -> None:
    events = [asked(f"{name}.com", dead=False, when=n) for n, name in enumerate(drawn(30, 24, 30))]
    assert told(events) == [("dga.answered", LOW)]


@pytest.mark.parametrize(
    "events",
    [
        [],
        [asked(f"{name}", dead=True) for name in drawn(30, 7, 15)],
        [asked(f"{name}.corp.example.com", dead=True) for name in drawn(30)],
        [asked(f"{n}.2.0.192.zen.blocklist.example.org", dead=True) for n in range(200)],
        [asked(f"{name}.avq.vendor.example.net", dead=True) for name in drawn(60, 30, 40)],
        [asked(f"d{name}.cloudfront.net", dead=False) for name in drawn(60)],
        [asked(f"{n}.2.0.192.in-addr.arpa", dead=True, query_type="PTR") for n in range(200)],
        [asked(f"{name}.local", dead=True) for name in drawn(40)],
        [asked(f"{name}.com", dead=True, query_type="MX") for name in drawn(40)],
        [asked(name, dead=True) for name in ("gogle.com", "facebok.com", "wikipdia.org", "exmple.net")],
        [asked(f"{word}-{other}.de", dead=False) for word in WORDS for other in WORDS],
        [asked(f"{name}.com", dead=False, query_type="AAAA", answers_rdata="") for name in drawn(30)],
    ],
    ids=[
        *("nothing", "browser probes", "search suffix", "block lists", "antivirus", "content network"),
        *("reverse", "local", "mail server", "typing errors", "ordinary", "no such address"),
    ],
)  # fmt: skip
def test_everyday_life_is_no_finding(events: list[Event]) -> None:
    assert told(events) == []


def test_more_names_never_make_it_look_better() -> None:
    names = drawn(30)
    ordinary = [
        asked(f"{word}{other}.com", dead=dead)
        for word in WORDS
        for other in WORDS
        for dead in (True, False)
    ]
    for count in (3, 6, 12, 30):
        [(_, plain)] = told(burst(names[:count]))
        [(_, diluted)] = told([*burst(names[:count]), *ordinary])
        assert diluted >= plain


def test_a_name_that_sometimes_exists_is_not_missing() -> None:
    events = [*burst(drawn(12)), *(asked(f"{name}.com", dead=False, when=9) for name in drawn(12))]
    assert all(rule != "dga.generated" for rule, _ in told(events))


def test_days_and_hosts_are_apart_and_windows_and_servers_are_understood() -> None:
    names = drawn(24)
    two = [*burst(names[:12]), *burst(names[12:], host="10.0.0.6")]
    assert told(two) == [("dga.generated", HIGH)] * 2
    days = [
        *burst(names[:12]),
        *({**event, "_time": event["_time"] + DAY} for event in burst(names[:12])),
    ]
    assert told(days) == [("dga.generated", HIGH)] * 2
    windows = [
        {
            **event,
            "rcode": None,
            "rcode_id": 9003,
            "src_endpoint_ip": None,
            "device_hostname": "PC1",
        }
        for event in burst(names)
    ]
    [found] = find(windows)
    assert found["entities"][0] == {"type": "host", "value": "pc1", "role": "source"}
    turned = [
        {
            **event,
            "src_endpoint_ip": "10.0.0.1",
            "src_endpoint_port": 53,
            "dst_endpoint_ip": "10.0.0.9",
        }
        for event in burst(names)
    ]
    assert find(turned)[0]["entities"][0]["value"] == "10.0.0.9"


def test_what_is_kept_of_a_day_is_bounded_and_missing_names_first() -> None:
    events = [asked(f"site{n}.com", dead=False, when=n) for n in range(2 * MOST_NAMES)]
    events += [{**event, "_time": 5_000_000 + n} for n, event in enumerate(burst(drawn(20)))]
    rows = rows_of(events)
    assert rows.num_rows == MOST_NAMES
    assert sum(rows["dead"].to_pylist()) == 20


def test_the_order_of_events_does_not_matter() -> None:
    events = [
        {"_id": f"e{n}", "_offset": n, **event}
        for n, event in enumerate([*burst(drawn(40)), *burst(drawn(40, seed=9), host="10.0.0.8")])
    ]
    mixed = list(events)
    random.Random(3).shuffle(mixed)
    assert find(events) == find(mixed)


def test_only_the_columns_of_the_contract_are_needed() -> None:
    few = [name for name in VIEW if name not in ("rcode", "query_type", "src_endpoint_port")]
    assert score(rows_of(burst(drawn(20)), few)).num_rows == 1


def test_the_query_can_be_said_to_spark() -> None:
    table = ibis.table(VIEW, name="dns_activity")
    assert "dns_activity" in str(ibis.to_sql(features(table), dialect="pyspark"))
    kinds = dict(features(table).schema().items())
    assert {str(kinds[name]) for name in (*COLUMNS, "day")} == {"int64"}


HOSTILE = st.one_of(
    st.none(),
    st.text(max_size=300),
    st.sampled_from(["a" * 4000 + ".com", "..", "xn--a.com", "\x00.com", "ÄÖ。com", "1.2.3.4", "%", "😀.com"]),
    st.from_regex(r"[a-z0-9-]{1,30}\.(com|net|co\.uk)", fullmatch=True),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda name, dead, when, host, kind: asked(
                name, dead=dead, when=when, host=host, query_type=kind
            ),
            HOSTILE,
            st.booleans(),
            st.integers(0, 2 * DAY) | st.sampled_from([-(1 << 62), (1 << 62), -1]),
            st.sampled_from(["10.0.0.1", "-", "", None, "PC"]),
            st.sampled_from(["A", "AAAA", None, "MX", ""]),
        ),
        max_size=60,
    )
)
def test_whatever_the_events_findings_are_sound(events: list[Event]) -> None:
    found = find(events)
    known = {f"r{n:06}" for n in range(len(events))}
    for row in found:
        ids = [one["_id"] for one in row["evidence"]]
        assert ids
        assert set(ids) <= known
        assert len(ids) <= MOST
        assert row["time_start"] <= row["time_end"]
    assert len({row["uid"] for row in found}) == len(found)


def test_generators_are_disjoint_by_seed_and_the_same_again() -> None:
    first = {
        label for one in generators(1, WORDS, 2) for label in labels(one, 1, 30) if len(label) > 9
    }
    again = {
        label for one in generators(1, WORDS, 2) for label in labels(one, 1, 30) if len(label) > 9
    }
    other = {
        label for one in generators(2, WORDS, 2) for label in labels(one, 2, 30) if len(label) > 9
    }
    assert first == again
    kinds = len(KINDS)
    assert len(first) > 20 * kinds
    assert len(first & other) < len(first) / 20


def test_the_same_names_train_the_same_model() -> None:
    train = pytest.importorskip("labrys.detect.dga.train", reason="needs lightgbm")
    chosen = [f"{one}{other}{number}" for one in WORDS for other in WORDS for number in range(4)]
    ordinary = train.named([(name, "made") for name in chosen], [1.0] * len(chosen))
    own = train.own_names(WORDS).take(np.arange(0, 10_000, 25))
    first, again = (train.fit(ordinary, own) for _ in range(2))
    assert first.trees.model_to_string() == again.trees.model_to_string()
    assert packed(first.tables) == packed(again.tables)
    assert (first.generated == again.generated).all()


def test_changes_have_a_cost_and_are_still_names() -> None:
    draw = np.random.default_rng(3)
    assert set(MUTATIONS) == set(COST)
    for name, change in MUTATIONS.items():
        for made in change(drawn(20), draw):
            assert split(f"{made}.com") is not None, (name, made)


def test_the_registry_knows_it_and_it_keeps_the_contract() -> None:
    [detector] = [one for one in detectors() if one.id == "dga"]
    assert detector.kind == "window"
    kept: WindowDetector = detector
    assert kept.reads == "dns_activity"
    assert kept.score(rows_of(burst(drawn(20)))).num_rows == 1
    assert int(Severity.HIGH) == HIGH


@pytest.mark.sail
def test_spark_connect_gives_the_same_rows(tmp_path: Path) -> None:
    chance = random.Random(5)
    names = drawn(60)
    events = [
        asked(
            f"{chance.choice(names)}.com",
            dead=chance.random() < 0.6,
            when=chance.randrange(-DAY, 2 * DAY),
            host=chance.choice(["10.0.0.1", "10.0.0.2", None, "-"]),
            device_hostname=chance.choice(["PC1", None]),
            src_endpoint_port=chance.choice([53, 40000, None]),
            dst_endpoint_ip="10.0.0.3",
        )
        for _ in range(800)
    ]
    numbered = [{"_id": f"r{n:06}", "_offset": n, **event} for n, event in enumerate(events)]
    with sail(tmp_path, {"dns_activity": pa.Table.from_pylist(numbered, schema=SCHEMA)}) as session:
        theirs = told_by(session, features(ibis.table(VIEW, name="dns_activity")))
    check_same(theirs, rows_of(events), 100)
