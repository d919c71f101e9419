from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.detect.alerts.detect import detect
from labrys.detect.alerts.products import LEVELS, products
from labrys.detect.registry import detectors
from labrys.evidence.records import LEADING
from labrys.evidence.values import cell, flatten
from labrys.ocsf.attack import tactics
from labrys.ocsf.schema import ENTITY_TYPES, FINDING

TIME = 1_790_000_000_000


def batch(*records: dict[str, Any], time: int | None = TIME, host: str | None = None) -> pa.Table:
    """Records as a table of one shape, as readers give them."""
    flat = [flatten(record) for record in records]
    names = dict.fromkeys(name for record in flat for name in record)
    count = len(records)
    columns: dict[str, Any] = {
        "_id": pa.array([f"0123456789abcdef0123-{number}" for number in range(count)]),
        "_time": pa.array([time] * count, pa.int64()),
        "_source": pa.array(["case/alerts.json"] * count),
        "_offset": pa.array(range(count), pa.int64()),
        "_host": pa.array([host] * count, pa.string()),
    }
    assert list(columns) == LEADING.names
    for name in names:
        cells = [cell(record.get(name)) for record in flat]
        columns[name] = pa.array(cells, pa.string())
    return pa.table(columns)


def found(shape: str, *records: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    made = detect(shape, batch(*records, **more))
    assert made.schema == FINDING
    made.validate(full=True)
    return made.to_pylist()


def entities(row: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(each["type"], each["value"], each["role"]) for each in row["entities"]}


WAZUH = {
    "timestamp": "2026-09-21T13:33:20.000+0000",
    "rule": {
        "level": 12,
        "description": "Log file of the audit service removed",
        "id": "100200",
        "mitre": {"id": ["T1070.002", "T9999"]},
        "groups": ["audit"],
    },
    "agent": {"id": "003", "name": "web01", "ip": "192.0.2.7"},
    "data": {"srcip": "198.51.100.9", "dstuser": "deploy"},
    "id": "1790000000.1",
}
GUARDDUTY = {
    "schemaVersion": "2.0",
    "accountId": "111122223333",
    "type": "Exfiltration:S3/AnomalousBehavior",
    "title": "An unusual amount was read from a bucket",
    "severity": 7.5,
    "resource": {"accessKeyDetails": {"userName": "ci"}},
    "service": {
        "serviceName": "guardduty",
        "action": {"awsApiCallAction": {"remoteIpDetails": {"ipAddressV4": "203.0.113.4"}}},
    },
}
ASFF = {
    "SchemaVersion": "2018-10-08",
    "ProductArn": "arn:aws:securityhub:eu-west-1::product/example/scanner",
    "GeneratorId": "example-17",
    "AwsAccountId": "111122223333",
    "Title": "Instance talks to a known bad address",
    "Severity": {"Label": "HIGH"},
    "Resources": [{"Id": "arn:aws:ec2:eu-west-1:111122223333:instance/i-0abc"}],
}
GRAPH = {
    "title": "Suspicious service created",
    "severity": "medium",
    "serviceSource": "microsoftDefenderForEndpoint",
    "detectorId": "d-1",
    "mitreTechniques": ["T1543.003"],
    "evidence": [{"deviceDnsName": "ws01.example.com"}, {"userAccount": {"accountName": "ann"}}],
}
ECS = {
    "event": {"kind": "alert"},
    "rule": {"name": "Odd child of a mail program", "id": "77"},
    "host": {"name": "ws02"},
    "user": {"name": "ann"},
    "source": {"ip": "192.0.2.44"},
    "threat": {"technique": {"id": ["T1566"]}},
}
OCSF = {
    "class_uid": 2004,
    "severity_id": 4,
    "confidence_score": 83,
    "time": TIME,
    "finding_info": {
        "title": "Something was found",
        "analytic": {"uid": "rule-1"},
        "attacks": [{"technique": {"uid": "T1059"}}],
    },
    "device": {"hostname": "ws03"},
}
AMINER = {
    "AnalysisComponent": {
        "AnalysisComponentType": "NewMatchPathValueDetector",
        "AnalysisComponentName": "New service in audit log",
        "Message": "New value(s) detected",
    },
    "LogData": {"Timestamps": [1_790_000_123.5], "LogResources": ["file:///var/log/audit"]},
    "AMiner": {"ID": "192.0.2.9"},
}
FALCON = {
    "metadata": {"eventType": "EppDetectionSummaryEvent"},
    "event": {
        "Name": "Known Malware",
        "SeverityName": "Critical",
        "Technique": "User Execution",
        "Hostname": "ws04",
        "UserName": "ann",
    },
}
FALCON_FLAT = {
    "ExternalApiType": "Event_EppDetectionSummaryEvent",
    "Name": "NGAV",
    "SeverityName": "Low",
    "Hostname": "ws05",
}
CARBON = {
    "org_key": "A1",
    "threat_id": "t",
    "backend_timestamp": "2026-03-04T05:06:07Z",
    "reason": "A program ran another",
    "reason_code": "R1",
    "severity": 6,
    "device_name": "ws06",
}
WIZ = {
    "tdrId": "d1",
    "threatId": "t",
    "severity": "HIGH",
    "title": "Port probed",
    "primaryActor": {"externalId": "203.0.113.4"},
}
WIZ_ISSUE = {
    "sourceRule": {"id": "r1", "name": "Bucket open"},
    "entitySnapshot": {"id": "e", "externalId": "bucket-1"},
    "status": "OPEN",
    "severity": "CRITICAL",
}
CANARY = {
    "CanaryID": "c",
    "CanaryName": "FS01",
    "IncidentKey": "k",
    "Description": "SSH login attempt",
}
TRACEBIT = {
    "canary": {"name": "reports", "type": "AWS::S3::Bucket"},
    "alert_id": "a",
    "message": "Canary read",
}
UPWIND = {
    "upwind_console_link": "https://x.example",
    "severity": "HIGH",
    "title": "Odd shell",
    "resource": {"name": "api"},
}
PUSH = {"object": "PASSWORD_PHISHING", "new": {"employee": {"email": "ann@example.com"}}}
BARE = {
    "time": 1_790_000_000,
    "name": "Web: forbidden folder asked for",
    "ip": "192.0.2.3",
    "host": "web",
}


@pytest.mark.parametrize(
    ("record", "rule", "level", "techniques"),
    [
        (WAZUH, "wazuh:100200", "high", ["T1070.002"]),
        (GUARDDUTY, "guardduty:Exfiltration:S3/AnomalousBehavior", "high", []),
        (ASFF, "securityhub:example-17", "high", []),
        (GRAPH, "graph:d-1", "medium", ["T1543.003"]),
        (ECS, "ecs:77", "low", ["T1566"]),
        (OCSF, "ocsf:rule-1", "high", ["T1059"]),
        (AMINER, "aminer:New service in audit log", "low", []),
        (FALCON, "crowdstrike:Known Malware", "critical", []),
        (FALCON_FLAT, "crowdstrike:NGAV", "low", []),
        (CARBON, "carbonblack:R1", "medium", []),
        (WIZ, "wiz:d1", "high", []),
        (WIZ_ISSUE, "wiz_issue:r1", "low", []),
        (CANARY, "thinkst:SSH login attempt", "high", []),
        (TRACEBIT, "tracebit:AWS::S3::Bucket", "high", []),
        (UPWIND, "upwind:Odd shell", "medium", []),
        (PUSH, "push:PASSWORD_PHISHING", "medium", []),
        (BARE, "alert:Web: forbidden folder asked for", "low", []),
    ],
)
def test_products_are_known(
    record: dict[str, Any], rule: str, level: str, techniques: list[str]
) -> None:
    rows = found("json.record", record)
    assert [(row["rule_uid"], row["severity_id"]) for row in rows] == [(rule, LEVELS[level])]
    assert rows[0]["techniques"] == techniques
    assert rows[0]["title"]
    assert rows[0]["entities"]
    assert rows[0]["evidence"] == [
        {"_id": "0123456789abcdef0123-0", "_source": "case/alerts.json", "_offset": 0}
    ]
    assert rows[0]["reasons"]


def test_who_and_where_come_along() -> None:
    assert entities(found("json.record", WAZUH)[0]) == {
        ("host", "web01", "device"),
        ("ip", "192.0.2.7", "device"),
        ("ip", "198.51.100.9", "source"),
        ("user", "deploy", "target"),
    }
    assert ("account", "111122223333", "object") in entities(found("json.record", GUARDDUTY)[0])
    assert entities(found("csv.record", BARE)[0]) == {
        ("host", "web", "device"),
        ("ip", "192.0.2.3", "device"),
    }


def test_a_tactic_or_a_time_of_its_own_is_taken() -> None:
    assert found("json.record", GUARDDUTY)[0]["tactics"] == ["exfiltration"]
    assert found("json.record", AMINER, time=None)[0]["time_start"] == 1_790_000_123_500
    assert found("json.record", OCSF)[0]["confidence"] == 83


@pytest.mark.parametrize(
    ("level", "wanted"),
    [("2", 1), ("3", 2), ("7", 2), ("9", 2), ("10", 3), ("12", 4), ("15", 5), ("x", 2)],
)
def test_levels_of_wazuh(level: str, wanted: int) -> None:
    record = {**WAZUH, "rule": {**WAZUH["rule"], "level": level}}  # type: ignore[dict-item]
    assert found("json.record", record)[0]["severity_id"] == wanted


@pytest.mark.parametrize(
    ("severity", "category", "wanted"),
    [
        (1, "Attempted Administrator Privilege Gain", 3),
        (2, "Attempted Information Leak", 2),
        (3, "Generic Protocol Command Decode", 2),
        (2, "Malware Command and Control Activity Detected", 4),
    ],
)
def test_severities_of_suricata(severity: int, category: str, wanted: int) -> None:
    alert = {
        "signature": "EXAMPLE rule",
        "signature_id": 9,
        "severity": severity,
        "category": category,
    }
    record = {"event_type": "alert", "src_ip": "192.0.2.1", "dest_ip": "192.0.2.2", "alert": alert}
    row = found("suricata.alert", record, host="sensor")[0]
    assert row["severity_id"] == wanted
    assert row["techniques"] == (["T1071"] if "Control" in category else [])
    assert ("ip", "192.0.2.1", "source") in entities(row)


def test_results_of_checks_are_no_alerts() -> None:
    assert not found("json.record", {**ASFF, "Compliance": {"Status": "FAILED"}})


@pytest.mark.parametrize(
    "record",
    [
        {"time": 1, "name": "cron", "host": "web", "ip": "192.0.2.3"},
        {"time": 1, "name": "John Smith", "host": "ws1", "phone": "5", "desk": "9", "email": "x"},
        {"level": "ERROR", "name": "root", "message": "It failed again", "host": "web"},
        {"rule_name": "allow any out", "src_ip": "192.0.2.3", "dst_ip": "192.0.2.4", "bytes": 7, "port": 4},
        {"class_uid": 2005, "finding_info": {"title": "An incident"}, "device": {"hostname": "a"}},
        {"title": "A song of mine", "artist": "x"},
        {},
    ],
)  # fmt: skip
def test_other_records_are_no_alerts(record: dict[str, Any]) -> None:
    assert not found("json.record", record)
    assert not found("linux.syslog", WAZUH)


def test_a_timeline_is_no_alerts() -> None:
    line = {"Time": "1772600767", "Source": "LOG", "Host": "ws9", "User": "-"}
    described = {**line, "Description": "Service started again"}
    assert not found("csv.record", described)
    assert found("csv.record", {**described, "Severity": "high"})


def test_a_bare_table_without_times_is_no_alerts() -> None:
    assert not found("csv.record", BARE, time=None)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("Critical", 4), ("high", 3), ("MEDIUM", 2), ("info", 1), ("7", 2), ("", 2)],
)
def test_an_unknown_product_weighs_a_step_less_than_it_says(said: str, wanted: int) -> None:
    record = {"Alert Name": "Ransom note written", "Severity": said, "ComputerName": "ws9"}
    assert found("csv.record", record)[0]["severity_id"] == wanted


