"""What a client asks below a zone: how many names, how long, how like data, which record types.

Three views of the same questions (`kind`): a client and a zone in ten minutes (`zone`) and in a day
(`day`, for what is slow), and a client over all zones in ten minutes (`client`, for tools that use
no zone or many). The zone's own name is never looked at, only what stands below it.

What an attacker can do to the features: he needs names below a zone that nobody asked before, or no
answer would be his: their number times their length is what he can send. He may be slow, or use
many zones; ordinary questions beside them lower nothing, for only odd names are counted.
"""

from collections.abc import Sequence
from typing import Any, Final

from labrys.detect.network.flows import (
    FARTHEST_MS,
    RECORD,
    column,
    flag,
    whole,
    with_samples,
)

TEN_MINUTES: Final = 600_000
DAY_MS: Final = 86_400_000
KEYS: Final = ("kind", "src", "zone", "window")
LONG: Final = 30

_SECOND: Final = r"[^.]+\.(co|com|net|org|gov|gob|edu|ac|or|ne|go|nom|mil|info)\.[a-z]{2}$"
"""Where registries sell names one level deeper."""
_TEXT_TYPES: Final = (
    "txt",
    "16",
    "null",
    "10",
    "key",
    "25",
    "spf",
    "99",
    "private",
    "65399",
    "wks",
)
_NULL_TYPES: Final = ("null", "10", "key", "25", "private", "65399")
_CARRIERS: Final = ("cname", "5", "mx", "15", "srv", "33", "ns", "2", "naptr", "35", "a6", "38")
_ENCODED: Final = r"(^|\.)[^.]{25,}(\.|$)"
_ILLEGAL: Final = r"[^a-z0-9._-]"
_LOCAL: Final = (
    r"(\.|^)(arpa|local|localdomain|lan|home|internal|test-ipv6\.com)$|_(tcp|udp|msdcs)\b"
)
"""Reverse names, names of the network itself and of its services."""


_REVERSED: Final = (
    r"^([0-9]{1,3}\.){3}[0-9]{1,3}(\.[a-z0-9-]{1,12})?$|^([0-9a-f]\.){31}[0-9a-f](\.|$)"
)
"""Block lists are asked about addresses: written backwards, before a short name."""


def features(events: Any) -> Any:
    """The view `dns_activity` → a row for each sample record of each window that is odd.

    `queries`; `names` (different ones), `zones`; `length` (mean, of what stands below the zone);
    `encoded`, `long`, `illegal`, `rootless`, `texts`, `nulls`, `carriers`: how many different names
    are so; `answer` (mean length of answers to text types), `listed` (answers of block lists).
    """
    asked = _asked(events)
    made = _counted(_windows(asked))
    odd = (
        (made.names >= 50)
        | (made.encoded >= 10)
        | (made.illegal >= 1)
        | (made.texts >= 3)
        | (made.nulls >= 2)
        | (made.rootless >= 5)
    )
    return with_samples(made.filter(odd), _windows(asked), KEYS, first="odd")


def _asked(events: Any) -> Any:
    """Questions: client, name, zone, and what stands below the zone."""
    import ibis

    timed = events.filter(
        events._time >= -FARTHEST_MS,
        events._time <= FARTHEST_MS,
        events.src_endpoint_ip.notnull(),
        events.query_hostname.notnull(),
    )
    port, back = (
        column(timed, "dst_endpoint_port", "int64"),
        column(timed, "src_endpoint_port", "int64"),
    )
    # An answer that is a record of its own goes from the server to the client.
    answer = (back == 53) & ibis.coalesce(port != 53, True)
    client = ibis.coalesce(
        answer.ifelse(column(timed, "dst_endpoint_ip"), None), timed.src_endpoint_ip
    )
    name = timed.query_hostname.substr(0, 400).lower().re_replace(r"\.+$", "")
    rows = timed.select(
        *RECORD,
        src=client.lower(),
        name=name,
        type=ibis.coalesce(column(timed, "query_type"), "").lower(),
        answers=ibis.coalesce(column(timed, "answers_rdata"), ""),
    )
    rows = rows.filter(rows.name != "", ~rows.name.re_search(_LOCAL))
    zone = rows.name.re_search(_SECOND).ifelse(
        rows.name.re_extract(_SECOND, 0), rows.name.re_extract(r"[^.]+\.[^.]+$", 0)
    )
    zone = ibis.coalesce(zone, "")
    rows = rows.mutate(zone=(zone == "").ifelse(rows.name, zone))
    below = rows.name.length() - rows.zone.length() - 1
    rows = rows.mutate(below=(below > 0).ifelse(rows.name.substr(0, below), ""))
    return rows.filter(~rows.below.re_search(_REVERSED))


def _windows(rows: Any) -> Any:
    import ibis

    below = rows.below
    texts = rows.type.isin(_TEXT_TYPES) & ~below.contains("_") & (below != "")
    encoded = below.re_search(_ENCODED) & below.re_search(r"[0-9]")
    illegal = below.re_search(_ILLEGAL) & below.re_search(_ENCODED)
    # A last label that no registry has: no zone at all.
    rootless = rows.name.re_search(r"(^|\.)[^.]{18,}$") & ~rows.name.re_search(r"xn--[^.]*$")
    rows = rows.mutate(
        encoded=encoded,
        long=below.length() >= LONG,
        illegal=illegal,
        rootless=rootless,
        texts=texts,
        nulls=rows.type.isin(_NULL_TYPES),
        carriers=rows.type.isin(_CARRIERS) & (below.length() >= 12),
        odd=flag(encoded) + flag(illegal) + flag(rootless) + flag(texts),
    )
    short = (rows._time // TEN_MINUTES).cast("int64")
    zones = rows.mutate(kind=ibis.literal("zone"), window=short)
    days = rows.mutate(kind=ibis.literal("day"), window=(rows._time // DAY_MS).cast("int64"))
    every = rows.mutate(kind=ibis.literal("client"), window=short)
    every = every.filter(every.encoded | every.rootless | every.illegal)
    every = every.mutate(below=every.zone, zone=ibis.literal(""))
    return zones.union(days).union(every)


def _counted(rows: Any) -> Any:
    import ibis

    def different(names: Sequence[str]) -> dict[str, Any]:
        nothing = ibis.null("string")
        return {name: rows[name].ifelse(rows.name, nothing).nunique() for name in names}

    text_answers = rows.texts.ifelse(rows.answers.length(), None)
    return rows.group_by(*KEYS).aggregate(
        queries=rows.count(),
        names=rows.name.nunique(),
        zones=rows.below.nunique(),
        length=rows.below.length().mean(),
        first=rows._time.min(),
        last=rows._time.max(),
        example=rows.name.max(),
        **different(("encoded", "long", "illegal", "rootless", "texts", "nulls", "carriers")),
        answer=text_answers.max(),
        listed=whole(flag(rows.answers.startswith("127.0.0.")).sum()),
    )
