from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.detect.sigma.ir import All, Any_, Leaf, Not
from labrys.detect.sigma.parse.condition import condition
from labrys.detect.sigma.parse.errors import Unusable

A, B, C, D = (Leaf(number) for number in range(4))
DETECTIONS = {"sel_a": A, "sel_b": B, "filter-1": C, "_own": D}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sel_a", A),
        ("sel_a and sel_b or filter-1", Any_((All((A, B)), C))),
        ("sel_a or sel_b and filter-1", Any_((A, All((B, C))))),
        ("not sel_a and sel_b", All((Not(A), B))),
        ("not (sel_a or sel_b)", Not(Any_((A, B)))),
        ("sel_a AND NOT sel_b", All((A, Not(B)))),
        ("((sel_a))", A),
        ("1 of sel_*", Any_((A, B))),
        ("all of sel*", All((A, B))),
        ("any of sel_*", Any_((A, B))),
        ("1 of them", Any_((A, B, C))),
        ("all of them", All((A, B, C))),
        ("2 of them", Any_((All((A, B)), All((A, C)), All((B, C))))),
        ("3 of them", All((A, B, C))),
        ("1 of _*", D),
        ("1 of *1", C),
        ("_own", D),
        ("sel_a and not 1 of filter*", All((A, Not(C)))),
        ("all of sel_a", A),
    ],
)
def test_conditions(text: str, expected: object) -> None:
    assert condition(text, DETECTIONS) == expected


def test_names_may_look_like_operators() -> None:
    assert condition("and or of", {"and": A, "of": B}) == Any_((A, B))
    assert condition("notsel and not notsel", {"notsel": A}) == All((A, Not(A)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected a detection's name, found its end"),
        ("sel_a and", "found its end"),
        ("sel_a sel_b", "unexpected `sel_b`"),
        ("(sel_a", "expected `)`"),
        ("sel_a)", "unexpected `)`"),
        ("and sel_a", "found `and`"),
        ("nosuch", "names `nosuch`, which the rule does not define"),
        ("1 of nosuch*", "fits no detection"),
        ("4 of them", "has only 3"),
        ("0 of them", "has only 3"),
        ("(" * 100 + "sel_a" + ")" * 100, "deeper than"),
    ],
)
def test_malformed_conditions_say_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(Unusable, match="^.*" + reason.replace("(", r"\(").replace(")", r"\)")):
        condition(text, DETECTIONS)


def test_combinations_are_bounded() -> None:
    with pytest.raises(Unusable, match="too many combinations"):
        condition("20 of them", {f"s{i}": Leaf(i) for i in range(40)})


@given(st.text("()andort f1 _*sel", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Unusable):
        assert condition(text, DETECTIONS) is not None
