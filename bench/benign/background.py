"""What Windows and its agents log by themselves: services, tasks, Defender, scripts, the registry."""

from datetime import timedelta
from typing import Final

from bench.benign import events as made
from bench.benign.events import Log
from bench.benign.scene import DOMAIN, Calendar, moments
from bench.benign.wording import fields_of, filled

_SERVICES: Final = (
    (
        "MpKsl{hex8}",
        r"C:\ProgramData\Microsoft\Windows Defender\Definition Updates\{{guid}}\MpKslDrv.sys",
        "kernel mode driver",
        3,
    ),
    (
        "Google Chrome Elevation Service (GoogleChromeElevationService)",
        r'"{pf}\Google\Chrome\Application\124.0.6367.91\elevation_service.exe"',
        "user mode service",
        1,
    ),
    (
        "Google Updater Internal Service (GoogleUpdaterInternalService126.0.6441.0)",
        r'"{pf86}\Google\GoogleUpdater\126.0.6441.0\updater.exe" --system --windows-service --service=update-internal',
        "user mode service",
        1,
    ),
    (
        "Microsoft Edge Elevation Service (MicrosoftEdgeElevationService)",
        r'"{pf86}\Microsoft\Edge\Application\124.0.2478.67\elevation_service.exe"',
        "user mode service",
        1,
    ),
    (
        "Microsoft Defender Core Service",
        r'"C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.24040.4-0\MpDefenderCoreService.exe"',
        "user mode service",
        1,
    ),
    (
        "Zoom Sharing Service",
        r'"{pf}\Common Files\Zoom\Support\CptService.exe" -user_path "C:\Users\Public"',
        "user mode service",
        0.3,
    ),
    (
        "Intel(R) Platform License Manager Service",
        r"{s32}\DriverStore\FileRepository\iclsclient.inf_amd64_{hex8}\lib\IntelPlatformLicenseManagerService.exe",
        "user mode service",
        0.3,
    ),
    (
        "Npcap Packet Driver (NPCAP)",
        r"\SystemRoot\system32\DRIVERS\npcap.sys",
        "kernel mode driver",
        0.1,
    ),
    ("PSEXESVC", r"%SystemRoot%\PSEXESVC.exe", "user mode service", 0.2),
    ("Process Explorer (PROCEXP152)", r"{s32}\Drivers\PROCEXP152.SYS", "kernel mode driver", 0.1),
)


def services(log: Log, calendar: Calendar) -> None:
    """Services are installed, start, stop and change, most of them updaters'."""
    draw = log.draw
    for name, path, kind, week in _SERVICES:
        for when in moments(draw, calendar, "work" if name == "PSEXESVC" else "any", week=week):
            fields = fields_of(log, "SYSTEM")
            log.add(
                when,
                made.SCM,
                7045,
                ServiceName=filled(name, fields),
                ImagePath=filled(path, fields),
                ServiceType=kind,
                StartType="demand start",
                AccountName="" if "driver" in kind else "LocalSystem",
            )
    for when in moments(draw, calendar, "any", day=25):
        log.add(
            when,
            made.SCM,
            7036,
            param1=draw.choice(
                (
                    "Windows Update",
                    "BITS",
                    "Windows Installer",
                    "Print Spooler",
                    "Microsoft Defender Antivirus Network Inspection Service",
                )
            ),
            param2=draw.choice(("running", "stopped")),
        )
    for when in moments(draw, calendar, "any", day=4):
        log.add(
            when,
            made.SCM,
            7040,
            param1="Background Intelligent Transfer Service",
            param2=draw.choice(("auto start", "demand start")),
            param3=draw.choice(("auto start", "demand start")),
            param4="BITS",
        )


