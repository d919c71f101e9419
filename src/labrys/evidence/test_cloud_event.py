"""What holds for every cloud format: sniffing, no row lost, nothing raised."""

import fnmatch
import gzip
import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import cloud_event
from labrys.evidence.json_stream import objects
from labrys.evidence.records import LEADING, Source
from labrys.evidence.registry import formats
from labrys.evidence.values import MULTI
from labrys.ocsf.maps import ClassMap, mapping_for

HERE = Path(__file__).parent
SHARED = HERE.parents[3] / "shared" / "data" / "endpoint"
FORMATS = sorted(path.parent.name for path in HERE.glob("*/events.py"))
SAMPLES = [path for name in FORMATS for path in sorted((HERE / name / "samples").iterdir())]


def reader(name: str) -> Any:
    return import_module(f"labrys.evidence.{name}.read")


def source_of(path: Path) -> Source:
    data = path.read_bytes()
    return Source(path, path.name, hashlib.sha256(data).hexdigest(), len(data))


def read_rows(name: str, path: Path) -> list[dict[str, Any]]:
    """The rows of a file, in the order they were met, empty cells left out."""
    rows = []
    for shape, batch in reader(name).read(source_of(path)):
        assert batch.schema.names[: len(LEADING)] == LEADING.names
        assert all(field.type == pa.string() for field in list(batch.schema)[len(LEADING) :])
        for row in batch.to_pylist():
            kept = {key: value for key, value in row.items() if value is not None}
            rows.append({"shape": shape, **kept})
    return sorted(rows, key=lambda row: int(row["_id"].rpartition("-")[2]))


def sample_records(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as stream:
        return [orjson.loads(item) for _, item in objects(stream) if isinstance(item, bytes)]


def read_events(name: str, tmp_path: Path, *events: Any) -> list[dict[str, Any]]:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(orjson.dumps(event) for event in events))
    return read_rows(name, path)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_sniffed_by_content(path: Path) -> None:
    head = path.read_bytes()[: 64 << 10]
    scores = {name: reader(name).sniff(head, "evidence") for name in FORMATS}
    assert scores[path.parts[-3]] > 0.7
    assert scores[path.parts[-3]] == max(scores.values())


def test_each_event_belongs_to_one_format() -> None:
    for path in SAMPLES:
        if path.suffix == ".csv":
            continue
        for record in sample_records(path):
            found = [each for each in cloud_event.recognisers() if each(dict(record)) is not None]
            assert len(found) <= 1, (path, record)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"{",
        b"\x00\x01ElfFile",
        b"<html>",
        b'{"a": 1}\n{"b": 2}\n',
        b"a,b,c\n1,2,3\n",
        b"Mar  4 05:06:07 host sshd[1]: Accepted publickey for a, b, c\n",
        b'{"Event":{"System":{"EventID":1,"Channel":"Security"}}}',
        b'{"action":"opened","repository":{"full_name":"a/b"},"sender":{"login":"c"}}',
        b'{"eventType":"Login","actor":"x"}',
        b'{"operationName":"x","foo":1}',
        b'{"timestamp":"2025-01-01T00:00:00Z","event_type":"alert","src_ip":"192.0.2.1"}',
    ],
)
def test_other_files_are_not_claimed(head: bytes) -> None:
    assert [name for name in FORMATS if reader(name).sniff(head, "x.json")] == []


def test_first_record_longer_than_the_head() -> None:
    event = {"eventVersion": "1.1", "eventSource": "s", "awsRegion": "r", "x": "y" * 100_000}
    head = orjson.dumps({"Records": [event]})[: 64 << 10]
    assert reader("aws_cloudtrail").sniff(head, "x") == 0.6
    assert reader("okta").sniff(head, "x") == 0


def test_mixed_file_gives_each_row_its_own_shape(tmp_path: Path) -> None:
    lines = [
        *sample_records(HERE / "okta" / "samples" / "log.json"),
        *sample_records(HERE / "github_audit" / "samples" / "export.json"),
        *sample_records(HERE / "kubernetes_audit" / "samples" / "list.json"),
    ]
    rows = read_events("okta", tmp_path, *lines, {"hello": "world", "time": "2025-01-01T00:00:00Z"})
    assert Counter(row["shape"] for row in rows) == {
        "okta.system": 2,
        "github.audit": 2,
        "kubernetes.audit": 2,
        "json.record": 1,
    }
    assert rows[-1]["hello"] == "world"
    assert rows[-1]["_time"] == 1_735_689_600_000


