"""Makes up findings for tests, benchmarks and screenshots: an intrusion among everyday noise.

Everything here is invented: names under `.example`, addresses from the documentation ranges.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from random import Random
from typing import Any, Final

import pyarrow as pa

from labrys.ocsf.schema import FINDING

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
START: Final = int(datetime(2026, 3, 2, 0, 0, tzinfo=UTC).timestamp() * 1000)
"""A Monday, midnight UTC: the first day of every made-up case."""

Entity = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """A made-up rule: what its findings say."""

    uid: str
    title: str
    severity: int
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    shape: str
    confidence: int = 70
    detector: str = "sigma"
    author: str = "A. Analyst"


GUESSING: Final = Rule(
    "r-guess", "Many failed logons from one address", 3, ("T1110",), ("credential-access",),
    "windows.security.4625", 60, "logons",
)  # fmt: skip
LOGON: Final = Rule(
    "r-logon", "Logon after many failures", 4, ("T1078",), ("initial-access",),
    "windows.security.4624", 80, "logons",
)  # fmt: skip
ENCODED: Final = Rule(
    "r-encoded", "PowerShell with an encoded command", 3, ("T1059.001",), ("execution",),
    "windows.sysmon.1",
)  # fmt: skip
DOWNLOAD: Final = Rule(
    "r-download", "Tool downloaded by certutil", 4, ("T1105",), ("command-and-control",),
    "windows.sysmon.1", 85,
)  # fmt: skip
TASK: Final = Rule(
    "r-task", "Scheduled task runs from a user's folder", 3, ("T1053.005",), ("persistence",),
    "windows.security.4698", 65,
)  # fmt: skip
DUMP: Final = Rule(
    "r-dump", "LSASS memory read by an unusual process", 5, ("T1003.001",),
    ("credential-access",), "windows.sysmon.10", 92,
)  # fmt: skip
SERVICE: Final = Rule(
    "r-service", "Service installed from an administrative share", 4, ("T1021.002", "T1569.002"),
    ("lateral-movement", "execution"), "windows.system.7045", 88,
)  # fmt: skip
ARCHIVE: Final = Rule(
    "r-archive", "Files packed with a password", 3, ("T1560.001",), ("collection",),
    "windows.sysmon.1", 75,
)  # fmt: skip
UPLOAD: Final = Rule(
    "r-upload", "Large upload to an address never seen before", 4, ("T1048",), ("exfiltration",),
    "zeek.conn", 71, "upload", "",
)  # fmt: skip
CLEARED: Final = Rule(
    "r-clear", "Event log cleared", 4, ("T1070.001",), ("defense-evasion",),
    "windows.security.1102", 95,
)  # fmt: skip
WHOAMI: Final = Rule(
    "r-whoami", "Local reconnaissance command", 2, ("T1033",), ("discovery",), "windows.sysmon.1",
)  # fmt: skip
PACKAGE: Final = Rule(
    "r-package", "Application package installed", 2, (), (), "windows.appxdeployment_server.854",
)  # fmt: skip
ADMIN: Final = Rule(
    "r-admin", "Administrative tool used", 2, ("T1047",), ("execution",), "windows.sysmon.1",
)  # fmt: skip
MACRO: Final = Rule(
    "r-macro", "Office program starts a script host", 3, ("T1204.002",), ("execution",),
    "windows.sysmon.1", 55,
)  # fmt: skip


def finding(
    rule: Rule, time: int | None, entities: Iterable[Entity], *, number: int = 0, **changes: Any
) -> dict[str, Any]:
    """One finding as a row of `FINDING`; its uid follows from everything given."""
    entities = list(entities)
    key = f"{rule.uid}|{time}|{number}|{sorted(entities)}"
    uid = sha256(key.encode()).hexdigest()[:24]
    source = f"case/{entities[0][1] if entities else 'cloud'}/{rule.shape}.evtx"
    return {
        "uid": uid,
        "detector": rule.detector,
        "version": "1",
        "rule_uid": rule.uid,
        "title": rule.title,
        "author": rule.author,
        "time_start": time,
        "time_end": time,
        "severity_id": rule.severity,
        "confidence": rule.confidence,
        "techniques": list(rule.techniques),
        "tactics": list(rule.tactics),
        "entities": [{"type": a, "value": b, "role": c} for a, b, c in entities],
        "evidence": [{"_id": f"{uid[:20]}-{number}", "_source": source, "_offset": 100 + number}],
        "reasons": [{"feature": "Image", "value": rule.title, "weight": None}],
        "shape": rule.shape,
        "advice": "",
        **changes,
    }


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as a table of findings."""
    return pa.Table.from_pylist(list(rows), schema=FINDING)


