"""What attackers send, drawn from ranges; the ranges of tuning and of the test do not overlap."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from bench.traffic.flow import DAY, START, Flow, flow, handshake


@dataclass(frozen=True, slots=True)
class Implants:
    """Ranges from which beacons are drawn: periods in s, hours of life, sizes in bytes."""

    periods: tuple[float, ...]
    hours: tuple[float, float]
    sent: tuple[int, int]
    received: tuple[int, int]
    ports: tuple[int, ...]
    both_ways: float
    """The share whose jitter both adds and takes away; others only take away from the sleep."""


TUNING: Final = Implants(
    (30, 60, 120, 300, 900), (5, 14), (180, 700), (140, 900), (443, 443, 80, 8080, 4444), 0.5
)
TEST: Final = Implants(
    (25, 50, 100, 240, 600, 1500),
    (4, 20),
    (110, 1500),
    (80, 2200),
    (443, 443, 80, 8443, 7001, 2087),
    0.4,
)


def beacon(draw: Random, host: str, ranges: Implants, jitter: float) -> Iterator[Flow]:
    """An implant that calls one server of its own; one call in 30 has a task or a result."""
    period = draw.choice(ranges.periods)
    hours = max(draw.uniform(*ranges.hours), 14 * period / 3600)
    begun = draw.uniform(0, max(1.0, 24 - hours)) * 3600
    dst = f"{draw.randrange(101, 126)}.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(1, 255)}"
    port, two = draw.choice(ranges.ports), draw.random() < ranges.both_ways
    tls = port in (443, 8443)
    named = draw.random() < 0.5
    sent, received = draw.randint(*ranges.sent), draw.randint(*ranges.received)
    if tls:
        sent, received = sent + 600, received + 1800
    second = begun
    while second < min(begun + hours * 3600, DAY):
        busy = draw.random() < 1 / 30
        yield flow(
            *(START + second, host, dst, port),
            service="ssl" if tls else "http" if port in (80, 8080) else None,
            sent=sent + draw.randint(0, 20) + (draw.lognormvariate(7, 1.2) if busy else 0),
            received=received + draw.randint(0, 10) + (draw.lognormvariate(8, 1.5) if busy else 0),
            seconds=draw.uniform(0.1, 1.5) * (8 if busy else 1),
            state="S0" if draw.random() < 0.02 else "SF",
        )
        if tls:
            yield handshake(START + second, host, dst, port, "cdn-sync.example" if named else None)
        low, high = (-jitter, jitter) if two else (-jitter, 0.0)
        second += period * (1 + draw.uniform(low, high)) + draw.expovariate(5)
