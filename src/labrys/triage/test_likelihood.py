from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from labrys.triage import incidents
from labrys.triage.likelihood import likelihood
from labrys.triage.testing import START, TASK, finding, table

_SCORES = st.floats(0, 100, allow_nan=False)
_LEVELS = st.integers(1, 5)


@given(_SCORES, _SCORES, _LEVELS, _LEVELS, st.integers(1, 10_000), st.integers(1, 10_000))
def test_more_is_never_less_likely_and_more_incidents_never_make_one_likelier(
    one, other, mild, grave, few, many
):
    low, high = sorted((one, other))
    mild, grave = sorted((mild, grave))
    few, many = sorted((few, many))
    assert 0 < likelihood(low, mild, few) <= likelihood(high, grave, few) < 1
    assert likelihood(low, mild, many) <= likelihood(low, mild, few)


def test_what_only_detectors_found_that_are_sure_of_themselves_is_as_likely_as_they_say():
    entity = ("host", "ws01", "device")
    row = finding(replace(TASK, confidence=93), START, [entity])
    told = [
        incidents(table([row | {"detector": name}])).incidents["confidence"].to_pylist()
        for name in ("mail", "sigma")
    ]
    assert told[0] == [93]
    assert 1 <= told[1][0] < 50
