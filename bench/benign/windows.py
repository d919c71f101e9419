"""Windows machines of the office, day after day: programs from the catalogue, logons, services."""

import random
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from bench.benign import background, domain
from bench.benign import events as made
from bench.benign.events import Line, Log, sid
from bench.benign.scene import DESKS, DOMAIN, Calendar, Machine, moments
from bench.benign.wording import fields_of, filled

_CATALOGUE: Final = Path(__file__).with_name("programs.toml")


def logs(
    machine: Machine,
    draw: random.Random,
    calendar: Calendar,
    play: Callable[[Log], Iterator[str]] | None = None,
) -> tuple[list[Line], dict[str, str]]:
    """All events of a machine, in the order of time; of what `play` adds, the step of each line."""
    log = Log(machine, draw)
    for program in _programs():
        if "all" in program["on"] or machine.kind in program["on"]:
            _run(log, program, calendar)
    for part in (_logons, *background.PARTS):
        part(log, calendar)
    if machine.kind == "dc":
        domain.controller(log, calendar)
    if machine.kind == "files":
        domain.shares(log, calendar)
    steps: dict[str, str] = {}
    so_far = len(log.lines)
    for step in play(log) if play else ():
        steps.update((line, step) for _, line in log.lines[so_far:])
        so_far = len(log.lines)
    return sorted(log.lines), steps


@cache
def _programs() -> list[dict[str, Any]]:
    return list(tomllib.loads(_CATALOGUE.read_text("utf-8"))["program"])


def _run(log: Log, program: dict[str, Any], calendar: Calendar) -> None:
    draw = log.draw
    for when in moments(
        draw, calendar, program["when"], program.get("day", 0.0), program.get("week", 0.0)
    ):
        account = _account(program["who"], log.machine)
        name = account.rpartition("\\")[2]
        fields = fields_of(log, name)
        said = partial(filled, fields=fields)
        image, parent = said(program["image"]), said(program["parent"])
        parent_line = said(program.get("parent_line", program["parent"]))
        log.start(when, image, said(program["line"]), parent, parent_line, account)
        if log.machine.kind in ("desk", "dev", "admin"):
            _deeds(log, when, image, account, program, said)


def _deeds(
    log: Log,
    when: datetime,
    image: str,
    account: str,
    program: dict[str, Any],
    said: Callable[[str], str],
) -> None:
    """What a process does soon after it has started, as Sysmon sees it."""
    soon = when + timedelta(milliseconds=log.draw.randrange(80, 4000))
    for path in program.get("writes", ()):
        log.about(
            soon, image, account, 11, TargetFilename=said(path), CreationUtcTime=made.utc(when)
        )
    for key, value in program.get("sets", {}).items():
        log.about(
            soon,
            image,
            account,
            13,
            EventType="SetValue",
            TargetObject=said(key),
            Details=said(value),
        )
    for name in program.get("asks", ()):
        log.about(
            soon,
            image,
            account,
            22,
            QueryName=said(name),
            QueryStatus="0",
            QueryResults="::ffff:142.250.179.195;",
        )
    for address in program.get("connects", ()):
        ip, _, port = address.partition(":")
        log.about(
            soon,
            image,
            account,
            3,
            Protocol="tcp",
            Initiated="true",
            SourceIsIpv6="false",
            SourceIp=log.machine.ip,
            SourceHostname=log.machine.fqdn,
            SourcePort=log.draw.randrange(49152, 65535),
            DestinationIsIpv6="false",
            DestinationIp=ip,
            DestinationHostname="-",
            DestinationPort=int(port),
        )


def _account(who: str, machine: Machine) -> str:
    names = {
        "system": "NT AUTHORITY\\SYSTEM",
        "network": "NT AUTHORITY\\NETWORK SERVICE",
        "user": f"{DOMAIN}\\{machine.user}",
        "admin": f"{DOMAIN}\\adm.nora",
    }
    return names.get(who, f"{DOMAIN}\\{who}")


