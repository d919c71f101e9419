"""What is seen at a place for the first time, and what else is new there and elsewhere that day.

One expression for all detectors of rarity. A *sighting* is a `thing` (a parent and its child, a
user and a source …) at a `scope` (a host, a principal). A thing that a scope has not shown within
`MEMORY` days is a novelty. It is judged (`labrys.detect.rarity.score`) by what came before it, and
only on the day it comes: whoever repeats himself neither becomes normal nor makes more findings.
Only grouping, lag and rank windows and a join are used, so that DuckDB and Spark give the same
rows; it is kept short, because in a small case most of the time goes into planning it.

What an attacker can do to the features: things seen are add-only, and adding novelties on some days
does not move the median day; days and peers are hard, they take as long as they say.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

DAY_MS: Final = 86_400_000
MEMORY: Final = 30
"""What was last seen more than so many days ago is new again."""
MOST: Final = 30
"""Of one scope and day so many novelties are judged, those that fewest others showed first."""

_LATEST: Final = 253_402_300_799_999
_SORTABLE: Final = 1_000_000_000_000_000
"""Added to a time so that its text has 16 digits and sorts like the number."""
_LONGEST: Final = 800


def novelties(sightings: Any, name: Callable[[Any], Any] | None = None) -> Any:
    """Sightings (`kind`, `scope`, `thing`, `_time`, `_id`) → the novelties of each scope and day.

    A sighting without a thing only shows that its scope was watched. `name` makes of things what
    they are called, such as `plain`; it is asked once for each thing and day. Each scope has at
    least one row for each day it was seen, with `fresh` 0 where nothing was new. Columns: `kind`,
    `scope`, `thing`, `_id` (its first sighting that day), and int64 `day`, `fresh` (1 or 0), `last`
    (the day the thing was last seen there; null: never), `born` (the first day of the thing
    anywhere), `before` (how many scopes showed it on earlier days) and `seen` (all sightings of
    that scope and day).
    """
    import ibis

    marked = _marked(sightings, name)
    # Windows of one order share a sort; with each other order the query takes longer to plan.
    alike = ibis.window(
        group_by=["kind", "thing", "fresh"], order_by="day", preceding=None, following=0
    )
    marked = marked.mutate(
        born=marked.day.min().over(alike),
        before=ibis.rank().over(ibis.window(group_by=["kind", "thing", "fresh"], order_by="day")),
    )
    order = [marked.fresh.desc(), marked.before, marked.place, marked.thing]
    place = ibis.window(group_by=["kind", "scope", "day"], order_by=order)
    whole_day = ibis.window(
        group_by=["kind", "scope", "day"], order_by=order, preceding=None, following=None
    )
    marked = marked.mutate(
        number=ibis.row_number().over(place), all_seen=marked.seen.sum().over(whole_day)
    )
    kept = marked.filter((marked.number == 0) | ((marked.fresh == 1) & (marked.number < MOST)))
    # Sums and ranks are numbers of other sizes in each engine; a real cast makes them equal.
    return kept.select(
        *("kind", "scope", "thing"),
        _id=kept.place.substr(17),
        day=kept.day,
        fresh=kept.fresh.cast("int64"),
        last=kept["last"],
        born=kept.born,
        before=kept.before.cast("float64").cast("int64"),
        seen=kept.all_seen.cast("float64").cast("int64"),
    )


def with_context(novel: Any, events: Any, columns: Mapping[str, tuple[str, ...]]) -> Any:
    """Novelties with columns of their records: name → the view's columns, the first not null wins.

    A column that the view lacks is null.
    """
    import ibis

    def first(names: tuple[str, ...]) -> Any:
        held = [events[name] for name in names if name in events.columns]
        return ibis.coalesce(*held) if held else ibis.null("string")

    record = events.select(
        *("_id", "_source", "_offset", "_time", "_shape"),
        **{name: first(names) for name, names in columns.items()},
    )
    return novel.inner_join(record, "_id")


def plain(path: Any) -> Any:
    """A path or name without what differs from user to user, version to version, run to run."""
    slashed = path.strip().lower().replace("\\", "/").substr(0, _LONGEST)
    return (
        slashed.re_replace("/(users|home)/[^/]+", "/home/~")
        .re_replace("/(temp|tmp)/[^/]+/", "/temp/~/")
        .re_replace("[0-9a-f]{8}-[0-9a-f-]{12,}|[0-9a-f]{12,}|[0-9]+", "0")
    )


def _marked(sightings: Any, name: Callable[[Any], Any] | None) -> Any:
    """One row for each kind, scope, thing and day: how often, when first, whether it is new."""
    import ibis

    timed = sightings.filter(
        sightings.scope.notnull(),
        sightings.scope != "",
        sightings._time >= 0,
        sightings._time <= _LATEST,
    )
    place = (timed._time + _SORTABLE).cast("string") + "|" + timed._id
    timed = timed.mutate(day=(timed._time // DAY_MS).cast("int64"), place=place)
    daily = timed.group_by("kind", "scope", "thing", "day").aggregate(
        seen=timed.count(), place=timed.place.min()
    )
    if name is not None:
        daily = daily.mutate(thing=name(daily.thing))
        daily = daily.group_by("kind", "scope", "thing", "day").aggregate(
            seen=daily.seen.sum(), place=daily.place.min()
        )
    same = ibis.window(group_by=["kind", "scope", "thing"], order_by="day")
    daily = daily.mutate(last=daily.day.lag().over(same))
    fresh = daily.last.isnull() | (daily.day - daily.last > MEMORY)
    return daily.mutate(fresh=(daily.thing.notnull() & fresh).ifelse(1, 0))
