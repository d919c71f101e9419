"""Weeks of administration in an office, ordinary and not: who reaches whom by SMB, RDP, SSH and WinRM.

Ordinary: servers that all use, servers of a department that some use and others begin to use, an
administrator, a help desk, developers with machines of their own and new ones, colleagues that share
a folder, people who come and people who begin to help. Not ordinary: somebody on a workstation goes on
to a few others, a host or two a day. The ranges of tuning and of the test do not overlap.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from bench.traffic.flow import DAY, START, Flow, flow

HOUR: Final = 3600.0
DAYS: Final = 12
_ADMIN: Final = ((445, "smb"), (3389, "rdp"), (5985, "http"), (22, "ssh"))


@dataclass(frozen=True, slots=True)
class Ranges:
    """Low and high ends from which an office is drawn."""

    hosts: tuple[int, int]
    departments: tuple[int, int]
    """Servers that some use."""
    members: tuple[int, int]
    curious: float
    """How many hosts in a hundred begin to use another department's server on a day."""
    helped: tuple[int, int]
    """Hosts that one of the help desk reaches on a day."""
    administered: tuple[int, int]
    sharing: float
    moved: tuple[int, int]
    """Hosts reached by who moves, and in how many days."""
    within: tuple[float, float]


TUNING: Final = Ranges((35, 60), (3, 5), (4, 8), 0.5, (1, 3), (5, 9), 0.1, (5, 7), (0.6, 2.0))
TEST: Final = Ranges((70, 110), (6, 9), (9, 15), 1.0, (4, 6), (10, 14), 0.2, (3, 4), (2.2, 5.0))
"""Fewer hosts over more days, in larger and busier offices."""


@dataclass
class Office:
    """What a sensor inside sees: flows, who moves, and who looks like it (by kind)."""

    flows: list[Flow] = field(default_factory=list)
    movers: set[str] = field(default_factory=set)
    kinds: dict[str, str] = field(default_factory=dict)


def office(seed: int, ranges: Ranges, *, movers: int = 3) -> Office:
    """Twelve days; who moves begins on the sixth or later, a quiet week at most behind him."""
    draw, made = Random(seed), Office()
    net = f"10.{seed % 200}"
    hosts = [f"{net}.1.{number + 10}" for number in range(draw.randint(*ranges.hosts))]
    every = [f"{net}.0.2", f"{net}.0.3"]
    made.kinds = dict.fromkeys(hosts, "ordinary")
    free = iter(draw.sample(hosts, len(hosts)))
    for host in hosts:
        came = draw.randint(1, DAYS - 3) if draw.random() < 0.05 else 0
        for day in range(came, DAYS):
            if not _weekend(day):
                made.flows += _browses(draw, host, day)
                made.flows += [_edge(draw, host, dst, day, 445) for dst in every]
        if came:
            made.kinds[host] = "newcomer"
    _departments(draw, net, hosts, ranges, made)
    administrator = next(free)
    made.kinds[administrator] = "administrator"
    for day in _workdays():
        for dst in draw.sample(hosts, draw.randint(*ranges.administered)):
            made.flows.append(_edge(draw, administrator, dst, day, draw.choice(_ADMIN)[0]))
    for begins in (0, 0, draw.randint(4, 7)):
        helper = next(free)
        made.kinds[helper] = "help desk" if begins == 0 else "new at the help desk"
        for day in _workdays(begins):
            for dst in draw.sample(hosts, draw.randint(*ranges.helped)):
                made.flows.append(_edge(draw, helper, dst, day, draw.choice((3389, 5900))))
    for _ in range(3):
        developer = next(free)
        made.kinds[developer] = "developer"
        made.flows += _develops(draw, net, developer)
    for host in draw.sample(hosts, round(ranges.sharing * len(hosts))):
        other = draw.choice(hosts)
        for day in _workdays(draw.randrange(DAYS)):
            if other != host and draw.random() < 0.4:
                made.flows.append(_edge(draw, host, other, day, 445))
    quiet = [host for host in free if made.kinds[host] == "ordinary"]
    for host in quiet[:movers]:
        made.movers.add(host)
        made.flows += moves(draw, host, [one for one in hosts if one != host], ranges)
    return made


def moves(draw: Random, host: str, others: list[str], ranges: Ranges) -> Iterator[Flow]:
    """Logons from one host to a few others, a host or two a day."""
    some = draw.sample(others, draw.randint(*ranges.moved))
    length = draw.uniform(*ranges.within)
    begun = draw.uniform(5, DAYS - length)
    for number, dst in enumerate(some):
        day = begun + length * (number + draw.random()) / len(some)
        port = draw.choice(_ADMIN)[0]
        for _ in range(draw.randint(1, 4)):
            yield _made(draw, host, dst, day * DAY + draw.random() * HOUR, port)


def _departments(draw: Random, net: str, hosts: list[str], ranges: Ranges, made: Office) -> None:
    """Servers with members who use them on most days, and others who begin to."""
    servers = [f"{net}.0.{20 + number}" for number in range(draw.randint(*ranges.departments))]
    members = {one: set(draw.sample(hosts, draw.randint(*ranges.members))) for one in servers}
    ports = {one: draw.choice((445, 445, 3389, 22)) for one in servers}
    for day in _workdays():
        for host in hosts:
            if draw.random() < ranges.curious / 100:
                members[draw.choice(servers)].add(host)
        for server, some in members.items():
            for host in sorted(some):
                if draw.random() < 0.6:
                    made.flows.append(_edge(draw, host, server, day, ports[server]))


def _develops(draw: Random, net: str, host: str) -> Iterator[Flow]:
    """SSH to some machines of one's own, to which new ones come now and then."""
    mine = [
        f"{net}.{draw.randrange(20, 250)}.{draw.randrange(250)}" for _ in range(draw.randint(2, 5))
    ]
    for day in _workdays():
        if draw.random() < 0.15:
            mine += [
                f"{net}.{draw.randrange(20, 250)}.{draw.randrange(250)}"
                for _ in range(draw.randint(1, 3))
            ]
        for dst in mine:
            yield from _browses(draw, dst, day, 3)
            if draw.random() < 0.7:
                yield _edge(draw, host, dst, day, 22)


def _workdays(begins: int = 0) -> Iterator[int]:
    return (day for day in range(begins, DAYS) if not _weekend(day))


def _weekend(day: int) -> bool:
    return (day + 2) % 7 >= 5  # the first day is a Wednesday


def _browses(draw: Random, host: str, day: int, count: int = 12) -> Iterator[Flow]:
    for _ in range(count):
        dst = f"{draw.randrange(20, 100)}.{draw.randrange(256)}.{draw.randrange(256)}.9"
        second = START + day * DAY + draw.uniform(8, 18) * HOUR
        yield flow(second, host, dst, 443, service="ssl", sent=3000, received=20_000)


def _edge(draw: Random, host: str, dst: str, day: int, port: int) -> Flow:
    return _made(draw, host, dst, day * DAY + draw.uniform(8, 18) * HOUR, port)


def _made(draw: Random, host: str, dst: str, second: float, port: int) -> Flow:
    sizes = draw.lognormvariate(9, 1), draw.lognormvariate(9, 1)
    seconds = draw.lognormvariate(3, 1)
    return flow(START + second, host, dst, port, sent=sizes[0], received=sizes[1], seconds=seconds)
