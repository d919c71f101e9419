"""Which services are installed on which host.

What an attacker can do to the features: names and paths are free, but each new one is new.
"""

from typing import Any, Final

from labrys.detect.rarity.features import novelties, plain, with_context

CONTEXT: Final = {
    "host": ("device_hostname", "_host"),
    "user": ("actor_user_name",),
    "name": ("win_service_name",),
    "line": ("win_service_cmd_line",),
}
_CREATED: Final = 1


def features(events: Any) -> Any:
    """The view `windows_service_activity` → see `labrys.detect.rarity.features.novelties`.

    Services that start and stop show only that their host is watched.
    """
    import ibis

    def text(*names: str) -> Any:
        held = [events[name] for name in names if name in events.columns]
        return ibis.coalesce(*held) if held else ibis.null("string")

    line = text("win_service_cmd_line", "win_service_name")
    made = events.select(
        "_time",
        "_id",
        kind=ibis.literal("service"),
        scope=text("device_hostname", "_host").lower(),
        thing=(events.activity_id == _CREATED).ifelse(line, ibis.null("string")),
    )
    return with_context(novelties(made, plain), events, CONTEXT)
