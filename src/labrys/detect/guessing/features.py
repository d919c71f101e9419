"""Password guessing in numbers: bursts of failed logons, and what succeeded in their wake.

One function for four views of the same attempts (`kind`): by source with short gaps (`burst`) and
with long ones (`slow`), by user over many sources (`spread`), and by host and user where no source
is known (`local`). A burst is a run of failures with no gap longer than the kind allows; there are
no fixed windows whose borders an attacker could straddle. Only window sums, lags, row numbers,
grouping and joins are used, so that DuckDB and Spark give the same rows.

What an attacker can do to the features: failures, users, hosts and sources are add-only for who
keeps guessing; the gap between attempts is free, which is why there is a slow view; earlier
successes are hard, they need a valid password.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
MOST_REPEATS: Final = 1_000
"""One record that says "repeated n times" counts for at most so many attempts."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One view: attempts are followed by `key`; `other` is what is guessed or guesses with.

    Runs with `least` failures are kept, and those with `many` different others and half as many
    failures.
    """

    name: str
    key: str
    other: str
    gap: int
    least: int
    many: int


KINDS: Final = (
    Kind("burst", "source", "user", gap=10 * MINUTE, least=10, many=5),
    Kind("slow", "source", "user", gap=24 * HOUR, least=20, many=8),
    Kind("spread", "user", "source", gap=6 * HOUR, least=1 << 40, many=5),
    Kind("local", "place", "_shape", gap=10 * MINUTE, least=10, many=1 << 40),
)
MEASURES: Final = (
    *("failures", "users", "sources", "hosts", "first", "last", "successes", "earlier"),
    *("guessed", "guessed_at", "strange", "tried", "failed_before"),
)
"""What describes a run: int64 columns, null only where there is nothing to measure."""
SAMPLES: Final = (25, 15, 10)
"""Of each run so many first failures, last failures and first successes are kept as evidence."""

_FARTHEST_MS: Final = 1 << 60
"""Times farther from 1970 than this are no times."""


def features(events: Any) -> Any:
    """The OCSF view `authentication` → a row for each sample attempt of each run of failures.

    Columns: `kind`, `key` and `run` name the run; `failures` (the most that one kind of record
    shows, for one attempt is often logged twice), `users`, `sources`, `hosts`, `first`, `last`
    (epoch ms), `successes` (in its wake), `earlier` (of the key before it), `guessed` (successes
    that came when enough had failed), `guessed_at`, `strange` (such successes of a source and a
    user that never before succeeded together), `tried` (those of them where that pair had failed
    in the run) and `failed_before` (most failures of a pair before such a success) describe it;
    `_id`, `_source`, `_offset`, `_time`, `_shape`, `ok`, `user`, `source`, `host` the attempt.
    """
    attempts = _attempts(events)
    made = [_runs(attempts, kind) for kind in KINDS]
    table = made[0]
    for more in made[1:]:
        table = table.union(more)
    return table


def _attempts(events: Any) -> Any:
    """Logons that succeeded or failed, with source, user and host as comparable text."""
    import ibis

    def text(*names: str) -> Any:
        columns = [events[name] for name in names if name in events.columns]
        cleaned = [column.strip().lower() for column in columns]
        void = ("", "-", "::1", "127.0.0.1", "localhost", "unknown")
        return ibis.coalesce(*(c.isin(void).ifelse(ibis.null("string"), c) for c in cleaned))

    count = events["count"] if "count" in events.columns else ibis.null("int64")
    repeats = ibis.coalesce(count, 1)
    failed = events.status_id == 2
    weight = (repeats > MOST_REPEATS).ifelse(MOST_REPEATS, repeats)
    wanted = [
        # Nulls too: neither comparison is true for them. Further out, differences overflow.
        events._time >= -_FARTHEST_MS,
        events._time <= _FARTHEST_MS,
        events.status_id.isin((1, 2)),
        ibis.coalesce(events.activity_id, 1) == 1,
    ]
    if "auth_protocol" in events.columns:
        # A client offers its keys one by one: a refused key is no guessed password.
        keyed = ibis.coalesce(events.auth_protocol, "").isin(("publickey", "none", "hostbased"))
        wanted.append(~(failed & keyed))
    chosen = events.select(
        *("_id", "_source", "_offset", "_time", "_shape"),
        source=text("src_endpoint_ip", "src_endpoint_hostname"),
        user=ibis.coalesce(text("user_name"), ""),
        host=ibis.coalesce(text("dst_endpoint_hostname", "device_hostname", "_host"), ""),
        fail=failed.ifelse(weight, 0).cast("int64"),
        ok=failed.ifelse(0, 1).cast("int64"),
        wanted=_all(wanted),
    )
    kept = chosen.filter(chosen.wanted).drop("wanted")
    # A machine account fails and succeeds all day when its domain is away; nobody guesses it.
    kept = kept.filter(~kept.user.endswith("$"))
    place = kept.source.isnull().ifelse(kept.host + "|" + kept.user, ibis.null("string"))
    return kept.mutate(place=place)


def _all(conditions: Sequence[Any]) -> Any:
    joined = conditions[0]
    for condition in conditions[1:]:
        joined = joined & condition
    return joined


def _runs(attempts: Any, kind: Kind) -> Any:
    """The runs of failures of one kind that are long enough, with their samples."""
    import ibis

    rows = _numbered(_busy(attempts, kind), kind)
    runs = _described(rows, kind)
    runs = runs.filter(
        (runs.failures >= kind.least)
        | ((runs.others >= kind.many) & (runs.failures * 2 >= min(kind.least, 2 * kind.many)))
    )
    joined = _samples(rows).inner_join(runs, ["key", "run"])
    # Sums are 128-bit numbers in one engine, 64-bit in the other; only a real cast makes them equal.
    numbers = {name: joined[name].cast("float64").cast("int64") for name in ("run", *MEASURES)}
    texts = ("_id", "_source", "_offset", "_time", "_shape", "ok", "user", "source", "host")
    attempt = {name: joined[name] for name in texts}
    return joined.select(kind=ibis.literal(kind.name), key=joined.key, **numbers, **attempt)


def _busy(attempts: Any, kind: Kind) -> Any:
    """Only the attempts of keys that fail often enough in all to matter."""
    attempts = attempts.mutate(key=attempts[kind.key], other=attempts[kind.other])
    named = (attempts.key != "") & attempts.other.notnull()
    attempts = attempts.filter(attempts.key.notnull() & named)
    keys = attempts.group_by("key").aggregate(total=attempts.fail.sum())
    keys = keys.filter(keys.total >= min(kind.least, kind.many))
    return attempts.semi_join(keys, "key")


def _numbered(rows: Any, kind: Kind) -> Any:
    """Each attempt with the run it belongs to and what came before it."""
    import ibis

    def so_far(*groups: str) -> Any:
        order = [rows._time, rows.ok, rows._id]
        return ibis.window(group_by=list(groups), order_by=order, preceding=None, following=0)

    def before(*groups: str) -> Any:
        return ibis.window(group_by=list(groups), order_by=[rows._time, rows.ok, rows._id])

    failed_at = (rows.fail > 0).ifelse(rows._time, ibis.null("int64"))
    rows = rows.mutate(seen=failed_at.max().over(so_far("key")))
    rows = rows.mutate(previous=rows.seen.lag().over(before("key")))
    fresh = rows.previous.isnull() | (rows._time - rows.previous > kind.gap)
    rows = rows.mutate(opens=((rows.fail > 0) & fresh).ifelse(1, 0))
    rows = rows.mutate(
        run=rows.opens.sum().over(so_far("key")),
        oks=rows.ok.sum().over(so_far("key")),
        own_oks=rows.ok.sum().over(so_far("key", "other")) - rows.ok,
    )
    rows = rows.filter((rows.run > 0) & (rows._time - rows.seen <= kind.gap))
    rows = rows.mutate(
        failed=rows.fail.sum().over(so_far("key", "run")),
        own_failed=rows.fail.sum().over(so_far("key", "run", "other")),
    )
    enough = (rows.failed >= min(kind.least, 2 * kind.many)) & (rows.ok > 0)
    return rows.mutate(hit=enough.ifelse(1, 0))


def _described(rows: Any, kind: Kind) -> Any:
    """One row for each run."""
    import ibis

    failing = rows.fail > 0
    hit = rows.hit > 0
    strange = hit & (rows.own_oks == 0)
    none = ibis.null("int64")
    by_shape = rows.group_by("key", "run", "_shape").aggregate(failures=rows.fail.sum())
    most = by_shape.group_by("key", "run").aggregate(failures=by_shape.failures.max())
    runs = rows.group_by("key", "run").aggregate(
        others=failing.ifelse(rows.other, ibis.null("string")).nunique(),
        users=failing.ifelse(rows.user, ibis.null("string")).nunique(),
        sources=failing.ifelse(rows.source, ibis.null("string")).nunique(),
        hosts=failing.ifelse(rows.host, ibis.null("string")).nunique(),
        first=failing.ifelse(rows._time, none).min(),
        last=failing.ifelse(rows._time, none).max(),
        successes=rows.ok.sum(),
        earlier=(rows.opens > 0).ifelse(rows.oks, none).max(),
        guessed=rows.hit.sum(),
        guessed_at=hit.ifelse(rows._time, none).min(),
        failed_before=hit.ifelse(rows.own_failed, none).max(),
        strange=strange.ifelse(1, 0).sum(),
        tried=(strange & (rows.own_failed > 0)).ifelse(1, 0).sum(),
    )
    return runs.inner_join(most, ["key", "run"])


def _samples(rows: Any) -> Any:
    """The first and last failures and the first successes of each run."""
    import ibis

    forth = ibis.window(
        group_by=["key", "run", "ok"], order_by=[rows.hit.desc(), rows._time, rows._id]
    )
    back = ibis.window(group_by=["key", "run", "ok"], order_by=[rows._time.desc(), rows._id.desc()])
    rows = rows.mutate(forth=ibis.row_number().over(forth), back=ibis.row_number().over(back))
    first, last, successes = SAMPLES
    failing = (rows.ok == 0) & ((rows.forth < first) | (rows.back < last))
    return rows.filter(failing | ((rows.ok > 0) & (rows.forth < successes)))
