"""The web server's auth.log, with the year-less dates of RFC 3164."""

import random
from collections.abc import Iterator
from datetime import datetime

from labrys.demo.scene import INTRUDER, WEB, at

_NAMES = ("root", "admin", "oracle", "test", "ubuntu", "postgres", "git", "ftpuser", "jenkins")


def auth_log(draw: random.Random) -> str:
    """The file's content."""
    lines = [*_ordinary(draw), *_intrusion(draw)]
    lines.sort(key=lambda line: line[0])
    return "".join(
        f"{when:%b} {when.day:2d} {when:%H:%M:%S} {WEB.name} {text}\n" for when, text in lines
    )


def _ordinary(draw: random.Random) -> Iterator[tuple[datetime, str]]:
    for hour in range(24):
        when, pid = at(f"{hour:02d}:17", 1), draw.randrange(1000, 30000)
        yield (
            when,
            f"CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
        )
        yield (
            at(f"{hour:02d}:17", 2),
            f"CRON[{pid}]: pam_unix(cron:session): session closed for user root",
        )
    for hour in range(8, 18):
        pid, port = draw.randrange(1000, 30000), draw.randrange(40000, 65000)
        when = at(f"{hour:02d}:05", draw.randrange(1500))
        yield (
            when,
            (
                f"sshd[{pid}]: Accepted publickey for deploy from 10.20.1.5 port {port} ssh2: "
                "ED25519 SHA256:Zm9ybGFicnlzZGVtb29ubHlub3RhcmVhbGtleQ"
            ),
        )
        yield (
            when,
            f"sshd[{pid}]: pam_unix(sshd:session): session opened for user deploy(uid=1001) by (uid=0)",
        )
    # What every machine on the internet sees: a few tries from many addresses.
    for _ in range(160):
        pid, port = draw.randrange(1000, 30000), draw.randrange(1024, 65000)
        address = f"192.0.2.{draw.randrange(1, 255)}"
        yield (
            at("00:00", draw.random() * 86000),
            (
                f"sshd[{pid}]: Failed password for invalid user {draw.choice(_NAMES)} from {address} port {port} ssh2"
            ),
        )


def _intrusion(draw: random.Random) -> Iterator[tuple[datetime, str]]:
    for number in range(140):
        pid, port = 21000 + number, draw.randrange(1024, 65000)
        name = draw.choice(("root", "deploy", "deploy", "invalid user admin"))
        yield (
            at("09:41", number * 9.1),
            (f"sshd[{pid}]: Failed password for {name} from {INTRUDER} port {port} ssh2"),
        )
    yield (
        at("10:03", 12),
        f"sshd[21400]: Accepted password for deploy from {INTRUDER} port 50122 ssh2",
    )
    yield (
        at("10:03", 12),
        "sshd[21400]: pam_unix(sshd:session): session opened for user deploy(uid=1001) by (uid=0)",
    )
    for seconds, command in (
        (5, "/usr/bin/cat /etc/shadow"),
        (70, "/usr/bin/tee -a /root/.ssh/authorized_keys"),
    ):
        yield (
            at("10:06", seconds),
            (f"sudo:   deploy : TTY=pts/1 ; PWD=/home/deploy ; USER=root ; COMMAND={command}"),
        )