def test_names_of_ours_and_names_without_end(tmp_path: Path) -> None:
    labels = [{f"label{number}-{at}": "v" for at in range(50)} for number in range(100)]
    event = {"auditID": "1", "stage": "ResponseComplete", "verb": "get", "_id": "own", "_time": 5}
    rows = read_events("kubernetes_audit", tmp_path, *({**event, "labels": it} for it in labels))
    assert [row["__id"] for row in rows] == ["own"] * 100
    assert len({name for row in rows for name in row}) < 1_100
    assert all(any("label" in f"{name}{value}" for name, value in row.items()) for row in rows)


def test_envelope_is_kept_and_bounded(tmp_path: Path) -> None:
    event = {"auditID": "1", "stage": "ResponseComplete", "verb": "get"}
    batch = {"logGroup": "g", "long": "x" * 5000, "logEvents": [{"message": json.dumps(event)}] * 3}
    rows = read_events("kubernetes_audit", tmp_path, batch)
    assert [row["envelope.logGroup"] for row in rows] == ["g"] * 3
    assert ["envelope.long" in row for row in rows] == [True, False, False]
    assert {row["shape"] for row in rows} == {"kubernetes.audit"}
    assert len({row["_id"] for row in rows}) == 3
    assert len({row["_offset"] for row in rows}) == 1


def test_names_spelt_as_documented_unless_taken() -> None:
    spelling = cloud_event.spelling("eventName", "userAgent")
    record = {"eventname": 1, "USERAGENT": 2, "userAgent": 3, "other": 4}
    spelt = cloud_event.respell(record, spelling)
    assert spelt == {"eventName": 1, "USERAGENT": 2, "userAgent": 3, "other": 4}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("203.0.113.7:443", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("203.0.113.7", "203.0.113.7"),
        ("AWS Internal", "AWS Internal"),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_address(value: Any, wanted: str | None) -> None:
    assert cloud_event.address(value) == wanted


def _pieces() -> Iterator[bytes]:
    yield from (b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"null", b"1e999", b"\x00")
    yield from (b'{"Records":[', b'"detail":', b"\xff", b"\n", b"-0", b'""', b'{"events":[{},[]]}')
    yield from (b'"Parameters":[{"Name":1}]', b"true", b'"properties":"x"', b'"message":"{}"')


@given(
    st.sampled_from(SAMPLES),
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.integers(0, 60),
            st.one_of(st.sampled_from(list(_pieces())), st.binary(max_size=6)),
        ),
        min_size=1,
        max_size=6,
    ),
)
@settings(max_examples=250, deadline=None)
def test_damaged_samples_never_raise(
    tmp_path_factory: pytest.TempPathFactory, path: Path, edits: list[tuple[float, int, bytes]]
) -> None:
    data = path.read_bytes()
    for where, cut, piece in edits:
        at = int(where * len(data))
        data = data[:at] + piece + data[at + cut :]
    damaged = tmp_path_factory.getbasetemp() / "damaged"
    damaged.write_bytes(data)
    name = path.parts[-3]
    first, again = read_rows(name, damaged), read_rows(name, damaged)
    assert first == again
    with damaged.open("rb") as stream:
        records = sum(1 for _ in objects(stream)) if data[:1] in (b"{", b"[") else 0
    assert len(first) >= records
    for each in FORMATS:
        assert 0 <= reader(each).sniff(data[: 64 << 10], "x") <= 1


_JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 63), (1 << 64) - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(SAMPLES), st.data())
@settings(max_examples=250, deadline=None)
def test_wrong_types_anywhere_never_raise(path: Path, data: st.DataObject) -> None:
    if path.suffix in (".csv", ".log"):
        return
    record = data.draw(st.sampled_from(sample_records(path)))
    places = list(_places(record))
    for holder, key in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        holder[key] = data.draw(_JSON)
    rows = cloud_event.rows_of(record, cloud_event.recognisers(), "json.record")
    assert rows
    for shape, fields, time in rows:
        assert shape
        assert time is None or isinstance(time, int)
        assert all(isinstance(name, str) for name in fields)
        assert not any(isinstance(value, dict) for value in fields.values())


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every member and element of a nested value, as its holder and its key."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def test_a_huge_activity_does_not_multiply() -> None:
    record = {
        "kind": "admin#reports#activity",
        "id": {"applicationName": "drive", "time": "2025-01-01T00:00:00Z"},
        "junk": "x" * 1_000_000,
        "events": [{"name": "view"}] * 5_000,
    }
    rows = cloud_event.rows_of(record, cloud_event.recognisers(), "json.record")
    assert len(rows) == 1_000
    assert sum(len(str(fields)) for _, fields, _ in rows) < 3_000_000
    assert len(rows[0][1]["events.name"]) == 4_000


