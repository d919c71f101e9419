"""What the TLS handshakes of a source with a destination say, where that is outside.

What an attacker can do to the features: all are his to choose, at the price of a name and a
certificate that someone vouches for; a client fingerprint that others share costs him a library.
With TLS 1.3 certificates are not seen, and only names, ports and fingerprints are left.
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

KEYS: Final = ("src", "dst", "port")
TLS_PORTS: Final = (
    *(443, 465, 563, 587, 636, 853, 989, 990, 992, 993, 995, 1443, 2083, 2087, 2096, 3269, 4433),
    *(
        5061,
        5222,
        5223,
        5228,
        5671,
        5986,
        6514,
        6697,
        7443,
        8443,
        8883,
        9443,
        25,
        110,
        143,
        21,
        389,
    ),
    3389,
)
PAGE: Final = 20_000
"""Bytes that come back on a connection over which somebody looks at something."""
UNTOUCHED: Final = (
    r"internet widgits|my company|some-(state|city)|someprovince|default (company|city)|o=none\b|"
    r"cn=(localhost|domain\.com|root|\*|example|server|test|unknown|name)\b|o=(test|unknown|root|1)\b"
)
"""What tools fill in where nobody says anything: OpenSSL, Nginx's and others' examples."""
TOR: Final = r"^cn=www\.[a-z2-7]{8,25}\.(com|net)$"
"""The names that Tor's link protocol makes up (tor-spec, 2.2)."""


def features(events: Any) -> Any:
    """The view `network_activity` → a row for each sample record of each odd pair and port.

    Counts of handshakes: `shaken`, `nameless`, `selfmade` (issuer is subject), `untouched`
    (placeholders left in), `tor`, `invalid` (said by who checked), `failed`; `rare` (hosts with this
    client fingerprint, 0 where unknown), `hosts` (all with one); `sni`, `subject`, `issuer`, `ja3`; of the
    flows of the pair and port how many were `answered`, and how many brought back `pages`.
    """
    import ibis

    rows = handshakes(events)
    rows = rows.filter(~private(rows.dst), ~nobody(rows.dst))
    subject = ibis.coalesce(rows.subject, "").lower()
    issuer = ibis.coalesce(rows.issuer, "").lower()
    checked = ibis.coalesce(rows.status, "").lower()
    marks = {
        "nameless": rows.sni == "",
        "selfmade": (subject != "") & (subject == issuer),
        "untouched": subject.re_search(UNTOUCHED) | issuer.re_search(UNTOUCHED),
        "tor": subject.re_search(TOR) & issuer.re_search(TOR) & (subject != issuer),
        "invalid": checked.re_search(r"self.signed|expired|unable to get|not yet valid"),
        "failed": rows.established == 0,
    }
    rows = rows.mutate(**{name: flag(condition) for name, condition in marks.items()})
    rows = rows.mutate(odd=rows.selfmade + rows.untouched + rows.tor + rows.invalid)
    made = rows.group_by(*KEYS).aggregate(
        shaken=rows.count(),
        first=rows._time.min(),
        last=rows._time.max(),
        sni=rows.sni.max(),
        subject=rows.subject.max(),
        issuer=rows.issuer.max(),
        ja3=rows.ja3.max(),
        odd=whole(rows.odd.max()),
        **{name: whole(rows[name].sum()) for name in marks},
    )
    known = rows.filter(rows.ja3.notnull())
    prints = known.group_by("ja3").aggregate(rare=known.src.nunique())
    total = known.aggregate(hosts=known.src.nunique())
    made = made.left_join(prints, "ja3").drop("ja3_right").cross_join(total)
    made = made.mutate(rare=ibis.coalesce(made.rare, 0))
    kept = made.filter((made.odd > 0) | ((made.nameless > 0) & ~made.port.isin(TLS_PORTS)))
    # What the flows beside them carried tells pages that are read from reports.
    every = flows(events)
    back = ibis.coalesce(every.in_bytes, 0)
    paged = flag((back >= PAGE) & (back >= 5 * ibis.coalesce(every.out_bytes, 0)))
    carried = every.mutate(page=paged, answered=1 - every.failed).semi_join(kept, list(KEYS))
    carried = carried.group_by(*KEYS).aggregate(
        answered=whole(carried.answered.sum()), pages=whole(carried.page.sum())
    )
    kept = kept.left_join(carried, list(KEYS)).drop(*(f"{key}_right" for key in KEYS))
    numbers = {name: ibis.coalesce(kept[name], 0) for name in ("answered", "pages")}
    return with_samples(kept.mutate(**numbers), rows, KEYS, first="odd").drop("odd")
