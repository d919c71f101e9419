"""Flows as the detectors of network behaviour see them: the view `network_activity`, made even.

Zeek, Suricata, packet captures and firewalls fill that view differently. Here each flow is a row
with the same few columns, null where the source does not say. Records of a TLS handshake lie in the
same view beside the flow they belong to; they are kept apart, so that nothing counts twice.
Only operations that DuckDB and Spark answer alike are used.
"""

from typing import Any, Final

FARTHEST_MS: Final = 1 << 60
"""Times farther from 1970 than this are no times, and differences between them overflow."""
MOST_SAMPLES: Final = 8
"""Of whatever is found, so many records are kept as evidence."""

RECORD: Final = ("_id", "_source", "_offset", "_shape", "_time")
_TLS: Final = ("tls_version", "tls_cipher", "tls_sni", "tls_ja3_hash_value", "tls_ja3s_hash_value")
_CERTIFICATE: Final = ("tls_certificate_subject", "tls_certificate_issuer")

_PRIVATE: Final = (
    r"^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|169\.254\.|127\.|"
    r"100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)"
)
"""RFC 1918, 3927, 6598, 4193, 4291."""
_MANY: Final = r"^(22[4-9]\.|23[0-9]\.|24[0-9]\.|25[0-5]\.|0\.0\.0\.0$|ff[0-9a-f]{2}:|::$)|\.255$"
"""Multicast, broadcast and reserved addresses: nobody in particular."""
_FAILED_STATES: Final = ("s0", "rej", "rstos0", "rstrh", "sh", "shr")
"""Zeek's connection states in which nothing was established."""


def column(events: Any, name: str, kind: str = "string") -> Any:
    """A column of the view, or nulls where the view lacks it (no literal: Ibis folds those)."""
    return events[name] if name in events.columns else events._time.nullif(events._time).cast(kind)


def flag(condition: Any) -> Any:
    """1 where a condition is true, else 0; so that it can be summed."""
    import ibis

    return ibis.coalesce(condition.ifelse(1, 0), 0)


def whole(number: Any) -> Any:
    """A sum as int64: sums are numbers of another size in each engine, and a real cast evens it."""
    return number.cast("float64").cast("int64")


def private(address: Any) -> Any:
    """Whether an address is one of a private network."""
    return address.re_search(_PRIVATE)


def nobody(address: Any) -> Any:
    """Whether an address is a group's, a broadcast's or no address at all."""
    return address.re_search(_MANY)


def neighbourhood(address: Any) -> Any:
    """The network an address lies in: /16 of IPv4, about /40 of IPv6."""
    return address.contains(":").ifelse(
        address.substr(0, 11), address.re_replace(r"\.[0-9]+\.[0-9]+$", "")
    )


def flows(events: Any) -> Any:
    """The view's flows: `src`, `dst`, `port`, `proto`, `service`, sizes, `failed` and the record.

    `proto` and `service` are lower-case; `out_bytes`, `in_bytes`, `out_packets`, `in_packets`,
    `duration` (ms) are null where unknown; `failed` is 1 where the flow was tried and nothing was
    established. Rows without a time or an address are left out.
    """
    import ibis

    timed = events.filter(
        events._time >= -FARTHEST_MS,
        events._time <= FARTHEST_MS,
        events.src_endpoint_ip.notnull(),
        events.dst_endpoint_ip.notnull(),
        ~_handshake(events),
    )
    state = ibis.coalesce(column(timed, "status_detail"), "").lower()
    proto = ibis.coalesce(column(timed, "connection_info_protocol_name"), "").lower()
    answers = column(timed, "traffic_packets_in", "int64")
    answer_bytes = column(timed, "traffic_bytes_in", "int64")
    silent = (answers == 0) | (answers.isnull() & (answer_bytes == 0))
    # A TCP connection that stands has at least two packets back: SYN-ACK, and its end.
    refused = (proto == "tcp") & (answers <= 1)
    return timed.select(
        *RECORD,
        src=timed.src_endpoint_ip.lower(),
        dst=timed.dst_endpoint_ip.lower(),
        port=ibis.coalesce(column(timed, "dst_endpoint_port", "int64"), 0),
        sport=ibis.coalesce(column(timed, "src_endpoint_port", "int64"), 0),
        proto=proto,
        service=ibis.coalesce(column(timed, "app_name"), "").lower(),
        duration=column(timed, "duration", "int64"),
        out_bytes=column(timed, "traffic_bytes_out", "int64"),
        in_bytes=answer_bytes,
        out_packets=column(timed, "traffic_packets_out", "int64"),
        in_packets=answers,
        failed=flag(silent | refused | state.isin(_FAILED_STATES)),
    )


