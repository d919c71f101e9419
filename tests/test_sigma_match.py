"""The fast matcher finds exactly the rows that the plain reference evaluator finds."""

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labrys.detect.sigma.ir import All, Any_, Atom, Leaf, LogSource, Node, Not, Rule, RuleSet
from labrys.detect.sigma.match.engine import Batch, Engine
from sigma_reference import matches as reference

FIELDS = ("Image", "CommandLine", "Port", "Missing")
# Few letters, so that values and literals meet; with case, width and separator oddities.
LETTERS = "aAbB.\\/-* ?0129ßẞİıſKéÉ\n\u2013\u4e2d\U0001f600"
texts = st.text(LETTERS, max_size=6)
multi = st.lists(texts, min_size=2, max_size=3).map("\x1e".join)
numbers = st.sampled_from(["0", "1", "22", "443", "-7", "1.5", "1e3", "x", "", "nan", "0x10"])
addresses = st.sampled_from(["10.0.0.1", "10.0.0.255", "10.1.0.0", "::1", "fe80::1", "2001:db8::7"])
times = st.sampled_from(
    ["2026-01-02T03:04:05Z", "2026-12-31 23:59:59", "2024-02-29T00:00:00+05:30", "yesterday"]
)
names = st.sampled_from(
    [
        "bank.example",
        "b4nk.example",
        "login-bank.test",
        "Jane Doe",
        "DOE, Jane",
        "b\u0430nk",
        "bank",
    ]
)
cells = st.one_of(st.none(), texts, texts, multi, numbers, addresses, times, names)

REGEXES = (
    "a+b",
    "^a",
    "b$",
    "^ab?$",
    "(a|bb)c*",
    "[aA]{2,}",
    "a.b",
    r"\\\w+",
    r"\d{2,3}",
    "(?:ab){2}",
    "a(?=b)",
    r"(a)\1",
    "x*",
    "(?i:ab)A",
)


def literal_atoms() -> st.SearchStrategy[Atom]:
    return st.builds(
        Atom,
        st.sampled_from([*FIELDS, None]),
        st.sampled_from(["eq", "starts", "ends", "contains", "glob"]),
        texts,
        st.booleans(),
    )


atoms = st.one_of(
    literal_atoms(),
    literal_atoms(),
    st.builds(
        lambda field, value, flags: Atom(field, "re", value, False, flags),
        st.sampled_from([*FIELDS, None]),
        st.sampled_from(REGEXES),
        st.sampled_from(["", "i", "m", "s", "ims"]),
    ),
    st.builds(
        Atom,
        st.sampled_from(FIELDS),
        st.sampled_from(["lt", "lte", "gt", "gte"]),
        st.sampled_from(["0", "1", "22", "1.5", "-7"]),
    ),
    st.builds(
        Atom,
        st.sampled_from(FIELDS),
        st.just("cidr"),
        st.sampled_from(["10.0.0.0/24", "10.0.0.0/8", "::/0", "fe80::/10"]),
    ),
    st.builds(Atom, st.sampled_from(FIELDS), st.just("null")),
    st.builds(Atom, st.sampled_from(FIELDS), st.just("exists"), st.sampled_from(["true", "false"])),
    st.builds(
        lambda field, other, cased, flags: Atom(field, "fieldref", other, cased, flags),
        st.sampled_from(FIELDS),
        st.sampled_from(FIELDS),
        st.booleans(),
        st.sampled_from(["", "starts", "ends", "contains"]),
    ),
    st.builds(
        Atom,
        st.sampled_from(FIELDS),
        st.sampled_from(["lookalike", "disguised", "person"]),
        st.sampled_from(["bank.example", "Jane Doe", "bank"]),
    ),
    st.builds(
        Atom,
        st.sampled_from(FIELDS),
        st.sampled_from(["minute", "hour", "day", "week", "month", "year"]),
        st.sampled_from(["1", "2", "3", "12", "31", "59", "2026"]),
    ),
)


def nodes(count: int) -> st.SearchStrategy[Node]:
    leaf = st.integers(0, count - 1).map(Leaf)
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(lambda parts: All(tuple(parts))),
            st.lists(inner, max_size=4).map(lambda parts: Any_(tuple(parts))),
            inner.map(Not),
        ),
        max_leaves=8,
    )


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    table = tuple(draw(st.lists(atoms, min_size=1, max_size=8)))
    conditions = draw(st.lists(nodes(len(table)), min_size=1, max_size=4))
    return rule_set(table, conditions)


def rule_set(table: tuple[Atom, ...], conditions: list[Node]) -> RuleSet:
    rules = tuple(
        Rule(
            f"r{i}", "", f"r{i}", "low", "", "", "", (), (), (), LogSource(), condition, f"r{i}.yml"
        )
        for i, condition in enumerate(conditions)
    )
    return RuleSet("digest", table, rules, (), ())


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(1, 12))
    columns = {
        name: pa.array(draw(st.lists(cells, min_size=rows, max_size=rows)), pa.string())
        for name in FIELDS[:-1]
    }
    return pa.table(columns)


def fast(rules: RuleSet, table: pa.Table, *, cached: bool) -> dict[int, list[int]]:
    engine = Engine(rules)
    if cached:
        engine = Engine(rules, engine.compiled())
    columns = {name: table.column(name) for name in table.column_names}
    batch = Batch(table.num_rows, lambda: list(columns.values()))
    found = engine.match(range(len(rules.rules)), batch, columns.get)
    return {rule: rows.tolist() for rule, rows in found.rows.items()}


def plain(rules: RuleSet, table: pa.Table) -> dict[int, list[int]]:
    found = {i: reference(rules, i, table) for i in range(len(rules.rules))}
    return {rule: rows for rule, rows in found.items() if rows}


@settings(max_examples=600, deadline=None)
@given(rule_sets(), tables(), st.booleans())
def test_same_rows_as_reference(rules: RuleSet, table: pa.Table, cached: bool) -> None:
    assert fast(rules, table, cached=cached) == plain(rules, table)


@settings(max_examples=100, deadline=None)
@given(rule_sets(), tables(), st.integers(60, 200))
def test_same_rows_on_long_columns(rules: RuleSet, table: pa.Table, times_over: int) -> None:
    """Many distinct values take the vectorised way; the answer must not change."""
    parts = [
        pa.table(
            {
                name: [None if v is None else f"{v}{i}" for v in table.column(name).to_pylist()]
                for name in table.column_names
            },
            schema=table.schema,
        )
        for i in range(times_over)
    ]
    whole = pa.concat_tables([table, *parts]).combine_chunks()
    assert fast(rules, whole, cached=False) == plain(rules, whole)


@example(["a"], "i")
@given(st.lists(texts, min_size=1, max_size=20), st.sampled_from(["", "i", "m", "s"]))
@settings(max_examples=200, deadline=None)
def test_every_regex_on_every_value(values: list[str], flags: str) -> None:
    table = pa.table({"Image": pa.array(values, pa.string())})
    made = tuple(Atom("Image", "re", expression, False, flags) for expression in REGEXES)
    rules = rule_set(made, [Leaf(i) for i in range(len(made))])
    assert fast(rules, table, cached=False) == plain(rules, table)
