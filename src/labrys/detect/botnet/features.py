"""Counts of what bots do, for each host of the network and day: all of them only ever grow.

What an attacker can do to the features: nothing but add. Every count is of flows, addresses or
servers with a mark; no share, no mean, no quantile that more traffic could lower. What he does not
do is not counted: a bot that calls one server over ordinary TLS is `beacon`'s, not seen here.
"""

from typing import Any, Final

from labrys.detect.network.flows import (
    flag,
    flows,
    handshakes,
    nobody,
    own_hosts,
    private,
    whole,
    with_samples,
)

DAY_MS: Final = 86_400_000
KEYS: Final = ("src", "day")
ADMIN: Final = (22, 23, 135, 139, 445, 2323, 3389, 5555, 5985)
KNOWN: Final = (
    *(20, 21, 22, 25, 53, 80, 110, 123, 143, 443, 465, 587, 853, 993, 995, 3478, 5222, 5223, 5228),
    *(8080, 8443, 8883, 67, 68, 137, 138, 500, 4500, 1194, 51820, 1935, 554),
)
COUNTS: Final = ("mailed", "stubborn", "scattered", "failing", "unknown", "chat", "spread", "flood")
MADE: Final = ("handmade", "nameless")


def features(events: Any) -> Any:
    """The view `network_activity` → a row for each sample record of each host and day.

    `mailed` (mail servers outside that it calls, 0 for what is a mail server itself), `stubborn` (most
    failed calls to one address and port outside), `scattered` (addresses outside that UDP goes to
    and nothing comes from), `failing` (addresses outside that never stood for TCP), `unknown`
    (addresses outside on ports of no known use), `chat` (flows of IRC), `spread` (private addresses
    whose port of administration refused), `flood` (most failed flows to one address in a minute),
    `handmade` and `nameless` (servers outside with such TLS); `first`, `last`.
    """

    rows = flows(events)
    rows = rows.filter(~nobody(rows.dst), rows.src != rows.dst)
    echo = (rows.sport > 0) & (rows.sport < 1024) & (rows.port >= 1024)
    rows = rows.filter(~echo).mutate(
        day=(rows._time // DAY_MS).cast("int64"), minute=(rows._time // 60_000).cast("int64")
    )
    pairs = rows.group_by("src", "dst", "port", "proto", "day").aggregate(
        flows=rows.count(),
        failed=whole(rows.failed.sum()),
        chat=whole(flag(rows.service == "irc").sum()),
        first=rows._time.min(),
        last=rows._time.max(),
    )
    pairs = pairs.mutate(answered=pairs.flows - pairs.failed)
    made = _with_floods(_counted(pairs), rows)
    made = made.semi_join(own_hosts(pairs), "src")
    made = _with_tls(made, events)
    total = made.handmade + made.nameless
    for name in COUNTS:
        total = total + made[name]
    shown = rows.mutate(odd=rows.failed + flag(rows.service == "irc") + flag(rows.port == 25))
    return with_samples(made.filter(total >= 5), shown, KEYS, first="odd")


def _counted(pairs: Any) -> Any:
    """The counts of each source and day."""
    import ibis

    outside = ~private(pairs.dst)
    tcp, udp = pairs.proto == "tcp", pairs.proto == "udp"
    dead = pairs.failed > 0
    servers = pairs.filter(pairs.port == 25, pairs.answered > 0).group_by("dst").aggregate(
        clients=pairs.src.nunique()
    )  # fmt: skip
    mail = servers.filter(servers.clients >= 3).select(
        src="dst", relay=ibis.literal(1, type="int64")
    )

    def different(condition: Any) -> Any:
        return condition.ifelse(pairs.dst, ibis.null("string")).nunique()

    def most(condition: Any, count: Any) -> Any:
        return ibis.coalesce(condition.ifelse(count, 0).max(), 0)

    made = pairs.group_by(*KEYS).aggregate(
        mailed=different(outside & tcp & (pairs.port == 25)),
        stubborn=most(outside & tcp, pairs.failed),
        scattered=different(outside & udp & dead & ~pairs.port.isin(KNOWN)),
        failing=different(outside & tcp & dead),
        unknown=different(outside & ~pairs.port.isin(KNOWN) & (pairs.answered > 0)),
        chat=whole(outside.ifelse(pairs.chat, 0).sum()),
        spread=different(~outside & tcp & dead & pairs.port.isin(ADMIN)),
        first=pairs["first"].min(),
        last=pairs["last"].max(),
    )
    joined = made.left_join(mail, "src").drop("src_right")
    return joined.mutate(mailed=joined.relay.isnull().ifelse(joined.mailed, 0)).drop("relay")


def _with_floods(made: Any, rows: Any) -> Any:
    """With the fullest minute: only what failed is counted by minutes."""
    import ibis

    failed = rows.filter(rows.failed == 1, ~private(rows.dst))
    minutes = failed.group_by(*KEYS, "dst", "port", "proto", "minute").aggregate(n=failed.count())
    fullest = minutes.group_by(*KEYS).aggregate(flood=minutes.n.max())
    joined = made.left_join(fullest, list(KEYS))
    return joined.select(
        *(made[name] for name in made.columns), flood=ibis.coalesce(fullest.flood, 0)
    )


def _with_tls(made: Any, events: Any) -> Any:
    import ibis

    shaken = handshakes(events)
    shaken = shaken.filter(~private(shaken.dst))
    shaken = shaken.mutate(day=(shaken._time // DAY_MS).cast("int64"))
    nothing = ibis.null("string")
    own = ibis.coalesce(shaken.subject == shaken.issuer, False)
    odd = (shaken.sni == "") & ~shaken.port.isin(KNOWN)
    tls = shaken.group_by(*KEYS).aggregate(
        handmade=own.ifelse(shaken.dst, nothing).nunique(),
        nameless=odd.ifelse(shaken.dst, nothing).nunique(),
    )
    joined = made.left_join(tls, list(KEYS))
    return joined.select(
        *(made[name] for name in made.columns),
        **{name: ibis.coalesce(tls[name], 0) for name in MADE},
    )