def test_what_varies_is_no_part_of_a_rule() -> None:
    names = ["Login of 'ann' from 192.0.2.1", "Login of 'bob' from 198.51.100.23"]
    rows = found("csv.record", *({**BARE, "name": name} for name in names))
    assert {row["rule_uid"] for row in rows} == {"alert:Login of # from #"}
    assert [row["title"] for row in rows] == names


def test_each_record_is_one_finding_of_one_product() -> None:
    rows = found(
        "json.record", WAZUH, {**ECS, "title": "x y", "severity": "high"}, BARE, {"a": "b"}
    )
    assert [row["rule_uid"].partition(":")[0] for row in rows] == ["wazuh", "ecs", "alert"]
    assert len({row["uid"] for row in rows}) == len(rows)


def test_the_table_of_products_is_sound() -> None:
    known = set(tactics()) | {"defense-evasion"}
    for product in products():
        assert product.title
        assert 0 < product.confidence <= 100
        assert {tactic for _, tactic in product.tactics[1]} <= known
        for each in product.entities or ():
            assert each.type in ENTITY_TYPES
    assert any(made.id == "alerts" for made in detectors())


VALUES = st.one_of(
    st.none(), st.text(max_size=20), st.integers(), st.floats(), st.booleans(),
    st.lists(st.text(max_size=5), max_size=3), st.just("T1059"), st.just("9" * 400),
)  # fmt: skip
NAMES = st.sampled_from(
    ["rule.level", "rule.id", "rule.description", "agent.id", "agent.ip", "severity", "title", "type",
     "service.serviceName", "name", "time", "host", "ip", "alert", "class_uid", "finding_info.title",
     "confidence_score", "event.kind", "source", "AnalysisComponent.AnalysisComponentType"]
)  # fmt: skip