_TASKS: Final = (
    r"\GoogleUpdaterTaskSystem126.0.6441.0{{guid}}",
    r"\MicrosoftEdgeUpdateTaskMachineUA",
    r"\OneDrive Reporting Task-{sid}",
    r"\Adobe Acrobat Update Task",
    r"\Microsoft\Windows\UpdateOrchestrator\Schedule Scan",
    r"\Microsoft\Windows\Windows Defender\Windows Defender Scheduled Scan",
    r"\Microsoft\Office\Office Automatic Updates 2.0",
)


def tasks(log: Log, calendar: Calendar) -> None:
    """Scheduled tasks run; updaters register and change theirs."""
    draw = log.draw
    for when in moments(draw, calendar, "any", day=20):
        name = _task(log)
        log.add(
            when,
            made.TASKS,
            200,
            TaskName=name,
            ActionName="%windir%\\system32\\rundll32.exe",
            TaskInstanceId=fields_of(log, "")["guid"],
            EnginePID=4120,
        )
    for number, week in ((106, 2.0), (140, 6.0), (141, 1.0)):
        for when in moments(draw, calendar, "any", week=week):
            log.add(
                when,
                made.TASKS,
                number,
                TaskName=_task(log),
                UserName=f"{DOMAIN}\\{log.machine.name}$",
                UserContext=f"{DOMAIN}\\{log.machine.name}$",
            )
    for number, week in ((4698, 1.5), (4702, 8.0)):
        for when in moments(draw, calendar, "any", week=week):
            log.add(
                when,
                made.SECURITY,
                number,
                SubjectUserSid=made.SYSTEM_SID,
                SubjectUserName=f"{log.machine.name}$",
                SubjectDomainName=DOMAIN,
                SubjectLogonId="0x3e7",
                TaskName=_task(log),
                TaskContent="<Task><Triggers><CalendarTrigger/></Triggers><Actions><Exec><Command>"
                "C:\\Program Files (x86)\\Google\\GoogleUpdater\\126.0.6441.0\\updater.exe</Command>"
                "<Arguments>--wake --system</Arguments></Exec></Actions></Task>",
            )


def _task(log: Log) -> str:
    fields = fields_of(log, log.machine.user)
    return filled(log.draw.choice(_TASKS), fields)


def defender(log: Log, calendar: Calendar) -> None:
    draw = log.draw
    for when in moments(draw, calendar, "night", day=1):
        for number, later in ((1000, 0), (1001, 900)):
            log.add(
                when + timedelta(seconds=later),
                made.DEFENDER,
                number,
                **{
                    "Product Name": "Microsoft Defender Antivirus",
                    "Product Version": "4.18.24030.9",
                    "Scan ID": fields_of(log, "")["guid"],
                    "Scan Type": "Antimalware",
                    "Domain": "NT AUTHORITY",
                    "User": "SYSTEM",
                    "SID": made.SYSTEM_SID,
                },
            )
    for when in moments(draw, calendar, "any", day=4):
        log.add(
            when,
            made.DEFENDER,
            2000,
            **{
                "Product Name": "Microsoft Defender Antivirus",
                "Current security intelligence Version": "1.411.10.0",
            },
        )
    for when in moments(draw, calendar, "any", week=2):
        log.add(
            when,
            made.DEFENDER,
            5007,
            **{
                "Product Name": "Microsoft Defender Antivirus",
                "Old Value": "HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\SpyNet\\SpyNetReporting = 0x2",
                "New Value": "HKLM\\SOFTWARE\\Microsoft\\Windows Defender\\SpyNet\\SpyNetReporting = 0x2",
            },
        )
    for when in moments(draw, calendar, "any", day=5):
        log.add(
            when,
            made.BITS,
            59,
            transferId=fields_of(log, "")["guid"],
            name="Font Download",
            Id=fields_of(log, "")["guid"],
            url="https://fs.microsoft.com/fs/windows/config.json",
            peer="",
            fileTime="2017-05-16T22:58:00Z",
            fileLength=55,
            bytesTotal=55,
            bytesTransferred=0,
            bytesTransferredFromPeer=0,
        )


