"""The fields of AWS flow logs by the names AWS gives them, and who asked whom.

Source: Amazon VPC User Guide, Flow log records; Transit Gateway Flow Logs. Parquet files, Athena
and JSON write the same names with underscores, or without anything between the words.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.flow_sides import Names, with_sides

SHAPE: Final = "aws.vpc_flow"
V2: Final = (
    *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport"),
    *("protocol", "packets", "bytes", "start", "end", "action", "log-status"),
)
"""The default format, which is written without a header where logs go to CloudWatch."""
_MORE: Final = (
    *("vpc-id", "subnet-id", "instance-id", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr"),
    *("region", "az-id", "sublocation-type", "sublocation-id", "pkt-src-aws-service"),
    *("pkt-dst-aws-service", "flow-direction", "traffic-path", "reject-reason", "resource-id"),
    *("encryption-status", "ecs-cluster-arn", "ecs-cluster-name", "ecs-container-instance-arn"),
    *("ecs-container-instance-id", "ecs-container-id", "ecs-second-container-id"),
    *("ecs-service-name", "ecs-task-definition-arn", "ecs-task-arn", "ecs-task-id"),
    *("resource-type", "tgw-id", "tgw-attachment-id", "tgw-src-vpc-account-id"),
    *("tgw-dst-vpc-account-id", "tgw-src-vpc-id", "tgw-dst-vpc-id", "tgw-src-subnet-id"),
    *("tgw-dst-subnet-id", "tgw-src-eni", "tgw-dst-eni", "tgw-src-az-id", "tgw-dst-az-id"),
    *("tgw-pair-attachment-id", "packets-lost-no-route", "packets-lost-blackhole"),
    *("packets-lost-mtu-exceeded", "packets-lost-ttl-expired"),
)
KNOWN: Final = frozenset([*V2, *_MORE])
_SQUEEZED: Final = {name.replace("-", ""): name for name in KNOWN}
_ENDS: Final = (frozenset(["srcaddr", "dstaddr"]), frozenset(["pkt-srcaddr", "pkt-dstaddr"]))
_AMAZONS: Final = KNOWN - {
    *("version", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes"),
    *("start", "end", "action", "tcp-flags", "type", "region"),
}
"""Fields that no other log of flows has."""


def proper(name: str) -> str:
    """A field's name as AWS documents it; another name as it is."""
    return _SQUEEZED.get(name.lower().replace("_", "").replace("-", ""), name)


def is_header(names: Sequence[str]) -> bool:
    """Whether these words are the first line of a flow log."""
    have = KNOWN.intersection(names)
    return len(have) == len(names) >= 3 and any(ends <= have for ends in _ENDS)


def is_flow(names: Iterable[str]) -> bool:
    """Whether an object or table with these names tells of flows in AWS."""
    have = {proper(name) for name in names}
    return any(ends <= have for ends in _ENDS) and not _AMAZONS.isdisjoint(have)


def names_in(have: Iterable[str]) -> Names:
    """Which of the fields there are say who spoke to whom."""
    # What a gateway translated has the addresses of the two that really spoke in `pkt-…`.
    ends = ("srcaddr", "dstaddr") if "srcaddr" in have else ("pkt-srcaddr", "pkt-dstaddr")
    return Names(
        src=ends[0],
        dst=ends[1],
        src_port="srcport",
        dst_port="dstport",
        protocol="protocol",
        size="bytes",
        packets="packets",
        scope=("interface-id",),
        flags="tcp-flags",
        refused=("action", "REJECT"),
    )


def flows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Records of flows under AWS's names, in time, with who asked whom."""
    names = [proper(name) for name in batch.schema.names]
    if len(set(names)) == len(names):
        batch = batch.rename_columns(names)
    batch = _timed(batch)
    have = set(batch.schema.names)
    return with_sides(batch, names_in(have))


def _timed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`_time` is when the first packet came: `start`, in seconds."""
    start = next(
        (batch.column(name) for name in ("start", "end") if name in batch.schema.names), None
    )
    if start is None:
        return batch
    plain = pc.match_substring_regex(start, r"^[0-9]{9,11}$")
    seconds = pc.cast(pc.if_else(plain, start, None), pa.int64())
    time = pc.coalesce(pc.multiply(seconds, 1000), batch.column("_time"))
    at = batch.schema.get_field_index("_time")
    made: pa.RecordBatch = batch.set_column(at, batch.schema.field(at), time)
    return made


def numbered(values: Sequence[Any]) -> dict[str, Any]:
    """A record of the default format."""
    return dict(zip(V2, values, strict=True))
