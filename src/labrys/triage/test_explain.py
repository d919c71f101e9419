import pytest

from labrys.triage import incidents
from labrys.triage.testing import START, TASK, finding, table

HOST = ("host", "ws01", "device")
BOB, ADDRESS = ("user", "bob", "actor"), ("ip", "203.0.113.5", "source")


@pytest.mark.parametrize(
    ("entities", "told"),
    [
        ([HOST], "one finding stands alone on ws01."),
        ([HOST, BOB, ADDRESS], " on ws01 (account bob; address 203.0.113.5)."),
        ([ADDRESS], "one finding stands alone, involving the address 203.0.113.5."),
        ([BOB, ADDRESS], ", involving the account bob and the address 203.0.113.5."),
        (
            [BOB, ADDRESS, ("ip", "203.0.113.6", "target")],
            "the addresses 203.0.113.5, 203.0.113.6.",
        ),
    ],
)
def test_a_summary_says_where_in_whole_phrases(entities, told):
    made = incidents(table([finding(TASK, START, entities)])).incidents
    assert told in made["summary"].to_pylist()[0]
