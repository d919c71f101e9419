import pyarrow as pa

from labrys.decisions.places import pairs
from labrys.decisions.test_exclusion import entity, finding, table


def test_a_finding_is_at_its_first_host_or_else_its_account_or_user() -> None:
    rows = [
        finding(0, entities=[entity("user", "Bob"), entity("host", "WS01"), entity("host", "x")]),
        finding(1, entities=[entity("user", "Bob"), entity("account", "111122223333")]),
        finding(2, entities=[entity("user", "Bob")]),
        finding(3),
    ]
    where = ["ws01", "111122223333", "bob", ""]
    assert pairs(table(rows)) == [("r1", each) for each in where]
    assert pairs(table(rows).slice(1, 2)) == [("r1", "111122223333"), ("r1", "bob")]
    assert pairs(pa.concat_tables([table(rows[:1]), table(rows[2:])]))[1] == ("r1", "bob")
