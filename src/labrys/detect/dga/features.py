"""Which names a host asked for in a day, and whether there are such names.

A row for each host, day (UTC) and name: how often DNS said that it does not exist, how often it gave
an address, and when. Names that do not exist come first where a day has more than are kept. Only
grouping, row numbers and comparisons are used, so that DuckDB and Spark give the same rows.

What an attacker can do: more questions and more names are add-only; which names is free to whoever
writes a new generator; but a bot must ask for many names that do not exist (hard: asking for few means
registering nearly all of them beforehand, which costs money and can be seized).
"""

from typing import Any, Final

DAY: Final = 86_400_000
MOST_NAMES: Final = 1_000
"""So many names of a host and day are judged."""
COLUMNS: Final = ("dead", "alive", "first", "last")
"""What describes a name: int64, never null."""

_FARTHEST_MS: Final = 1 << 60
_ADDRESS_TYPES: Final = ("A", "AAAA", "HTTPS", "1", "28", "65")
_MISSING: Final = ("NXDOMAIN", "3")
_MISSING_IDS: Final = (3, 9003)
"""RFC 1035's name error, and Windows' DNS_ERROR_RCODE_NAME_ERROR."""


def features(events: Any) -> Any:
    """The OCSF view `dns_activity` → a row for each host, day and name, `MOST_NAMES` at most.

    Columns: `host`, `day` (days since 1970), `name` (lower case), `dead` and `alive` (answers that
    the name does not exist, and with an address), `first`, `last` (epoch ms), and `_id`, `_source`,
    `_offset`, `_shape` of one record, of a dead answer if there is one.
    """
    import ibis

    rows = _questions(events)
    group = [rows.host, rows.day, rows.name]
    order = [rows.dead.desc(), rows._time, rows._id]
    one = rows.mutate(place=ibis.row_number().over(ibis.window(group_by=group, order_by=order)))
    one = one.filter(one.place == 0).select(
        "host", "day", "name", "_id", "_source", "_offset", "_shape"
    )
    names = rows.group_by("host", "day", "name").aggregate(
        dead=rows.dead.sum(), alive=rows.alive.sum(), first=rows._time.min(), last=rows._time.max()
    )
    both = names.inner_join(one, ["host", "day", "name"])
    # Sums are 128-bit numbers in one engine, 64-bit in the other; only a real cast makes them equal.
    numbers = {name: both[name].cast("float64").cast("int64") for name in COLUMNS}
    both = both.mutate(**numbers)
    missing = (both.dead > 0).ifelse(0, 1)
    window = ibis.window(
        group_by=[both.host, both.day], order_by=[missing, both["first"], both.name]
    )
    both = both.mutate(place=ibis.row_number().over(window))
    return both.filter(both.place < MOST_NAMES).drop("place")


def _questions(events: Any) -> Any:
    """Questions for addresses: who asked, when, for what, and what the answer was."""
    import ibis

    def column(name: str, kind: str = "string") -> Any:
        return events[name] if name in events.columns else ibis.null(kind)

    def text(*names: str) -> Any:
        cleaned = [column(name).strip().lower() for name in names]
        return ibis.coalesce(*(c.isin(("", "-")).ifelse(ibis.null("string"), c) for c in cleaned))

    # Some sensors write answers the other way round: from the server, to the client.
    turned = ibis.coalesce(column("src_endpoint_port", "int64"), -1) == 53
    asker = turned.ifelse(text("dst_endpoint_ip"), text("src_endpoint_ip"))
    code = ibis.coalesce(column("rcode").strip().upper(), "")
    number = ibis.coalesce(column("rcode_id", "int64"), -1)
    dead = code.isin(_MISSING) | number.isin(_MISSING_IDS)
    fine = code.isin(("NOERROR", "0")) | (number == 0)
    kind = ibis.coalesce(column("query_type").strip().upper(), "A")
    chosen = events.select(
        *("_id", "_source", "_offset", "_time", "_shape"),
        host=ibis.coalesce(asker, text("device_hostname", "_host")),
        day=(events._time / DAY).floor().cast("int64"),
        name=text("query_hostname"),
        dead=dead.ifelse(1, 0),
        alive=(fine & text("answers_rdata").notnull()).ifelse(1, 0),
        asked=kind.isin(_ADDRESS_TYPES),
    )
    # Nulls too: neither comparison is true for them. Further out, divisions lose digits.
    kept = chosen.filter(
        chosen._time >= -_FARTHEST_MS,
        chosen._time <= _FARTHEST_MS,
        chosen.host.notnull(),
        chosen.name.notnull(),
        chosen.asked,
    )
    return kept.drop("asked")
