"""Triage of a million findings, and what millions of records show hosts to be: CPU and memory.

A made-up estate of 400 hosts over two weeks: 160 rules, a few of which make up most of what is
found, one in eight of medium severity; processes, users and addresses on each finding; ten
intrusions in it. All of them are made by `labrys.triage.testing`, and each must be an incident
among the worst.

The records are logons, logons with another account, tickets and connections of 2,000 hosts, in a
case of their own; that asks which hosts are controllers, servers and administrators' workstations.
"""

from pathlib import Path
from typing import Any, Final

from bench.data import workspace
from bench.measure import child
from bench.table import LABRYS, Row

_MILLION: Final = 1_000_000
_INTRUSIONS: Final = 10
_CHUNK: Final = 50_000
_RECORDS: Final = 500_000
"""So many are written at a time, as a scan does."""
_ESTATE: Final = 2000
_ROLES: Final = {"domain controller": 2, "server": 20, "workstation of an administrator": 5}


def run(*, quick: bool) -> list[Row]:
    """All rows."""
    count = 50_000 if quick else _MILLION
    with workspace() as folder:
        path = folder / "findings.arrow"
        child("triage_million.make", path=path, count=count)
        base, _ = child("triage_million.load", path=path)
        cost, found = child("triage_million.join", path=path)
        note = (
            f"CPU without reading the findings ({base.cpu:.1f} s, {base.peak:.0f} MB); "
            f"{found['incidents']:,} incidents, {found['folded']} lines of noise; equal: the "
            f"{_INTRUSIONS} intrusions are the {_INTRUSIONS} worst incidents"
        )
        return [
            _roles(folder / "case", 5 * count),
            Row(
                f"{count:,} findings",
                LABRYS,
                cpu=cost.cpu - base.cpu,
                events=count,
                peak=cost.peak,
                tree=cost.tree,
                equal="yes"
                if found["intrusions"] == _INTRUSIONS
                else f"no ({found['intrusions']})",
                note=note,
            ),
        ]


def _roles(case: Path, count: int) -> Row:
    written = child("triage_million.write", case=case, count=count)[1]
    base, _ = child("triage_million.opened", case=case)
    cost, found = child("triage_million.asked", case=case)
    return Row(
        f"roles in {written:,} records",
        LABRYS,
        cpu=cost.cpu - base.cpu,
        events=written,
        peak=cost.peak,
        tree=cost.tree,
        equal="yes" if found == _ROLES else f"no ({found})",
        note=f"CPU without opening the case ({base.cpu:.1f} s); equal: {_ROLES} as made",
    )


# What follows runs in processes of its own.


def write(case: str, count: int) -> int:
    """Write a case of so many records; how many there are."""
    import numpy as np

    from labrys.lake.case import Case

    random = np.random.default_rng(5)
    written = 0
    with Case.open(case) as made:
        while written < count:
            tables = _records(random, written, min(_RECORDS, count - written))
            made.commit(tables)
            written += sum(int(table.num_rows) for table in tables.values())
    return written


