"""Messages that share a key of likeness, counted: how many, from and to how many, since when.

The keys are made when mail is read (`labrys.evidence.mail.alike`). What an attacker can do to them:
each is free, as every message can be written anew; that costs him what makes mailings cheap.
"""

from typing import Any, Final

LEAST: Final = 5
"""Fewer copies are no mailing."""
SAMPLES: Final = 20
"""Messages of each key that are kept as evidence, the first ones."""


def features(events: Any) -> Any:
    """The OCSF view `email_activity` → a row for each sample message of each key.

    Columns: `key`; `copies`, `senders`, `recipients`, `first`, `last` (epoch ms) of all messages
    with it; `_id`, `_source`, `_offset`, `_time`, `_shape`, `sender`, `subject` of the sample.
    """
    import ibis

    mail = events.filter(events.email_campaign.notnull()).select(
        *("_id", "_source", "_offset", "_time", "_shape"),
        sender=ibis.coalesce(events.email_from, "").lower(),
        recipient=ibis.coalesce(events.email_to, "").lower(),
        subject=ibis.coalesce(events.email_subject, ""),
        keys=events.email_campaign.split("\x1e"),
    )
    each = mail.mutate(key=mail["keys"].unnest()).drop("keys")
    keys = each.group_by("key").aggregate(
        copies=each["_id"].nunique(),
        senders=each.sender.nunique(),
        recipients=each.recipient.nunique(),
        first=each["_time"].min(),
        last=each["_time"].max(),
    )
    keys = keys.filter(keys.copies >= LEAST)
    each = each.semi_join(keys, "key")
    order = ibis.window(group_by="key", order_by=[each["_time"], each["_id"]])
    each = each.mutate(place=ibis.row_number().over(order))
    samples = each.filter(each.place < SAMPLES).drop("place", "recipient")
    return samples.inner_join(keys, "key")
