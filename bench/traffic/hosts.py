"""Ordinary hosts: what laptops, servers and things at home send by themselves, and their people.

Periods are those of protocols and products: NTP polls every 64 to 1,024 s (RFC 5905), DHCP renews
at half the lease (RFC 2131), NetBIOS announces every 12 min, systemd timers add a random delay,
push services keep a connection for minutes, MQTT pings every 60 s (MQTT 3.1.1, section 3.12), mail
clients poll every 1 to 15 min, metrics agents every 10 to 60 s. The two sets of parameters share no
period, no size and no address: one is for tuning, the other for the test.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from bench.traffic.flow import DAY, START, Flow, flow, handshake


@dataclass(frozen=True, slots=True)
class Poll:
    """A program that calls home: period and jitter (share of it), sizes, and how it connects."""

    period: float
    jitter: float
    sent: tuple[int, int]
    received: tuple[int, int]
    port: int = 443
    addresses: int = 1
    held: float = 0.5
    content: float = 0.0
    """The share of calls that fetch something bigger."""
    always: bool = False
    """Also while nobody is at the machine."""
    proto: str = "tcp"
    named: bool = True
    common: float = 0.9
    """The share of hosts that have it."""


TUNING: Final = (
    Poll(900, 0.0, (1300, 1340), (3050, 3150), held=100, always=True),
    Poll(300, 0.0, (86, 88), (146, 149), port=80, addresses=6, named=False, always=True),
    Poll(1680, 0.001, (80, 110), (170, 175), held=60, always=True),
    Poll(3600, 0.0, (500, 1600), (700, 30_000), addresses=4, content=0.2, always=True),
    Poll(60, 0.01, (900, 4200), (300, 420), held=1, common=0.6, always=True),
    Poll(300, 0.004, (31, 33), (31, 33), port=8883, held=40, common=0.5, always=True),
    Poll(240, 0.02, (1200, 2600), (2500, 5000), port=993, held=20, content=0.15),
    Poll(30, 0.06, (700, 900), (600, 2400), held=3, common=0.3),
    Poll(45, 0.03, (1500, 1700), (900, 1300), held=30, common=0.4),
    Poll(1500, 0.1, (2000, 9000), (5000, 9000), addresses=5, content=0.3),
    Poll(
        20, 0.02, (44, 48), (44, 48), port=32_100, proto="udp", named=False, common=0.1, always=True
    ),
    Poll(7200, 0.25, (1200, 1800), (4000, 60_000), addresses=3, content=0.5, always=True),
)
TEST: Final = (
    Poll(480, 0.0, (1050, 1090), (2350, 2400), held=60, always=True),
    Poll(200, 0.0, (98, 100), (180, 184), port=80, addresses=5, named=False, always=True),
    Poll(1320, 0.002, (66, 90), (140, 144), held=45, always=True),
    Poll(2100, 0.0, (560, 2000), (800, 36_000), addresses=3, content=0.25, always=True),
    Poll(12, 0.02, (1100, 5200), (220, 280), held=0.4, common=0.6, always=True),
    Poll(660, 0.003, (40, 42), (40, 42), port=5223, held=240, common=0.7, always=True),
    Poll(150, 0.015, (1400, 3000), (2000, 4600), port=993, held=15, content=0.1),
    Poll(8, 0.08, (420, 480), (250, 1500), held=2, common=0.2),
    Poll(75, 0.05, (1300, 1420), (800, 1150), held=28, common=0.3),
    Poll(1700, 0.15, (2300, 7600), (6500, 11_000), addresses=6, content=0.35),
    Poll(
        33, 0.03, (72, 76), (36, 40), port=7_000, proto="udp", named=False, common=0.1, always=True
    ),
    Poll(4800, 0.2, (1300, 2300), (4500, 80_000), addresses=4, content=0.4, always=True),
)
"""Drawn anew after the detector's last change, so that nothing was fitted to them."""


def day(
    seed: int,
    hosts: int,
    polls: tuple[Poll, ...],
    *,
    net: int = 10,
    alone: bool = False,
    days: float = 1.0,
) -> list[Flow]:
    """A day of so many hosts; `alone`: a home, where each host has its own programs."""
    draw = Random(seed)
    vendors = [_addresses(draw, poll.addresses) for poll in polls]
    made: list[Flow] = []
    for number in range(hosts):
        host = f"{net}.{seed % 200}.0.{number + 20}"
        at, left = draw.uniform(7, 10) * 3600, draw.uniform(15, 20) * 3600
        if alone:
            vendors = [_addresses(draw, poll.addresses) for poll in polls]
        present = _present(at, left)
        made += _network(draw, host, f"{net}.{seed % 200}.0.1", days)
        for poll, addresses in zip(polls, vendors, strict=True):
            if draw.random() < (poll.common if not alone else poll.common * 0.6):
                made += _poll(draw, host, poll, addresses, present, days)
        made += _person(draw, host, present, days)
    return made


