"""Which hosts a host reached by protocols of administration on a day or over days, and if that is new.

An edge is a source, a destination and a port inside the network, answered. Servers that many hosts
use (domain controllers, file servers) do not count as destinations. Over days only lone edges count:
to a host that is there already, and that no other host reaches so, but for those who administer others
all the time.

What an attacker can do to the features: edges are add-only for who moves; he may go slowly, one
host a day, or start from a host that administers others every day.
"""

from typing import Any, Final

from labrys.detect.network.flows import flag, flows, nobody, private, whole, with_samples

DAY_MS: Final = 86_400_000
WINDOW: Final = 5
"""Days over which slow moves are counted."""
STANDING: Final = 3
"""A host's first days in the evidence: nobody knows how old the edges are that are seen there."""
KEYS: Final = ("kind", "src", "day")
PORTS: Final = (22, 23, 135, 139, 445, 3389, 5900, 5985, 5986)
LEAST: Final = 3


PROTOCOLS: Final = {
    "smb": (139, 445),
    "rdp": (3389, 5900),
    "winrm": (5985, 5986),
    "ssh": (22, 23),
    "rpc": (135,),
}
_DAILY: Final = ("src", "day")
_COUNTS: Final = (
    *("reached", "fresh", "ports", "edges", "hour", "past", "usual", "begun", "hosts"),
    *("standing", "earlier", "quiet", "alike"),
)


