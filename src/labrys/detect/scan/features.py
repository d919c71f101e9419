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
    tried, `silent` how many of them never answered, `inside` whether they are private (1);
    `tries`; `first`, `last`; `own` (1: a host of the network watched); `dst`, `port`.
    """
    import ibis

    rows = flows(events)
    # From a service's port to a high one: a late answer, or the echo of an attack on others.
    echo = (rows.sport > 0) & (rows.sport < 1024) & (rows.port >= 1024)
    # Of ICMP only the ping asks (type 8, 128); Zeek has type and code where others have ports.
    notice = rows.proto.startswith("icmp") & ~(rows.sport.isin((0, 8, 128)) & (rows.port == 0))
    rows = rows.filter(~echo, ~notice, rows.src != rows.dst, ~nobody(rows.dst))
    rows = _failing(rows.mutate(day=(rows._time // DAY_MS).cast("int64")))
    daily = rows.group_by(*_PAIR, "day").aggregate(
        tries=rows.count(),
        answered=whole((1 - rows.failed).sum()),
        first=rows._time.min(),
        last=rows._time.max(),
    )
    ever = daily.group_by(*_PAIR).aggregate(
        tries=whole(daily.tries.sum()),
        answered=whole(daily.answered.sum()),
        first=daily["first"].min(),
        last=daily["last"].max(),
    )
    ever = ever.mutate(day=ibis.literal(0, type="int64"))
    found = _wide(daily, "wide").union(
        _deep(daily, "deep"), _wide(ever, "slow wide"), _deep(ever, "slow deep")
    )
    own = own_hosts(ever).mutate(own=ibis.literal(1, type="int64"))
    judged = found.left_join(own, "src").drop("src_right")
    judged = judged.mutate(own=ibis.coalesce(judged.own, 0))
    return with_samples(judged, _records(rows.semi_join(found, "src")), KEYS, first="failed")


_PAIR: Final = ("src", "dst", "port", "proto")


def _failing(rows: Any) -> Any:
    """The flows of sources that failed in as many places as the least scan is silent in.

    It spares counting the rest: whoever has hardly a failed flow scans nothing.
    """
    failed = rows.filter(rows.failed == 1).select(*_PAIR).distinct()
    wide = failed.group_by("src", "port", "proto").aggregate(places=failed.count())
    deep = failed.group_by("src", "dst").aggregate(places=failed.count())
    some = wide.filter(wide.places * 2 >= LEAST_WIDE).select("src")
    return rows.semi_join(
        some.union(deep.filter(deep.places * 2 >= LEAST_DEEP).select("src")), "src"
    )


def _wide(pairs: Any, kind: str) -> Any:
    """Sources that tried one port of many addresses: each row of `pairs` is one address."""
    made = _much(pairs.group_by("src", "port", "proto", "day"), pairs, LEAST_WIDE)
    return _told(made.mutate(thing=_port(made)), kind)


def _deep(pairs: Any, kind: str) -> Any:
    """Sources that tried many ports of one address: each row of `pairs` is one port."""
    made = _much(pairs.group_by("src", "dst", "day"), pairs, LEAST_DEEP)
    return _told(made.mutate(thing=made.dst), kind)


def _much(groups: Any, pairs: Any, least: int) -> Any:
    """What was tried much and little answered."""
    names = {"a_dst": pairs.dst.min(), "a_port": pairs.port.min()}
    made = groups.aggregate(
        targets=pairs.count(),
        silent=whole(flag(pairs.answered == 0).sum()),
        tries=whole(pairs.tries.sum()),
        first=pairs["first"].min(),
        last=pairs["last"].max(),
        **names,
    )
    return made.filter(made.targets >= least, made.silent * 2 >= made.targets)


def _told(made: Any, kind: str) -> Any:
    import ibis

    return made.select(
        *("src", "thing", "targets", "silent", "tries", "first", "last"),
        kind=ibis.literal(kind),
        window=made.day,
        dst=made.a_dst,
        port=made.a_port,
        inside=flag(private(made.a_dst)),
    )


def _port(rows: Any) -> Any:
    return rows.proto + "/" + rows.port.cast("string")


def _records(rows: Any) -> Any:
    import ibis

    wide = rows.mutate(kind=ibis.literal("wide"), thing=_port(rows), window=rows.day)
    deep = rows.mutate(kind=ibis.literal("deep"), thing=rows.dst, window=rows.day)
    none = ibis.literal(0, type="int64")
    both = wide.union(deep)
    return both.union(both.mutate(kind=ibis.literal("slow ") + both.kind, window=none))
