"""Which hosts a host reached by protocols of administration on a day, and whether that is new.

An edge is a source, a destination and a port inside the network, answered. Servers that many hosts
use (domain controllers, file servers) do not count as destinations.

What an attacker can do to the features: edges are add-only for who moves; he may go slowly, one
host a day, or start from a host that administers others every day.
"""

from typing import Any, Final

from labrys.detect.network.flows import flag, flows, nobody, private, with_samples

DAY_MS: Final = 86_400_000
KEYS: Final = ("src", "day")
PORTS: Final = (22, 23, 135, 139, 445, 3389, 5900, 5985, 5986)
LEAST: Final = 3


def features(events: Any) -> Any:
    """The view `network_activity` → a row for each sample record of each source and day.

    `reached` (hosts), `fresh` (of them never reached before that day), `ports` (different ones),
    `edges`, `hour` (most hosts in one hour), `first`, `last`; `past` (earlier days on which the
    source reached any host so), `usual` (the most hosts on one of those, -1: none); `begun` (days
    since the evidence begins); `hosts` (that use these protocols at all), `smb`, `rdp`, `winrm`,
    `ssh`, `rpc` (hosts reached by each).
    """
    import ibis

    rows = flows(events)
    rows = rows.filter(
        rows.port.isin(PORTS),
        rows.failed == 0,
        rows.src != rows.dst,
        private(rows.src),
        private(rows.dst),
        ~nobody(rows.dst),
    )
    rows = rows.mutate(
        day=(rows._time // DAY_MS).cast("int64"), hour=(rows._time // 3_600_000).cast("int64")
    )
    # What a quarter of the hosts use is a server's service, not a neighbour.
    users = rows.group_by("dst", "port").aggregate(users=rows.src.nunique())
    total = rows.aggregate(hosts=rows.src.nunique())
    users = users.cross_join(total)
    servers = users.filter((users.users >= 4) & (users.users * 4 >= users.hosts))
    rows = rows.anti_join(servers, ["dst", "port"])
    born = rows.group_by("src", "dst").aggregate(born=rows.day.min())
    edges = rows.inner_join(born, ["src", "dst"])
    made = edges.group_by(*KEYS).aggregate(
        reached=edges.dst.nunique(),
        fresh=(edges.born == edges.day).ifelse(edges.dst, ibis.null("string")).nunique(),
        ports=edges.port.nunique(),
        edges=edges.count(),
        first=edges._time.min(),
        last=edges._time.max(),
        dst=edges.dst.min(),
        **{
            name: edges.port.isin(ports).ifelse(edges.dst, ibis.null("string")).nunique()
            for name, ports in PROTOCOLS.items()
        },
    )
    hourly = rows.group_by("src", "day", "hour").aggregate(most=rows.dst.nunique())
    busiest = hourly.group_by(*KEYS).aggregate(hour=hourly.most.max())
    earlier = ibis.window(group_by="src", order_by="day", preceding=(None, 1))
    made = made.mutate(
        past=ibis.coalesce(made.reached.count().over(earlier), 0).cast("int64"),
        usual=ibis.coalesce(made.reached.max().over(earlier), -1).cast("int64"),
    )
    made = made.inner_join(busiest, list(KEYS)).cross_join(rows.aggregate(since=rows.day.min()))
    made = made.mutate(begun=made.day - made.since).drop("since").cross_join(total)
    kept = made.filter(made.reached >= LEAST, made.fresh >= LEAST)
    fresh = edges.mutate(fresh=flag(edges.born == edges.day))
    return with_samples(kept, fresh, KEYS, first="fresh")


PROTOCOLS: Final = {
    "smb": (139, 445),
    "rdp": (3389, 5900),
    "winrm": (5985, 5986),
    "ssh": (22, 23),
    "rpc": (135,),
}
