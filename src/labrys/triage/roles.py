"""What the records of a case show its hosts to be, whether anything was found there or not.

A few queries over the lake, each of them one row for each host: who writes what only a domain
controller writes, to whom many come, and from where administrators go to other hosts. Sources:
Microsoft, "Advanced security audit policy settings"; "Service overview and network port
requirements for Windows".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from labrys.lake.case import Case
from labrys.lake.engine import Engine, connect

CONTROLLER: Final = "domain controller"
SERVER: Final = "server"
ADMINISTRATION: Final = "workstation of an administrator"
ONLY_CONTROLLERS: Final = (
    *(f"windows.security.{number}" for number in (4768, 4769, 4770, 4771)),
    *(f"windows.security.{number}" for number in (5136, 5137, 5138, 5139, 5141)),
    *(f"windows.security.{number}" for number in range(4928, 4938)),
)
"""Tickets given out (4768 to 4771), changes of the directory (5140 among them is an opened share,
which any host writes), its replication. Source: Microsoft, "Audit Kerberos Authentication Service",
"Audit Directory Service Changes" and "… Replication"."""
DIRECTORY: Final = "windows.directory_service."
VISITORS: Final = 8
"""A host to which so many different addresses come is a server."""
_HOSTS: Final = 10_000
"""So many hosts are told apart in an answer; of more, those with most visitors."""
_OTHERS: Final = 3
_DAYS: Final = 3
"""Whoever logs on to so many other hosts with another account, on so many days, does it for work:
an intruder in a hurry is one day's matter."""
_LOGONS: Final = f"""
    SELECT _host AS host, approx_count_distinct(src_endpoint_ip) AS n
    FROM authentication WHERE _host IS NOT NULL AND src_endpoint_ip IS NOT NULL
    GROUP BY _host HAVING n >= {VISITORS} ORDER BY n DESC, host LIMIT {_HOSTS}"""  # noqa: S608 numbers of ours
_SERVED: Final = f"""
    SELECT dst_endpoint_ip AS host, approx_count_distinct(src_endpoint_ip) AS n,
        approx_count_distinct(CASE WHEN dst_endpoint_port = 88 THEN src_endpoint_ip END) AS tickets,
        approx_count_distinct(CASE WHEN dst_endpoint_port IN (389, 3268) THEN src_endpoint_ip END)
            AS directory
    FROM network_activity
    WHERE dst_endpoint_port < 49152 AND dst_endpoint_ip NOT LIKE '%.255'
        AND (dst_endpoint_ip LIKE '10.%' OR dst_endpoint_ip LIKE '192.168.%'
            OR regexp_matches(dst_endpoint_ip, '^172\\.(1[6-9]|2[0-9]|3[01])\\.'))
    GROUP BY dst_endpoint_ip HAVING n >= {VISITORS} ORDER BY n DESC, host LIMIT {_HOSTS}"""  # noqa: S608 numbers of ours
_NAMED: Final = {"TargetServerName", "TargetUserName", "SubjectUserName"}
_GOES_OUT: Final = f"""
    SELECT _host AS host, count(DISTINCT lower(split_part("TargetServerName", '.', 1))) AS n,
        count(DISTINCT _time // 86400000) AS days
    FROM windows_security_4648
    WHERE _host IS NOT NULL AND "TargetServerName" NOT IN ('localhost', '-')
        AND lower("TargetUserName") <> lower("SubjectUserName")
        AND lower(split_part("TargetServerName", '.', 1)) <> lower(split_part(_host, '.', 1))
    GROUP BY _host HAVING n >= {_OTHERS} AND days >= {_DAYS}
    ORDER BY n DESC, host LIMIT {_HOSTS}"""  # noqa: S608 numbers of ours
_ADDRESS: Final = re.compile(r"[\d.]+|[^.]*:.*")


def roles(case: Case) -> dict[str, str]:
    """What hosts are, by name or address in lower case; nothing for those of which nothing shows.

    A name is also known by its first label, where no other host of an answer has the same. Raises
    `EngineError` where the case cannot be asked.
    """
    shapes = case.shapes()
    own = [name for name in shapes if name in ONLY_CONTROLLERS or name.startswith(DIRECTORY)]
    engine = connect(case)
    try:
        found = dict(_found(engine, own))
    finally:
        engine.close()
    return found | _short(found)


def _found(engine: Engine, own: list[str]) -> Iterator[tuple[str, str]]:
    """(host, role), what says more after what says less."""
    views = engine.views
    tried = views.find("windows_security_4648")
    if tried is not None and tried.columns.keys() >= _NAMED:
        yield from ((host, ADMINISTRATION) for host in _hosts(engine, _GOES_OUT))
    for view, sql in (("authentication", _LOGONS), ("network_activity", _SERVED)):
        known = views.find(view)
        if known is not None and known.rows:
            rows = engine.sql(sql).read_all().to_pylist()
            for row in rows:
                serves = min(row.get("tickets") or 0, row.get("directory") or 0) >= VISITORS
                yield row["host"].lower(), CONTROLLER if serves else SERVER
    for shape in own:
        told = views.find(shape)
        if told is not None:
            sql = f"SELECT DISTINCT _host AS host FROM {told.name} WHERE _host IS NOT NULL LIMIT {_HOSTS}"  # noqa: S608 a name of ours
            yield from ((host, CONTROLLER) for host in _hosts(engine, sql))


def _hosts(engine: Engine, sql: str) -> list[str]:
    return [name.lower() for name in engine.sql(sql).read_all()["host"].to_pylist()]


def _short(found: Mapping[str, str]) -> dict[str, str]:
    """First labels of full names that only one of the hosts has."""
    full: dict[str, set[str]] = {}
    for name in found:
        if "." in name and not _ADDRESS.fullmatch(name):
            full.setdefault(name.partition(".")[0], set()).add(name)
    return {label: found[min(names)] for label, names in full.items() if len(names) == 1}
