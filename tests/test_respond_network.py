"""Blocks hold where it counts: packets stop and names end, in namespaces with real programs."""

import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from command import COMMAND, environment, rows, shapes, sources
from labrys.lake.ledger import CaseError
from labrys.respond.guards import names
from labrys.respond.ledger import Block, now
from labrys.respond.ledger import opened as ledger
from labrys.respond.lists import files
from namespace import inside, join, lacking, must, namespaces

FIREWALL = lacking("nft")
RESOLVER = lacking("unbound", "dig")
ATTACKER, OTHER = "203.0.113.66", "203.0.113.77"
ATTACKER6 = "2001:db8::66"

with_nft = pytest.mark.skipif(bool(FIREWALL), reason=FIREWALL or "there is nft")
with_unbound = pytest.mark.skipif(bool(RESOLVER), reason=RESOLVER or "there is unbound")


@pytest.fixture
def case(own_demo: Path) -> Path:
    return own_demo / "case.labrys"


@pytest.fixture
def network() -> Iterator[tuple[str, str]]:
    """Our gateway, and outside it the attacker and somebody else."""
    with namespaces(2) as (ours, outside):
        join(
            *(ours, outside, ["203.0.113.1/24", "2001:db8::1/64"]),
            [f"{ATTACKER}/24", f"{OTHER}/24", f"{ATTACKER6}/64"],
        )
        yield ours, outside


LISTEN = "import socket; s = socket.create_server((%r, 4444), family=%d); print(flush=True); %s"
CALL = "import socket; socket.create_connection((%r, 4444), %r, source_address=%r).close()"


