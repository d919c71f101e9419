"""Says which objects are sensor events of CrowdStrike's Falcon Data Replicator, and their rows.

Source: CrowdStrike Falcon, Event Data Dictionary. Events keep their own names; the shape is
`falcon.<event_simpleName>` in lower case, `falcon.processrollup2` for instance.
"""

import re
from typing import Any, Final

from labrys.evidence.cloud_event import Row, respell, spelling, time_of
from labrys.evidence.values import flatten

_DOCUMENTED: Final = spelling(
    *("event_simpleName", "event_platform", "aid", "cid", "aip", "timestamp", "ContextTimeStamp"),
    *("ImageFileName", "CommandLine", "ParentBaseFileName", "UserName", "SHA256HashData"),
    *("MD5HashData", "SHA1HashData", "DomainName", "RemoteAddressIP4", "RemoteAddressIP6"),
    *("RemotePort", "LocalAddressIP4", "LocalAddressIP6", "LocalPort", "Protocol", "RawProcessId"),
    *("TargetProcessId", "ParentProcessId", "ContextProcessId", "ComputerName", "TargetFileName"),
)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,60}", re.ASCII)
_PROTOCOLS: Final = {"6": "tcp", "17": "udp", "1": "icmp"}


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of a sensor event; None for anything else."""
    if "event_simpleName" not in record:
        record = respell(record, _DOCUMENTED)
    name = record.get("event_simpleName")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or "aid" not in record:
        return None
    if name.startswith("Event_"):  # what the console says, alerts among it
        return None
    fields = flatten(record)
    protocol = fields.get("Protocol")
    if protocol is not None:
        fields.setdefault("proto", _PROTOCOLS.get(str(protocol), str(protocol)))
    time = time_of(record, "timestamp", "ContextTimeStamp", "ProcessStartTime")
    digits = record.get("timestamp")
    if time is None and isinstance(digits, str) and digits.isdecimal() and len(digits) == 13:
        time = int(digits)
    return [(f"falcon.{name.lower()}", fields, time)]
