"""How much reaches one destination in a minute: flows, packets, bytes, and what is answered.

What an attacker can do to the features: a flood below the rates is none. That many sources share it
is seen at the destination; that sources are forged is not told apart.
"""

from typing import Any, Final

from labrys.detect.network.flows import flag, flows, nobody, private, whole, with_samples

MINUTE_MS: Final = 60_000
KEYS: Final = ("kind", "party", "dst")
FLOWS: Final = 600
PACKETS: Final = 60_000
SOURCES: Final = 100


def features(events: Any) -> Any:
    """The view `network_activity` → a row for each sample record of each flood.

    `kind`: `from` (one source, `party`) or `to` (many sources, `party` empty). `minutes` (that are
    so full), `flows`, `packets`, `bytes` (of the fullest minute), `total` (flows), `failed`,
    `received`, `sources`, `inside` (1: the source, or the destination, is private), `first`, `last`,
    `port`, `proto`.
    """
    rows = flows(events)
    rows = rows.filter(rows.src != rows.dst, ~nobody(rows.dst))
    rows = rows.mutate(minute=(rows._time // MINUTE_MS).cast("int64"))
    rows = _crowded(rows, "dst")
    one, all_ = _both(_crowded(rows, "dst", "minute"))
    made = _full(one).union(_full(all_))
    some = (made.kind == "from") | (made.sources >= SOURCES)
    place = (made.kind == "from").ifelse(made.party, made.dst)
    made = made.filter(some).mutate(inside=flag(private(place)))
    one, all_ = _both(rows)
    return with_samples(made, one.union(all_), KEYS)


def _both(rows: Any) -> tuple[Any, Any]:
    """Flows as those of one source, and as those of all."""
    import ibis

    one = rows.mutate(kind=ibis.literal("from"), party=rows.src)
    return one, rows.mutate(kind=ibis.literal("to"), party=ibis.literal(""))


def _crowded(rows: Any, *keys: str) -> Any:
    """Flows to where as much goes as the least flood has: it spares counting what cannot be one."""
    import ibis

    sent = ibis.greatest(ibis.coalesce(rows.out_packets, 0), 0)
    # As real numbers: evidence may say more packets than whole ones can add up to.
    made = rows.group_by(*keys).aggregate(flows=rows.count(), sent=sent.cast("float64").sum())
    return rows.semi_join(
        made.filter((made.flows >= FLOWS) | (made.sent >= PACKETS)).select(*keys), list(keys)
    )


def _full(rows: Any) -> Any:
    """Destinations with minutes that are too full."""
    import ibis

    # A TCP connection that stands is an upload, however many packets it has.
    loose = (rows.proto != "tcp") | (rows.failed == 1)
    minutes = rows.group_by(*KEYS, "minute").aggregate(
        flows=rows.count(),
        packets=whole(loose.ifelse(ibis.coalesce(rows.out_packets, 0), 0).sum()),
        bytes=whole(ibis.coalesce(rows.out_bytes, 0).sum()),
        received=whole(ibis.coalesce(rows.in_packets, 0).sum()),
        unsaid=whole(flag(rows.in_packets.isnull()).sum()),
        failed=whole(rows.failed.sum()),
        sources=rows.src.nunique(),
        first=rows._time.min(),
        last=rows._time.max(),
        longest=ibis.coalesce(rows.duration, 0).max(),
        port=rows.port.max(),
        proto=rows.proto.max(),
    )
    # Where a source does not count what comes back, nobody knows that nothing did.
    one_sided = (minutes.received * 10 <= minutes.packets) & (minutes.unsaid == 0)
    idle = minutes.failed * 10 >= minutes.flows * 7
    full = minutes.filter(
        ((minutes.flows >= FLOWS) & idle)
        | ((minutes.packets >= PACKETS) & one_sided & (minutes.longest < 10 * MINUTE_MS))
    )
    return full.group_by(*KEYS).aggregate(
        minutes=full.count(),
        flows=full.flows.max(),
        packets=full.packets.max(),
        bytes=full.bytes.max(),
        total=whole(full.flows.sum()),
        failed=whole(full.failed.sum()),
        received=whole(full.received.sum()),
        sources=full.sources.max(),
        first=full.first.min(),
        last=full["last"].max(),
        port=full.port.max(),
        proto=full.proto.max(),
    )