@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=12), min_size=1, max_size=4))
def test_whatever_a_record_holds_it_is_a_finding_or_none(records: list[dict[str, Any]]) -> None:
    for shape in ("json.record", "csv.record", "suricata.alert", "windows.windows_defender.1116"):
        for row in found(shape, *records):
            assert 1 <= row["severity_id"] <= 5
            assert 0 <= row["confidence"] <= 100
            assert orjson.dumps(row["title"])


def test_what_hayabusa_and_a_firewall_say_joins_in() -> None:
    row = {"RuleTitle": "Made up", "Level": "crit", "Computer": "pc-7", "Channel": "Sec"}
    (alert,) = found("csv.record", row)
    assert (alert["title"], alert["severity_id"]) == ("Made up", 4)
    assert ("host", "pc-7", "device") in entities(alert)
    attack = {"event_kind": "alert", "alert_name": "Made.Up", "alert_level": "critical"}
    (alert,) = found("appliance.fortigate", {**attack, "src_ip": "203.0.113.9"})
    assert (alert["title"], alert["severity_id"]) == ("Made.Up", 3)
    assert not found("appliance.fortigate", {**attack, "event_kind": "traffic"})


FLOW = {
    "src_ip": "192.0.2.7",
    "src_port": 49152,
    "dest_ip": "203.0.113.9",
    "dest_port": 80,
    "proto": "TCP",
}
EVE = {**FLOW, "alert": {"signature": "EXAMPLE checkin", "signature_id": 2019401, "severity": 1}}
COPY = {
    "rule": {"level": 3, "description": "Suricata: Alert - EXAMPLE checkin", "id": "86601"},
    "agent": {"id": "003", "name": "sensor", "ip": "192.0.2.2"},
    "data": {**EVE, "timestamp": "2026-09-21T14:13:20.000000+0000"},
}


