"""Who logs on where, from where, and with what.

Three kinds of sighting: on a host, a user and his source (`edge`); of a user, the country
(`country`) and the program (`agent`) he signs in with.

What an attacker can do to the features: the program's name is free, the country nearly so (a
proxy); a new edge is hard to avoid for who moves on with a stolen password.
"""

from typing import Any, Final

from labrys.detect.rarity.features import novelties, plain, with_context

CONTEXT: Final = {
    "host": ("dst_endpoint_hostname", "device_hostname", "_host"),
    "user": ("user_name",),
    "ip": ("src_endpoint_ip",),
    "source": ("src_endpoint_hostname",),
    "country": ("src_endpoint_location_country",),
    "agent": ("http_request_user_agent",),
}
VOID: Final = ("", "-", "::1", "127.0.0.1", "localhost", "local", "unknown")
_OWN: Final = (
    *("system", "local service", "network service", "anonymous logon", "iusr"),
    *("dwm-", "umfd-", "defaultapppool"),
)
"""Accounts, or how their names begin, that Windows itself uses everywhere."""
_BY_ITSELF: Final = (0, 5, 7)
"""Logon types of the start of the machine, of services, and of unlocking a screen."""


def features(events: Any) -> Any:
    """The OCSF view `authentication` → see `labrys.detect.rarity.features.novelties`."""
    import ibis

    def text(*names: str) -> Any:
        columns = [events[name] for name in names if name in events.columns]
        cleaned = [column.strip().lower() for column in columns]
        void = [column.isin(VOID).ifelse(ibis.null("string"), column) for column in cleaned]
        return ibis.coalesce(*void) if void else ibis.null("string")

    made = events.select(
        *("_time", "_id", "status_id"),
        activity=ibis.coalesce(events.activity_id, 1),
        type=events["logon_type_id"] if "logon_type_id" in events.columns else ibis.null("int64"),
        host=text("dst_endpoint_hostname", "device_hostname", "_host"),
        user=text("user_name"),
        source=text("src_endpoint_ip", "src_endpoint_hostname"),
        country=text("src_endpoint_location_country"),
        agent=text("http_request_user_agent"),
    )
    made = made.filter(
        made.status_id == 1,
        made.activity == 1,
        made.user.notnull(),
        ~made.user.endswith("$"),
        ~ibis.coalesce(made.type, -1).isin(_BY_ITSELF),
    )
    for name in _OWN:
        made = made.filter(~made.user.startswith(name))
    edge = made.user + " ← " + ibis.coalesce(made.source, "itself")
    whose = (made.country.notnull() | made.agent.notnull()).ifelse(made.user, ibis.null("string"))
    kinds = (
        ("edge", made.host, edge),
        ("country", whose, made.country),
        ("agent", whose, plain(made.agent)),
    )
    parts = [
        made.select("_time", "_id", kind=ibis.literal(name), scope=scope, thing=thing)
        for name, scope, thing in kinds
    ]
    sightings = parts[0].union(parts[1]).union(parts[2])
    return with_context(novelties(sightings), events, CONTEXT)
