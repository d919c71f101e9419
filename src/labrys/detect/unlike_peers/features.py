"""How much a host does on a day, in a dozen ways, beside what its peers do that day and it did before.

What an attacker can do to the features: nothing but add to his own counts. What is usual is his peers'
to say, as long as he has not most of them; his own earlier days are his, so they excuse little.
"""

from typing import Any, Final

from labrys.detect.botnet.features import ADMIN, KNOWN
from labrys.detect.network.flows import flag, flows, nobody, own_hosts, private, whole, with_samples

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
KEYS: Final = ("src", "day")
PEERS: Final = 8
"""Hosts of a kind on a day from which on they say what is usual."""
SERVED: Final = 3
"""Hosts inside that a host answers from which on it is a server."""
FLOORS: Final = {
    "called": 20, "alone": 4, "alone_flows": 30, "odd_ports": 2, "failed": 10, "inside": 4,
    "admin": 1, "flows": 750, "hours": 4, "sent": 25_000_000, "minutes": 120,
}  # fmt: skip
"""What is counted, and how much of it is nothing yet.

`called`: addresses outside that answer; `alone`: those of them that no peer calls, `alone_flows`: flows to
the one of these that is called most; `odd_ports`: addresses outside that answer on ports of no known use;
`failed`: addresses at which a flow failed; `inside`: hosts inside; `admin`: hosts inside on ports of
administration; `flows`; `hours`: in which it called out; `sent`: bytes out; `minutes`: of the longest flow.
"""


def features(events: Any) -> Any:
    """The view `network_activity` → a row for each sample record of each host and day that has peers
    and does more than they, with for each of `FLOORS` its number, `usual_…` (what three quarters of its
    peers do not pass) and `before_…` (the most on an earlier day, -1 without one), and `peers`."""
    rows = _called(events)
    shown = rows.filter(~private(rows.dst) | rows.port.isin(ADMIN))
    shown = shown.mutate(odd=flag(shown.failed == 0))
    return with_samples(_beside(counts(events)), shown, KEYS, first="odd")


def counts(events: Any) -> Any:
    """The view `network_activity` → what is counted (`FLOORS`) of each host inside and day, `first`,
    `last`, and whether it is a `server`."""
    rows = _called(events)
    outside = ~private(rows.dst)
    good = 1 - rows.failed
    # One row for each address that a host calls: whatever is counted is then a sum, without sets.
    pairs = rows.group_by(*KEYS, "dst").aggregate(
        outside=flag(outside).max(),
        answered=good.max(),
        failed=rows.failed.max(),
        odd=(good * flag(~rows.port.isin(KNOWN))).max(),
        admin=flag(rows.port.isin(ADMIN)).max(),
        flows=rows.count(),
        sent=whole(rows.out_bytes.fill_null(0).sum()),
        longest=rows.duration.fill_null(0).max(),
        first=rows._time.min(),
        last=rows._time.max(),
    )
    own = own_hosts(pairs).select("src")
    mine = pairs.semi_join(own, "src")
    hours = rows.filter(outside).select(*KEYS, "hour").distinct()
    hours = hours.group_by(*KEYS).aggregate(hours=hours.count())
    return _joined(_summed(mine), [_alone(mine), hours], _servers(pairs, own))


def _called(events: Any) -> Any:
    rows = flows(events)
    rows = rows.filter(~nobody(rows.dst), rows.src != rows.dst)
    echo = (rows.sport > 0) & (rows.sport < 1024) & (rows.port >= 1024)
    return rows.filter(~echo).mutate(
        day=(rows._time // DAY_MS).cast("int64"), hour=(rows._time // HOUR_MS).cast("int64")
    )


def _summed(mine: Any) -> Any:
    """The sums of each host and day."""
    out = mine.outside
    return mine.group_by(*KEYS).aggregate(
        called=whole((out * mine.answered).sum()),
        odd_ports=whole((out * mine.odd).sum()),
        failed=whole(mine.failed.sum()),
        inside=whole((1 - out).sum()),
        admin=whole(((1 - out) * mine.admin).sum()),
        flows=whole(mine.flows.sum()),
        sent=whole((out * mine.sent).sum()),
        minutes=((out * mine.longest).max() // 60_000).cast("int64"),
        first=mine["first"].min(),
        last=mine["last"].max(),
    )


def _alone(mine: Any) -> Any:
    """Of each host and day the addresses outside that no other host calls, and the most flows to one."""
    there = mine.filter(mine.outside == 1, mine.answered == 1)
    callers = there.group_by("dst", "day").aggregate(one=there.src.min(), other=there.src.max())
    lonely = there.semi_join(callers.filter(callers.one == callers.other), ["dst", "day"])
    return lonely.group_by(*KEYS).aggregate(alone=lonely.count(), alone_flows=lonely.flows.max())


def _servers(pairs: Any, own: Any) -> Any:
    """Hosts that several hosts inside use."""
    used = pairs.filter(private(pairs.src), pairs.answered == 1).semi_join(
        own, pairs.dst == own.src
    )
    clients = used.select("src", "dst").distinct()
    servers = clients.group_by(src=clients.dst).aggregate(clients=clients.count())
    return servers.filter(servers.clients >= SERVED)


def _joined(summed: Any, more: list[Any], servers: Any) -> Any:
    """All counts of each host and day in one row."""
    import ibis

    made = summed
    for one in more:
        names = [name for name in one.columns if name not in KEYS]
        joined = made.left_join(one, list(KEYS))
        made = joined.select(
            *(made[name] for name in made.columns),
            **{name: ibis.coalesce(one[name], 0) for name in names},
        )
    joined = made.left_join(servers, "src")
    return joined.select(
        *(made[name] for name in made.columns), server=flag(servers.clients.notnull())
    )


def _beside(counted: Any) -> Any:
    """Who does more of something than is usual, with what is usual that day and what he did before."""
    import ibis

    long = ibis.union(*(
        counted.select(*KEYS, "server", "first", "last", what=ibis.literal(name),
                       value=counted[name].cast("int64"))
        for name in FLOORS
    ))  # fmt: skip
    order = ibis.window(group_by=["day", "server", "what"], order_by=[long.value, long.src])
    group = ibis.window(group_by=["day", "server", "what"])
    earlier = ibis.window(group_by=["src", "what"], order_by="day", preceding=(None, 1))
    long = long.mutate(
        place=ibis.row_number().over(order).cast("int64"),
        hosts=long.src.count().over(group).cast("int64"),
        before=ibis.coalesce(long.value.max().over(earlier), -1),
    )
    long = long.filter(long.hosts > PEERS)
    usual = long.filter(long.place == (long.hosts - 1) * 3 // 4)
    usual = usual.select("day", "server", "what", usual=usual.value)
    long = long.inner_join(usual, ["day", "server", "what"])

    def of(name: str, column: str) -> Any:
        return (long.what == name).ifelse(long[column], -1).max()

    wide = long.group_by(*KEYS, "server").aggregate(
        first=long["first"].min(), last=long["last"].max(), peers=long.hosts.max() - 1,
        **{name: of(name, "value") for name in FLOORS},
        **{f"usual_{name}": of(name, "usual") for name in FLOORS},
        **{f"before_{name}": of(name, "before") for name in FLOORS},
    )  # fmt: skip
    more = ibis.literal(False)
    for name, floor in FLOORS.items():
        more = more | ((wide[name] >= 2 * floor) & (wide[name] > 2 * wide[f"usual_{name}"]))
    return wide.filter(more)
