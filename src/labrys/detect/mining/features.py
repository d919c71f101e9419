"""How a source keeps talking to a destination outside: how long, how little, on which port.

Stratum, the protocol of pools, is lines of JSON over one TCP connection that stays: a job every
half minute or so, a share now and then. Its ports are custom, not law.

What an attacker can do to the features: port and name are free; a pool of his own or a proxy hides
both. That the connection lasts and carries little is what mining is.
"""

from typing import Any, Final

from labrys.detect.network.flows import flows, handshakes, nobody, private, whole, with_samples

KEYS: Final = ("src", "dst", "port")
POOL_PORTS: Final = (
    *(3032, 3333, 3334, 3335, 3336, 4444, 4445, 5555, 5556, 6666, 7777, 8333, 8888, 9999, 10128),
    *(10032, 13333, 14433, 14444, 17777, 18081, 20128, 20536, 33333, 45560, 45700, 55555, 55563),
)
POOL_NAMES: Final = (
    r"(^|[.-])(pool|pools|mine|miner|mining|stratum|xmr|xmrig|monero|hashvault|nanopool|minexmr|"
    r"supportxmr|moneroocean|nicehash|ethermine|f2pool|2miners|hiveon|flexpool|unmineable|c3pool|"
    r"minergate|dwarfpool|suprnova|antpool|slushpool|poolin|viabtc|herominers|miningpoolhub)"
    r"([0-9]*|-[a-z0-9]+)(\.|$)"
)
LEAST_MS: Final = 600_000


def features(events: Any) -> Any:
    """The view `network_activity` → a row for each sample record of each pair that may be mining.

    `flows`, `failed`, `lasting` (ms, all flows together), `longest` (ms), `sent`, `received` (bytes),
    `first`, `last`, `service`, `sni`, `pool` (1: the name is a pool's), `sources`.
    """
    import ibis

    rows = flows(events)
    rows = rows.filter(~private(rows.dst), ~nobody(rows.dst), rows.proto.isin(("tcp", "")))
    made = rows.group_by(*KEYS).aggregate(
        flows=rows.count(),
        failed=whole(rows.failed.sum()),
        lasting=whole(ibis.coalesce(rows.duration, 0).sum()),
        longest=ibis.coalesce(rows.duration, 0).max(),
        sent=whole(ibis.coalesce(rows.out_bytes, 0).sum()),
        received=whole(ibis.coalesce(rows.in_bytes, 0).sum()),
        first=rows._time.min(),
        last=rows._time.max(),
        service=rows.service.max(),
    )
    shaken = handshakes(events)
    pools = shaken.filter(shaken.sni.re_search(POOL_NAMES))
    names = pools.group_by(*KEYS).aggregate(sni=pools.sni.max())
    joined = made.left_join(names, list(KEYS))
    made = joined.select(*(made[name] for name in made.columns), sni=ibis.coalesce(names.sni, ""))
    users = rows.group_by("dst").aggregate(sources=rows.src.nunique())
    made = made.inner_join(users, "dst")
    kept = made.filter(
        (made.sni != "") | (made.port.isin(POOL_PORTS) & (made.lasting >= LEAST_MS))
        | made.service.contains("stratum"),
    )  # fmt: skip
    return with_samples(kept, rows, KEYS)
