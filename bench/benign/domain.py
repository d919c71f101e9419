"""What a domain controller and a file server log: tickets, accounts, replication, shares."""

from datetime import datetime, timedelta

from bench.benign import events as made
from bench.benign.events import Log, sid
from bench.benign.scene import DESKS, DOMAIN, FILES, PEOPLE, WORDS, Calendar, moments


def controller(log: Log, calendar: Calendar) -> None:
    """What a domain controller sees: tickets, accounts, replication by those who may."""
    draw = log.draw
    for machine in (*DESKS, FILES):
        for account in (machine.user, f"{machine.name}$"):
            for when in moments(
                draw, calendar, "logon" if account == machine.user else "any", day=3
            ):
                log.add(
                    when,
                    made.SECURITY,
                    4768,
                    TargetUserName=account,
                    TargetDomainName="CORP.EXAMPLE",
                    TargetSid=sid(account),
                    ServiceName="krbtgt",
                    ServiceSid=sid("krbtgt"),
                    TicketOptions="0x40810010",
                    Status="0x0",
                    TicketEncryptionType="0x12",
                    PreAuthType="2",
                    IpAddress=f"::ffff:{machine.ip}",
                    IpPort="51234",
                )
            for when in moments(
                draw, calendar, "work" if account == machine.user else "any", day=10
            ):
                old = draw.random() < 0.02
                log.add(
                    when,
                    made.SECURITY,
                    4769,
                    TargetUserName=f"{account}@CORP.EXAMPLE",
                    TargetDomainName="CORP.EXAMPLE",
                    ServiceName="svc_sql" if old else draw.choice(("FILES01$", "DC-A$", "APP01$")),
                    ServiceSid=sid("svc_sql"),
                    TicketOptions="0x40810000",
                    TicketEncryptionType="0x17" if old else "0x12",
                    IpAddress=f"::ffff:{machine.ip}",
                    IpPort="51235",
                    Status="0x0",
                    LogonGuid="{00000000-0000-0000-0000-000000000000}",
                    TransmittedServices="-",
                )
    for when in moments(draw, calendar, "work", day=3):
        user = draw.choice(PEOPLE)
        log.add(
            when,
            made.SECURITY,
            4771,
            TargetUserName=user,
            TargetSid=sid(user),
            ServiceName="krbtgt/CORP",
            TicketOptions="0x40810010",
            Status="0x18",
            PreAuthType="2",
            IpAddress="::ffff:10.30.1.12",
            IpPort="51236",
        )
    for when in moments(draw, calendar, "any", day=48):
        # The account that copies password hashes to Entra ID, every half an hour.
        log.add(
            when,
            made.SECURITY,
            4662,
            SubjectUserSid=sid("MSOL_1a2b3c4d5e6f"),
            SubjectUserName="MSOL_1a2b3c4d5e6f",
            SubjectDomainName=DOMAIN,
            SubjectLogonId="0x5f21a",
            ObjectServer="DS",
            ObjectType="%{19195a5b-6da0-11d0-afd3-00c04fd930c9}",
            ObjectName="%{b2b4e6a1-0000-4a5c-9d1e-1f2e3d4c5b6a}",
            OperationType="Object Access",
            HandleId="0x0",
            AccessList="%%7688\n\t\t\t\t",
            AccessMask="0x100",
            Properties="%%7688\n\t\t{1131f6aa-9c07-11d1-f79f-00c04fc2dcd2}\n\t{19195a5b-6da0-11d0-afd3-00c04fd930c9}",
            AdditionalInfo="-",
            AdditionalInfo2="",
        )
    for number, when in enumerate(moments(draw, calendar, "work", week=2)):
        _new_colleague(log, when, f"new.colleague{number}")


def _new_colleague(log: Log, when: datetime, name: str) -> None:
    actor = {
        "SubjectUserSid": sid("adm.nora"),
        "SubjectUserName": "adm.nora",
        "SubjectDomainName": DOMAIN,
        "SubjectLogonId": "0x8a1f2",
    }
    target = {"TargetUserName": name, "TargetDomainName": DOMAIN, "TargetSid": sid(name)}
    for number, later in ((4720, 0), (4722, 1), (4738, 2), (4724, 3)):
        log.add(
            when + timedelta(seconds=later),
            made.SECURITY,
            number,
            **target,
            **actor,
            SamAccountName=name,
            UserPrincipalName=f"{name}@corp.example",
            PrivilegeList="-",
            UserAccountControl="\n\t\t%%2048",
            PasswordLastSet="-",
            PrimaryGroupId="513",
        )
    for group in ("Staff", "VPN Users", "Printers"):
        log.add(
            when + timedelta(seconds=30),
            made.SECURITY,
            4728,
            MemberName=f"CN={name},OU=Staff,DC=corp,DC=example",
            MemberSid=sid(name),
            TargetUserName=group,
            TargetDomainName=DOMAIN,
            TargetSid=sid(group),
            **actor,
            PrivilegeList="-",
        )


def shares(log: Log, calendar: Calendar) -> None:
    """People open shares; a scanner, an inventory and a backup look at the administrative ones."""
    draw = log.draw
    for desk in DESKS:
        for when in moments(draw, calendar, "work", day=15):
            _share(
                log,
                when,
                desk.user,
                desk.ip,
                draw.choice((r"\\*\home$", r"\\*\finance", r"\\*\IPC$")),
                draw.choice(("srvsvc", "spoolss", f"{draw.choice(WORDS)}.xlsx", "wkssvc")),
            )
    for when in moments(draw, calendar, "night", day=6):
        _share(log, when, "svc_ansible", "10.30.2.10", r"\\*\ADMIN$", "Temp")
    for when in moments(draw, calendar, "work", day=1):
        _share(log, when, "adm.nora", "10.30.1.31", r"\\*\C$", r"Scripts\nightly-backup.cmd")
    for when in moments(draw, calendar, "any", day=3):
        _share(
            log,
            when,
            "svc_scan",
            "10.30.0.40",
            r"\\*\IPC$",
            draw.choice(("samr", "svcctl", "winreg", "lsarpc")),
        )


def _share(log: Log, when: datetime, user: str, ip: str, share: str, path: str) -> None:
    for number in (5140, 5145):
        log.add(
            when,
            made.SECURITY,
            number,
            SubjectUserSid=sid(user),
            SubjectUserName=user,
            SubjectDomainName=DOMAIN,
            SubjectLogonId=log.number(0x50000, 0xFFFFFF),
            ObjectType="File",
            IpAddress=ip,
            IpPort="50112",
            ShareName=share,
            ShareLocalPath="",
            **({"RelativeTargetName": path, "AccessReason": "-"} if number == 5145 else {}),
            AccessMask="0x12019f",
            AccessList="%%1538\n\t\t\t\t%%4416\n\t\t\t\t",
        )
