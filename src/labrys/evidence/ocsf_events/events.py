"""Says which objects are events in OCSF, as Amazon Security Lake keeps them, and what rows they give.

Source: OCSF schema, classes of network, identity and application activity. Findings are none of
them: those are alerts of whoever wrote them. Ours: `flow_role` and who asked, for flows that go one
way (`labrys.evidence.flow_sides`); `query` and `answer` of a question, without its last dot.
"""

from collections.abc import Iterable
from typing import Any, Final

from labrys.evidence.cloud_event import Row, dig, time_of
from labrys.evidence.flow_sides import Names, unturned
from labrys.evidence.values import flatten

FLOW: Final = "ocsf.network_activity"
CLASSES: Final = {
    "3002": "ocsf.authentication",
    "4001": FLOW,
    "4002": "ocsf.http_activity",
    "4003": "ocsf.dns_activity",
    "6003": "ocsf.api_activity",
}
NAMES: Final = Names(
    src="src_endpoint.ip",
    dst="dst_endpoint.ip",
    src_port="src_endpoint.port",
    dst_port="dst_endpoint.port",
    protocol="connection_info.protocol_num",
    size="traffic.bytes",
    packets="traffic.packets",
    scope=("src_endpoint.interface_uid",),
    flags="connection_info.tcp_flags",
    refused=("disposition", "Blocked"),
)
_MOST: Final = 100


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of an activity; None for anything else, findings included."""
    shape = CLASSES.get(str(record.get("class_uid")))
    if shape is None or not ("metadata" in record or "activity_id" in record):
        return None
    fields = flatten(record)
    if shape == FLOW:
        fields = unturned(fields, NAMES)
    asked = dig(record, "query.hostname")
    if isinstance(asked, str):
        fields["query"] = asked.rstrip(".") or "."
        answers = record.get("answers")
        listed = answers[:_MOST] if isinstance(answers, list) else []
        said = [each.get("rdata") for each in listed if isinstance(each, dict)]
        if told := [each for each in said if isinstance(each, str)]:
            fields["answer"] = told
    return [(shape, fields, time_of(record, "time", "time_dt", "start_time"))]


def shape_of(names: Iterable[str], classes: Iterable[str | None]) -> str | None:
    """The shape of a table with these columns, all of whose rows are of one class."""
    have = set(names)
    told = set(classes)
    if not {"class_uid", "metadata.version"} <= have or len(told) != 1:
        return None
    return CLASSES.get(str(told.pop()))
