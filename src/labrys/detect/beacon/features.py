"""How a host calls one destination: the shape of its gaps, its sizes, how long, and who else does.

A channel is a source, a destination and a port. Calls that begin within `SAME_CALL` of each other
are one: programs open several connections at a time. Only channels that could be a beat are kept.

What an attacker can do to the features: gaps and sizes are free within what he needs (longer and
wilder gaps cost him control of his implant); calls and hours are add-only while he stays; that
others call the same destination is hard, for he needs their hosts; neighbours are add-only.
"""

from typing import Any, Final

from labrys.detect.network.flows import (
    flag,
    flows,
    handshakes,
    neighbourhood,
    nobody,
    own_hosts,
    private,
    whole,
    with_samples,
)

HOUR_MS: Final = 3_600_000
SAME_CALL_MS: Final = 1_000
LEAST_CALLS: Final = 8
WIDEST: Final = 1.5
"""Eight in ten gaps lie within so many medians: 1.0 for ±60 % of jitter, 3.2 for pure chance."""
CHANNEL: Final = ("src", "dst", "port")
CLOCKWORK_PORTS: Final = (53, 67, 68, 123, 137, 138, 139, 161, 162, 514, 546, 547, 1900, 3702)
"""Names, addresses, time, NetBIOS, management, logging and discovery keep time by design."""
CLOCKWORK_MORE: Final = (5353, 5355, 3478, 5349)
CLOCKWORK_SERVICES: Final = ("dns", "dhcp", "ntp", "netbios", "snmp", "syslog", "stun", "mdns")


def features(events: Any) -> Any:
    """The view `network_activity` → a row for each sample record of each channel that may be a beat.

    `calls`, `failed`, `first`, `last`, `hours` (in which it was active), `q10` … `q90` (gaps, ms),
    `out_low`, `out_mid`, `out_high`, `in_mid`, `in_high` (bytes a call), `sources` and `strangers`
    (hosts of the network watched and others that call this destination), `hosts` (all of the network
    watched), `own` (whether the source is one), `inside` (whether the destination is private), `neighbours` (other destinations of the same
    source in the same network), `elsewhere` (its destinations outside), `sni`, `services`, `proto`.
    """
    rows = flows(events)
    rows = rows.filter(
        ~rows.port.isin(CLOCKWORK_PORTS + CLOCKWORK_MORE), ~rows.service.isin(CLOCKWORK_SERVICES)
    )
    pairs = rows.group_by("src", "dst", "port").aggregate(
        flows=rows.count(), answered=(1 - rows.failed).sum()
    )
    channels = _channels(rows, pairs.filter(pairs.flows >= LEAST_CALLS, ~nobody(pairs.dst)))
    known = _around(_named(channels, events), pairs)
    return with_samples(known, rows, CHANNEL)


def _channels(rows: Any, pairs: Any) -> Any:
    import ibis

    # Gaps ask for times alone, and a number sorts faster than the texts of a channel: all channels
    # are gone through so; whatever else a call has is looked up for the few that are left. In
    # order, for Spark counts anew wherever it is used.
    numbered = pairs.mutate(channel=ibis.row_number().over(order_by=list(CHANNEL)))
    timed = rows.inner_join(numbered, list(CHANNEL)).select("channel", "_time")
    calls = _calls(timed, ("channel",))
    # Engines keep all values of a quantile: few quantiles for all channels, the others for few.
    shape = calls.group_by("channel").aggregate(
        calls=calls.count(), **{f"q{at}": calls.gap.quantile(at / 100) for at in (10, 50, 90)}
    )
    shape = shape.filter(
        shape.calls >= LEAST_CALLS,
        shape.q50 >= 2 * SAME_CALL_MS,
        shape.q90 - shape.q10 <= WIDEST * shape.q50,
    )
    shape = (
        shape.inner_join(numbered.select("channel", *CHANNEL), "channel")
        .drop("channel")
        .alias("shapes")
    )
    few = rows.semi_join(shape, list(CHANNEL))
    # Ties are broken by numbers, not by ids: texts would be most of what has to be sorted.
    numbers = ("sport", "out_bytes", "in_bytes", "duration")
    some = _calls(few, CHANNEL, *(ibis.coalesce(few[name], -1) for name in numbers))
    more = some.group_by(*CHANNEL).aggregate(
        failed=whole(some.failed.sum()),
        first=some._time.min(),
        last=some._time.max(),
        hours=(some._time // HOUR_MS).nunique(),
        **{f"q{at}": some.gap.quantile(at / 100) for at in (25, 75)},
        **{f"out_{name}": some.out_bytes.quantile(at) for name, at in _LEVELS.items()},
        **{f"in_{name}": some.in_bytes.quantile(at) for name, at in _LEVELS.items()},
        lasts=some.duration.quantile(0.5),
        proto=some.proto.max(),
        service=some.service.max(),
    )
    return shape.inner_join(more, list(CHANNEL))


def _calls(rows: Any, keys: tuple[str, ...], *ties: Any) -> Any:
    """The first flow of each call, with the `gap` (ms) since the flow before it."""
    import ibis

    order = ibis.window(group_by=list(keys), order_by=[rows._time, *ties])
    timed = rows.mutate(gap=rows._time - rows._time.lag().over(order))
    return timed.filter(timed.gap.isnull() | (timed.gap > SAME_CALL_MS))


_LEVELS: Final = {"low": 0.1, "mid": 0.5, "high": 0.9}


def _named(channels: Any, events: Any) -> Any:
    """With the name that TLS handshakes of the channel ask for."""
    import ibis

    shaken = handshakes(events)
    names = shaken.group_by(*CHANNEL).aggregate(
        sni=shaken.sni.max(), shaken=shaken.count(), nameless=whole(flag(shaken.sni == "").sum())
    )
    joined = channels.left_join(names, list(CHANNEL))
    return joined.select(
        *(channels[name] for name in channels.columns),
        sni=ibis.coalesce(names.sni, ""),
        shaken=ibis.coalesce(names.shaken, 0),
        nameless=ibis.coalesce(names.nameless, 0),
    )


def _around(channels: Any, pairs: Any) -> Any:
    """With how common the destination is, and whether the source talks to its neighbours too."""
    import ibis

    far = pairs.group_by("src", "dst").aggregate(answered=whole(pairs.answered.sum()))
    own = own_hosts(far).mutate(own=ibis.literal(1, type="int64"))
    far = far.left_join(own, "src").drop("src_right")
    far = far.mutate(
        own=ibis.coalesce(far.own, 0),
        net=neighbourhood(far.dst),
        outside=flag(~private(far.dst) & ~nobody(far.dst)),
    )
    callers = far.group_by("dst").aggregate(sources=whole(far.own.sum()), strangers=far.count())
    nets = far.group_by("src", "net").aggregate(near=far.count())
    reach = far.group_by("src").aggregate(elsewhere=whole(far.outside.sum()), own=far.own.max())
    total = reach.aggregate(hosts=whole(reach.own.sum()))
    channels = channels.mutate(net=neighbourhood(channels.dst), inside=flag(private(channels.dst)))
    made = channels.left_join(callers, "dst").drop("dst_right")
    made = made.left_join(nets, ["src", "net"]).drop("src_right", "net_right")
    made = made.left_join(reach, "src").drop("src_right").cross_join(total)
    made = made.mutate(
        neighbours=ibis.coalesce(made.near, 1) - 1,
        strangers=made.strangers - made.sources,
        own=made.own.cast("int64"),
        inside=made.inside.cast("int64"),
    )
    return made.drop("near", "net")
