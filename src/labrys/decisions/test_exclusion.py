import re
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.decisions import Exclusion, hidden
from labrys.decisions.exclusion import pairs
from labrys.errors import LabrysError
from labrys.ocsf.schema import FINDING

NAMES = ("host", "user", "ip")
TEXTS = ("ws01", "WS02", "srv-a", "srv-b", "10.0.0.5", "10.9.0.1", "a*b", "x\ny", "")


def finding(number: int, **given: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(FINDING.names)
    row |= {"uid": f"f{number}", "rule_uid": "r1", "title": "One", "severity_id": 3}
    return row | {"entities": [], "evidence": [], "reasons": []} | given


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=FINDING)


def entity(kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "value": value, "role": "device"}


def reason(name: str, value: str) -> dict[str, Any]:
    return {"feature": name, "value": value, "weight": 1.0}


def rows_hidden(rows: list[dict[str, Any]], exclusion: Exclusion) -> list[int]:
    (mask,) = hidden(table(rows), [exclusion])
    return mask.nonzero()[0].tolist()


def test_all_that_is_named_must_hold() -> None:
    rows = [
        finding(0, entities=[entity("host", "ws01"), entity("user", "corp\\bob")]),
        finding(1, entities=[entity("host", "ws01"), entity("user", "corp\\eve")]),
        finding(2, rule_uid="r2", entities=[entity("host", "ws01"), entity("user", "corp\\bob")]),
    ]
    both = Exclusion("r1", (("host", "WS0?"), ("user", "*\\bob")), why="x")
    assert rows_hidden(rows, both) == [0]
    assert rows_hidden(rows, replace(both, rule="")) == [0, 2]
    assert rows_hidden(rows, replace(both, rule="One", entities=())) == [0, 1, 2]


def test_patterns_of_one_type_are_alternatives() -> None:
    rows = [finding(n, entities=[entity("host", f"ws0{n}")]) for n in range(3)]
    assert rows_hidden(rows, Exclusion(entities=(("host", "ws00"), ("host", "ws02")))) == [0, 2]


def test_a_network_holds_its_addresses() -> None:
    rows = [finding(n, entities=[entity("ip", ip)]) for n, ip in enumerate(["10.1.2.3", "::1"])]
    assert rows_hidden(rows, Exclusion(entities=(("ip", "10.0.0.0/8"),))) == [0]
    with pytest.raises(LabrysError, match="not a network"):
        rows_hidden(rows, Exclusion(entities=(("ip", "10.0.0.0/99"),)))


def test_values_are_what_the_rule_matched() -> None:
    rows = [
        finding(0, reasons=[reason("CommandLine", "powershell -f C:\\it\\deploy.ps1")]),
        finding(1, reasons=[reason("Image", "C:\\it\\deploy.ps1")]),
    ]
    assert rows_hidden(rows, Exclusion(values=(("CommandLine", "*\\DEPLOY.ps1"),))) == [0]


def test_it_holds_for_its_time_only() -> None:
    rows = [finding(n, time_start=when) for n, when in enumerate([5, 10, 20, None])]
    assert rows_hidden(rows, Exclusion("r1", since=10, until=20)) == [1]
    assert rows_hidden(rows, Exclusion("r1", until=20)) == [0, 1]


def test_an_exception_has_the_same_id_wherever_it_is_kept() -> None:
    one = Exclusion("r1", (("host", "a"),), why="x", who="me", made=5)
    assert one.id == Exclusion("r1", (("host", "a"),), why="another").id
    assert one.id != Exclusion("r1", (("host", "b"),)).id


@pytest.mark.parametrize(
    ("exclusion", "reason"),
    [
        (Exclusion(why="x"), "needs a rule"),
        (Exclusion("r1"), "say why"),
        (Exclusion(entities=(("host", "*"),), why="x"), "fits everything"),
        (Exclusion(entities=(("planet", "a"),), why="x"), "no entity type"),
        (Exclusion("r1", since=5, until=5, why="x"), "ends before"),
    ],
)
def test_what_could_hide_everything_is_refused(exclusion: Exclusion, reason: str) -> None:
    with pytest.raises(LabrysError, match=reason):
        exclusion.check()


def test_pairs_are_read_or_refused() -> None:
    assert pairs(["host=a=b"], "--entity") == (("host", "a=b"),)
    with pytest.raises(LabrysError, match="name=pattern"):
        pairs(["host"], "--entity")


def plainly(row: dict[str, Any], exclusion: Exclusion) -> bool:
    """The same, as the documentation says it."""

    def fits(text: str, pattern: str) -> bool:
        said = "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in pattern)
        return re.fullmatch(said, text, re.IGNORECASE | re.DOTALL) is not None

    if exclusion.rule and exclusion.rule not in (row["rule_uid"], row["title"]):
        return False
    return all(
        any(
            entity["type"] == kind and fits(entity["value"], pattern)
            for entity in row["entities"]
            for other, pattern in exclusion.entities
            if other == kind
        )
        for kind, _ in exclusion.entities
    )


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(TEXTS)), max_size=4), max_size=8
    ),
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from([*TEXTS, "ws*", "?rv-*", "*1", "x*"])),
        min_size=1,
        max_size=3,
    ),
)
def test_the_fast_way_is_the_plain_way(
    several: list[list[tuple[str, str]]], wanted: list[tuple[str, str]]
) -> None:
    rows = [
        finding(n, entities=[entity(kind, value) for kind, value in each])
        for n, each in enumerate(several)
    ]
    exclusion = Exclusion(entities=tuple(wanted))
    expected = [n for n, row in enumerate(rows) if plainly(row, exclusion)]
    assert rows_hidden(rows, exclusion) == expected