def _golden_rows() -> Iterator[dict[str, Any]]:
    for path in sorted(HERE.glob("*/golden/*.jsonl")):
        if path.parts[-3] in FORMATS:
            yield from map(orjson.loads, path.read_text("utf-8").splitlines())


def _fits(row: dict[str, Any], made: ClassMap) -> bool:
    return made.fits(row["shape"]) and all(row.get(name) in want for name, want in made.where)


def _attribute(row: dict[str, Any], made: ClassMap, path: str) -> Any:
    found = next((each for each in made.attributes if each.path == path), None)
    if found is None:
        return None
    return next((row[name] for name in found.columns if row.get(name)), found.value)


@pytest.mark.parametrize(
    ("shape", "class_uid", "wanted"),
    [
        ("aws.cloudtrail", 6003, {"api.operation", "actor.user.name", "src_endpoint.ip"}),
        ("aws.cloudtrail", 3002, {"user.name", "src_endpoint.ip", "status"}),
        ("aws.cloudtrail", 3005, {"actor.user.name", "user.name", "privileges"}),
        ("azure.activity", 6003, {"api.operation", "src_endpoint.ip"}),
        ("azure.activity", 3005, {"actor.user.name", "resources.uid"}),
        ("entra.signin", 3002, {"user.name", "src_endpoint.ip", "service.name", "status_code"}),
        ("entra.audit", 6003, {"api.operation", "actor.user.name", "resources.uid"}),
        ("entra.audit", 3005, {"user.name", "privileges", "actor.user.name"}),
        ("entra.audit", 3001, {"user.name"}),
        ("entra.risk", 2004, {"finding_info.title", "user.name", "src_endpoint.ip", "severity"}),
        ("entra.pim", 3005, {"privileges"}),
        ("m365.audit", 6003, {"api.operation", "api.service.name", "actor.user.name"}),
        ("m365.audit", 3002, {"user.name", "src_endpoint.ip", "http_request.user_agent"}),
        ("m365.audit", 3005, {"user.name", "privileges"}),
        ("okta.system", 6003, {"api.operation", "actor.user.name", "src_endpoint.ip"}),
        ("okta.system", 3002, {"user.name", "src_endpoint.ip", "session.uid"}),
        ("okta.system", 3001, {"user.name", "actor.user.name"}),
        ("google.workspace", 6003, {"api.operation", "api.service.name", "actor.user.name"}),
        ("google.workspace", 3002, {"user.name", "src_endpoint.ip"}),
        ("google.workspace", 3001, {"user.name", "actor.user.name"}),
        ("google.workspace", 3005, {"user.name", "privileges"}),
        ("gcp.audit", 6003, {"api.operation", "actor.user.name", "src_endpoint.ip"}),
        ("gcp.audit", 3001, {"user.name", "actor.user.name"}),
        ("github.audit", 6003, {"api.operation", "actor.user.name", "resources.uid"}),
        ("github.audit", 3005, {"user.name", "privileges"}),
        ("kubernetes.audit", 6003, {"api.operation", "actor.user.name", "resources.type"}),
    ],
)
def test_ocsf_maps_fill_from_the_samples(shape: str, class_uid: int, wanted: set[str]) -> None:
    made = next(each for each in mapping_for(shape) if each.class_uid == class_uid)
    rows = [row for row in _golden_rows() if row["shape"] == shape and _fits(row, made)]
    assert rows
    for path in wanted:
        assert any(_attribute(row, made, path) for row in rows), path


def test_aliases_name_columns() -> None:
    tables = [tomllib.loads((HERE / name / "fields.toml").read_text("utf-8")) for name in FORMATS]
    aliases = {shape: names for table in tables for shape, names in table["aliases"].items()}
    shapes = {shape for name in FORMATS for shape in _format_shapes(name)}
    assert aliases.keys() <= shapes
    for names in aliases.values():
        for field, columns in names.items():
            written = columns if isinstance(columns, list) else [columns]
            listed = [one["column"] if isinstance(one, dict) else one for one in written]
            assert field
            assert listed
            assert all(isinstance(column, str) and column for column in listed)
            assert len(set(listed)) == len(listed)