def _addresses(draw: Random, count: int) -> list[str]:
    """Addresses of one service: some lie together, others in other networks."""
    home = f"{draw.randrange(20, 100)}.{draw.randrange(256)}"
    spread = draw.random() < 0.5
    return [
        (home if not spread else f"{draw.randrange(20, 100)}.{draw.randrange(256)}")
        + f".{draw.randrange(256)}.{draw.randrange(1, 255)}"
        for _ in range(count)
    ]


def _present(at: float, left: float) -> Callable[[float], bool]:
    return lambda second: at <= second % DAY <= left


def _poll(
    draw: Random,
    host: str,
    poll: Poll,
    addresses: list[str],
    present: Callable[[float], bool],
    days: float,
) -> Iterator[Flow]:
    second = draw.uniform(0, poll.period)
    name = f"poll{poll.port}-{addresses[0].replace('.', '-')}.example"
    while second < days * DAY:
        if poll.always or present(second):
            dst = draw.choice(addresses)
            received = draw.randint(*poll.received)
            if draw.random() < poll.content:
                received *= draw.randint(5, 80)
            yield flow(
                START + second,
                host,
                dst,
                poll.port,
                proto=poll.proto,
                service="ssl" if poll.named else None,
                sent=draw.randint(*poll.sent),
                received=received,
                seconds=poll.held * draw.uniform(0.98, 1.02),
            )
            if poll.named:
                yield handshake(START + second, host, dst, poll.port, name)
        # Random delays are only ever added; a busy machine adds some milliseconds.
        second += poll.period * (1 + draw.uniform(0, poll.jitter)) + draw.expovariate(20)


def _network(draw: Random, host: str, gateway: str, days: float) -> Iterator[Flow]:
    """Addresses, time and names: NTP, DHCP, NetBIOS, SSDP, mDNS and DNS."""
    wide = gateway.rpartition(".")[0] + ".255"
    plan = (
        (gateway, 67, draw.choice((300, 1800, 3600)), 600, "dhcp"),
        (f"91.189.{draw.randrange(256)}.4", 123, draw.choice((64, 256, 1024)), 48, "ntp"),
        (wide, 138, 720, 201, None),
        ("239.255.255.250", 1900, draw.choice((120, 900)), 700, None),
        ("224.0.0.251", 5353, 100, 120, "dns"),
    )
    for dst, port, period, size, service in plan:
        second = draw.uniform(0, period)
        while second < days * DAY:
            answered = size if dst == gateway or port == 123 else 0
            yield flow(
                *(START + second, host, dst, port),
                proto="udp",
                service=service,
                sent=size,
                received=answered,
                state="SF" if answered else "S0",
            )
            second += period + draw.gauss(0, 0.05)
    second = draw.expovariate(1 / 60)
    while second < days * DAY:
        yield flow(
            *(START + second, host, gateway, 53),
            proto="udp",
            service="dns",
            sent=draw.randint(40, 70),
            received=draw.randint(80, 300),
        )
        second += draw.expovariate(1 / 90)


def _person(
    draw: Random, host: str, present: Callable[[float], bool], days: float
) -> Iterator[Flow]:
    """Somebody who browses: sittings, sites, each with several servers, most of them seen again."""
    favourites = [_addresses(draw, draw.randint(2, 6)) for _ in range(25)]
    second = draw.expovariate(1 / 600)
    while second < days * DAY:
        if present(second):
            site = favourites[min(int(draw.paretovariate(0.7)) - 1, 24)]
            for page in range(draw.randint(1, 12)):
                at = second + page * draw.lognormvariate(3.5, 1.0)
                for dst in draw.sample(site, draw.randint(1, len(site))):
                    yield flow(
                        *(START + at + draw.uniform(0, 3), host, dst, 443),
                        service="ssl",
                        sent=draw.lognormvariate(7.5, 1),
                        received=draw.lognormvariate(9.5, 1.6),
                        seconds=draw.lognormvariate(2.5, 1.2),
                        state="S0" if draw.random() < 0.02 else "SF",
                    )
                    yield handshake(
                        *(START + at, host, dst, 443), f"site-{dst.replace('.', '-')}.example"
                    )
        second += draw.lognormvariate(6.0, 1.1)
