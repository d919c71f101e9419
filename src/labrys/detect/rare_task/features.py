"""Which scheduled tasks and jobs there are on which host.

What an attacker can do to the features: names and commands are free, but each new one is new.
"""

from typing import Any, Final

from labrys.detect.rarity.features import novelties, plain, with_context

CONTEXT: Final = {
    "host": ("device_hostname", "_host"),
    "user": ("actor_user_name", "job_user_name"),
    "name": ("job_name",),
    "line": ("job_cmd_line",),
}
_DELETED: Final = 3


def features(events: Any) -> Any:
    """The view `scheduled_job_activity` → see `labrys.detect.rarity.features.novelties`."""
    import ibis

    def text(*names: str) -> Any:
        held = [events[name] for name in names if name in events.columns]
        return ibis.coalesce(*held) if held else ibis.null("string")

    gone = ibis.coalesce(events.activity_id, 0) == _DELETED
    made = events.select(
        "_time",
        "_id",
        kind=ibis.literal("task"),
        scope=text("device_hostname", "_host").lower(),
        thing=gone.ifelse(ibis.null("string"), text("job_name", "job_cmd_line")),
    )
    return with_context(novelties(made, plain), events, CONTEXT)
