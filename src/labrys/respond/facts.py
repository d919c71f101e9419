"""What the evidence says of candidates: whether they are our own, and how many of ours use them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from labrys.lake.case import Case
from labrys.lake.engine import Engine, connect
from labrys.ocsf.sql import literal
from labrys.respond.indicators import address, inside

_CLIENT: Final = ("src_endpoint_ip", "device_hostname", "_host")
_TRAFFIC: Final = (
    *("network_activity", "http_activity", "ssh_activity", "rdp_activity", "smb_activity"),
    *("ftp_activity", "tunnel_activity", "dns_activity", "authentication"),
)
_LOGON_PORTS: Final = (88, 389, 464, 636, 3268)
"""Kerberos, LDAP and the global catalogue: who serves these is a domain controller."""
MOST: Final = 5_000
"""So many candidates are looked up; the rest counts as unknown, and is not blocked."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`own` gives an address the reason why it is ours; `clients` how many of our hosts use a value.

    `hosts` is how many of our hosts there are at all, `unknown` what was not looked up.
    """

    own: dict[str, str] = field(default_factory=dict)
    clients: dict[str, int] = field(default_factory=dict)
    resolvers: dict[str, int] = field(default_factory=dict)
    hosts: int = 0
    unknown: frozenset[str] = frozenset()


def facts(case: Case, addresses: Sequence[str], domains: Sequence[str]) -> Facts:
    """What the records of the case say of these addresses and names."""
    known, names = sorted(set(addresses))[:MOST], sorted(set(domains))[:MOST]
    unknown = frozenset((*addresses, *domains)) - {*known, *names}
    if not known and not names:
        return Facts()
    engine = connect(case)
    try:
        own = dict.fromkeys(_devices(engine, known), "a host of ours has it")
        resolvers: dict[str, int] = {}
        clients: dict[str, set[str]] = {}
        hosts: set[str] = set()
        for view in _TRAFFIC:
            hosts |= _clients(engine, view)
            for value, client, port in _pairs(engine, view, "dst_endpoint_ip", known):
                clients.setdefault(value, set()).add(client)
                if port in _LOGON_PORTS and inside_client(client):
                    own[value] = "our hosts log on at it (a domain controller)"
                if port == 53 or view == "dns_activity":
                    resolvers[value] = len(clients[value])
        for view, column in (
            ("dns_activity", "query_hostname"),
            ("http_activity", "http_request_url_hostname"),
        ):
            for value, client, _ in _pairs(engine, view, column, names):
                clients.setdefault(value, set()).add(client)
        for value in known:
            strangers = sum(not inside_client(client) for client in clients.get(value, ()))
            if strangers >= _MANY_STRANGERS:
                own.setdefault(
                    value, f"{strangers} addresses from outside call it: a server of ours"
                )
        mine = {value: sum(map(inside_client, who)) for value, who in clients.items()}
        return Facts(own, mine, resolvers, len(hosts), unknown)
    finally:
        engine.close()


_MANY_STRANGERS: Final = 10


def inside_client(client: str) -> bool:
    """Whether who asked is one of ours: a name, or an address that is inside."""
    made = address(client)
    return not made or bool(inside(made))


def _columns(engine: Engine, view: str, wanted: Iterable[str]) -> list[str]:
    found = engine.views.find(view)
    return [] if found is None or not found.rows else [n for n in wanted if n in found.columns]


def _devices(engine: Engine, values: Sequence[str]) -> set[str]:
    """Which of the values are the address of a machine that wrote records."""
    found: set[str] = set()
    for view in engine.views.by_name.values():
        if view.uid and view.rows and "device_ip" in view.columns and values:
            sql = (
                f"SELECT DISTINCT device_ip FROM {view.name} WHERE device_ip IN ({_listed(values)})"  # noqa: S608 quoted
            )
            found.update(engine.sql(sql).read_all()["device_ip"].to_pylist())
    return found


def _clients(engine: Engine, view: str) -> set[str]:
    """The first many of our own hosts that appear in a view as those who ask."""
    columns = _columns(engine, view, _CLIENT)
    if not columns:
        return set()
    sql = f"SELECT DISTINCT coalesce({', '.join(columns)}) AS client FROM {view} LIMIT 100000"  # noqa: S608 our own names
    found = engine.sql(sql).read_all()["client"].to_pylist()
    return {client for client in found if client and inside_client(client)}


def _pairs(
    engine: Engine, view: str, column: str, values: Sequence[str]
) -> Iterable[tuple[str, str, int | None]]:
    """(value, client, port) of who used the values."""
    who = _columns(engine, view, _CLIENT)
    if not values or not who or not _columns(engine, view, [column]):
        return []
    port = "dst_endpoint_port" if _columns(engine, view, ["dst_endpoint_port"]) else "NULL"
    sql = (
        f"SELECT DISTINCT lower({column}) AS value, coalesce({', '.join(who)}) AS client, "  # noqa: S608 quoted
        f"CAST({port} AS BIGINT) AS port FROM {view} "
        f"WHERE lower({column}) IN ({_listed(values)}) LIMIT 200000"
    )
    rows = engine.sql(sql).read_all()
    return [
        (value, client, port)
        for value, client, port in zip(
            *(rows[n].to_pylist() for n in rows.column_names), strict=True
        )
        if client
    ]


def _listed(values: Iterable[str]) -> str:
    return ", ".join(literal(value, "duckdb") for value in values)