def _records(random: Any, begin: int, size: int) -> dict[str, Any]:
    """Desks (from 30) log on to servers (10 to 29) and ask controllers (0, 1) for tickets;
    administrators (30 to 34) go to many hosts, everybody else to one."""
    import numpy as np
    import pyarrow as pa

    from labrys.triage.testing import DAY, START

    part = size // 5
    names = np.array([f"HOST{number:04}.corp.example" for number in range(_ESTATE)])
    addresses = np.array([f"10.7.{number // 250}.{number % 250 + 1}" for number in range(_ESTATE)])

    def table(name: str, host: Any, **columns: Any) -> Any:
        rows = len(host)
        return pa.table(
            {
                "_id": [f"{name}-{begin + at}" for at in range(rows)],
                "_time": START + random.integers(0, 14 * DAY, rows),
                "_source": [f"{name}.evtx"] * rows,
                "_offset": np.arange(begin, begin + rows),
                "_host": names[host],
                **columns,
            }
        )

    desk = random.integers(30, _ESTATE, part)
    went = np.where(desk < 35, random.integers(10, 30, part), 10 + desk % 20)
    own = [f"user{number}" for number in desk.tolist()]
    server = random.integers(10, 30, 2 * part)
    caller = random.integers(30, _ESTATE, 2 * part)
    return {
        "windows.security.4624": table(
            "logon", server, TargetUserName=["someone"] * len(server), IpAddress=addresses[caller]
        ),
        "windows.security.4648": table(
            "other",
            desk,
            SubjectUserName=own,
            TargetUserName=[f"adm-{name}" for name in own],
            TargetServerName=names[went],
        ),
        "windows.security.4769": table(
            "ticket", random.integers(0, 2, part), ServiceName=["krbtgt"] * part
        ),
        "zeek.conn": table(
            "conn",
            desk,
            **{
                "id.orig_h": addresses[desk],
                "id.resp_h": ["198.51.100.7"] * part,
                "id.resp_p": [443] * part,
            },
        ),
    }


def opened(case: str) -> int:
    """Only open the case and ask nothing of weight."""
    from labrys.lake.case import Case
    from labrys.lake.engine import connect

    with Case.open(case, create=False, write=False) as made:
        engine = connect(made)
        rows = engine.sql("SELECT 1 AS one").read_all().num_rows
        engine.close()
    return rows


def asked(case: str) -> dict[str, int]:
    """How many hosts have each role; full names count."""
    from labrys.lake.case import Case
    from labrys.triage.roles import roles

    with Case.open(case, create=False, write=False) as made:
        found = [role for name, role in roles(made).items() if "." in name]
    return {role: found.count(role) for role in _ROLES}


def make(path: str, count: int) -> int:
    """Write the findings, a part at a time; how many there are."""
    import numpy as np
    import pyarrow as pa

    from labrys.ocsf.schema import FINDING
    from labrys.triage.testing import DAY, HOUR, START, intrusion, table

    random = np.random.default_rng(11)
    weights = 1 / np.arange(1, 161)
    written = 0
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, FINDING) as writer:
        for begin in range(0, count, _CHUNK):
            size = min(_CHUNK, count - begin)
            rule = random.choice(160, size, p=weights / weights.sum())
            writer.write_table(_part(random, begin, rule))
            written += size
        for number in range(_INTRUSIONS):
            rows = intrusion(START + number * DAY + 9 * HOUR)
            for row in rows:
                row["uid"] += f"-{number}"
            writer.write_table(_moved(table(rows), number))
            written += len(rows)
    return written


