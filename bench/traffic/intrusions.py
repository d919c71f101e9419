"""Uploads, moves, mining and scans, and the ordinary work that looks like each of them.

What protocols fix is taken from their documents: a DNS question holds 255 bytes of name (RFC 1035,
section 2.3.4), a ping carries what fits a frame (RFC 792, MTU 1,500), Stratum is lines of JSON over
one TCP connection that stays, S3 takes parts of 5 MiB or more, WebSocket pings keep a connection
open for hours (RFC 6455, section 5.5.2). The ranges of tuning and of the test do not overlap.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from bench.traffic.flow import DAY, START, Flow, flow, handshake

HOUR: Final = 3600.0
ADMIN: Final = ((445, "smb"), (3389, "rdp"), (5985, "http"), (22, "ssh"))


@dataclass(frozen=True, slots=True)
class Ranges:
    """Low and high ends from which attacks and their look-alikes are drawn."""

    megabytes: tuple[int, int]
    upload_hours: tuple[float, float]
    part: int
    """Bytes of one flow of an upload in parts."""
    carried: tuple[int, int]
    """Megabytes taken out in DNS or ICMP."""
    moved: tuple[int, int]
    """Hosts reached by who moves."""
    move_hours: tuple[float, float]
    pool_ports: tuple[int, ...]
    job_seconds: tuple[int, int]
    mine_hours: tuple[float, float]
    wide: tuple[int, int]
    deep: tuple[int, int]
    scan_seconds: tuple[float, float]
    """Between two tries."""
    backup: tuple[int, int]
    """Megabytes a night."""
    administers: tuple[int, int]
    """Hosts that an administrator reaches on a day."""


TUNING: Final = Ranges(
    (120, 900), (0.3, 2), 8 << 20, (8, 14), (5, 9), (0.5, 3), (3333, 4444, 14444, 443), (25, 40),
    (3, 8), (60, 120), (80, 400), (0.02, 0.5), (300, 700), (6, 9),
)  # fmt: skip
TEST: Final = Ranges(
    (60, 110), (2.5, 6), 5 << 20, (3, 7), (3, 4), (3.5, 9), (5555, 10128, 7777, 8443), (45, 90),
    (1, 2.5), (26, 55), (20, 70), (0.6, 20), (750, 2500), (10, 14),
)  # fmt: skip
"""Smaller, slower and quieter throughout than what was tuned on, with louder look-alikes."""


def _outside(draw: Random) -> str:
    return f"{draw.randrange(101, 126)}.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(1, 255)}"


def _sent(
    draw: Random, host: str, dst: str, begun: float, hours: float, size: float, part: int, port: int
) -> Iterator[Flow]:
    """So many bytes in flows of one part each, over so many hours."""
    count = max(1, round(size / part))
    for number in range(count):
        second = begun + hours * HOUR * (number + draw.random()) / count
        yield flow(
            *(START + second, host, dst, port),
            service="ssl" if port == 443 else "ssh" if port == 22 else "ftp-data",
            sent=part * draw.uniform(0.9, 1.1),
            received=part * draw.uniform(0.01, 0.05),
            seconds=max(16.0, hours * HOUR / count * draw.uniform(0.3, 0.9)),
        )


def upload(draw: Random, host: str, day: int, ranges: Ranges, others: Sequence[str]) -> list[Flow]:
    """Data taken to a server nobody called before, by TLS, SSH or FTP."""
    hours = draw.uniform(*ranges.upload_hours)
    begun = day * DAY + draw.uniform(0, DAY - hours * HOUR)
    size = draw.uniform(*ranges.megabytes) * 1e6
    port = draw.choice((443, 443, 22, 20))
    return list(_sent(draw, host, _outside(draw), begun, hours, size, ranges.part, port))


def carried(draw: Random, host: str, day: int, ranges: Ranges, others: Sequence[str]) -> list[Flow]:
    """Data taken out in questions of DNS or in pings."""
    size, dst = draw.uniform(*ranges.carried) * 1e6, _outside(draw)
    hours = draw.uniform(*ranges.upload_hours)
    dns = draw.random() < 0.5
    each = 240 if dns else 1400
    count = 200  # long flows: a sensor joins what has the same ends
    begun = day * DAY + draw.uniform(0, DAY - hours * HOUR)
    made = []
    for number in range(count):
        row = flow(
            *(START + begun + hours * HOUR * number / count, host, dst, 53 if dns else 0),
            proto="udp" if dns else "icmp",
            service="dns" if dns else None,
            sent=size / count,
            received=size / count * (0.6 if dns else 1.0),
            seconds=20,
            sport=49_152 if dns else 8,
        )
        made.append({**row, "traffic_packets_out": max(1, round(size / count / each))})
    return made


def move(draw: Random, host: str, day: int, ranges: Ranges, others: Sequence[str]) -> list[Flow]:
    """Logons from one host to several others by protocols of administration."""
    some = draw.sample(others, min(len(others), draw.randint(*ranges.moved)))
    hours = draw.uniform(*ranges.move_hours)
    begun = day * DAY + draw.uniform(0, DAY - hours * HOUR)
    return [_admin(draw, host, dst, begun + draw.uniform(0, hours * HOUR)) for dst in some]


def _admin(draw: Random, host: str, dst: str, second: float) -> Flow:
    port, service = draw.choice(ADMIN)
    sizes = draw.lognormvariate(9, 1), draw.lognormvariate(9, 1)
    return flow(
        *(START + second, host, dst, port),
        service=service,
        sent=sizes[0],
        received=sizes[1],
        seconds=draw.lognormvariate(3, 1),
    )


def mine(draw: Random, host: str, day: int, ranges: Ranges, others: Sequence[str]) -> list[Flow]:
    """One connection to a pool: a job now and then, a share sometimes; half of them are named so."""
    port, hours = draw.choice(ranges.pool_ports), draw.uniform(*ranges.mine_hours)
    tls = port in (443, 8443)
    begun = day * DAY + draw.uniform(0, DAY - hours * HOUR)
    jobs = hours * HOUR / draw.uniform(*ranges.job_seconds)
    dst = _outside(draw)
    made = [
        flow(
            *(START + begun, host, dst, port),
            service="ssl" if tls else None,
            sent=jobs * draw.uniform(40, 120),
            received=jobs * draw.uniform(250, 500),
            seconds=hours * HOUR,
        )
    ]
    if tls:
        name = f"{draw.choice(('pool', 'xmr', 'stratum'))}.{draw.randrange(999)}.example"
        made.append(
            handshake(START + begun, host, dst, port, name if draw.random() < 0.5 else None)
        )
    return made


def scan(draw: Random, host: str, day: int, ranges: Ranges, others: Sequence[str]) -> list[Flow]:
    """One port of many addresses, or many ports of one; one in ten answers."""
    wide = draw.random() < 0.6
    count, second = draw.randint(*(ranges.wide if wide else ranges.deep)), 0.0
    port, net = draw.choice((445, 22, 3389, 8080, 9200)), host.rpartition(".")[0]
    begun, pace = day * DAY + draw.uniform(0, DAY / 2), draw.uniform(*ranges.scan_seconds)
    made = []
    for number in range(count):
        second += draw.expovariate(1 / pace)
        dst = f"{net}.{60 + number % 190}" if wide else others[0]
        state = "SF" if draw.random() < 0.1 else draw.choice(("S0", "REJ"))
        at = START + min(begun + second, (day + 1) * DAY - 1)
        made.append(flow(at, host, dst, port if wide else 1 + number * 7 % 9000, state=state))
    return made


def backups(
    draw: Random, host: str, days: int, ranges: Ranges, others: Sequence[str]
) -> list[Flow]:
    """Every night to the same place, about as much as the night before."""
    dst, usual = _outside(draw), draw.uniform(*ranges.backup) * 1e6
    made: list[Flow] = []
    for day in range(days):
        size = usual * draw.uniform(0.8, 1.3)
        made += _sent(draw, host, dst, day * DAY + 2 * HOUR, 1.5, size, 64 << 20, 443)
    return made


def calls(draw: Random, host: str, days: int, ranges: Ranges, others: Sequence[str]) -> list[Flow]:
    """Video calls on some days: much in UDP, as much back."""
    made = []
    for day in range(days):
        if draw.random() < 0.5:
            size = draw.uniform(150e6, 900e6)
            at = START + day * DAY + draw.uniform(9, 15) * HOUR
            made.append(
                flow(at, host, _outside(draw), 3480, proto="udp", sent=size, seconds=3000,
                     received=size * draw.uniform(0.7, 1.6))
            )  # fmt: skip
    return made


def jump(draw: Random, host: str, days: int, ranges: Ranges, others: Sequence[str]) -> list[Flow]:
    """An administrator's host: every day several others, often the same."""
    made = []
    for day in range(days):
        some = draw.sample(others, min(len(others), draw.randint(*ranges.administers)))
        made += [_admin(draw, host, dst, day * DAY + draw.uniform(9, 17) * HOUR) for dst in some]
    return made