def intrusion(start: int = START + 9 * HOUR) -> list[dict[str, Any]]:
    """A break-in over some two hours: guessed password, tools, dumped credentials, data taken."""
    first, second = "WS01.corp.example", "SRV02.corp.example"
    away = ("ip", "203.0.113.7", "source")
    bob: Entity = ("user", "CORP\\bob", "actor")
    shell: Entity = ("process", "ws01|{6c1b2f0e-0001-6604-1a00-000000000900}", "object")
    tool: Entity = ("file", "c:\\users\\bob\\appdata\\local\\temp\\upd.exe", "object")
    digest: Entity = ("hash", sha256(b"upd.exe").hexdigest(), "object")
    on_first, on_second = ("host", first, "device"), ("host", second, "device")
    admin: Entity = ("user", "CORP\\adm-lee", "actor")

    def at(minutes: float) -> int:
        return start + int(minutes * MINUTE)

    return [
        finding(GUESSING, at(0), [on_first, away, ("user", "bob", "target")], time_end=at(11)),
        finding(LOGON, at(12), [on_first, away, ("user", "bob@corp.example", "target")]),
        finding(ENCODED, at(16), [on_first, bob, shell]),
        finding(WHOAMI, at(17), [("host", "ws01", "device"), bob, shell]),
        finding(DOWNLOAD, at(19), [on_first, bob, shell, tool, digest, ("domain", "cdn.update-check.example", "object")]),
        finding(TASK, at(24), [on_first, bob, tool]),
        finding(DUMP, at(31), [on_first, bob, digest, ("file", tool[1], "actor"), ("process", "ws01|{6c1b2f0e-0002-6604-1b00-000000000900}", "object")]),
        finding(SERVICE, at(58), [on_second, admin, ("ip", "10.20.0.11", "source"), ("service", "updsvc", "object"), digest]),
        finding(ARCHIVE, at(83), [on_second, admin, ("file", "d:\\share\\finance.7z", "object")]),
        finding(UPLOAD, at(97), [("ip", "10.20.0.12", "source"), ("ip", "203.0.113.90", "destination"), ("host", "srv02", "source"), ("domain", "drop.files.example", "destination")]),
        finding(CLEARED, at(104), [on_second, admin]),
    ]  # fmt: skip


def noise(random: Random, *, days: int = 5, hosts: int = 12, each: int = 6) -> list[dict[str, Any]]:
    """Everyday low findings on many hosts, and now and then a medium one that means nothing."""
    rows: list[dict[str, Any]] = []
    for host in range(1, hosts + 1):
        name: Entity = ("host", f"ws{host + 20:02}.corp.example", "device")
        user: Entity = ("user", f"CORP\\user{host:02}", "actor")
        system: Entity = ("user", "NT AUTHORITY\\SYSTEM", "actor")
        resolver: Entity = ("ip", "10.20.0.2", "destination")
        for day in range(days):
            for number in range(each):
                time = START + day * DAY + random.randrange(DAY)
                rows.append(finding(PACKAGE, time, [name, system, resolver], number=number))
            rows.append(
                finding(ADMIN, START + day * DAY + random.randrange(DAY), [name, user, resolver])
            )
    for number in range(3):
        host = 21 + number * 3
        time = START + number * DAY + 14 * HOUR
        rows.append(
            finding(MACRO, time, [("host", f"ws{host}.corp.example", "device"), ("user", f"CORP\\user{host - 20:02}", "actor")])
        )  # fmt: skip
    return rows


def case(seed: int = 7) -> pa.Table:
    """The intrusion of `intrusion` on the third day of the `noise`."""
    rows = [*noise(Random(seed)), *intrusion(START + 2 * DAY + 9 * HOUR)]  # noqa: S311
    Random(seed + 1).shuffle(rows)  # noqa: S311
    return table(rows)


def many(count: int, seed: int = 1) -> pa.Table:
    """About `count` findings of a large case: mostly repeated lows, some mediums, few intrusions."""
    random = Random(seed)  # noqa: S311
    rules = [
        Rule(f"n-{n:03}", f"Everyday rule {n}", 2 if n % 8 else 3, ("T1082",), ("discovery",), "windows.sysmon.1")
        for n in range(160)
    ]  # fmt: skip
    hosts = max(20, count // 2500)
    weights = [1 / (1 + n) for n in range(len(rules))]
    chosen = random.choices(rules, weights, k=count)
    rows = []
    for number, rule in enumerate(chosen):
        host = random.randrange(hosts)
        entities = [
            ("host", f"host{host:04}.corp.example", "device"),
            ("user", f"corp\\user{(host * 7 + random.randrange(3)) % 4000:04}", "actor"),
            ("process", f"host{host:04}|{{{random.randrange(1 << 40):x}}}", "object"),
            ("ip", f"10.{host % 200}.{random.randrange(4)}.{random.randrange(250)}", "destination"),
        ]
        time = START + random.randrange(14 * DAY)
        rows.append(finding(rule, time, entities, number=number))
    for number in range(max(1, count // 100_000)):
        rows.extend(intrusion(START + number * DAY + 9 * HOUR))
    return table(rows)
