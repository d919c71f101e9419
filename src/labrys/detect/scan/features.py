"""How many addresses and ports a source tried and how few answered: by day, and in all.

Four views (`kind`): one port of many addresses (`wide`) and many ports of one address (`deep`), in
a day; the same two over all that there is (`slow wide`, `slow deep`). Only who asks is counted: an
answer that was taken for a question (from a service's port to a high one) is left out, so that who
is scanned is not accused.

What an attacker can do to the features: addresses, ports and failures are add-only for who scans;
he can be slow, for which there are the slow views, or share the work among sources.
"""

from typing import Any, Final

from labrys.detect.network.flows import flag, flows, nobody, own_hosts, private, whole, with_samples

DAY_MS: Final = 86_400_000
KEYS: Final = ("kind", "src", "thing", "window")
LEAST_WIDE: Final = 25
LEAST_DEEP: Final = 15


def features(events: Any) -> Any:
    """The view `network_activity` → a row for each sample record of each source that tried much.

    `thing` is the port and protocol, or the address; `targets` how many addresses or ports were
    tried, `silent` how many of them never answered, `inside` how many addresses are private;
    `tries`; `first`, `last`; `days`; `own` (1: a host of the network watched); `dst`, `port`.
    """
    import ibis

    rows = flows(events)
    # From a service's port to a high one: a late answer, or the echo of an attack on others.
    echo = (rows.sport > 0) & (rows.sport < 1024) & (rows.port >= 1024)
    # Of ICMP only the ping asks (type 8, 128); Zeek has type and code where others have ports.
    notice = rows.proto.startswith("icmp") & ~(rows.sport.isin((0, 8, 128)) & (rows.port == 0))
    rows = rows.filter(~echo, ~notice, rows.src != rows.dst, ~nobody(rows.dst))
    rows = rows.mutate(day=(rows._time // DAY_MS).cast("int64"))
    pairs = rows.group_by("src", "dst", "port", "proto", "day").aggregate(
        tries=rows.count(),
        answered=whole((1 - rows.failed).sum()),
        first=rows._time.min(),
        last=rows._time.max(),
    )
    views = [
        ("wide", _port(pairs), pairs.dst, pairs.day),
        ("deep", pairs.dst, _port(pairs), pairs.day),
        ("slow wide", _port(pairs), pairs.dst, ibis.literal(0, type="int64")),
        ("slow deep", pairs.dst, _port(pairs), ibis.literal(0, type="int64")),
    ]
    first, *others = (
        _tried(pairs.mutate(thing=thing, target=target, window=window), kind)
        for kind, thing, target, window in views
    )
    found = first.union(*others)
    own = own_hosts(pairs).mutate(own=ibis.literal(1, type="int64"))
    judged = found.left_join(own, "src").drop("src_right")
    judged = judged.mutate(own=ibis.coalesce(judged.own, 0))
    return with_samples(judged, _records(rows), KEYS, first="failed")


def _port(rows: Any) -> Any:
    return rows.proto + "/" + rows.port.cast("string")


def _tried(rows: Any, kind: str) -> Any:
    """What each source tried of each thing, where it is much and little answered."""
    import ibis

    least = LEAST_WIDE if kind.endswith("wide") else LEAST_DEEP
    each = rows.group_by("src", "thing", "window", "target").aggregate(
        tries=rows.tries.sum(),
        answered=rows.answered.sum(),
        first=rows.first.min(),
        last=rows["last"].max(),
        days=rows.day.nunique(),
        dst=rows.dst.min(),
        port=rows.port.min(),
    )
    made = each.group_by("src", "thing", "window").aggregate(
        targets=each.target.nunique(),
        silent=whole(flag(each.answered == 0).sum()),
        tries=whole(each.tries.sum()),
        inside=whole(flag(private(each.dst)).sum()),
        first=each.first.min(),
        last=each["last"].max(),
        days=each.days.max(),
        dst=each.dst.min(),
        port=each.port.min(),
    )
    kept = made.filter(made.targets >= least, made.silent * 2 >= made.targets)
    return kept.mutate(kind=ibis.literal(kind))


def _records(rows: Any) -> Any:
    import ibis

    wide = rows.mutate(kind=ibis.literal("wide"), thing=_port(rows), window=rows.day)
    deep = rows.mutate(kind=ibis.literal("deep"), thing=rows.dst, window=rows.day)
    none = ibis.literal(0, type="int64")
    both = wide.union(deep)
    return both.union(both.mutate(kind=ibis.literal("slow ") + both.kind, window=none))
