"""A Postfix of its own for a test: one folder, ports of the loopback, and a sink behind it."""

import contextlib
import os
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.org
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
relay_domains = example.org
relay_transport = relay:[127.0.0.1]:{sink}
default_transport = relay:[127.0.0.1]:{sink}
smtpd_milters = inet:127.0.0.1:{milter}
milter_default_action = tempfail
milter_connect_timeout = 5s
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtp_dns_support_level = disabled
minimal_backoff_time = 1s
queue_run_delay = 2s
"""
MASTER = """127.0.0.1:{smtp} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 2 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def missing():
    """Why no Postfix can be run here; empty where it can."""
    if os.geteuid() != 0:
        return "running a Postfix takes root"
    absent = [each for each in ("postfix", "smtp-sink") if shutil.which(each, path=PATH) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@dataclass
class Postfix:
    """A running server: takes mail for example.org, asks the milter, hands on to the sink."""

    milter: int
    smtp: int = 0
    sink: int = 0

    def __enter__(self):
        self.smtp, self.sink = free_port(), free_port()
        # Its processes run as another user, who could not enter a test's own folder.
        self._temporary = tempfile.TemporaryDirectory(prefix="labrys-postfix-")
        self.folder = Path(self._temporary.name)
        self.folder.chmod(0o755)
        for name in ("etc", "queue", "data", "got"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        (self.folder / "got").chmod(0o777)
        values = {key: getattr(self, key) for key in ("folder", "milter", "smtp", "sink")}
        (self.folder / "etc/main.cf").write_text(MAIN.format(**values))
        (self.folder / "etc/master.cf").write_text(MASTER.format(**values))
        command = ["smtp-sink", "-c", "-d", "got/%M.", f"127.0.0.1:{self.sink}", "200"]
        self._sink = subprocess.Popen(
            [shutil.which(command[0], path=PATH), "-u", "nobody", *command[2:]],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.run("postfix", "start")
        self.wait(self._listens)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.run("postfix", "stop")
        self._sink.kill()
        self._sink.wait()
        self._temporary.cleanup()

    def run(self, program, *arguments):
        """One of Postfix's own commands on this instance."""
        return subprocess.run(
            [shutil.which(program, path=PATH), "-c", str(self.folder / "etc"), *arguments],
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def send(self, raw, sender="a@example.net", to="b@example.org"):
        """Hand a message over; the reply's code, 451 where it was not taken for another reason."""
        try:
            with smtplib.SMTP("127.0.0.1", self.smtp, timeout=60) as server:
                server.sendmail(sender, [to], raw)
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code
        except (smtplib.SMTPException, OSError):
            return 451
        return 250

    def delivered(self):
        """The messages that arrived behind this server; a file is empty until its message is whole."""
        files = sorted((self.folder / "got").iterdir())
        return [content for path in files if (content := path.read_bytes())]

    def held(self):
        """Queue ids of what this server holds back."""
        return [path.name for path in (self.folder / "queue/hold").rglob("*") if path.is_file()]

    def wait(self, until, seconds=30.0):
        """Wait until something is true; AssertionError with the log if it never is."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                log = self.folder / "log"
                raise AssertionError(log.read_text()[-3000:] if log.exists() else "no log")
            time.sleep(0.05)

    def _listens(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.smtp), 1):
            return True
        return False