_SCRIPTS: Final = (
    (
        "desk dev admin server files",
        3,
        "$ErrorActionPreference = 'Stop'\n$os = Get-CimInstance Win32_OperatingSystem\n[pscustomobject]@{ Compliant = ($os.BuildNumber -ge 19044) } | ConvertTo-Json",
    ),
    (
        "desk dev admin server files",
        2,
        "Get-ItemProperty HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\* | Where-Object DisplayName -like 'Adobe*' | Select-Object DisplayName, DisplayVersion",
    ),
    (
        "admin",
        2,
        "Import-Module ActiveDirectory\nGet-ADUser -Filter * -Properties LastLogonDate | Where-Object { $_.LastLogonDate -lt (Get-Date).AddDays(-90) } | Export-Csv C:\\Temp\\stale.csv",
    ),
    (
        "admin",
        1,
        "Get-ADGroupMember 'Domain Admins' -Recursive | Select-Object Name, SamAccountName",
    ),
    (
        "admin",
        1,
        "Invoke-Command -ComputerName (Get-ADComputer -Filter *).Name -ScriptBlock { Get-HotFix | Select-Object -Last 1 }",
    ),
    (
        "admin",
        1,
        "Connect-ExchangeOnline -UserPrincipalName nora@corp.example; Get-Mailbox -ResultSize Unlimited | Get-MailboxStatistics",
    ),
    (
        "dev",
        1,
        "Invoke-WebRequest -Uri https://github.com/corp/tool/releases/latest/download/tool.zip -OutFile $env:TEMP\\tool.zip\nExpand-Archive $env:TEMP\\tool.zip -DestinationPath C:\\src\\tool -Force",
    ),
    (
        "dev",
        0.2,
        "iex ((New-Object System.Net.WebClient).DownloadString('https://community.chocolatey.org/install.ps1'))",
    ),
    (
        "server",
        3,
        '&chcp.com 65001 > $null\n$exec_wrapper_str = $input | Out-String\n$split_parts = $exec_wrapper_str.Split(@("`0`0`0`0"), 2)\n&([ScriptBlock]::Create($split_parts[0]))',
    ),
    (
        "server",
        2,
        "Add-Type -TypeDefinition @'\nusing System;\nusing System.Runtime.InteropServices;\nnamespace Ansible { public class Proc { [DllImport(\"kernel32.dll\")] public static extern IntPtr GetCurrentProcess(); } }\n'@",
    ),
    (
        "files",
        1,
        "Get-ChildItem C:\\Scripts\\logs -Filter *.log | Where-Object LastWriteTime -lt (Get-Date).AddDays(-30) | Remove-Item -Force",
    ),
)


def shell(log: Log, calendar: Calendar) -> None:
    for kinds, day, text in _SCRIPTS:
        if log.machine.kind not in kinds.split():
            continue
        for when in moments(log.draw, calendar, "work" if "admin" in kinds[:6] else "any", day=day):
            log.add(
                when,
                made.SHELL,
                4104,
                MessageNumber=1,
                MessageTotal=1,
                ScriptBlockText=text,
                ScriptBlockId=fields_of(log, "")["guid"],
                Path="",
            )


