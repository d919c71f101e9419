"""Who wrote to this mailbox before, known only from earlier mail, for each message that needs it.

The case is the mailbox: all messages in it, in the order of their times. Nothing of a message's
future is used. Only messages that break with the past are kept: first of their sender, a known name
at another address, a known sender whose answers go elsewhere. Window sums, grouping and unions only,
so that DuckDB and Spark give the same rows.

What an attacker can do to the features: he can write earlier and often (add-only, and each time he
is seen); that somebody of the mailbox writes to him is hard; so is a known sender's own account.
"""

from typing import Any, Final

LONGEST: Final = 6_000
"""Characters of a message that are judged."""
FEW: Final = 3
"""Before so many messages an address, a name or a domain is not known."""
YOUNG: Final = 10
"""Before so many messages of a domain it is asked whether it looks like another."""
MOST_DOMAINS: Final = 2_000
"""So many of the domains that wrote most are known."""
_LATEST: Final = 253_402_300_799_999


def features(events: Any) -> Any:
    """The view `email_activity` → rows of two kinds (`kind`).

    `message`: a message that breaks with the past: `earlier` (messages of its sender before it),
    `domain_earlier` (of the domain), `written` (messages to the sender before it), `name_earlier`
    (messages with the shown name before it), `pair_earlier` (those of them from this address),
    `reply_earlier` (of the sender's, those with the same Reply-To), and what it says.
    `domain`: a domain that wrote: `thing`, `_time` (first seen), `earlier` (how many messages).
    """
    mails = _mails(events)
    counted = _counted(mails)
    elsewhere = counted.name_earlier - counted.pair_earlier
    broken = (
        (counted.earlier == 0)
        | (counted.domain_earlier < YOUNG)
        | ((elsewhere >= FEW) & (counted.pair_earlier < FEW))
        | ((counted.reply != "") & (counted.earlier >= FEW) & (counted.reply_earlier < FEW))
    )
    kept = counted.filter(broken)
    return _as_rows(kept, "message").union(_as_rows(_domains(mails), "domain"))


_TEXTS: Final = ("thing", "sender", "domain", "name", "reply", "subject", "said", "recipient")
_NUMBERS: Final = (
    "earlier", "domain_earlier", "written", "name_earlier", "pair_earlier", "reply_earlier",
)  # fmt: skip


def _as_rows(table: Any, kind: str) -> Any:
    import ibis

    def of(name: str, type_: str) -> Any:
        return table[name] if name in table.columns else ibis.null(type_)

    return table.select(
        kind=ibis.literal(kind),
        **{name: of(name, "string").cast("string") for name in ("_id", "_source", "_shape")},
        _time=of("_time", "int64").cast("int64"),
        _offset=of("_offset", "int64").cast("int64"),
        **{name: of(name, "string").cast("string") for name in _TEXTS},
        # Counts are numbers of other sizes in each engine; a real cast makes them equal.
        **{name: of(name, "int64").cast("float64").cast("int64") for name in _NUMBERS},
    )


def _mails(events: Any) -> Any:
    import ibis

    def text(name: str) -> Any:
        column = events[name] if name in events.columns else ibis.null("string")
        return ibis.coalesce(column, "")

    written_by, answers = text("email_from").lower(), text("email_reply_to").lower()
    recipient = text("email_to").lower().re_replace("\x1e(.|\n)*", "")
    # A list that writes in its own name puts the author into Reply-To (RFC 7960).
    listed = (written_by == recipient) & (answers != "")
    own_domain = text("src_endpoint_domain").lower()
    made = events.select(
        *("_id", "_source", "_offset", "_shape", "_time"),
        sender=listed.ifelse(answers, written_by),
        domain=listed.ifelse(answers.re_replace("^.*@", ""), own_domain),
        name=text("email_from_mailbox").strip().lower(),
        reply=listed.ifelse("", answers),
        recipient=recipient,
        subject=text("email_subject"),
        said=text("message").substr(0, LONGEST),
    )
    return made.filter(made._time >= 0, made._time <= _LATEST, made.sender != "")


def _counted(mails: Any) -> Any:
    """Each message with what came before it."""
    import ibis

    # To whom somebody wrote, beside who wrote: one row for each, in the order of time.
    wrote = mails.select("_time", "_id", who=mails.sender, sent=ibis.literal(0))
    got = mails.filter(mails.recipient != "", mails.recipient != mails.sender)
    got = got.select("_time", "_id", who=got.recipient, sent=ibis.literal(1))
    both = wrote.union(got)
    past = ibis.window(
        group_by="who", order_by=[both._time, both._id, both.sent], preceding=None, following=0
    )
    both = both.mutate(written=both.sent.sum().over(past))
    written = both.filter(both.sent == 0).select("_id", "written")

    def before(*keys: str) -> Any:
        window = ibis.window(group_by=list(keys), order_by=[mails._time, mails._id])
        return ibis.row_number().over(window)

    mails = mails.mutate(
        earlier=before("sender"),
        domain_earlier=before("domain"),
        named=before("name"),
        pair=before("name", "sender"),
        reply_earlier=before("sender", "reply"),
    )
    shown = (mails.name != "") & (mails.name != mails.sender)
    mails = mails.mutate(
        name_earlier=shown.ifelse(mails.named, 0), pair_earlier=shown.ifelse(mails.pair, 0)
    )
    return mails.inner_join(written, "_id").mutate(thing=mails.sender)


def _domains(mails: Any) -> Any:
    """The domains that wrote most, and since when."""
    import ibis

    named = mails.filter(mails.domain != "").mutate(thing=mails.domain)
    made = named.group_by("thing").aggregate(earlier=named.count(), _time=named._time.min())
    order = ibis.window(order_by=[made.earlier.desc(), made.thing])
    made = made.mutate(place=ibis.row_number().over(order))
    return made.filter(made.place < MOST_DOMAINS)