def _logons(log: Log, calendar: Calendar) -> None:
    """People, services and machines log on; some mistype."""
    draw, machine = log.draw, log.machine
    for when in moments(draw, calendar, "any", day=30):
        logon(log, when, "SYSTEM", 5, "-", process="C:\\Windows\\System32\\services.exe")
    if machine.kind in ("desk", "dev", "admin"):
        for when in moments(draw, calendar, "logon", day=1):
            if draw.random() < 0.15:
                failed(log, when - timedelta(seconds=20), machine.user, 2, "127.0.0.1")
            logon(log, when, machine.user, draw.choice((2, 11)), "127.0.0.1")
        for when in moments(draw, calendar, "work", day=6):
            logon(log, when, machine.user, 7, "127.0.0.1")
        for when in moments(draw, calendar, "work", week=2):
            logon(log, when, "adm.nora", 3, "10.30.1.31")
        return
    for desk in DESKS:
        for when in moments(draw, calendar, "work", day=8):
            logon(log, when, desk.user, 3, desk.ip)
        for when in moments(draw, calendar, "any", day=5):
            logon(log, when, f"{desk.name}$", 3, desk.ip)
    for when in moments(draw, calendar, "work", day=2):
        logon(log, when, "adm.nora", 10, "10.30.1.31")
    for when in moments(draw, calendar, "night", day=10):
        logon(log, when, "svc_ansible", 3, "10.30.2.10")
    for when in moments(draw, calendar, "any", day=4):
        logon(log, when, "svc_scan", 3, "10.30.0.40")
    for when in moments(draw, calendar, "night", week=1):
        for second in range(draw.randrange(8, 25)):
            # A service whose password has changed tries again and again.
            failed(log, when + timedelta(seconds=30 * second), "svc_legacy", 3, "10.30.0.14")


def logon(log: Log, when: datetime, user: str, kind: int, ip: str, process: str = "-") -> None:
    ident = log.number(0x50000, 0xFFFFFFF)
    log.add(
        when,
        made.SECURITY,
        4624,
        SubjectUserSid=made.SYSTEM_SID if kind != 3 else made.NOBODY,
        SubjectUserName=f"{log.machine.name}$" if kind != 3 else "-",
        SubjectDomainName=DOMAIN if kind != 3 else "-",
        SubjectLogonId="0x3e7" if kind != 3 else "0x0",
        TargetUserSid=sid(user),
        TargetUserName=user,
        TargetDomainName=DOMAIN,
        TargetLogonId=ident,
        LogonType=kind,
        LogonProcessName="Kerberos" if kind == 3 else "User32 ",
        AuthenticationPackageName="Kerberos" if kind == 3 else "Negotiate",
        WorkstationName="-" if kind == 3 else log.machine.name,
        LogonGuid="{00000000-0000-0000-0000-000000000000}",
        TransmittedServices="-",
        LmPackageName="-",
        KeyLength=0,
        ProcessId="0x0" if kind == 3 else "0x2ac",
        ProcessName=process,
        IpAddress=ip,
        IpPort=str(log.draw.randrange(49152, 65535)),
        ImpersonationLevel="%%1833",
        ElevatedToken="%%1843",
    )
    if user.startswith(("adm.", "SYSTEM", "svc_ansible")):
        log.add(
            when,
            made.SECURITY,
            4672,
            SubjectUserSid=sid(user),
            SubjectUserName=user,
            SubjectDomainName=DOMAIN,
            SubjectLogonId=ident,
            PrivilegeList="SeSecurityPrivilege\n\t\t\tSeBackupPrivilege\n\t\t\tSeDebugPrivilege",
        )
    if kind in (3, 10):
        log.add(
            when + timedelta(seconds=log.draw.randrange(1, 900)),
            made.SECURITY,
            4634,
            TargetUserSid=sid(user),
            TargetUserName=user,
            TargetDomainName=DOMAIN,
            TargetLogonId=ident,
            LogonType=kind,
        )


def failed(log: Log, when: datetime, user: str, kind: int, ip: str) -> None:
    log.add(
        when,
        made.SECURITY,
        4625,
        SubjectUserSid=made.NOBODY,
        SubjectUserName="-",
        SubjectDomainName="-",
        SubjectLogonId="0x0",
        TargetUserSid=made.NOBODY,
        TargetUserName=user,
        TargetDomainName=DOMAIN,
        Status="0xc000006d",
        FailureReason="%%2313",
        SubStatus="0xc000006a",
        LogonType=kind,
        LogonProcessName="NtLmSsp " if kind == 3 else "User32 ",
        AuthenticationPackageName="NTLM" if kind == 3 else "Negotiate",
        WorkstationName="APP01" if kind == 3 else log.machine.name,
        TransmittedServices="-",
        LmPackageName="-",
        KeyLength=0,
        ProcessId="0x0",
        ProcessName="-",
        IpAddress=ip,
        IpPort=str(log.draw.randrange(49152, 65535)),
    )


def each(
    seed: int,
    calendar: Calendar,
    machines: tuple[Machine, ...],
    plays: Mapping[str, Callable[[Log], Iterator[str]]] | None = None,
) -> Iterator[tuple[str, str, dict[int, str]]]:
    """The file of each machine, its text, and where in it (in bytes) which step of a play is."""
    for machine in machines:
        draw = random.Random(f"{seed}:{machine.name}")
        lines, steps = logs(machine, draw, calendar, (plays or {}).get(machine.name))
        at, marks = 0, {}
        for _, line in lines:
            if line in steps:
                marks[at] = steps[line]
            at += len(line.encode()) + 1
        yield f"windows/{machine.name}.json", "".join(f"{line}\n" for _, line in lines), marks
