"""Compiled rules mean what their YAML says: an independent reading of it finds the same rows."""

import base64
import ipaddress
import re
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.detect.sigma.ir import RuleSet
from labrys.detect.sigma.parse import compile_texts
from sigma_reference import matches

FIELDS = ("A", "B", "C")
Event = dict[str, str | None]

# --------------------------------------------------------------- an independent reading of the YAML


def condition(text: str, truth: dict[str, bool]) -> bool:
    """By rewriting: quantifiers become parenthesised words, and Python evaluates the rest."""

    def chosen(found: re.Match[str]) -> str:
        pattern = ".*" if found[2] == "them" else found[2].replace("*", ".*")
        values = [
            value
            for name, value in truth.items()
            if re.fullmatch(pattern, name) and (name[0] != "_" or pattern[0] == "_")
        ]
        needed = len(values) if found[1] == "all" else int(found[1].replace("any", "1"))
        return str(sum(values) >= needed)

    text = re.sub(r"\b(\d+|any|all) of (\S*[\w*])", chosen, text)
    words = {name: str(value) for name, value in truth.items()}
    text = re.sub(r"[\w-]+", lambda found: words.get(found[0], found[0]), text)
    return bool(eval(text, {"__builtins__": {}}))


def detection(definition: Any, event: Event) -> bool:
    if isinstance(definition, dict):
        return all(item(key, value, event) for key, value in definition.items())
    if isinstance(definition, list):
        if any(isinstance(one, dict) for one in definition):
            return any(detection(one, event) for one in definition)
        return item("", definition, event)
    return item("", definition, event)


def item(key: str, value: Any, event: Event) -> bool:
    field, *modifiers = key.split("|")
    values = value if isinstance(value, list) else [value]
    if not field:
        cells = [cell for cell in event.values() if cell is not None]
        wanted = [any(keyword(one, modifiers, cell) for cell in cells) for one in values]
    else:
        wanted = [compare(one, modifiers, event.get(field), event) for one in values]
    answer = all(wanted) if "all" in modifiers else any(wanted)
    return not answer if "neq" in modifiers else answer


def keyword(value: Any, modifiers: list[str], cell: str) -> bool:
    if "re" in modifiers:
        return compare(value, modifiers, cell, {})
    return compare(value, [*modifiers, "contains"], cell, {})


NUMERIC = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
}
PARTS = ("minute", "hour", "day", "month", "year", "week")


def compare(value: Any, modifiers: list[str], cell: str | None, event: Event) -> bool:
    if "exists" in modifiers:
        return (cell is not None) == value
    if value is None:
        return cell is None
    if cell is None:
        return False
    for name, holds in NUMERIC.items():
        if name in modifiers:
            return number(cell) is not None and holds(number(cell), float(value))
    for part in PARTS:
        if part in modifiers:
            return moment(cell, part) == int(value)
    if "cidr" in modifiers:
        return inside(cell, value)
    if "re" in modifiers:
        flags = {"i": re.I, "m": re.M, "s": re.S}
        given_flags = sum(flags[one] for one in modifiers if one in flags)
        return re.search(value, cell, given_flags | re.ASCII) is not None
    if "fieldref" in modifiers:
        other = event.get(value)
        return other is not None and placed(cell.lower(), other.lower(), modifiers)
    if isinstance(value, bool | int | float):
        value = str(value).lower()
    variants = [value]
    if "windash" in modifiers:
        variants = dashes(value)
    if "base64" in modifiers:
        variants = [base64.b64encode(value.encode()).decode()]
    return any(words(one, modifiers, cell) for one in variants)


def placed(cell: str, other: str, modifiers: list[str]) -> bool:
    if "contains" in modifiers or {"startswith", "endswith"} <= set(modifiers):
        return other in cell
    if "startswith" in modifiers:
        return cell.startswith(other)
    return cell.endswith(other) if "endswith" in modifiers else cell == other


