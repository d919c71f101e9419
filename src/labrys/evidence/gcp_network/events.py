"""Says which objects are Google Cloud's logs of flows, firewalls, names and load balancers.

Source: VPC Flow Logs record format, Firewall Rules Logging, Cloud DNS logging, External HTTP(S) Load
Balancing logging (Google Cloud). All come as Cloud Logging's LogEntry. Ours: `query` and `answer`, a
name without its last dot and what it was answered; `flow_role`, see `labrys.evidence.flow_sides`.
"""

from typing import Any, Final

from labrys.evidence.cloud_event import Row, dig, respell, spelling, time_of
from labrys.evidence.flow_sides import Names, unturned
from labrys.evidence.values import flatten
from labrys.evidence.web_access import json_record

FLOW: Final = "gcp.vpc_flow"
FIREWALL: Final = "gcp.firewall"
DNS: Final = "gcp.dns"
WEB: Final = "web.access"
_DOCUMENTED: Final = spelling(
    *("jsonPayload", "httpRequest", "insertId", "logName", "receiveTimestamp", "resource"),
    *("severity", "timestamp", "labels", "trace", "spanId"),
)
_PLACE: Final = "jsonPayload.connection."
NAMES: Final = Names(
    src=f"{_PLACE}src_ip",
    dst=f"{_PLACE}dest_ip",
    src_port=f"{_PLACE}src_port",
    dst_port=f"{_PLACE}dest_port",
    protocol=f"{_PLACE}protocol",
    size="jsonPayload.bytes_sent",
    packets="jsonPayload.packets_sent",
    scope=("jsonPayload.reporter",),
)
_ENDS: Final = frozenset(["src_ip", "dest_ip"])
_MOST: Final = 100


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of a network log's entry; None for anything else."""
    if "jsonPayload" not in record and "httpRequest" not in record:
        record = respell(record, _DOCUMENTED)
    payload = record.get("jsonPayload")
    if isinstance(record.get("httpRequest"), dict) and "logName" in record:
        return _request(record)
    if not isinstance(payload, dict):
        return None
    between = payload.get("connection")
    if isinstance(between, dict) and between.keys() >= _ENDS:
        return [_denied(record) if "disposition" in payload else _flow(record)]
    if isinstance(payload.get("queryName"), str) and "queryType" in payload:
        return [_question(record, payload)]
    return None


def _flow(record: dict[str, Any]) -> Row:
    fields = unturned(flatten(record), NAMES)
    return FLOW, fields, time_of(record, "jsonPayload.start_time", "timestamp")


def _denied(record: dict[str, Any]) -> Row:
    fields = flatten(record)
    if dig(record, "jsonPayload.disposition") == "DENIED":
        fields["conn_state"] = "REJ"
    return FIREWALL, fields, time_of(record, "timestamp")


def _question(record: dict[str, Any], payload: dict[str, Any]) -> Row:
    fields = flatten(record)
    fields["query"] = payload["queryName"].rstrip(".") or "."
    said = payload.get("rdata")
    lines = said.splitlines()[:_MOST] if isinstance(said, str) else []
    if answers := [line.rpartition("\t")[2].strip() for line in lines if line.strip()]:
        fields["answer"] = answers
    return DNS, fields, time_of(record, "timestamp")


def _request(record: dict[str, Any]) -> list[Row] | None:
    found = json_record.parse(record)
    if found is None:
        return None
    fields, time, _ = found
    return [(WEB, fields, time_of(record, "timestamp") or time)]