def features(events: Any) -> Any:
    """The view `network_activity` → a row for each sample record of each source and day.

    `kind` is `day` or `slow`. `reached` (hosts), `fresh` (of them never reached before), `ports`
    (different ones), `edges`, `first`, `last`, and the hosts reached by each of `PROTOCOLS`; `hosts`
    (that use these protocols at all; in `slow` all inside).

    Of a day: `hour` (most hosts in one hour), `past` (earlier days on which the source reached any
    host so), `usual` (the most hosts on one of those, -1: none), `begun` (days since the evidence
    begins). Of `WINDOW` days up to that day, in lone edges: `standing` (of the source's first days in
    the evidence), `earlier` (of the days between), `quiet` (how many days the source was there before
    the window), `alike` (sources that begin so, without any before).
    """
    import ibis

    every = flows(events)
    every = every.mutate(day=(every._time // DAY_MS).cast("int64"))
    rows = every.filter(
        every.port.isin(PORTS),
        every.failed == 0,
        every.src != every.dst,
        private(every.src),
        private(every.dst),
        ~nobody(every.dst),
    )
    # What a quarter of the hosts use is a server's service, not a neighbour.
    users = rows.group_by("dst", "port").aggregate(users=rows.src.nunique())
    total = rows.aggregate(hosts=rows.src.nunique())
    users = users.cross_join(total)
    servers = users.filter((users.users >= 4) & (users.users * 4 >= users.hosts))
    rows = rows.anti_join(servers, ["dst", "port"])
    born = rows.group_by("src", "dst").aggregate(born=rows.day.min())
    edges = rows.inner_join(born, ["src", "dst"])
    edges = edges.mutate(fresh=flag(edges.born == edges.day))
    daily, slow = _daily(edges, total), _slow(edges, every)
    window = slow.select("src", until="day")
    over = edges.inner_join(window, "src")
    over = over.filter(over.day > over.until - WINDOW, over.day <= over.until)
    names = tuple(name for name in edges.columns if name != "day")
    told = edges.select(*names, "day", kind=ibis.literal("day")).union(
        over.select(*names, day=over.until, kind=ibis.literal("slow"))
    )
    columns = ("kind", *_DAILY, "dst", "first", "last", *_COUNTS, *PROTOCOLS)
    return with_samples(
        daily.select(*columns).union(slow.select(*columns)), told, KEYS, first="fresh"
    )


def _summed(edges: Any, keys: tuple[str, ...]) -> Any:
    """Counts of edges that a day and several days have in common."""
    import ibis

    nothing = ibis.null("string")
    return edges.group_by(*keys).aggregate(
        reached=edges.dst.nunique(),
        fresh=(edges.fresh == 1).ifelse(edges.dst, nothing).nunique(),
        ports=edges.port.nunique(),
        edges=edges.count(),
        first=edges._time.min(),
        last=edges._time.max(),
        dst=edges.dst.min(),
        **{
            name: edges.port.isin(ports).ifelse(edges.dst, nothing).nunique()
            for name, ports in PROTOCOLS.items()
        },
    )


def _with(made: Any, **known: int) -> Any:
    """With what is not counted of this kind."""
    import ibis

    return made.mutate(**{name: ibis.literal(one, type="int64") for name, one in known.items()})


def _daily(edges: Any, total: Any) -> Any:
    """Each source and day with enough new hosts, beside the source's earlier days."""
    import ibis

    made = _summed(edges, _DAILY)
    hourly = edges.mutate(hour=(edges._time // 3_600_000).cast("int64"))
    hourly = hourly.group_by(*_DAILY, "hour").aggregate(most=hourly.dst.nunique())
    busiest = hourly.group_by(*_DAILY).aggregate(hour=hourly.most.max())
    earlier = ibis.window(group_by="src", order_by="day", preceding=(None, 1))
    made = made.mutate(
        kind=ibis.literal("day"),
        past=ibis.coalesce(made.reached.count().over(earlier), 0).cast("int64"),
        usual=ibis.coalesce(made.reached.max().over(earlier), -1).cast("int64"),
    )
    made = made.inner_join(busiest, list(_DAILY)).cross_join(edges.aggregate(since=edges.day.min()))
    made = made.mutate(begun=made.day - made.since).cross_join(total)
    made = _with(made, standing=0, earlier=0, quiet=0, alike=0)
    return made.filter(made.reached >= LEAST, made.fresh >= LEAST)


def _slow(edges: Any, every: Any) -> Any:
    """Each source with the days in which it reached most new hosts that nobody else reaches."""
    import ibis

    seen = every.group_by("src").aggregate(since=every.day.min())
    seen = seen.filter(private(seen.src))
    total = seen.aggregate(hosts=seen.count())
    lone = _lone(edges, seen)
    lone = lone.inner_join(seen, "src")
    lone = lone.mutate(new=flag(lone.day >= lone.since + STANDING))
    ends = lone.filter(lone.new == 1).select("src", until="day").distinct()
    near = lone.inner_join(ends, "src")
    near = near.filter(near.day <= near.until)
    near = near.mutate(within=flag((near.day > near.until - WINDOW) & (near.new == 1)))
    past = near.group_by("src", "until").aggregate(
        standing=whole((1 - near.new).sum()),
        earlier=whole((near.new * (1 - near.within)).sum()),
        some=whole(near.within.sum()),
        begin=(near.within == 1).ifelse(near.day, near.until).min(),
        since=near.since.min(),
    )
    past = past.filter(past.some >= LEAST)
    order = ibis.window(group_by="src", order_by=[past.some.desc(), past.until])
    past = past.mutate(place=ibis.row_number().over(order))
    past = past.filter(past.place == 0).drop("place")
    begins = past.filter(past.standing + past.earlier == 0)
    alike = begins.aggregate(alike=begins.count())
    within = near.filter(near.within == 1).mutate(fresh=ibis.literal(1))
    made = _summed(within, ("src", "until")).inner_join(past, ["src", "until"])
    made = made.cross_join(alike).cross_join(total)
    made = made.mutate(
        kind=ibis.literal("slow"),
        quiet=made.begin - made.since,
        day=made.until,
    )
    return _with(made, hour=0, past=0, usual=-1, begun=0)


def _lone(edges: Any, seen: Any) -> Any:
    """The first of each edge to a host that was there before, and that no other host reaches.

    Those do not count as others who reach many hosts on many days: they administer.
    """
    import ibis

    busy = edges.group_by("src").aggregate(days=edges.day.nunique(), hosts=edges.dst.nunique())
    busy = busy.filter((busy.days >= 4) & (busy.hosts >= 6)).select("src")
    plain = edges.anti_join(busy, "src")
    users = plain.group_by("dst", "port").aggregate(users=plain.src.nunique(), user=plain.src.min())
    first = edges.filter(edges.fresh == 1)
    order = ibis.window(group_by=["src", "dst"], order_by=[first._time, first._id])
    first = first.mutate(number=ibis.row_number().over(order))
    first = first.filter(first.number == 0)
    first = first.left_join(users, ["dst", "port"])
    first = first.select(*edges.columns, "users", "user")
    alone = first.users.isnull() | ((first.users == 1) & (first.user == first.src))
    there = seen.select(dst="src", there="since").cross_join(seen.aggregate(start=seen.since.min()))
    first = first.filter(alone).inner_join(there, "dst")
    # What is there on the first day of the evidence was there before.
    known = (first.there < first.day) | (first.there == first.start)
    return first.filter(known).select(*edges.columns)
