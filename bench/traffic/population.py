"""Days of offices and homes in which some hosts are bots and some look like it, and how common each is.

Shares are assumptions, made before anything was measured, and here to be corrected. Of bots: web
protocols lead what MITRE ATT&CK lists of software by far (T1071.001), and most of it is TLS today;
IRC, peers, generated names, mail and scans are a few in a hundred each. Of others nobody publishes
shares by day; file sharing, odd certificates, IRC and administration are rare, calls and backups are
not, and one host in fifty has an updater that does what vendors' own do not: reports in the clear,
now and then to a bare address, under a library's name.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from bench.traffic import bots, hosts, intrusions, loaders

BOTS: Final = {
    "http": 0.15,
    "loader": 0.08,
    "script": 0.08,
    "stager": 0.04,
    "tls": 0.15,
    "quiet": 0.25,
    "irc": 0.03,
    "p2p": 0.04,
    "dga": 0.06,
    "spam": 0.04,
    "scan": 0.06,
    "mine": 0.02,
}
"""What share of bots' days is of each kind."""
TESTED: Final = {
    "stealer": 0.08,
    "locker": 0.08,
    "clicker": 0.04,
    **{name: share for name, share in BOTS.items() if name not in ("loader", "script", "stager")},
}
"""Of the test: other kinds in the clear."""
OTHERS: Final = {
    "torrent": 0.02,
    "offline": 0.03,
    "chatter": 0.003,
    "tinkerer": 0.01,
    "mistyped": 0.05,
    "updater": 0.02,
    "backups": 0.05,
    "calls": 0.10,
    "jump": 0.01,
    "sockets": 0.05,
    "monitor": 0.005,
}
"""What share of other hosts' days is of each kind that looks like a bot; the rest is ordinary."""
ORDINARY: Final = "ordinary"
_WORK: Final = {
    maker.__name__: maker for makers in intrusions.CONTROLS.values() for maker in makers
} | {"mine": intrusions.mine}
_MAKERS: Final = {
    maker.__name__: maker
    for maker in (*bots.CONTROLLERS, *bots.TASKS, *bots.LOOK_ALIKES, *loaders.FIT, *loaders.TEST)
} | {"quiet": loaders.quiet}
_HOSTS: Final = (24, 6)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a host is."""

    name: str
    bot: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """From what a day is drawn; the sets of fitting and test do not overlap."""

    polls: tuple[hosts.Poll, ...]
    bots: bots.Ranges
    work: intrusions.Ranges
    kinds: tuple[str, ...]


FIT: Final = Drawn(hosts.TUNING, bots.FIT, intrusions.TUNING, tuple(BOTS))
TEST: Final = Drawn(hosts.TEST, bots.TEST, intrusions.TEST, tuple(TESTED))


def day(seed: int, number: int, drawn: Drawn) -> tuple[bots.Seen, dict[str, Kind]]:
    """Traffic of an office (even `number`) or a home, and what each of its hosts is.

    Kinds take turns, so that each comes as often: how common they are is for who counts them.
    """
    home = number % 2 == 1
    draw, size = Random(seed + number), _HOSTS[home]
    calm = tuple(poll for poll in drawn.polls if poll.period >= 100)
    seen = bots.Seen(flows=hosts.day(seed + number, size, calm, alone=home))
    every = [f"10.{(seed + number) % 200}.0.{20 + each}" for each in range(size)]
    kinds = dict.fromkeys(every, Kind(ORDINARY, bot=False))
    for host in every:
        loaders.updates(draw, host, seen)
    free = iter(draw.sample(every, size))
    for part, names in ((True, drawn.kinds), (False, tuple(OTHERS))):
        some = 1 if home else 6
        turn = number * 7 // 2
        for each in range(some):
            name, host = names[(turn + each) % len(names)], next(free)
            kinds[host] = Kind(name, part)
            _makes(draw, name, host, [one for one in every if one != host], drawn, seen)
    return seen, kinds


def _makes(
    draw: Random, name: str, host: str, others: list[str], drawn: Drawn, seen: bots.Seen
) -> None:
    if (work := _WORK.get(name)) is not None:
        days = 0 if name == "mine" else 1
        seen.flows += work(draw, host, days, drawn.work, others)
        return
    maker = _MAKERS[name]
    if maker in bots.LOOK_ALIKES:
        maker(draw, host, drawn.bots, seen)
    else:
        bots.bot(draw, host, maker, drawn.bots, seen)