def calls(source: str, target: str, frm: str, to: str) -> bool:
    """Whether a connection from one address to another comes about."""
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    listen = LISTEN % (to, family, "s.settimeout(3); s.accept()")
    server = subprocess.Popen(
        ["ip", "netns", "exec", target, "python3", "-c", listen],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        made = inside(source, ["python3", "-c", CALL % (to, 1.0, (frm, 0))])
        return made.returncode == 0
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def respond(name: str, case: Path, *words: str | Path) -> str:
    """`labrys respond` on the gateway."""
    command = ["env", *(f"{k}={v}" for k, v in environment().items() if "\n" not in v)]
    first, *rest = words
    ran = inside(name, [*command, *COMMAND, "respond", first, "--lake", case, *rest], 120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@with_nft
def test_packets_stop_and_flow_again(network: tuple[str, str], case: Path) -> None:
    ours, outside = network
    ends = [(ours, outside, "203.0.113.1", ATTACKER), (outside, ours, ATTACKER, "203.0.113.1")]
    friends = [(ours, outside, "203.0.113.1", OTHER), (outside, ours, OTHER, "203.0.113.1")]
    assert all(calls(*each) for each in ends + friends)
    respond(ours, case, "block", "-i", "1")
    said = respond(ours, case, "apply", "--connector", "nftables")
    assert f"+ {ATTACKER}" in said
    assert "nothing was changed" in said
    assert all(calls(*each) for each in ends), "a dry run stops nobody"
    assert "1 addresses are dropped" in respond(
        ours, case, "apply", "--connector", "nftables", "--yes"
    )
    assert not any(calls(*each) for each in ends)
    assert all(calls(*each) for each in friends)
    again = respond(ours, case, "apply", "--connector", "nftables", "--yes", "--json")
    assert orjson.loads(again) == {"applied": True, "added": [], "removed": [], "held": 1}
    respond(ours, case, "undo", ATTACKER, "--connector", "nftables", "--yes")
    assert all(calls(*each) for each in ends)
    assert inside(ours, ["nft", "list", "ruleset"]).stdout == "", "as it was before"


@with_nft
def test_the_allow_list_lets_through_what_was_blocked(
    network: tuple[str, str], case: Path, tmp_path: Path
) -> None:
    ours, outside = network
    (tmp_path / "allow").write_text(f"{ATTACKER}\n")
    respond(ours, case, "block", "-i", "1")
    respond(ours, case, "apply", "--connector", "nftables", "--yes")
    assert not calls(ours, outside, "203.0.113.1", ATTACKER)
    respond(ours, case, "apply", "--connector", "nftables", "--yes", "--allow", tmp_path / "allow")
    assert calls(ours, outside, "203.0.113.1", ATTACKER)


@with_nft
def test_this_machine_never_drops_itself_or_its_way_out(
    network: tuple[str, str], case: Path, tmp_path: Path
) -> None:
    """Even where the ledger says so: its address, and the gateway behind which all others are."""
    ours, outside = network
    must("ip", "-n", ours, "route", "add", "default", "via", OTHER)
    at = now()
    with ledger(case) as kept:
        kept.add(
            [Block("ip", value, at, at + 60_000, "me", "x") for value in (OTHER, "203.0.113.1")]
        )
    said = respond(ours, case, "apply", "--connector", "nftables", "--yes")
    assert f"not dropped: {OTHER}: a gateway of this machine" in said
    assert "not dropped: 203.0.113.1: an address of this machine" in said
    assert calls(ours, outside, "203.0.113.1", OTHER)


@with_nft
def test_the_file_loads_over_itself_leaves_others_alone_and_ends_by_time(
    network: tuple[str, str], tmp_path: Path
) -> None:
    ours, outside = network
    at = now()
    blocks = [
        Block("ip", ATTACKER, at, at + 3_000, "me", "x"),
        Block("ip", ATTACKER6, at, at + 60_000, "me", "x"),
    ]
    for name, text in files("nftables", blocks, names([], ""), at).items():
        (tmp_path / name).write_text(text)
    assert inside(ours, ["nft", "add", "table", "inet", "theirs"]).returncode == 0
    for _ in range(2):
        made = inside(ours, ["nft", "-f", tmp_path / "labrys.nft"])
        assert made.returncode == 0, made.stderr
    assert not calls(ours, outside, "203.0.113.1", ATTACKER)
    assert not calls(ours, outside, "2001:db8::1", ATTACKER6)
    time.sleep(max(0.0, at / 1000 + 4.5 - time.time()))
    assert calls(ours, outside, "203.0.113.1", ATTACKER), "its time is over"
    assert not calls(ours, outside, "2001:db8::1", ATTACKER6)
    assert inside(ours, ["nft", "-f", tmp_path / "labrys-undo.nft"]).returncode == 0
    assert calls(ours, outside, "2001:db8::1", ATTACKER6)
    assert inside(ours, ["nft", "list", "tables"]).stdout == "table inet theirs\n"


AUTH = "Nov 17 10:00:%02d web1 sshd[7]: Accepted password for intruder from %s port 4000 ssh2\n"
RULE = """
title: The intruder is here
id: 0f0e3a52-6f2e-4c58-9a57-1f6a3f2f0a12
author: tester
logsource: {product: linux, service: sshd}
detection:
  seen: {message|contains: 'password for intruder'}
  condition: seen
level: high
"""


@with_nft
def test_a_watch_blocks_whom_it_sees_within_seconds(
    network: tuple[str, str], tmp_path: Path
) -> None:
    ours, outside = network
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "r.yml").write_text(RULE)
    (tmp_path / "allow").write_text(f"{OTHER}\n")
    log = tmp_path / "auth.log"
    log.write_text("Nov 17 09:59:59 web1 sshd[7]: Server listening on 0.0.0.0 port 22.\n")
    words = ["watch", log, "--lake", tmp_path / "case", "-r", tmp_path / "rules"]
    words += ["--only", "sigma", "--no-own-rules", "--allow", tmp_path / "allow"]
    words += ["--respond", "block", "--connector", "nftables", "--yes", "--ttl", "1h"]
    env = [f"{k}={v}" for k, v in environment().items() if "\n" not in v]
    command = ["ip", "netns", "exec", ours, "env", *env, *COMMAND, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            end = time.monotonic() + 60
            while not read_already(tmp_path / "case") and time.monotonic() < end:
                time.sleep(0.1)
            assert calls(outside, ours, ATTACKER, "203.0.113.1")
            with log.open("a") as stream:
                stream.write(AUTH % (1, ATTACKER) + AUTH % (2, OTHER) + AUTH % (3, "10.0.0.9"))
            end = time.monotonic() + 20
            while calls(outside, ours, ATTACKER, "203.0.113.1") and time.monotonic() < end:
                time.sleep(0.2)
            assert not calls(outside, ours, ATTACKER, "203.0.113.1")
            assert calls(outside, ours, OTHER, "203.0.113.1"), "on the allow list"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert out.decode().count("The intruder is here on web1 [") == 3
    assert f"blocked ip {ATTACKER}" in err.decode()
    assert f"not blocked: ip {OTHER}: on the allow list" in err.decode()
    assert "not blocked: ip 10.0.0.9: private" in err.decode()
    respond(ours, tmp_path / "case", "undo", "--all", "--connector", "nftables", "--yes")
    assert calls(outside, ours, ATTACKER, "203.0.113.1")


CAPTURE = lacking("dumpcap") and lacking("tcpdump")
SEND = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(20):
    s.sendto(b"something", ("127.0.0.1", 5000 + n)); time.sleep(0.1)
"""


@pytest.mark.skipif(bool(CAPTURE), reason=CAPTURE or "there is a capture program")
def test_an_interface_is_captured_into_parts_that_are_read(tmp_path: Path) -> None:
    with namespaces(1) as (name,):
        env = [f"{k}={v}" for k, v in environment().items() if "\n" not in v]
        words = ["watch", "--interface", "lo", "--lake", str(tmp_path / "case"), "--only", "sigma"]
        command = ["ip", "netns", "exec", name, "env", *env, *COMMAND, *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                end = time.monotonic() + 60
                parts = tmp_path / "case" / "inbox" / "capture"
                while not (parts.is_dir() and list(parts.iterdir())) and time.monotonic() < end:
                    time.sleep(0.1)
                assert inside(name, ["python3", "-c", SEND]).returncode == 0
                while not captured(tmp_path / "case") and time.monotonic() < end:
                    time.sleep(0.3)
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=60)
            finally:
                process.kill()
    assert process.returncode in (0, 1), err
    assert captured(tmp_path / "case"), err
    flows = [row for shape, found in rows(tmp_path / "case").items() for row in found]
    assert any("5000" in row.values() for row in flows), shapes(tmp_path / "case")


def read_already(case: Path) -> bool:
    try:
        return bool(sources(case))
    except CaseError:  # it is only being made
        return False


def captured(case: Path) -> list[str]:
    """The parts of the capture that have been read."""
    try:
        return [name for name, row in sources(case).items() if "/inbox/" in name and row["rows"]]
    except CaseError:  # it is only being made
        return []


UPSTREAM = """\
server:
  {common}
  interface: 127.0.0.1@5302
  port: 5302
  local-zone: "." static
  local-data: "good.example. A 198.51.100.1"
  local-data: "c2.example. A 198.51.100.2"
  local-data: "deep.c2.example. A 198.51.100.3"
  local-data: "ok.c2.example. A 198.51.100.4"
  local-data: "hidden.example. A 203.0.113.66"
"""
OURS = """\
server:
  {common}
  interface: 127.0.0.1@5301
  port: 5301
  module-config: "respip iterator"
  do-not-query-localhost: no
rpz:
  name: "labrys.rpz"
  zonefile: "{zone}"
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@5302
"""
COMMON = 'directory: "{0}"\n  chroot: ""\n  username: ""\n  pidfile: ""\n  do-daemonize: no\n  use-syslog: no\n  access-control: 127.0.0.0/8 allow\n  num-threads: 1'


@with_unbound
def test_a_resolver_denies_what_is_blocked_and_lets_through_what_is_allowed(tmp_path: Path) -> None:
    at = now()
    blocks = [
        Block("domain", "c2.example", at, at + 60_000, "me", "x"),
        Block("ip", ATTACKER, at, at + 60_000, "me", "x"),
    ]
    (zone,) = files("rpz", blocks, names(["ok.c2.example"], ""), at).values()
    (empty,) = files("rpz", [], names([], ""), at).values()
    with namespaces(1) as (name,):
        before = answers(name, tmp_path / "before", empty)
        after = answers(name, tmp_path / "after", zone)
    assert set(before.values()) == {"NOERROR"}
    assert after == {
        "good.example": "NOERROR",
        "c2.example": "NXDOMAIN",
        "deep.c2.example": "NXDOMAIN",
        "ok.c2.example": "NOERROR",
        "hidden.example": "NXDOMAIN",
    }


def answers(name: str, folder: Path, zone: str) -> dict[str, str]:
    """What unbound with this policy zone says of each name."""
    folder.mkdir()
    (folder / "labrys.rpz").write_text(zone)
    common = COMMON.format(folder)
    servers = []
    try:
        for which, text in (("upstream", UPSTREAM), ("ours", OURS)):
            path = folder / f"{which}.conf"
            path.write_text(text.format(common=common, zone=folder / "labrys.rpz"))
            command = ["ip", "netns", "exec", name, "/usr/sbin/unbound", "-d", "-c", path]
            log = (folder / f"{which}.log").open("wb")
            with log:
                servers.append(subprocess.Popen(command, stdout=log, stderr=log))
        found = {}
        for each in ("good", "c2", "deep.c2", "ok.c2", "hidden"):
            found[f"{each}.example"] = status(name, f"{each}.example", folder)
        return found
    finally:
        for server in servers:
            server.kill()
            server.wait()


def status(name: str, asked: str, folder: Path) -> str:
    for _ in range(50):
        made = inside(name, ["dig", "@127.0.0.1", "-p", "5301", asked, "A", "+tries=1", "+time=2"])
        if (found := re.search(r"status: (\w+)", made.stdout)) and found[1] != "SERVFAIL":
            return found[1]
        time.sleep(0.1)
    logs = "".join(path.read_text() for path in folder.glob("*.log"))
    pytest.fail(f"no answer for {asked}: {made.stdout}\n{logs}")
