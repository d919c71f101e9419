"""SpamAssassin, rspamd and bogofilter on messages that no model here has seen, without any network.

SpamAssassin and rspamd come with their rules and learn nothing; bogofilter is trained on the corpora
that ours is trained on. Each gives a score for a message; all are Debian's packages.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

_PORT: Final = 21_333
_ASSASSIN: Final = """
use Mail::SpamAssassin;
my $sa = Mail::SpamAssassin->new({local_tests_only => 1, dont_copy_prefs => 1,
  rules_filename => '/usr/share/spamassassin', userprefs_filename => '/dev/null',
  userstate_dir => $ARGV[0], config_text => undef, post_config_text => 'use_bayes 0'});
$| = 1;
while (my $path = <STDIN>) {
  chomp $path; open(my $in, '<', $path); local $/; my $mail = $sa->parse(<$in>); close $in;
  my $said = $sa->check($mail); print $said->get_score() . "\\n"; $said->finish(); $mail->finish();
  $/ = "\\n";
}
"""
_RSPAMD: Final = {
    "options.inc": 'dns { nameserver = ["127.0.0.1:9"]; timeout = 0.05s; retransmits = 1; }\n',
    "worker-normal.inc": f'bind_socket = "127.0.0.1:{_PORT}";\ncount = 1;\n',
    "worker-controller.inc": f'bind_socket = "127.0.0.1:{_PORT + 1}";\n',
    "worker-proxy.inc": "enabled = false;\n",
    "logging.inc": "level = error;\n",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A filter's scores of the messages, in order; what its authors call spam; and its CPU seconds."""

    name: str
    scores: list[float]
    limits: tuple[float, ...]
    cpu: float


def judged(mails: Sequence[Path], good: Sequence[Path], bad: Sequence[Path]) -> Iterator[Peer]:
    """Every filter that is installed on `mails`; `good` and `bad` are for those that learn."""
    with tempfile.TemporaryDirectory() as folder:
        if shutil.which("spamassassin"):
            yield _spamassassin(mails, Path(folder))
        if shutil.which("rspamd"):
            yield _rspamd(mails, Path(folder))
        if shutil.which("bogofilter"):
            yield _bogofilter(mails, good, bad, Path(folder))


def _spamassassin(mails: Sequence[Path], folder: Path) -> Peer:
    with _cpu() as spent:
        said = _ran(["perl", "-e", _ASSASSIN, str(folder)], mails)
    return Peer("SpamAssassin", [float(line) for line in said], (5.0,), spent[0])


def _bogofilter(
    mails: Sequence[Path], good: Sequence[Path], bad: Sequence[Path], folder: Path
) -> Peer:
    place = folder / "words"
    place.mkdir()
    for flag, taught in (("-n", good), ("-s", bad)):
        _ran(["bogofilter", "-d", str(place), flag, "-b"], taught)
    with _cpu() as spent:
        said = _ran(["bogofilter", "-d", str(place), "-T", "-b"], mails)
    return Peer("bogofilter", [float(line.split()[-1]) for line in said], (0.95,), spent[0])


def _ran(command: Sequence[str], paths: Sequence[Path]) -> list[str]:
    names = "".join(f"{path}\n" for path in paths)
    # bogofilter's exit code says what it judged last.
    done = subprocess.run(command, input=names, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def _rspamd(mails: Sequence[Path], folder: Path) -> Peer:
    settings = folder / "rspamd" / "local.d"
    settings.mkdir(parents=True)
    for name, text in _RSPAMD.items():
        (settings / name).write_text(text)
    places = {"LOCAL_CONFDIR": settings.parent, "DBDIR": folder, "RUNDIR": folder, "LOGDIR": folder}
    where = [f"--var={name}={place}" for name, place in places.items()]
    with _cpu() as spent:
        started = subprocess.Popen(
            ["rspamd", "-f", "-i", "-c", "/etc/rspamd/rspamd.conf", *where],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            scores = [_asked(path.read_bytes()) for path in mails]
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(30)
    return Peer("rspamd", scores, (6.0, 15.0), spent[0])


def _asked(raw: bytes) -> float:
    asked = urllib.request.Request(f"http://127.0.0.1:{_PORT}/checkv2", raw)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(300):
        try:
            with direct.open(asked, timeout=30) as answer:
                return float(orjson.loads(answer.read()).get("score", 0.0))
        except OSError:
            time.sleep(0.5)  # it takes long to start: it compiles its rules
    raise RuntimeError("rspamd does not answer")


@contextmanager
def _cpu() -> Iterator[list[float]]:
    """What child processes took meanwhile, start-up included."""
    spent = [0.0]
    before = os.times()
    yield spent
    after = os.times()
    spent[0] = after.children_user + after.children_system
    spent[0] -= before.children_user + before.children_system