def words(value: str, modifiers: list[str], cell: str) -> bool:
    pattern = "".join(expression(value))
    if "contains" in modifiers or "endswith" in modifiers:
        pattern = ".*" + pattern
    if "contains" in modifiers or "startswith" in modifiers:
        pattern += ".*"
    flags = re.S if "cased" in modifiers else re.S | re.I | re.ASCII
    return re.fullmatch(pattern, cell, flags) is not None


def expression(value: str) -> list[str]:
    """`*` and `?` are wildcards; a backslash takes one of them, or itself, literally."""
    made = []
    at = 0
    while at < len(value):
        if value[at] == "\\" and value[at + 1 : at + 2] in ("*", "?", "\\") and value[at + 1 :]:
            made.append(re.escape(value[at + 1]))
            at += 2
            continue
        made.append({"*": ".*", "?": "."}.get(value[at], re.escape(value[at])))
        at += 1
    return made


def dashes(value: str, start: int = 0) -> list[str]:
    """Every dash that begins a word may be any of the five signs."""
    found = re.compile(r"\B[-/]\b").search(value, start)
    if found is None:
        return [value[start:]]
    rest = dashes(value, found.end())
    return [
        value[start : found.start()] + sign + one for sign in "-/\u2013\u2014\u2015" for one in rest
    ]


def number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def moment(cell: str, part: str) -> int | None:
    try:
        made = datetime.fromisoformat(cell)
    except ValueError:
        return None
    made = made.replace(tzinfo=UTC) if made.tzinfo is None else made.astimezone(UTC)
    return made.isocalendar()[1] if part == "week" else int(getattr(made, part))


def inside(cell: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(cell) in ipaddress.ip_network(network)
    except ValueError:
        return False


# --------------------------------------------------------------------------------------- strategies

LETTERS = "abAB-/ .\\"
plain = st.text(LETTERS, max_size=4)
patterns = st.text(LETTERS + "*?\\", max_size=5)
cells = st.one_of(
    st.none(),
    plain,
    patterns,
    st.integers(-3, 30).map(str),
    st.sampled_from(["true", "False", "1.5", "10.0.0.7", "fe80::1", "\u2013a", "\u2014ab"]),
    st.sampled_from(["2026-03-01T10:05:00Z", "2024-12-30 23:59:59", "2024-02-29T00:30:00+01:00"]),
    plain.map(lambda text: base64.b64encode(text.encode()).decode()),
)
placements = st.sampled_from(["", "|contains", "|startswith", "|endswith"])
scalars = st.one_of(patterns, st.integers(-3, 30), st.booleans())
REGEXES = ("a+", "^a", "b$", "A|bb", "[aA]{2}", "a.b", r"\\", r"\d", "a(?=b)")


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    field = draw(st.sampled_from(FIELDS))
    kind = draw(st.integers(0, 8))
    neq = draw(st.sampled_from(["", "", "", "|neq"]))
    if kind <= 2:
        where, cased = draw(placements), draw(st.sampled_from(["", "", "|cased"]))
        every = draw(st.sampled_from(["", "|all"]))
        value = draw(st.lists(patterns, min_size=2 if every else 1, max_size=3))
        return {f"{field}{where}{cased}{every}{neq}": value}
    if kind == 3:
        value = draw(st.one_of(st.none(), st.just(""), scalars, st.lists(scalars, max_size=2)))
        return {f"{field}{neq}": value or ("" if value == [] else value)}
    if kind == 4:
        flags = "".join(f"|{one}" for one in draw(st.sets(st.sampled_from("ims"))))
        return {f"{field}|re{flags}{neq}": draw(st.sampled_from(REGEXES))}
    if kind == 5:
        compared = draw(st.sampled_from([*NUMERIC, *PARTS]))
        value = draw(st.one_of(st.integers(-3, 30), st.sampled_from([2024, 2026, 9])))
        return {f"{field}|{compared}{neq}": value}
    if kind == 6:
        network = draw(st.sampled_from(["10.0.0.0/8", "10.0.0.0/30", "fe80::/10", "::/0"]))
        return {f"{field}|cidr{neq}": network}
    if kind == 7:
        where = draw(placements)
        return {f"{field}|fieldref{where}{neq}": draw(st.sampled_from(FIELDS))}
    text = draw(st.text("abAB-/ ", min_size=1, max_size=5))
    return draw(
        st.sampled_from(
            [
                {f"{field}|windash|contains{neq}": text},
                {f"{field}|windash{neq}": text},
                {f"{field}|base64{neq}": text},
                {f"{field}|exists{neq}": len(text) > 2},
                {f"{field}|base64|contains{neq}": text},
            ]
        )
    )


maps = st.lists(items(), min_size=1, max_size=2).map(
    lambda found: {key: value for one in found for key, value in one.items()}
)
keywords = st.one_of(
    patterns,
    st.lists(patterns, min_size=1, max_size=3),
    st.lists(patterns, min_size=2, max_size=3).map(lambda found: {"|all": found}),
    st.sampled_from(REGEXES).map(lambda found: {"|re": found}),
)
definitions = st.one_of(maps, maps, st.lists(maps, min_size=1, max_size=3), keywords)

NAMES = ("selection", "sel_a", "sel_b", "filter-x", "_hidden")


def conditions(names: list[str]) -> st.SearchStrategy[str]:
    visible = [name for name in names if name[0] != "_"]
    choices = [*names]
    if visible:
        choices += ["1 of them", "all of them", "any of them"]
        choices += [f"{word} of {visible[0][:3]}*" for word in ("1", "all")]
    if len(visible) > 1:
        choices += ["2 of them"]
    return st.recursive(
        st.sampled_from(choices),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map("".join),
            inner.map(lambda text: f"not {text}"),
            inner.map(lambda text: f"({text})"),
        ),
        max_leaves=5,
    )


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    section: dict[str, Any] = {name: draw(definitions) for name in names}
    texts = draw(st.lists(conditions(names), min_size=1, max_size=2))
    section["condition"] = texts[0] if len(texts) == 1 else texts
    return {"title": "t", "logsource": {"product": "windows"}, "detection": section}


