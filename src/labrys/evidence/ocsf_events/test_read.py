"""Events in OCSF, as JSON and as Parquet."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labrys.evidence.ocsf_events.events import recognise
from labrys.evidence.parquet.read import read as read_parquet
from labrys.evidence.records import Source
from labrys.evidence.test_cloud_event import read_rows

SAMPLES = Path(__file__).parent / "samples"


def test_activities() -> None:
    asked, back, name, call, login, web, other = read_rows("ocsf_events", SAMPLES / "lake.ndjson")
    assert (asked["shape"], asked["resp_bytes"]) == ("ocsf.network_activity", "91000")
    assert (asked["conn_state"], back["flow_role"]) == ("SF", "answer")
    assert (name["query"], name["answer"]) == ("updates.example.com", "203.0.113.9")
    assert call["api.operation"] == "PutUserPolicy"
    assert login["shape"] == "ocsf.authentication"
    assert web["shape"] == "ocsf.http_activity"
    assert other["shape"] == "json.record"


@pytest.mark.parametrize("class_uid", [2004, 2005, None, "x", 9999])
def test_findings_are_none(class_uid: object) -> None:
    assert recognise({"class_uid": class_uid, "metadata": {}, "activity_id": 1}) is None


def test_security_lake_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "lake.parquet"
    rows = [
        {
            "metadata": {"version": "1.1.0"},
            "class_uid": 4001,
            "time": 1_772_600_767_000,
            "src_endpoint": {"ip": ends[0], "port": ports[0]},
            "dst_endpoint": {"ip": ends[1], "port": ports[1]},
            "traffic": {"bytes": size},
        }
        for ends, ports, size in (
            (("10.0.1.2", "203.0.113.9"), (50_000, 443), 900),
            (("203.0.113.9", "10.0.1.2"), (443, 50_000), 7_000),
        )
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    data = path.read_bytes()
    source = Source(path, "lake.parquet", hashlib.sha256(data).hexdigest(), len(data))
    ((shape, batch),) = read_parquet(source)
    asked, answer = batch.to_pylist()
    assert shape == "ocsf.network_activity"
    assert (asked["resp_bytes"], answer["flow_role"]) == ("7000", "answer")
    assert asked["_time"] == 1_772_600_767_000
