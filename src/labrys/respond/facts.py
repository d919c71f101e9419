"""What the evidence says of candidates: whether they are our own, and how many of ours use them."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from labrys.lake.case import Case
from labrys.lake.engine import Engine, connect
from labrys.ocsf.sql import literal
from labrys.respond.indicators import address, inside

_CLIENT: Final = ("src_endpoint_ip", "device_hostname", "_host")
_TRAFFIC: Final = (
    ("network_activity", ""),
    ("http_activity", "http_request_url_hostname"),
    ("ssh_activity", ""),
    ("rdp_activity", ""),
    ("smb_activity", ""),
    ("ftp_activity", ""),
    ("tunnel_activity", ""),
    ("dns_activity", "query_hostname"),
    ("authentication", ""),
)
"""Views of who talked to whom, and the column of a name that was asked for."""
_DNS: Final = 53
_ROWS: Final = 300_000
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
        for view, column in _TRAFFIC:
            for client, value, name, port in _traffic(engine, view, column, known, names):
                hosts.add(client)
                for each in (value, name):
                    if each is not None:
                        clients.setdefault(each, set()).add(client)
                if value is not None and port in _LOGON_PORTS and inside_client(client):
                    own[value] = "our hosts log on at it (a domain controller)"
                if value is not None and (port == _DNS or view == "dns_activity"):
                    resolvers[value] = len(clients[value])
    finally:
        engine.close()
    for value in known:
        strangers = sum(not inside_client(client) for client in clients.get(value, ()))
        if strangers >= _MANY_STRANGERS:
            own.setdefault(value, f"{strangers} addresses from outside call it: a server of ours")
    mine = {value: sum(map(inside_client, who)) for value, who in clients.items()}
    return Facts(own, mine, resolvers, sum(map(inside_client, hosts)), unknown)


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


def _traffic(
    engine: Engine, view: str, column: str, addresses: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, str | None, str | None, int | None]]:
    """(client, address, name, port) of who is there at all, and of who used the values."""
    who = _columns(engine, view, _CLIENT)
    if not who:
        return
    columns = set(_columns(engine, view, ("dst_endpoint_ip", column, "dst_endpoint_port")))
    address = _one_of("dst_endpoint_ip", columns, addresses)
    name = _one_of(column, columns, names)
    port = "NULL"
    if "dst_endpoint_port" in columns and address != "NULL":
        port = f"CASE WHEN {address} IS NOT NULL THEN dst_endpoint_port END"
    sql = (
        f"SELECT DISTINCT coalesce({', '.join(who)}) AS client, {address} AS address, "  # noqa: S608 quoted
        f"{name} AS name, CAST({port} AS BIGINT) AS port FROM {view} LIMIT {_ROWS}"
    )
    rows = engine.sql(sql).read_all()
    columns_of = (rows[each].to_pylist() for each in ("client", "address", "name", "port"))
    for client, value, named, number in zip(*columns_of, strict=True):
        if client:
            yield client, value, named, number


def _one_of(column: str, columns: Container[str], values: Sequence[str]) -> str:
    """A column where it has one of the values, null elsewhere."""
    if column not in columns or not values:
        return "NULL"
    return f"CASE WHEN lower({column}) IN ({_listed(values)}) THEN lower({column}) END"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(literal(value, "duckdb") for value in values)
