"""Which protocol was recognised on which port, for each source, destination and port.

What an attacker can do to the features: he may speak what the port is for, which costs him the
disguise's purpose where a proxy looks inside; encryption of his own makes the protocol unknown, and
then it is unknown on a port where it should not be.
"""

from typing import Any, Final

from labrys.detect.network.flows import (
    flag,
    flows,
    handshakes,
    nobody,
    private,
    whole,
    with_samples,
)

KEYS: Final = ("src", "dst", "port", "service")
EXPECTED: Final = {
    "ssh": (22, 2222, 22222, 830),
    "ssl": (),
    "tls": (),
    "irc": (6667, 6697, 194, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6668, 6669, 7000),
    "rdp": (3389, 3388, 3390),
    "smtp": (25, 465, 587, 2525),
    "ftp": (21, 990, 2121),
    "dns": (53, 853, 5353, 5355, 137, 5350),
    "socks": (1080, 1081, 9050, 9150),
    "smb": (445, 139),
    "telnet": (23, 2323),
    "vnc": (5900, 5901, 5902, 5800),
    "rfb": (5900, 5901, 5902, 5800),
}
PLAIN_PORTS: Final = (21, 22, 23, 53, 80, 123, 139, 445, 3389)
"""Where TLS does not begin by itself."""
WEB_PORTS: Final = (443, 80, 53, 8080, 8443)


def features(events: Any) -> Any:
    """The view `network_activity` → a row for each sample record of each pair that does not fit.

    `service` (`?`: unknown on 443 where handshakes are seen elsewhere), `calls`, `failed`, `first`,
    `last`, `sent`, `received`, `sources` (hosts that do the same with that destination).
    """
    import ibis

    rows = flows(events)
    rows = rows.filter(~private(rows.dst), ~nobody(rows.dst))
    shaken = handshakes(events).select("src", "dst", "port").distinct()
    seen = shaken.aggregate(shaken=shaken.count())
    wrong = ibis.literal(False)
    for service, ports in EXPECTED.items():
        fits = rows.port.isin(PLAIN_PORTS) if not ports else ~rows.port.isin(ports)
        wrong = wrong | ((rows.service == service) & fits)
    named = rows.filter(wrong | (rows.service == "irc"))
    # Only whole conversations: what began before the capture shows no handshake either.
    blank = rows.filter(
        (rows.port == 443) & (rows.proto == "tcp") & rows.service.isin(("", "failed")),
        rows.failed == 0,
        rows.in_bytes >= 200,
        rows.out_bytes >= 200,
        rows.out_packets >= 4,
    )
    blank = blank.anti_join(shaken, ["src", "dst", "port"]).cross_join(seen)
    blank = blank.filter(blank.shaken >= 5).drop("shaken").mutate(service=ibis.literal("?"))
    odd = named.union(blank)
    made = odd.group_by(*KEYS).aggregate(
        calls=odd.count(),
        failed=whole(odd.failed.sum()),
        first=odd._time.min(),
        last=odd._time.max(),
        sent=whole(ibis.coalesce(odd.out_bytes, 0).sum()),
        received=whole(ibis.coalesce(odd.in_bytes, 0).sum()),
        common=whole(flag(odd.port.isin(WEB_PORTS)).max()),
    )
    users = odd.group_by("dst", "port", "service").aggregate(sources=odd.src.nunique())
    made = made.inner_join(users, ["dst", "port", "service"])
    return with_samples(made, odd, KEYS)