def compiled(rule: dict[str, Any]) -> RuleSet:
    text = yaml.safe_dump(rule, sort_keys=False, allow_unicode=True)
    return compile_texts([("rule.yml", text.encode())])


@settings(max_examples=500, deadline=None)
@given(rules(), st.lists(st.fixed_dictionaries(dict.fromkeys(FIELDS, cells)), min_size=1))
def test_same_rows_as_the_yaml_says(rule: dict[str, Any], events: list[Event]) -> None:
    made = compiled(rule)
    assert not made.rejected, made.rejected
    section = rule["detection"]
    texts = section["condition"]
    expected = []
    for number_, event in enumerate(events):
        truth = {name: detection(section[name], event) for name in section if name != "condition"}
        if any(condition(text, truth) for text in ([texts] if isinstance(texts, str) else texts)):
            expected.append(number_)
    columns = {name: pa.array([one[name] for one in events], pa.string()) for name in FIELDS}
    assert matches(made, 0, pa.table(columns)) == expected


printable = st.text(st.sampled_from("abcXYZ019 -/\\*?$(){}\u00e9\u4e2d"), min_size=3, max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=7), printable, st.binary(max_size=7))
def test_base64offset_finds_the_text_at_every_offset(
    before: bytes, text: str, after: bytes
) -> None:
    literal = text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
    rule = {
        "title": "t",
        "logsource": {"product": "windows"},
        "detection": {"s": {"A|base64offset|contains|cased": literal}, "condition": "s"},
    }
    cell = base64.b64encode(before + text.encode() + after).decode()
    assert matches(compiled(rule), 0, pa.table({"A": [cell]})) == [0]
