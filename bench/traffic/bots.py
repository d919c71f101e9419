"""Days of bots, and of ordinary hosts that look like them, as rows of three views.

What a bot does is taken from published descriptions of families: a report to a panel by POST every
few minutes to an hour (Zeus, Citadel), TLS with certificates made by hand on odd ports (Dridex,
TrickBot), IRC with its pings (RFC 2812), lists of UDP peers most of which are gone (Sality, ZeroAccess),
some hundreds of generated names a day (Conficker, Necurs, Ramnit), mail to many servers (Cutwail,
Rustock), Telnet or SMB tried everywhere (Mirai, WannaCry). The ranges of fitting and of the test do not
overlap, nor do addresses, ports or the letters of names.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from bench.traffic.flow import DAY, START, Flow, flow, handshake

Row = dict[str, Any]
HOUR: Final = 3600.0


@dataclass
class Seen:
    """What a sensor sees of some hosts, by view."""

    flows: list[Flow] = field(default_factory=list)
    names: list[Row] = field(default_factory=list)
    requests: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Low and high ends from which bots and their look-alikes are drawn."""

    poll: tuple[float, float]
    """Seconds between reports, and the share they may come early."""
    early: tuple[float, float]
    hours: tuple[float, float]
    ports: tuple[int, ...]
    irc: tuple[int, ...]
    peers: tuple[int, int]
    names: tuple[int, int]
    letters: str
    mails: tuple[int, int]
    tries: tuple[int, int]
    scanned: tuple[int, ...]
    pages: tuple[str, ...]
    torrent: tuple[int, int]
    failing: tuple[int, int]
    mistyped: tuple[int, int]


FIT: Final = Ranges(
    (120, 900), (0.0, 0.3), (4, 12), (447, 449, 8443), (6667, 6697), (60, 500), (120, 500),
    "bcdfghjklmnpqrstvwxyz", (40, 900), (150, 2500), (23, 445), ("gate.php", "panel.php"),
    (30, 160), (40, 300), (3, 30),
)  # fmt: skip
TEST: Final = Ranges(
    (1000, 2400), (0.35, 0.6), (13, 22), (4125, 7080, 9943), (6660, 7000), (25, 55), (40, 110),
    "0123456789abcdef", (12, 38), (50, 140), (2323, 5555), ("tasks.php", "cfg.asp"),
    (170, 400), (310, 700), (31, 60),
)  # fmt: skip
"""Slower and fewer of everything, look-alikes louder throughout."""

Maker = Callable[[Random, str, Ranges, Seen], None]


def _outside(draw: Random) -> str:
    return f"{draw.randrange(101, 126)}.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(1, 255)}"


def _calls(draw: Random, ranges: Ranges) -> Iterator[float]:
    """When a bot reports: seconds of the day."""
    period, early = draw.uniform(*ranges.poll), draw.uniform(*ranges.early)
    hours = draw.uniform(*ranges.hours)
    second = draw.uniform(0, 24 - hours) * HOUR
    end = second + hours * HOUR
    while second < end:
        yield second
        second += period * (1 - draw.uniform(0, early)) + draw.expovariate(2)


