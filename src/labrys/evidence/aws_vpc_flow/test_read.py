"""AWS flow logs: as text with and without a header, as JSON, and who asked whom."""

from pathlib import Path
from typing import Any

import pytest

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