def handshakes(events: Any) -> Any:
    """The view's TLS handshakes: `src`, `dst`, `port`, `sni`, `ja3`, `subject`, `issuer`, …"""
    import ibis

    kept = events.filter(
        events._time >= -FARTHEST_MS,
        events._time <= FARTHEST_MS,
        events.src_endpoint_ip.notnull(),
        events.dst_endpoint_ip.notnull(),
        _handshake(events),
    )
    return kept.select(
        *RECORD,
        src=kept.src_endpoint_ip.lower(),
        dst=kept.dst_endpoint_ip.lower(),
        port=ibis.coalesce(column(kept, "dst_endpoint_port", "int64"), 0),
        sni=ibis.coalesce(column(kept, "tls_sni"), "").lower(),
        version=column(kept, "tls_version"),
        ja3=column(kept, "tls_ja3_hash_value"),
        subject=column(kept, "tls_certificate_subject"),
        issuer=column(kept, "tls_certificate_issuer"),
        status=column(kept, "status_detail"),
        established=flag(ibis.coalesce(column(kept, "status_id", "int64"), 1) == 1),
    )


def _handshake(events: Any) -> Any:
    """Whether a row says something of a TLS handshake and nothing of a flow."""
    import ibis

    said = ibis.literal(False)
    for name in (*_TLS, *_CERTIFICATE):
        said = said | column(events, name).notnull()
    counted = column(events, "traffic_packets_out", "int64").notnull()
    return said & ~counted & column(events, "traffic_bytes_out", "int64").isnull()


def own_hosts(pairs: Any) -> Any:
    """Which sources are hosts of the network watched: `src` of `pairs` (`src`, `dst`, `answered`).

    Private ones are; and so is one that at least eight public addresses answered, for a stranger
    who knocks is rarely let in that often.
    """
    public = pairs.filter((pairs.answered > 0) & ~private(pairs.dst) & ~nobody(pairs.dst))
    # Counting distinct rows takes less memory than counting different texts in each group.
    public = public.select("src", "dst").distinct()
    talkers = public.group_by("src").aggregate(reached=public.count())
    inside = pairs.filter(private(pairs.src)).select("src").distinct()
    return talkers.filter(talkers.reached >= 8).select("src").union(inside, distinct=True)


def with_samples(found: Any, rows: Any, keys: tuple[str, ...], first: str = "") -> Any:
    """What was found, once for each of its first records: `_id`, `_source`, `_offset`, …

    `first` is a column of the rows: those where it is highest come before the others.
    """
    import ibis

    found = found.alias("found")
    names = (*RECORD, *keys, *((first,) if first else ()))
    chosen = rows.select(*dict.fromkeys(names)).semi_join(found.select(*keys), list(keys))
    best = [chosen[first].desc()] if first else []
    order = ibis.window(group_by=list(keys), order_by=[*best, chosen._time, chosen._id])
    numbered = chosen.mutate(number=ibis.row_number().over(order))
    kept = numbered.filter(numbered.number < MOST_SAMPLES).select(*RECORD, *keys)
    return kept.inner_join(found, list(keys)).select(
        *RECORD, *(found[name] for name in found.columns)
    )