def _part(random: Any, begin: int, rule: Any) -> Any:
    """Everyday findings as Arrow columns."""
    import numpy as np
    import pyarrow as pa

    from labrys.ocsf.schema import ENTITY, EVIDENCE, FINDING, REASON
    from labrys.triage.testing import DAY, START

    size = len(rule)
    host = random.integers(0, 400, size)
    user = (host * 7 + random.integers(0, 3, size)) % 4000
    process = random.integers(0, 1 << 40, size)
    last = random.integers(0, 1000, size)
    time = START + random.integers(0, 14 * DAY, size)
    values = [
        text
        for one in zip(host.tolist(), user.tolist(), process.tolist(), last.tolist(), strict=True)
        for text in (
            f"host{one[0]:04}.corp.example",
            f"corp\\user{one[1]:04}",
            f"host{one[0]:04}|{{{one[2]:x}}}",
            f"10.{one[0] % 200}.{one[3] % 4}.{one[3] // 4}",
        )
    ]
    kinds = ("host", "user", "process", "ip"), ("device", "actor", "object", "destination")
    entities = pa.StructArray.from_arrays(
        [pa.array(kinds[0] * size), pa.array(values), pa.array(kinds[1] * size)],
        fields=list(ENTITY),
    )
    ids = pa.array([f"0123456789abcdef0123-{begin + at}" for at in range(size)])
    uids = [f"sigma:rule-{one:03}:{begin + at}" for at, one in enumerate(rule.tolist())]
    offsets = pa.array(np.arange(size, dtype=np.int64))
    evidence = pa.StructArray.from_arrays(
        [ids, pa.array(["case/host/Sysmon.evtx"] * size), offsets], fields=list(EVIDENCE)
    )
    reasons = pa.StructArray.from_arrays(
        [
            pa.array(["CommandLine"] * size),
            pa.array([f"program.exe /run task{one}" for one in process.tolist()]),
            pa.array([1.0] * size),
        ],
        fields=list(REASON),
    )
    each = pa.array(np.arange(size + 1, dtype=np.int32))
    columns = {
        "uid": pa.array(uids),
        "detector": pa.array(["sigma"] * size),
        "version": pa.array(["1"] * size),
        "rule_uid": pa.array([f"rule-{one:03}" for one in rule.tolist()]),
        "title": pa.array([f"Everyday rule {one}" for one in rule.tolist()]),
        "author": pa.array(["labrys"] * size),
        "time_start": pa.array(time),
        "time_end": pa.array(time),
        "severity_id": pa.array(np.where(rule % 8, 2, 3), pa.int8()),
        "confidence": pa.array([65] * size, pa.int8()),
        "techniques": pa.array([["T1082"]] * size),
        "tactics": pa.array([["discovery"]] * size),
        "entities": pa.ListArray.from_arrays(
            pa.array(np.arange(0, 4 * size + 1, 4, np.int32)), entities
        ),
        "evidence": pa.ListArray.from_arrays(each, evidence),
        "reasons": pa.ListArray.from_arrays(each, reasons),
        "shape": pa.array(["windows.sysmon.1"] * size),
        "advice": pa.array([""] * size),
    }
    return pa.table({name: columns[name] for name in FINDING.names}, schema=FINDING)


def _moved(table: Any, number: int) -> Any:
    """An intrusion on hosts, by users and from addresses of its own."""
    rows = table.to_pylist()
    for row in rows:
        for entity in row["entities"]:
            entity["value"] = _renamed(entity["type"], entity["value"], number)
    return table.from_pylist(rows, schema=table.schema)


def _renamed(kind: str, value: str, number: int) -> str:
    if kind == "hash":
        return f"{number:02x}{value[2:]}"
    if kind == "ip":
        head, _, last = value.rpartition(".")
        return f"{head}.{number * 20 + int(last) % 20}"
    for name in (
        "WS01",
        "ws01",
        "SRV02",
        "srv02",
        "bob",
        "adm-lee",
        "upd.exe",
        "updsvc",
        "finance",
        "cdn.",
        "drop.",
    ):
        value = value.replace(name, f"{name.rstrip('.')}x{number}{'.' * name.endswith('.')}")
    return value


def load(path: str) -> int:
    """Only read the findings."""
    return int(_read(path).num_rows)


def join(path: str) -> dict[str, int]:
    """Read and triage."""
    from labrys.triage import incidents

    made = incidents(_read(path))
    worst = made.incidents.slice(0, _INTRUSIONS)["findings"].to_pylist()
    whole = [
        {uid.rpartition("-")[2] for uid in uids if not uid.startswith("sigma:rule-")}
        for uids in worst
    ]
    return {
        "incidents": made.incidents.num_rows,
        "folded": made.folded.num_rows,
        "intrusions": len({one for names in whole if len(names) == 1 for one in names}),
    }


def _read(path: str) -> Any:
    import pyarrow as pa

    import labrys.triage  # noqa: F401  # both children load what triage needs

    with pa.OSFile(path, "rb") as source:
        return pa.ipc.open_file(source).read_all()