_VALUES: Final = (
    (
        "any",
        10,
        r"{s32}\svchost.exe",
        r"HKLM\System\CurrentControlSet\Services\bam\State\UserSettings\{sid}\\Device\HarddiskVolume3\Windows\explorer.exe",
        "Binary Data",
    ),
    (
        "any",
        1,
        r"{s32}\services.exe",
        r"HKLM\System\CurrentControlSet\Services\MpKsl{hex8}\ImagePath",
        r"\??\C:\ProgramData\Microsoft\Windows Defender\Definition Updates\{{guid}}\MpKslDrv.sys",
    ),
    (
        "any",
        0.3,
        r"{s32}\svchost.exe",
        r"HKLM\SOFTWARE\Policies\Microsoft\Windows Defender\Exclusions\Paths\C:\src",
        "DWORD (0x00000000)",
    ),
    (
        "any",
        2,
        r"{s32}\svchost.exe",
        r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache\Tasks\{{guid}}\Path",
        r"\MicrosoftEdgeUpdateTaskMachineCore",
    ),
    (
        "work",
        4,
        r"{office}\WINWORD.EXE",
        r"HKU\{sid}\SOFTWARE\Microsoft\Office\16.0\Word\Security\Trusted Documents\TrustRecords\%USERPROFILE%/Documents/{word}.docm",
        "Binary Data",
    ),
    (
        "work",
        3,
        r"C:\Windows\explorer.exe",
        r"HKU\{sid}\SOFTWARE\Microsoft\Windows\CurrentVersion\Explorer\FileExts\.{word}\OpenWithList\a",
        "notepad.exe",
    ),
    (
        "any",
        0.4,
        r"{s32}\msiexec.exe",
        r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run\AdobeAAMUpdater-1.0",
        r'"{pf86}\Common Files\Adobe\OOBE\PDApp\UWA\UpdaterStartupUtility.exe"',
    ),
    (
        "any",
        0.3,
        r"{pf}\Google\Chrome\Application\124.0.6367.91\Installer\setup.exe",
        r"HKLM\SOFTWARE\Microsoft\Active Setup\Installed Components\{8A69D345-D564-463c-AFF1-A69D9E530F96}\StubPath",
        r'"{pf}\Google\Chrome\Application\124.0.6367.91\Installer\chrmstp.exe" --configure-user-settings --verbose-logging --system-level',
    ),
)


def registry(log: Log, calendar: Calendar) -> None:
    if log.machine.kind not in ("desk", "dev", "admin"):
        return
    for when_kind, day, image, key, value in _VALUES:
        for when in moments(log.draw, calendar, when_kind, day=day):
            fields = fields_of(log, log.machine.user)
            texts = [filled(text, fields) for text in (image, key, value)]
            log.about(
                when,
                texts[0],
                "NT AUTHORITY\\SYSTEM",
                13,
                EventType="SetValue",
                TargetObject=texts[1],
                Details=texts[2],
            )


_OPENS: Final = (
    (8, r"C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.24030.9-0\MsMpEng.exe", "0x1418"),
    (6, r"C:\Windows\System32\svchost.exe", "0x1000"),
    (4, r"C:\Windows\System32\wbem\WmiPrvSE.exe", "0x1410"),
    (2, r"C:\Windows\CCM\CcmExec.exe", "0x1410"),
    (0.5, r"C:\Program Files (x86)\Google\Update\GoogleUpdate.exe", "0x1410"),
    (0.2, r"C:\Windows\System32\Taskmgr.exe", "0x1410"),
)


def access(log: Log, calendar: Calendar) -> None:
    """Programs that look at all processes open LSASS too."""
    if log.machine.kind not in ("desk", "dev", "admin"):
        return
    for day, image, rights in _OPENS:
        for when in moments(log.draw, calendar, "any", day=day):
            log.add(
                when,
                made.SYSMON,
                10,
                RuleName="-",
                UtcTime=made.utc(when),
                SourceProcessGUID=f"{{{fields_of(log, '')['guid'].upper()}}}",
                SourceProcessId=4412,
                SourceThreadId=5120,
                SourceImage=image,
                TargetProcessGUID=f"{{{fields_of(log, '')['guid'].upper()}}}",
                TargetProcessId=744,
                TargetImage=r"C:\Windows\system32\lsass.exe",
                GrantedAccess=rights,
                CallTrace=r"C:\Windows\SYSTEM32\ntdll.dll+9d4c4|C:\Windows\System32\KERNELBASE.dll+2c13e",
                SourceUser="NT AUTHORITY\\SYSTEM",
                TargetUser="NT AUTHORITY\\SYSTEM",
            )


PARTS: Final = (services, tasks, defender, shell, registry, access)