def test_what_one_sensor_writes_twice_is_one_finding() -> None:
    (eve,) = found("suricata.alert", EVE)
    # fast.log has the same alert at another place, and so have other readers.
    back = {
        "src_ip": "dest_ip",
        "src_port": "dest_port",
        "dest_ip": "src_ip",
        "dest_port": "src_port",
    }
    turned = {**EVE, **{back[name]: FLOW[name] for name in back}}
    (again,) = found("suricata.alert", turned)
    # Wazuh passes it on a second later.
    (copied,) = found("json.record", COPY, time=TIME + 1000)
    assert eve["uid"] == again["uid"] == copied["uid"]
    assert eve["rule_uid"] == copied["rule_uid"]
    assert eve["severity_id"] == copied["severity_id"]


@pytest.mark.parametrize(
    "change", [{"src_port": 49153}, {"dest_ip": "203.0.113.10"}, {"proto": "UDP"}]
)
def test_another_connection_is_another_finding(change: dict[str, Any]) -> None:
    first, second = found("suricata.alert", EVE, {**EVE, **change})
    assert first["uid"] != second["uid"]


def test_another_time_is_another_finding() -> None:
    (first,), (second,) = (found("suricata.alert", EVE, time=TIME + more) for more in (0, 60_000))
    assert first["uid"] != second["uid"]


def test_what_stands_for_ports_in_icmp_does_not_matter() -> None:
    echo = {**EVE, "proto": "ICMP", "src_port": 8, "dest_port": 0}
    bare = {name: echo[name] for name in echo if not name.endswith("_port")}
    first, second = found("suricata.alert", echo, bare)
    assert first["uid"] == second["uid"]


def test_an_alert_without_ends_or_time_is_told_by_its_place() -> None:
    nowhere = {"alert": EVE["alert"]}
    rows = found("suricata.alert", nowhere, nowhere)
    assert len({row["uid"] for row in rows}) == 2
    assert len({row["uid"] for row in found("suricata.alert", EVE, EVE, time=None)}) == 2
