"""The correlation engine finds what the plain reference finds, whatever the order of its input."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlation_reference import Tree, reference
from labrys.detect.sigma.correlate import MATCHES, correlate
from labrys.detect.sigma.correlate.plan import plan
from labrys.detect.sigma.ir import Correlation, RuleSet

RULES = ("r0", "r1", "r2")
FIELDS = ("user", "host", "size")


def correlation(uid: str, kind: str, rules: tuple[str, ...], **more: Any) -> Correlation:
    plain: dict[str, Any] = {
        "name": uid,
        "title": uid,
        "level": "high",
        "status": "test",
        "author": "",
        "description": "",
        "tags": (),
        "falsepositives": (),
        "references": (),
        "path": "",
        "group_by": ("user",),
        "timespan_ms": 5,
    }
    return Correlation(uid=uid, kind=kind, rules=rules, **(plain | more))


def ruleset(*correlations: Correlation) -> RuleSet:
    return RuleSet(digest="0" * 64, atoms=(), rules=(), correlations=correlations, rejected=())


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=MATCHES)


values = st.fixed_dictionaries(
    {},
    optional={
        "user": st.sampled_from(["ann", "Ann", "bob", ""]),
        "host": st.sampled_from(["h1", "H1", "h2"]),
        "size": st.sampled_from(["1", "2.5", "0.1", "-3", "1e3", "x", "7\x1e8"]),
    },
)


@st.composite
def matches(draw: st.DrawFn, most: int = 12) -> list[dict[str, Any]]:
    """Rows of up to three rules over records that several rules may match."""
    records = draw(
        st.lists(
            st.tuples(
                st.one_of(st.none(), st.integers(0, 16)),
                st.sampled_from(["s0", "s1"]),
                st.integers(0, 3),
                values,
                st.sets(st.sampled_from(RULES), min_size=1),
            ),
            max_size=most,
        )
    )
    return [
        {
            "rule": rule,
            "_id": f"id{number:02}",
            "_time": time,
            "_source": source,
            "_offset": offset,
            "_host": None,
            "shape": "test.shape",
            "fields": list(fields.items()),
            "entities": [],
        }
        for number, (time, source, offset, fields, rules) in enumerate(records)
        for rule in sorted(rules)
    ]


conditions = st.one_of(
    st.tuples(
        st.tuples(st.sampled_from(["gte", "gt", "eq", "neq", "lt", "lte"]), st.integers(0, 4))
    ),
    st.tuples(
        st.tuples(st.just("gt"), st.integers(0, 2)), st.tuples(st.just("lte"), st.integers(1, 4))
    ),
).map(lambda parts: tuple((op, float(limit)) for op, limit in parts))
some_rules = st.lists(st.sampled_from(RULES), min_size=1, max_size=3, unique=True).map(tuple)
group_bys = st.sampled_from([(), ("user",), ("user", "host"), ("who",)])
ALIASES = {"who": {"r0": "user", "r1": "host"}}


def found(rules: RuleSet, rows: pa.Table, learning: float) -> dict[str, set[tuple[Any, ...]]]:
    result = correlate(rules, rows, learning=learning)
    assert result.problems == ()
    made: dict[str, set[tuple[Any, ...]]] = {}
    for row in result.findings.to_pylist():
        ids = [evidence["_id"] for evidence in row["evidence"]]
        assert len(ids) == len(set(ids))
        peak = float(row["reasons"][0]["value"].split()[0])
        made.setdefault(row["rule_uid"], set()).add(
            (frozenset(ids), row["time_start"], row["time_end"], peak)
        )
    return made


def agree(
    correlations: tuple[Correlation, ...],
    rows: list[dict[str, Any]],
    trees: dict[str, Tree] | None = None,
    learning: float = 0.3,
) -> None:
    rules = ruleset(*correlations)
    wanted = reference(rules, rows, trees or {}, learning)
    got = found(rules, table(rows), learning)
    for one in correlations:
        feeds = any(one.uid in other.rules for other in correlations)
        expected = {(*episode[:3], float(f"{episode[3]:g}")) for episode in wanted[one.uid]}
        assert got.get(one.uid, set()) == (set() if feeds else expected)


@pytest.mark.parametrize(
    "kind",
    [
        "event_count",
        "value_count",
        "value_sum",
        "value_avg",
        "value_median",
        "value_percentile",
        "value_min",
        "value_max",
        "temporal",
        "temporal_ordered",
        "new_terms",
    ],
)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_every_kind_equals_the_reference(kind: str, data: st.DataObject) -> None:
    needs_field = kind.startswith("value_") or kind == "new_terms"
    fields = ("size",) if needs_field else ()
    if kind in ("value_count", "new_terms"):
        fields = data.draw(st.sampled_from([("size",), ("host", "size")]))
    condition = data.draw(conditions)
    if kind in ("temporal", "temporal_ordered", "new_terms"):
        condition = data.draw(st.sampled_from([(), condition]))
    one = correlation(
        "c",
        kind,
        data.draw(some_rules),
        group_by=data.draw(group_bys),
        timespan_ms=data.draw(st.integers(0, 12)),
        condition=condition,
        fields=fields,
        aliases=ALIASES,
        percentile=data.draw(st.sampled_from([0.0, 10.0, 90.0, 100.0])),
        history_ms=data.draw(st.sampled_from([0, 3, 10])),
    )
    agree((one,), data.draw(matches()), learning=data.draw(st.sampled_from([0.0, 0.3, 1.0])))


@settings(max_examples=200, deadline=None)
@given(
    rows=matches(),
    rules=st.lists(st.sampled_from(RULES), min_size=1, max_size=4).map(tuple),
    until=st.sampled_from(["", "r2", "r0"]),
    span=st.integers(0, 12),
    group_by=group_bys,
)
def test_sequences_and_repeated_steps_equal_the_reference(
    rows: list[dict[str, Any]],
    rules: tuple[str, ...],
    until: str,
    span: int,
    group_by: tuple[str, ...],
) -> None:
    more: dict[str, Any] = {"timespan_ms": span, "group_by": group_by, "aliases": ALIASES}
    agree(
        (
            correlation("s", "sequence", rules, until=until, **more),
            correlation("t", "temporal_ordered", rules, **more),
        ),
        rows,
    )


trees = st.recursive(
    st.sampled_from(RULES),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    ),
    max_leaves=5,
)


def written(tree: Tree) -> str:
    if isinstance(tree, str):
        return tree
    op, *parts = tree
    if op == "not":
        return f"not ({written(parts[0])})"
    return f" {op} ".join(f"({written(part)})" for part in parts)


@settings(max_examples=200, deadline=None)
@given(
    rows=matches(),
    tree=trees,
    kind=st.sampled_from(["temporal", "temporal_ordered"]),
    span=st.integers(0, 12),
)
def test_expressions_equal_the_reference(
    rows: list[dict[str, Any]], tree: Tree, kind: str, span: int
) -> None:
    one = correlation("c", kind, RULES, expression=written(tree), timespan_ms=span)
    agree((one,), rows, {"c": tree})


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_nested_correlations_equal_the_reference(data: st.DataObject) -> None:
    inner = correlation(
        "inner",
        "event_count",
        data.draw(some_rules),
        condition=(("gte", float(data.draw(st.integers(1, 3)))),),
        group_by=data.draw(group_bys),
        aliases=ALIASES,
        timespan_ms=data.draw(st.integers(0, 8)),
    )
    kind = data.draw(
        st.sampled_from(["temporal", "temporal_ordered", "event_count", "value_count"])
    )
    outer = correlation(
        "outer",
        kind,
        data.draw(st.sampled_from([("inner", "r2"), ("r2", "inner"), ("inner",)])),
        condition=(("gte", float(data.draw(st.integers(1, 2)))),),
        group_by=data.draw(st.sampled_from([(), ("user",), ("host",), ("who",)])),
        aliases={"who": {"inner": "user", "r2": "host"}},
        fields=("size",) if kind == "value_count" else (),
        timespan_ms=data.draw(st.integers(0, 12)),
    )
    third = correlation("third", "event_count", ("outer",), condition=(("gte", 1.0),))
    every = data.draw(st.sampled_from([(outer, inner), (third, outer, inner)]))
    agree(every, data.draw(matches()))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_order_and_chunks_of_the_input_do_not_matter(data: st.DataObject) -> None:
    rows = data.draw(matches(20))
    rules = ruleset(
        correlation("count", "event_count", RULES, condition=(("gte", 2.0),)),
        correlation("sum", "value_sum", RULES, condition=(("gt", 0.1),), fields=("size",)),
        correlation("order", "temporal_ordered", RULES, condition=(("gte", 2.0),)),
        correlation("new", "new_terms", RULES, fields=("size",), history_ms=9),
        correlation("nest", "temporal", ("count", "order"), group_by=("host",), generate=True),
    )
    wanted = correlate(rules, table(rows))
    mixed = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(mixed)))
    got = correlate(rules, pa.concat_tables([table(mixed[:cut]), table(mixed[cut:])]))
    assert got == wanted
    assert got.findings.to_pylist() == wanted.findings.to_pylist()
    assert plan(rules)[1] == ()
