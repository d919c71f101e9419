"""AWS flow logs: as text with and without a header, as JSON, and who asked whom."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.aws_vpc_flow.columns import flows
from labrys.evidence.parquet.read import read as read_parquet
from labrys.evidence.records import Source
from labrys.evidence.test_cloud_event import read_rows

SAMPLES = Path(__file__).parent / "samples"
SIDES = ("id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "flow_role")


def sides(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in SIDES)


def test_the_default_format() -> None:
    asked, answered, refused, ping, nothing, broken = read_rows(
        "aws_vpc_flow", SAMPLES / "default.log"
    )
    assert sides(asked) == ("10.0.1.20", "49152", "203.0.113.9", "443", "request")
    assert (asked["orig_bytes"], asked["resp_bytes"]) == ("4249", "91000")
    assert (asked["orig_pkts"], asked["resp_pkts"], asked["proto"]) == ("20", "18", "tcp")
    assert asked["_time"] == 1_772_600_400_000
    assert sides(answered) == ("10.0.1.20", "49152", "203.0.113.9", "443", "answer")
    assert answered["srcaddr"] == "203.0.113.9"
    assert refused["conn_state"] == "REJ"
    assert ping["proto"] == "icmp"
    assert "id.orig_h" not in nothing
    assert nothing["log-status"] == "NODATA"
    assert broken["shape"] == "unparsed"


def test_a_custom_format_with_flags() -> None:
    reset, back, answer, asked = read_rows("aws_vpc_flow", SAMPLES / "custom.log")
    assert reset["conn_state"] == "REJ"
    assert back["flow_role"] == "answer"
    # The server's port is no known service's: its SYN with ACK tells that it answers.
    assert sides(answer)[4] == "answer"
    assert sides(asked) == ("10.0.1.30", "41000", "10.0.2.41", "9999", "request")
    assert asked["conn_state"] == "SF"
    assert asked["resp_bytes"] == "6000"


def test_what_carried_them() -> None:
    rows = read_rows("aws_vpc_flow", SAMPLES / "logged.ndjson")
    assert [row["shape"] for row in rows] == ["aws.vpc_flow"] * 4 + ["json.record"]
    asked, answered, refused, table, _ = rows
    assert (asked["resp_bytes"], answered["flow_role"]) == ("91000", "answer")
    assert answered["envelope.logGroup"] == "flows"
    assert refused["conn_state"] == "REJ"
    assert table["flow-direction"] == "egress"
    assert table["_time"] == 1_772_600_500_000


@pytest.mark.parametrize("stamp", ["", "2026-03-04T05:00:00.000Z "])
def test_without_a_header(tmp_path: Path, stamp: str) -> None:
    line = (
        "2 111122223333 eni-0a1b2c3d 10.0.1.2 10.0.1.3 5 80 6 1 40 1772600400 1772600401 ACCEPT OK"
    )
    path = tmp_path / "x"
    path.write_text(f"{stamp}{line}\n{stamp}{line}\n")
    rows = read_rows("aws_vpc_flow", path)
    assert [row["dstport"] for row in rows] == ["80", "80"]
    assert [row["_offset"] for row in rows] == [0, len(stamp + line) + 1]


def test_headers_between_joined_files(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(
        "srcaddr dstaddr dstport\n10.0.0.1 10.0.0.2 22\ndstport dstaddr srcaddr\n80 10.0.0.4 10.0.0.3\n"
    )
    rows = read_rows("aws_vpc_flow", path)
    assert [(row["srcaddr"], row["dstport"]) for row in rows] == [
        ("10.0.0.1", "22"),
        ("10.0.0.3", "80"),
    ]


def test_headers_without_end_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("srcaddr dstaddr dstport\n10.0.0.1 10.0.0.2 22\n" * 1_500)
    rows = read_rows("aws_vpc_flow", path)
    assert len([row for row in rows if row["srcaddr"] == "10.0.0.1"]) == 1_500
    assert len(rows) == 2_000


def test_parquet_as_aws_delivers_it(tmp_path: Path) -> None:
    path = tmp_path / "flows.parquet"
    table = pa.table(
        {
            "interface_id": ["eni-1", "eni-1"],
            "srcaddr": ["10.0.1.2", "203.0.113.9"],
            "dstaddr": ["203.0.113.9", "10.0.1.2"],
            "srcport": pa.array([50_000, 443], pa.int32()),
            "dstport": pa.array([443, 50_000], pa.int32()),
            "protocol": pa.array([6, 6], pa.int32()),
            "bytes": [900, 7_000],
            "start": [1_772_600_400, 1_772_600_400],
            "log_status": ["OK", "OK"],
        }
    )
    pq.write_table(table, path)
    data = path.read_bytes()
    source = Source(path, "flows.parquet", hashlib.sha256(data).hexdigest(), len(data))
    ((shape, batch),) = read_parquet(source)
    asked, answer = batch.to_pylist()
    assert shape == "aws.vpc_flow"
    assert (asked["resp_bytes"], asked["_time"]) == ("7000", 1_772_600_400_000)
    assert answer["flow_role"] == "answer"


def _reference(records: list[tuple[str, int, str, int, int]]) -> list[tuple[str, int]]:
    """Who asked, told plainly: a service's port below 1024 is the server's, else who spoke first."""
    first: dict[frozenset[tuple[str, int]], tuple[str, int]] = {}
    for src, sport, dst, dport, _ in sorted(records, key=lambda each: each[4]):
        first.setdefault(frozenset([(src, sport), (dst, dport)]), (src, sport))
    made = []
    for src, sport, dst, dport, _ in records:
        if (sport < 1024) != (dport < 1024):
            made.append((dst, dport) if sport < 1024 else (src, sport))
        else:
            made.append(first[frozenset([(src, sport), (dst, dport)])])
    return made


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["10.0.0.1", "10.0.0.2"]),
            st.sampled_from([22, 443, 40_000, 50_000]),
            st.sampled_from(["10.0.0.3", "10.0.0.4"]),
            st.sampled_from([22, 443, 40_000, 50_000]),
            st.integers(0, 50),
            st.booleans(),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_who_asked_is_as_a_plain_reading_says(
    drawn: list[tuple[str, int, str, int, int, bool]],
) -> None:
    records = [
        (dst, dport, src, sport, at) if back else (src, sport, dst, dport, at)
        for src, sport, dst, dport, at, back in drawn
    ]
    columns = [list(map(str, column)) for column in zip(*records, strict=True)]
    names = ("srcaddr", "srcport", "dstaddr", "dstport")
    batch = pa.RecordBatch.from_pydict(
        {
            "_time": pa.array([each[4] * 1000 for each in records], pa.int64()),
            **dict(zip(names, columns[:4], strict=True)),
            "protocol": ["6"] * len(records),
            "bytes": ["1"] * len(records),
        }
    )
    rows = flows(batch).to_pylist()
    told = [(row["id.orig_h"], int(row["id.orig_p"])) for row in rows]
    assert told == _reference(records)
    answered = [row for row in rows if row["flow_role"] == "answer"]
    requests = [row for row in rows if row["flow_role"] == "request" and row.get("resp_bytes")]
    asking = [row for row in requests if row.get("orig_bytes")]
    assert len(answered) == len(asking)
