import pyarrow as pa
import pytest

from labrys.errors import LabrysError
from labrys.triage.named import incident


def table(*uids: str) -> pa.Table:
    rows = [{"rank": rank, "uid": uid} for rank, uid in enumerate(uids, start=1)]
    return pa.Table.from_pylist(rows, pa.schema([("rank", pa.int64()), ("uid", pa.string())]))


@pytest.mark.parametrize(
    ("wanted", "uid"), [("1", "2abcd"), ("2", "1abcd"), ("1abc", "1abcd"), ("2abcd", "2abcd")]
)
def test_an_incident_is_named_by_rank_or_id(wanted: str, uid: str) -> None:
    assert incident(table("2abcd", "1abcd"), wanted)["uid"] == uid


@pytest.mark.parametrize(
    ("uids", "wanted", "said"),
    [
        (("aabbcc", "ddeeff"), "3", "there are ranks 1 to 2"),
        (("aabbcc",), "aab", "this case has one, of rank 1"),
        ((), "1", "this case has none"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    uids: tuple[str, ...], wanted: str, said: str
) -> None:
    with pytest.raises(LabrysError, match=said):
        incident(table(*uids), wanted)