def http(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """Reports to a panel by POST, most without a referrer; a program is fetched now and then."""
    dst, page = _outside(draw), draw.choice(ranges.pages)
    site = dst if draw.random() < 0.3 else f"site{draw.randrange(9999)}.example"
    agent = draw.choice(("Mozilla/4.0 (compatible; MSIE 7.0)", "Mozilla/5.0 (Windows NT 10.0)", ""))
    for second in _calls(draw, ranges):
        seen.flows.append(
            flow(START + second, host, dst, 80, service="http", sent=draw.randint(300, 900),
                 received=draw.randint(150, 700), seconds=0.4)
        )  # fmt: skip
        task = draw.random() < 0.03
        seen.requests.append(
            _request(START + second, host, dst, site, f"/x/{page}", "POST", agent, 200,
                     "application/octet-stream" if task else "text/html", 40_000 if task else 60)
        )  # fmt: skip


def _request(
    when: float, host: str, dst: str, site: str, path: str, method: str, agent: str, code: int,
    kind: str, size: int,
) -> Row:  # fmt: skip
    return {
        "_time": round(when * 1000), "_shape": "zeek.http", "src_endpoint_ip": host,
        "dst_endpoint_ip": dst, "dst_endpoint_port": 80, "http_request_http_method": method,
        "http_request_url_hostname": site, "http_request_url_path": path,
        "http_request_user_agent": agent, "http_response_code": code,
        "http_response_content_type": kind, "http_response_length": size,
    }  # fmt: skip


def tls(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """TLS to one to four servers with certificates made by hand, without a name."""
    servers = [_outside(draw) for _ in range(draw.randint(1, 4))]
    port, own = draw.choice(ranges.ports), draw.random() < 0.8
    subject = f"CN=srv{draw.randrange(999)}" if own else None
    for second in _calls(draw, ranges):
        dst = draw.choice(servers)
        seen.flows += (
            flow(START + second, host, dst, port, service="ssl", sent=draw.randint(700, 1500),
                 received=draw.randint(1900, 4000), seconds=1.0,
                 state="S0" if draw.random() < 0.1 else "SF"),
            handshake(START + second, host, dst, port, None,
                      tls_certificate_subject=subject, tls_certificate_issuer=subject),
        )  # fmt: skip


def irc(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """A channel of IRC, joined again whenever it breaks."""
    dst, port = _outside(draw), draw.choice(ranges.irc)
    for second in _calls(draw, ranges):
        failed = draw.random() < 0.2
        seen.flows.append(
            flow(START + second, host, dst, port, service=None if failed else "irc",
                 sent=400, received=900, seconds=60, state="S0" if failed else "SF")
        )  # fmt: skip


def p2p(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """Peers of a list asked by UDP; most are gone."""
    count, port = draw.randint(*ranges.peers), draw.randint(10_000, 60_000)
    for _ in range(count):
        dst, alive = _outside(draw), draw.random() < 0.15
        for _ in range(draw.randint(1, 4)):
            at = START + draw.random() * DAY
            seen.flows.append(
                flow(at, host, dst, port, proto="udp", sent=60, received=200 if alive else 0,
                     state="SF" if alive else "S0")
            )  # fmt: skip


def dga(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """Generated names asked for within an hour or so, one of which exists."""
    begun, length = draw.random() * 20 * HOUR, draw.uniform(0.3, 2) * HOUR
    count = draw.randint(*ranges.names)
    for number in range(count):
        label = "".join(draw.choices(ranges.letters, k=draw.randint(9, 16)))
        name = f"{label}.{draw.choice(('com', 'net', 'org', 'info'))}"
        at = START + begun + length * number / count
        seen.names.append(_name(at, host, name, alive=number == count - 1))


def _name(when: float, host: str, name: str, *, alive: bool) -> Row:
    return {
        "_time": round(when * 1000), "_shape": "zeek.dns", "src_endpoint_ip": host,
        "dst_endpoint_ip": "10.0.0.1", "dst_endpoint_port": 53, "query_hostname": name,
        "query_type": "A", "rcode": "NOERROR" if alive else "NXDOMAIN",
        "answers_rdata": "203.0.113.9" if alive else None,
    }  # fmt: skip


def spam(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """Mail to many servers, a third of which refuse or are gone."""
    begun, length = draw.random() * 12 * HOUR, draw.uniform(1, 10) * HOUR
    for _ in range(draw.randint(*ranges.mails)):
        state = "S0" if draw.random() < 0.35 else "SF"
        at = START + begun + draw.random() * length
        seen.flows.append(
            flow(at, host, _outside(draw), 25, service=None if state == "S0" else "smtp",
                 sent=draw.lognormvariate(8, 1), received=600, seconds=3, state=state)
        )  # fmt: skip


def scan(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """One port of addresses outside or beside it; nearly none answers."""
    port, near = draw.choice(ranges.scanned), draw.random() < 0.3
    begun, length = draw.random() * 12 * HOUR, draw.uniform(0.2, 10) * HOUR
    net = host.rpartition(".")[0]
    for _ in range(draw.randint(*ranges.tries)):
        dst = f"{net}.{draw.randrange(100, 250)}" if near else _outside(draw)
        state = "SF" if draw.random() < 0.02 else draw.choice(("S0", "REJ"))
        seen.flows.append(
            flow(START + begun + draw.random() * length, host, dst, port, state=state)
        )


def torrent(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """File sharing: many peers on many ports, half of them gone, much both ways."""
    for _ in range(draw.randint(*ranges.torrent)):
        udp, gone = draw.random() < 0.5, draw.random() < 0.5
        size = 0 if gone else draw.lognormvariate(13, 2)
        seen.flows.append(
            flow(START + draw.random() * DAY, host, _outside(draw), draw.randint(10_000, 60_000),
                 proto="udp" if udp else "tcp", sent=size, received=size,
                 seconds=60, state="S0" if gone else "SF")
        )  # fmt: skip


def offline(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """A laptop that wakes without a way out: everything fails for a while, again and again."""
    servers = [_outside(draw) for _ in range(draw.randint(10, 60))]
    begun = draw.random() * 20 * HOUR
    for _ in range(draw.randint(*ranges.failing)):
        at = START + begun + draw.random() * HOUR
        seen.flows.append(flow(at, host, draw.choice(servers), 443, state="S0"))


def chatter(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """Somebody who chats on IRC all day."""
    for number in range(draw.randint(1, 4)):
        at = START + (8 + 3 * number) * HOUR
        seen.flows.append(
            flow(at, host, "45.9.8.7", 6697 if draw.random() < 0.5 else 6667, service="irc",
                 sent=90_000, received=800_000, seconds=9000)
        )  # fmt: skip


def tinkerer(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """A box at home with a certificate of its own on an odd port, looked at from work."""
    dst, port = _outside(draw), draw.choice((8006, 5001, 9090))
    for _ in range(draw.randint(3, 30)):
        second = draw.uniform(9, 17) * HOUR
        seen.flows += (
            flow(START + second, host, dst, port, service="ssl", sent=3000, received=90_000),
            handshake(START + second, host, dst, port, None,
                      tls_certificate_subject="CN=box", tls_certificate_issuer="CN=box"),
        )  # fmt: skip


def mistyped(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """Names that do not exist: a browser's three tries at random ones, suffixes, slips."""
    for number in range(draw.randint(*ranges.mistyped)):
        label = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(7, 15)))
        name = f"{label}.corp.example" if number % 3 else f"printer{number}.example"
        seen.names.append(_name(START + draw.random() * DAY, host, name, alive=False))


def updater(draw: Random, host: str, ranges: Ranges, seen: Seen) -> None:
    """Programs that ask for updates over plain HTTP, some from a bare address, some as data."""
    for number in range(draw.randint(4, 40)):
        at, dst = START + draw.random() * DAY, "45.60.70.80"
        site = dst if draw.random() < 0.2 else "updates.vendor.example"
        agent = draw.choice(("Updater/4.2", "curl/8.1", "python-requests/2.31"))
        path = draw.choice(("/v1/list.xml", f"/pool/p{number}.cab", "/check", "/api/report"))
        kind = draw.choice(("text/xml", "application/octet-stream", "application/json"))
        method = "POST" if path == "/api/report" else "GET"
        seen.requests.append(
            _request(
                at, host, dst, site, path, method, agent, 200, kind, draw.randint(200, 400_000)
            )
        )


CONTROLLERS: Final[Sequence[Maker]] = (http, tls, irc, p2p, dga)
TASKS: Final[Sequence[Maker]] = (spam, scan)
LOOK_ALIKES: Final[Sequence[Maker]] = (torrent, offline, chatter, tinkerer, mistyped, updater)


def bot(draw: Random, host: str, kind: Maker, ranges: Ranges, seen: Seen) -> None:
    """A bot of this controller; half of them also work. Who only works has no controller seen."""
    kind(draw, host, ranges, seen)
    if kind not in TASKS and draw.random() < 0.5:
        draw.choice(TASKS)(draw, host, ranges, seen)
