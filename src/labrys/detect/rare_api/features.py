"""Who calls what in a cloud or service, and with what program, from which country.

What an attacker can do to the features: the program's name is free, the country nearly so; the call
itself is hard, it is what he is there for, unless the stolen principal makes it anyway.
"""

from typing import Any, Final

from labrys.detect.rarity.features import novelties, plain, with_context

CONTEXT: Final = {
    "principal": ("actor_user_name", "actor_user_uid"),
    "account": ("cloud_account_uid",),
    "service": ("api_service_name",),
    "operation": ("api_operation",),
    "ip": ("src_endpoint_ip",),
    "country": ("src_endpoint_location_country",),
    "agent": ("http_request_user_agent",),
    "host": ("device_hostname",),
}


def features(events: Any) -> Any:
    """The OCSF view `api_activity` → see `labrys.detect.rarity.features.novelties`."""
    import ibis

    def text(*names: str) -> Any:
        held = [events[name] for name in names if name in events.columns]
        return ibis.coalesce(*held) if held else ibis.null("string")

    made = events.select(
        *("_time", "_id"),
        principal=text("actor_user_name", "actor_user_uid").lower(),
        call=ibis.coalesce(text("api_service_name"), "") + ":" + text("api_operation"),
        country=text("src_endpoint_location_country"),
        agent=text("http_request_user_agent"),
    )
    # A principal that nobody names with program or country cannot be new in them.
    kinds = (
        ("call", made.principal, made.call),
        (
            "country",
            made.country.notnull().ifelse(made.principal, ibis.null("string")),
            made.country,
        ),
        ("agent", made.agent.notnull().ifelse(made.principal, ibis.null("string")), made.agent),
    )
    parts = [
        made.select("_time", "_id", kind=ibis.literal(name), scope=scope, thing=thing)
        for name, scope, thing in kinds
    ]
    sightings = parts[0].union(parts[1]).union(parts[2])
    return with_context(novelties(sightings, plain), events, CONTEXT)
