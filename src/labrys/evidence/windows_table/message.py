"""Reads the fields of an event out of its rendered message, where a table has nothing else of them.

`Get-WinEvent | Export-Csv` loses the data and keeps the text. Only English texts are understood:
those of the security log, of Sysmon (whose labels are its fields' names) and of installed services.
"""

import re
from typing import Any, Final

_LINE: Final = re.compile(r"(\s*)([A-Z][A-Za-z ]{1,40}):(?:\s+(.*))?", re.DOTALL)
_LONGEST: Final = 64_000
_WHO: Final = ("Security ID", "Account Name", "Account Domain", "Logon ID")
_SUBJECT: Final = ("SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId")
_TARGET: Final = ("TargetUserSid", "TargetUserName", "TargetDomainName", "TargetLogonId")
_TARGETS: Final = (
    *("Account For Which Logon Failed", "New Logon", "New Account", "Target Account"),
    *(
        "Account Whose Credentials Were Used",
        "Target Subject",
        "Account That Was Locked Out",
        "Member",
    ),
)
_ACTORS: Final = ("Subject", "Creator Subject")
_FIELDS: Final = {
    "Logon Type": "LogonType",
    "Workstation Name": "WorkstationName",
    "Source Network Address": "IpAddress",
    "Client Address": "IpAddress",
    "Source Port": "IpPort",
    "Client Port": "IpPort",
    "New Process Name": "NewProcessName",
    "New Process ID": "NewProcessId",
    "Creator Process Name": "ParentProcessName",
    "Creator Process ID": "ProcessId",
    "Process Command Line": "CommandLine",
    "Caller Process Name": "ProcessName",
    "Status": "Status",
    "Sub Status": "SubStatus",
    "Logon Process": "LogonProcessName",
    "Authentication Package": "AuthenticationPackageName",
    "Service Name": "ServiceName",
    "Service File Name": "ImagePath",
    "Service Type": "ServiceType",
    "Service Start Type": "StartType",
    "Service Account": "AccountName",
    "Task Name": "TaskName",
    "Task Content": "TaskContent",
    "Share Name": "ShareName",
    "Object Name": "ObjectName",
}


def fields(message: str, channel: str) -> dict[str, str]:
    """What a message says, by the names its event's data would have had."""
    found: dict[str, str] = {}
    section = ""
    sysmon = "Sysmon" in channel
    for line in message[:_LONGEST].splitlines():
        said = _LINE.fullmatch(line)
        if said is None:
            continue
        indent, label, value = said[1], said[2].strip(), (said[3] or "").strip()
        if not indent:
            section = label
        if not value or value == "-":
            continue
        if sysmon:
            name: str | None = label if " " not in label else None
        elif label in _WHO:
            names = _SUBJECT if section in _ACTORS else _TARGET if section in _TARGETS else None
            name = names[_WHO.index(label)] if names else None
        else:
            name = _FIELDS.get(label)
        if name:
            found.setdefault(name, value)
    return found


def complete(event: dict[str, Any]) -> None:
    """Add to an event's columns what its message says and they lack."""
    data = event.get("Data")
    if str(data[0] if isinstance(data, list) and data else data).startswith("System."):
        del event["Data"]  # what .NET calls a list that it does not print
    message = event.get("Message")
    if isinstance(message, str) and "Data" not in event:
        for name, value in fields(message, str(event.get("Channel", ""))).items():
            event.setdefault(name, value)