def sockets(
    draw: Random, host: str, days: int, ranges: Ranges, others: Sequence[str]
) -> list[Flow]:
    """Connections that stay and carry little: WebSockets, MQTT, a notebook's server, a node's peer."""
    made = []
    for day in range(days):
        for port in (443, 8883, 8888, 8333):
            seconds = draw.uniform(1, 8) * HOUR
            at = START + day * DAY + draw.uniform(8, 10) * HOUR
            rate = draw.uniform(0.5, 60) * (40 if port in (8888, 8333) else 1)
            made.append(
                flow(at, host, f"{20 + port % 70}.8.{port % 200}.9", port, sent=seconds * rate,
                     received=seconds * rate * draw.uniform(1, 5), seconds=seconds)
            )  # fmt: skip
    return made


def monitor(
    draw: Random, host: str, days: int, ranges: Ranges, others: Sequence[str]
) -> list[Flow]:
    """Monitoring: a few ports of every host every five minutes; one host in twenty is off."""
    off = set(draw.sample(others, max(1, len(others) // 20)))
    return [
        flow(START + second + draw.random(), host, dst, port, state="S0" if dst in off else "SF")
        for dst in others
        for port in (80, 443, 9100)
        for second in range(0, int(days * DAY), 1800)
    ]


Maker = Callable[[Random, str, int, Ranges, Sequence[str]], list[Flow]]
ATTACKS: Final[dict[str, tuple[Maker, ...]]] = {
    "exfil": (upload, carried),
    "lateral": (move,),
    "mining": (mine,),
    "scan": (scan,),
}
CONTROLS: Final[dict[str, tuple[Maker, ...]]] = {
    "exfil": (backups, calls),
    "lateral": (jump,),
    "mining": (sockets,),
    "scan": (monitor,),
}
