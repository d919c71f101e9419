"""One flow as a row of the view `network_activity`, and tables of them."""

from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa

from labrys.ocsf.sql import class_columns

NETWORK_ACTIVITY: Final = 4001
DAY: Final = 86_400.0
START: Final = 1_700_006_400.0
"""A midnight: 2023-11-15 UTC."""

_TYPES: Final = {"text": pa.string(), "bigint": pa.int64(), "double": pa.float64()}
SCHEMA: Final = pa.schema(
    [(name, _TYPES[kind]) for name, kind in class_columns(NETWORK_ACTIVITY).items()]
)

Flow = dict[str, Any]


def flow(
    when: float,
    src: str,
    dst: str,
    port: int,
    *,
    proto: str = "tcp",
    service: str | None = None,
    sent: float = 0,
    received: float = 0,
    seconds: float = 0.1,
    state: str = "SF",
    sport: int = 49_152,
) -> Flow:
    """A flow at `when` (s since 1970); sizes in bytes, `state` as Zeek's connection states."""
    failed = state in ("S0", "REJ")
    return {
        "_time": round(when * 1000),
        "_shape": "zeek.conn",
        "activity_id": 4 if failed else 6,
        "src_endpoint_ip": src,
        "src_endpoint_port": sport,
        "dst_endpoint_ip": dst,
        "dst_endpoint_port": port,
        "connection_info_protocol_name": proto,
        "app_name": service,
        "duration": round(seconds * 1000),
        "traffic_bytes_out": 0 if failed and proto == "tcp" else round(sent),
        "traffic_bytes_in": 0 if failed else round(received),
        "traffic_packets_out": 1 if failed else 4 + round(sent / 1400),
        "traffic_packets_in": int(state == "REJ") if failed else 4 + round(received / 1400),
        "status_detail": state,
    }


def handshake(when: float, src: str, dst: str, port: int, sni: str | None, **more: Any) -> Flow:
    """What a TLS handshake said, beside the flow it belongs to."""
    return {
        "_time": round(when * 1000) + 20,
        "_shape": "zeek.ssl",
        "activity_id": 6,
        "status_id": 1,
        "src_endpoint_ip": src,
        "src_endpoint_port": 49_152,
        "dst_endpoint_ip": dst,
        "dst_endpoint_port": port,
        "tls_version": "TLSv12",
        "tls_sni": sni,
        **more,
    }


def table(flows: Iterable[Flow]) -> pa.Table:
    """Flows in order of time, each with an id and a place."""
    ordered = sorted(flows, key=lambda one: (one["_time"], repr(one)))
    rows = [
        {"_id": f"f{at:07}", "_offset": at, "_source": "made", **row}
        for at, row in enumerate(ordered)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
