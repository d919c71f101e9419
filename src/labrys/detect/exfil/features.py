"""What a source sent to each destination outside on a day, beside its own past and its peers.

What an attacker can do to the features: bytes sent are add-only for who takes data away; he can be
slow, spread it over days and destinations, or use a service that the host uploads to anyway. His
own past and his peers are hard: he would have to have sent as much before.
"""

from typing import Any, Final

from labrys.detect.network.flows import flag, flows, nobody, own_hosts, private, whole, with_samples

DAY_MS: Final = 86_400_000
KEYS: Final = ("src", "dst", "port", "proto", "day")
MUCH: Final = 20_000_000
"""Bytes to one destination in a day below which nothing is said of ordinary carriers."""
PINGS: Final = 200_000
"""Bytes in ICMP, and a tenth of those in DNS to one server, that no ordinary use has."""
NAMES: Final = 5_000_000


def features(events: Any) -> Any:
    """The view `network_activity` → a row for each sample record of each big upload.

    `sent`, `received` (bytes), `packets`, `flows`, `lasting` (ms), `longest`, `first`, `last`,
    `service`; `usual` (the most the source sent to any destination on an earlier day, -1: it has no
    earlier day), `past` (its earlier days), `before` (bytes it sent there on earlier days), `peers`
    (other sources that day), `peer` (the most one of them sent anywhere) and `ahead` (how many of them
    sent more), `callers` (sources that call this destination), `own`.
    """
    import ibis

    rows = flows(events)
    rows = rows.filter(~private(rows.dst), ~nobody(rows.dst))
    rows = rows.mutate(day=(rows._time // DAY_MS).cast("int64"))
    sent = rows.group_by(*KEYS).aggregate(
        flows=rows.count(),
        sent=whole(ibis.coalesce(rows.out_bytes, 0).sum()),
        received=whole(ibis.coalesce(rows.in_bytes, 0).sum()),
        packets=whole(ibis.coalesce(rows.out_packets, 0).sum()),
        lasting=whole(ibis.coalesce(rows.duration, 0).sum()),
        longest=ibis.coalesce(rows.duration, 0).max(),
        answered=whole((1 - rows.failed).sum()),
        first=rows._time.min(),
        last=rows._time.max(),
        service=rows.service.max(),
    )
    own = own_hosts(sent).mutate(own=ibis.literal(1, type="int64"))
    sent = sent.inner_join(own, "src")
    sent = _past(sent)
    icmp = sent.proto.startswith("icmp") & (sent.sent >= PINGS)
    names = (sent.port == 53) & (sent.sent >= NAMES)
    big = sent.filter((sent.sent >= MUCH) | icmp | names).drop("answered")
    return with_samples(big, rows, KEYS, first="out_bytes")


def _past(sent: Any) -> Any:
    """With what the source sent before, what its peers send, and who else calls the destination."""
    import ibis

    most = sent.group_by("src", "day").aggregate(most=sent.sent.max())
    earlier = ibis.window(group_by="src", order_by="day", preceding=(None, 1))
    days = most.mutate(
        usual=ibis.coalesce(most.most.max().over(earlier), -1),
        past=ibis.coalesce(most.most.count().over(earlier), 0).cast("int64"),
    )
    peers = most.group_by("day").aggregate(peers=most.count() - 1)
    order = ibis.window(group_by="day", order_by=[most.most.desc(), most.src])
    ranked = most.mutate(place=ibis.row_number().over(order))
    first = ranked.filter(ranked.place == 0).select("day", top="src", peer="most")
    second = ranked.filter(ranked.place == 1).select("day", second="most")
    there = ibis.window(group_by=["src", "dst"], order_by="day", preceding=(None, 1))
    daily = sent.group_by("src", "dst", "day").aggregate(sum=whole(sent.sent.sum()))
    daily = daily.mutate(before=whole(ibis.coalesce(daily["sum"].sum().over(there), 0))).drop("sum")
    callers = sent.group_by("dst").aggregate(callers=sent.src.nunique())
    made = sent.inner_join(days.drop("most"), ["src", "day"]).inner_join(peers, "day")
    places = ranked.select("src", "day", ahead=ranked.place.cast("int64"))
    made = made.inner_join(places, ["src", "day"])
    made = made.inner_join(first, "day").left_join(second, "day").drop("day_right")
    made = made.inner_join(daily, ["src", "dst", "day"]).inner_join(callers, "dst")
    # The most of others: the second where the source itself is first.
    other = (made.top == made.src).ifelse(ibis.coalesce(made.second, 0), made.peer)
    return made.mutate(peer=other, odd=flag(made.sent > 0)).drop("top", "second", "odd")
