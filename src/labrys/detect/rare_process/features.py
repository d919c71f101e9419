"""Which program started which, on which host.

What an attacker can do to the features: names are free, he may call his program what he likes, but
then it is new; to hide he must make an ordinary parent start an ordinary child from its own folder.
"""

from typing import Any, Final

from labrys.detect.rarity.features import novelties, plain, with_context

CONTEXT: Final = {
    "host": ("device_hostname", "_host"),
    "user": ("actor_user_name",),
    "image": ("process_file_path",),
    "parent": ("process_parent_process_file_path",),
    "uid": ("process_uid",),
    "parent_uid": ("process_parent_process_uid",),
}

_ARROW: Final = " → "


def features(events: Any) -> Any:
    """The OCSF view `process_activity` → see `labrys.detect.rarity.features.novelties`."""
    import ibis

    def text(name: str) -> Any:
        return events[name] if name in events.columns else ibis.null("string")

    started = events.mutate(
        host=ibis.coalesce(text("device_hostname"), text("_host")).lower(),
        parent=ibis.coalesce(text("process_parent_process_file_path"), ""),
        child=text("process_file_path"),
    )
    started = started.filter(ibis.coalesce(events.activity_id, 1) == 1)
    pair = started.parent + _ARROW + started.child
    sightings = started.select(
        "_time",
        "_id",
        kind=ibis.literal("pair"),
        scope=started.host,
        thing=(started.child == "").ifelse(ibis.null("string"), pair),
    )
    return with_context(novelties(sightings, _name), events, CONTEXT)


def _name(pair: Any) -> Any:
    """The parent without its folder, the child with it."""
    return plain(pair).re_replace("^[^→]*/", "")
