"""Says which objects are Azure's flow logs and web gateways' logs, and what rows they give.

Source: NSG flow logs (versions 1 and 2), virtual network flow logs (version 4), Application Gateway
and Front Door diagnostic logs (Microsoft Learn). A record of flows holds many, each a line of values
between commas; each is a row. The columns are called as in Zeek's `conn.log`, for these flows name
who began. Of a flow that is told of several times, `flow_role` is `begun` where it began, with
nothing counted yet, and `request` where it went on or ended.
"""

from collections.abc import Iterator
from typing import Any, Final

from labrys.evidence.cloud_event import Row, dig, respell, spelling, time_of
from labrys.evidence.flow_sides import ROLE
from labrys.evidence.records import UNPARSED
from labrys.evidence.timestamps import parse
from labrys.evidence.values import flatten
from labrys.evidence.web_access import json_record
from labrys.evidence.web_access.common import set_own

FLOW: Final = "azure.flow"
WAF: Final = "azure.waf"
WEB: Final = "web.access"
_MOST: Final = 100_000
_RAW: Final = 400
_SHORT: Final = 400
_DOCUMENTED: Final = spelling(
    *("category", "properties", "operationName", "resourceId", "flowRecords", "flowLogVersion"),
    *("macAddress", "time", "systemId"),
)
_WALLS: Final = ("ApplicationGatewayFirewallLog", "FrontDoorWebApplicationFirewallLog")
_DOORS: Final = ("ApplicationGatewayAccessLog", "FrontDoorAccessLog", "AzureFrontDoorAccessLog")
_KINDS: Final = frozenset(name.lower() for name in (*_WALLS, *_DOORS, "FlowLogFlowEvent")) | {
    "networksecuritygroupflowevent"
}
_PROTOCOLS: Final = {"t": "tcp", "6": "tcp", "u": "udp", "17": "udp", "i": "icmp", "1": "icmp"}


def is_network(record: dict[str, Any]) -> bool:
    """Whether a record of an Azure resource is one of these logs."""
    kind = record.get("category")
    return isinstance(kind, str) and kind.lower() in _KINDS


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The rows of a record of flows, or that of a request; None for anything else."""
    if "category" not in record:
        record = respell(record, _DOCUMENTED)
    if not is_network(record):
        return None
    kind = str(record["category"]).lower()
    if kind.endswith("firewalllog"):
        return [_judged(record)]
    if kind.endswith("accesslog"):
        found = json_record.parse(record)
        return [(WEB, found[0], _time(record) or found[1])] if found else None
    rows = list(_flows(record))
    return rows or None


def _time(record: dict[str, Any]) -> int | None:
    return time_of(record, "time", "timeStamp", "TimeGenerated")


def _judged(record: dict[str, Any]) -> Row:
    """A request that a web application firewall judged."""
    fields = flatten(record)
    for name, column in (("clientIp", "c-ip"), ("clientIP", "c-ip"), ("action", "action")):
        value = dig(record, f"properties.{name}")
        if isinstance(value, str):
            fields[column] = value
    target = dig(record, "properties.requestUri")
    if isinstance(target, str):
        made: dict[str, Any] = {}
        set_own(made, target)
        for name, value in made.items():
            fields.setdefault(name, value)
    for name in ("hostname", "host"):
        if isinstance(host := dig(record, f"properties.{name}"), str):
            fields["cs-host"] = host
    return WAF, fields, _time(record)


def _flows(record: dict[str, Any]) -> Iterator[Row]:
    around = {
        name: value
        for name, value in record.items()
        if name not in ("properties", "flowRecords") and _is_short(value)
    }
    version = dig(record, "properties.Version") or record.get("flowLogVersion")
    if _is_short(version):
        around["version"] = version
    for number, (rule, line) in enumerate(_tuples(record)):
        if number == _MOST:
            yield UNPARSED, {"reason": f"more than {_MOST} flows in a record", "raw": ""}, None
            return
        row = _flow(line.split(",")) if isinstance(line, str) and _is_short(line) else None
        if row is None:
            raw = str(line)[:_RAW]
            yield UNPARSED, {"reason": "not a flow", "raw": raw}, None
        else:
            fields, time = row
            said = rule if _is_short(rule) else None
            yield FLOW, {**around, "rule": said, "flow": line, **fields}, time


def _is_short(value: Any) -> bool:
    """Whether a value may stand in each of a record's many rows."""
    return isinstance(value, int) or (isinstance(value, str) and len(value) <= _SHORT)


def _tuples(record: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Each flow with the name of the rule that judged it."""
    for group in _list(dig(record, "properties.flows")):
        for flow in _list(group.get("flows")):
            lines = flow.get("flowTuples")
            for line in lines if isinstance(lines, list) else ():
                yield group.get("rule"), line
    for group in _list(dig(record, "flowRecords.flows")):
        for flow in _list(group.get("flowGroups")):
            lines = flow.get("flowTuples")
            for line in lines if isinstance(lines, list) else ():
                yield flow.get("rule"), line


def _list(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


_STATES: Final = {"b": "begun", "c": "continuing", "e": "ended", "d": "denied"}


def _flow(values: list[str]) -> tuple[dict[str, Any], int | None] | None:
    """The values of one flow by name; None when they are none."""
    if not 8 <= len(values) <= 14 or not values[0].isdecimal():
        return None
    stamp, src, dst, sport, dport, proto, way = (value.strip() for value in values[:7])
    protocol = _PROTOCOLS.get(proto.lower(), proto)
    fields: dict[str, Any] = {
        "id.orig_h": src,
        "id.resp_h": dst,
        "id.orig_p": sport,
        "id.resp_p": dport,
        "proto": protocol,
        "direction": "inbound" if way.upper() == "I" else "outbound",
        ROLE: "request",
    }
    if (
        len(values) == 13
        and values[8].strip()
        and len(stamp) >= 12
        and values[7].lower() in _STATES
    ):
        state, counts = values[7].strip().lower(), values[9:13]
        fields["encryption"] = values[8]
        denied = state == "d"
    else:
        state = values[8].strip().lower() if len(values) > 8 else ""
        counts, denied = values[9:13], values[7].strip().upper() == "D"
    fields["decision"] = "denied" if denied else "allowed"
    if state in _STATES:
        fields["state"] = _STATES[state]
    if denied:
        fields["conn_state"] = "REJ"
    elif state == "b":
        fields[ROLE] = "begun"
    names = ("orig_pkts", "orig_bytes", "resp_pkts", "resp_bytes")
    for name, value in zip(names, counts, strict=False):
        if value.strip().isdecimal() and not denied:
            fields[name] = value.strip()
    return fields, parse(int(stamp)) if len(stamp) < 18 else None
