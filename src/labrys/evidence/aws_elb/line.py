"""The fields of a line of AWS load balancers: application, network (TLS) and classic ones.

Source: Elastic Load Balancing, access log entries. Requests are those of a web server, and get the
names that W3C extended logs give (`labrys.evidence.web_access`) beside those AWS gives.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from labrys.evidence import timestamps
from labrys.evidence.cloud_event import address
from labrys.evidence.web_access.common import set_own, set_request

WEB: Final = "web.access"
TLS: Final = "aws.nlb"
_SIZES: Final = ("request_processing_time", "target_processing_time", "response_processing_time")
_CODES: Final = ("elb_status_code", "target_status_code", "received_bytes", "sent_bytes")
_ALB: Final = (
    *("type", "time", "elb", "client:port", "target:port", *_SIZES, *_CODES, "request"),
    *("user_agent", "ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id", "domain_name"),
    *("chosen_cert_arn", "matched_rule_priority", "request_creation_time", "actions_executed"),
    *("redirect_url", "error_reason", "target:port_list", "target_status_code_list"),
    *("classification", "classification_reason", "conn_trace_id"),
)
_CLASSIC: Final = (
    *("time", "elb", "client:port", "target:port", *_SIZES, *_CODES, "request"),
    *("user_agent", "ssl_cipher", "ssl_protocol"),
)
_NLB: Final = (
    *("type", "version", "time", "elb", "listener", "client:port", "target:port"),
    *("connection_time", "tls_handshake_time", "received_bytes", "sent_bytes"),
    *("incoming_tls_alert", "chosen_cert_arn", "chosen_cert_serial", "tls_cipher"),
    *("tls_protocol_version", "tls_named_group", "domain_name", "alpn_fe_protocol"),
    *("alpn_be_protocol", "alpn_client_preference_list", "tls_connection_creation_time"),
)
_KINDS: Final = frozenset(["http", "https", "h2", "grpcs", "ws", "wss"])
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?", re.ASCII)
_END: Final = re.compile(r"(?:\[[0-9A-Fa-f:]{2,45}\]|[\w.:-]{1,255}):(\d{1,5})", re.ASCII)
_TOKEN: Final = re.compile(r'"((?:[^"\\]|\\.|"(?! |$))*+)"(?= |$)|(\S+)')
_MOST: Final = 60

Parsed = tuple[str, dict[str, Any], int | None]


def parse(line: str) -> Parsed | None:
    """Shape, fields and time (epoch milliseconds) of a line; None when it is none of these logs."""
    values = []
    for found in _TOKEN.finditer(line):
        values.append(found[2] if found[1] is None else found[1])
        if len(values) == _MOST:
            break
    if len(values) < 12:
        return None
    if values[0] in _KINDS and _TIME.fullmatch(values[1]):
        return _request(values, _ALB, line)
    if values[0] == "tls" and _TIME.fullmatch(values[2]):
        return _connection(values)
    if _TIME.fullmatch(values[0]) and len(values) in (12, 15):
        return _request(values, _CLASSIC, line)
    return None


def _named(values: list[str], names: tuple[str, ...]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        name: value for name, value in zip(names, values, strict=False) if value not in ("-", "")
    }
    if len(values) > len(names):
        fields["other"] = " ".join(values[len(names) :])
    return fields


def _ends(fields: dict[str, Any]) -> bool:
    """Add addresses and ports by W3C's names; False where the client is no address with a port."""
    client = str(fields.get("client:port", ""))
    if not _END.fullmatch(client):
        return False
    for name, place in (("client:port", "c"), ("target:port", "s")):
        end = str(fields.get(name, ""))
        if found := _END.fullmatch(end):
            fields[f"{place}-ip"] = address(end)
            fields[f"{place}-port"] = found[1]
    return True


def _request(values: list[str], names: tuple[str, ...], line: str) -> Parsed | None:
    fields = _named(values, names)
    if not _ends(fields):
        return None
    request = str(fields.get("request", ""))
    time = timestamps.parse(fields.get("time"))
    fields["sc-status"] = fields.get("elb_status_code")
    fields["sc-bytes"], fields["cs-bytes"] = fields.get("sent_bytes"), fields.get("received_bytes")
    fields["cs-user-agent"] = fields.get("user_agent")
    _asked(fields, request)
    if "cs-method" not in fields and fields["sc-status"] is None:
        return TLS, _without(fields), time  # a TCP or SSL listener of a classic one
    return WEB, _without(fields), time


def _asked(fields: dict[str, Any], request: str) -> None:
    parts: dict[str, Any] = {}
    set_request(parts, request)
    if "cs-method" not in parts:
        return
    set_own(parts, str(parts.get("cs-uri", "")))
    parts.pop("request", None)
    fields.update(parts)
    if name := fields.get("domain_name"):
        fields["cs-host"] = name


def _connection(values: list[str]) -> Parsed | None:
    fields = _named(values, _NLB)
    if not _ends(fields):
        return None
    return TLS, _without(fields), timestamps.parse(fields.get("time"))


def _without(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
