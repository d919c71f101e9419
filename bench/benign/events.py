"""Windows events of one machine, in the JSON that `evtx_dump` makes of EVTX."""

import json
import random
from datetime import datetime
from typing import Any, Final

from bench.benign.scene import DOMAIN, Machine

SYSMON: Final = ("Microsoft-Windows-Sysmon", "Microsoft-Windows-Sysmon/Operational")
SECURITY: Final = ("Microsoft-Windows-Security-Auditing", "Security")
SCM: Final = ("Service Control Manager", "System")
TASKS: Final = ("Microsoft-Windows-TaskScheduler", "Microsoft-Windows-TaskScheduler/Operational")
SHELL: Final = ("Microsoft-Windows-PowerShell", "Microsoft-Windows-PowerShell/Operational")
DEFENDER: Final = (
    "Microsoft-Windows-Windows Defender",
    "Microsoft-Windows-Windows Defender/Operational",
)
BITS: Final = ("Microsoft-Windows-Bits-Client", "Microsoft-Windows-Bits-Client/Operational")
NOBODY: Final = "S-1-0-0"
SYSTEM_SID: Final = "S-1-5-18"
_SIGNED: Final = "0x8020000000000000"

Line = tuple[datetime, str]


def sid(user: str) -> str:
    """The domain's identifier of an account."""
    known = {"SYSTEM": SYSTEM_SID, "NETWORK SERVICE": "S-1-5-20", "LOCAL SERVICE": "S-1-5-19"}
    number = 1100 + sum(ord(letter) * (at + 1) for at, letter in enumerate(user)) % 8000
    return known.get(user, f"S-1-5-21-1004336348-1177238915-682003330-{number}")


class Log:
    """The logs of one machine; ids and numbers run on."""

    def __init__(self, machine: Machine, draw: random.Random) -> None:
        self.machine = machine
        self.draw = draw
        self.lines: list[Line] = []
        self._record = draw.randrange(10_000, 900_000)
        self._pid = draw.randrange(3_000, 9_000)
        self._guids: dict[str, tuple[str, int]] = {}

    def add(self, when: datetime, log: tuple[str, str], number: int, **data: Any) -> None:
        """One event."""
        self._record += 1
        system = {
            "Provider": {"#attributes": {"Name": log[0]}},
            "EventID": number,
            "Version": 5 if log is SYSMON else 0,
            "Level": 4 if log is not SECURITY else 0,
            "Task": number,
            "Opcode": 0,
            "Keywords": _SIGNED if number not in (4625, 4771) else "0x8010000000000000",
            "TimeCreated": {"#attributes": {"SystemTime": _iso(when)}},
            "EventRecordID": self._record,
            "Execution": {"#attributes": {"ProcessID": 4012, "ThreadID": 5120}},
            "Channel": log[1],
            "Computer": self.machine.fqdn,
            "Security": {"#attributes": {"UserID": SYSTEM_SID}} if log is SYSMON else None,
        }
        event = {"Event": {"System": system, "EventData": data}}
        self.lines.append((when, json.dumps(event)))

    def start(
        self, when: datetime, image: str, line: str, parent: str, parent_line: str, user: str
    ) -> None:
        """A process starts: Sysmon event 1 on desks, event 4688 on servers."""
        self._pid += self.draw.randrange(4, 64, 4)
        made = self._guid()
        parent_guid, parent_pid = self._guids.get(parent) or (self._guid(), self._pid - 2 * 4)
        self._guids[image] = made, self._pid
        if self.machine.kind in ("desk", "dev", "admin"):
            self._sysmon_start(
                when, image, line, parent, parent_line, user, made, parent_guid, parent_pid
            )
            return
        name = user.rpartition("\\")[2]
        self.add(
            when,
            SECURITY,
            4688,
            SubjectUserSid=sid(name),
            SubjectUserName=f"{self.machine.name}$" if name == "SYSTEM" else name,
            SubjectDomainName=DOMAIN,
            SubjectLogonId="0x3e7" if name == "SYSTEM" else self.number(0x50000, 0xFFFFFF),
            NewProcessId=hex(self._pid),
            NewProcessName=image,
            TokenElevationType="%%1936",
            ProcessId=hex(parent_pid),
            CommandLine=line,
            TargetUserSid=NOBODY,
            TargetUserName="-",
            TargetDomainName="-",
            TargetLogonId="0x0",
            ParentProcessName=parent,
            MandatoryLabel="S-1-16-16384" if name == "SYSTEM" else "S-1-16-12288",
        )

    def _sysmon_start(
        self,
        when: datetime,
        image: str,
        line: str,
        parent: str,
        parent_line: str,
        user: str,
        made: str,
        parent_guid: str,
        parent_pid: int,
    ) -> None:
        system = user.startswith("NT AUTHORITY")
        self.add(
            when,
            SYSMON,
            1,
            RuleName="-",
            UtcTime=utc(when),
            ProcessGuid=made,
            ProcessId=self._pid,
            Image=image,
            FileVersion="10.0.19041.1",
            Description="-",
            Product="-",
            Company=_company(image),
            OriginalFileName=image.rsplit("\\", 1)[-1],
            CommandLine=line,
            CurrentDirectory="C:\\Windows\\system32\\" if system else "C:\\",
            User=user,
            LogonGuid=self._guid(),
            LogonId="0x3e7" if system else self.number(0x50000, 0xFFFFFF),
            TerminalSessionId=0 if system else 1,
            IntegrityLevel="System" if system else "Medium",
            Hashes=f"SHA256={_digest(image):064X}",
            ParentProcessGuid=parent_guid,
            ParentProcessId=parent_pid,
            ParentImage=parent,
            ParentCommandLine=parent_line,
            ParentUser=user,
        )

    def about(self, when: datetime, image: str, user: str, number: int, **data: Any) -> None:
        """A Sysmon event about what a process that has started does."""
        guid, pid = self._guids.get(image) or (self._guid(), self._pid)
        self.add(
            when,
            SYSMON,
            number,
            RuleName="-",
            UtcTime=utc(when),
            ProcessGuid=guid,
            ProcessId=pid,
            Image=image,
            **data,
            User=user,
        )

    def number(self, low: int, high: int) -> str:
        """A logon id or the like."""
        return hex(self.draw.randrange(low, high))

    def _guid(self) -> str:
        bits = f"{self.draw.getrandbits(128):032X}"
        return f"{{{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}}}"


def utc(when: datetime) -> str:
    """Time as Sysmon writes it."""
    return when.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _digest(image: str) -> int:
    """A program's hash: the same on every machine."""
    return random.Random(image.rsplit("\\", 1)[-1].lower()).getrandbits(256)


def _company(image: str) -> str:
    known = (
        ("Google", "Google LLC"),
        ("Adobe", "Adobe Inc."),
        ("Git", "The Git Development Community"),
    )
    return next((name for mark, name in known if mark in image), "Microsoft Corporation")