def _format_shapes(name: str) -> list[str]:
    return list(tomllib.loads((HERE / name / "format.toml").read_text("utf-8"))["shapes"])


def test_every_shape_is_declared() -> None:
    mixed = {shape for made in formats() if made.mixed for shape in made.shapes}
    declared = mixed | {"json.record", "csv.record", "unparsed"}
    for path in SAMPLES:
        for shape in {row["shape"] for row in read_rows(path.parts[-3], path)}:
            assert any(fnmatch.fnmatchcase(shape, pattern) for pattern in declared), shape


# ---- the real data sets

LOG_TYPES = {
    "AWS.CloudTrail": ("aws_cloudtrail", "aws.cloudtrail"),
    "Azure.MonitorActivity": ("azure_activity", "azure.activity"),
    "GSuite.ActivityEvent": ("google_workspace", "google.workspace"),
    "GCP.AuditLog": ("gcp_audit", "gcp.audit"),
    "GitHub.Audit": ("github_audit", "github.audit"),
    "Okta.SystemLog": ("okta", "okta.system"),
    "Microsoft365.Audit.Exchange": ("m365_audit", "m365.audit"),
    "Microsoft365.Audit.SharePoint": ("m365_audit", "m365.audit"),
    "Microsoft365.Audit.AzureActiveDirectory": ("m365_audit", "m365.audit"),
}


def _shared(name: str) -> list[dict[str, Any]]:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with gzip.open(path) as lines:
        return [orjson.loads(line) for line in lines]


def _choice(path: Path) -> str:
    head = path.read_bytes()[: 64 << 10]
    return max(FORMATS, key=lambda name: reader(name).sniff(head, path.name))


@pytest.mark.shared
@pytest.mark.parametrize("log_type", LOG_TYPES)
def test_rule_test_events(log_type: str, tmp_path: Path) -> None:
    tests = _shared("saas_cloud_rule_tests.jsonl.gz")
    events = [test["event"] for test in tests if test["log_types"] == log_type]
    name, shape = LOG_TYPES[log_type]
    rows = read_events(name, tmp_path, *events)
    assert _choice(tmp_path / "events.ndjson") == name
    assert len(rows) == len(events)
    shapes = Counter(row["shape"] for row in rows)
    assert shapes["unparsed"] == 0
    # Of GCP's, six are only a method's name and five are Workspace's; of GitHub's, two have
    # neither an action of the audit log nor anything else of it.
    assert shapes[shape] >= len(events) - {"GCP.AuditLog": 11, "GitHub.Audit": 2}.get(log_type, 0)


@pytest.mark.shared
def test_detonations(tmp_path: Path) -> None:
    events = [line["event"] for line in _shared("cloudtrail_stratus_detonations.jsonl.gz")]
    rows = read_events("aws_cloudtrail", tmp_path, *events)
    assert _choice(tmp_path / "events.ndjson") == "aws_cloudtrail"
    assert [row["shape"] for row in rows] == ["aws.cloudtrail"] * len(events)
    assert all("_time" in row and row["eventName"] for row in rows)
    whole = tmp_path / "whole.json"
    whole.write_bytes(orjson.dumps({"Records": events}))
    leave = ("_id", "_offset", "_source")
    again = read_rows("aws_cloudtrail", whole)
    for row, other in zip(rows, again, strict=True):
        assert {k: v for k, v in row.items() if k not in leave} == {
            k: v for k, v in other.items() if k not in leave
        }


@pytest.mark.shared
def test_unified_audit_log(tmp_path: Path) -> None:
    events = _shared("m365_unified_audit.jsonl.gz")
    rows = read_events("m365_audit", tmp_path, *events)
    assert _choice(tmp_path / "events.ndjson") == "m365_audit"
    assert [row["shape"] for row in rows] == ["m365.audit"] * len(events)
    assert all("_time" in row for row in rows)
    for event, row in zip(events, rows, strict=True):
        assert row["Operation"] == event["Operation"]
        pairs = event.get("Parameters")
        for pair in pairs if isinstance(pairs, list) else []:
            values = row.get(f"Parameters.{pair['Name']}", "").split(MULTI)
            assert not pair["Value"] or pair["Value"].replace(MULTI, "") in values
