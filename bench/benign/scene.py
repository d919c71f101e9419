"""Who and what is in the made-up office, and when people work; addresses are for documentation."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2024, 5, 6, tzinfo=UTC)
"""A Monday."""
DOMAIN: Final = "CORP"
SUFFIX: Final = "corp.example"
OFFICE_IP: Final = "198.51.100.14"
"""What the office looks like from outside."""


BROWSER: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Safari/537.36"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """A computer; `kind` is what the catalogues say they are for."""

    name: str
    ip: str
    kind: str
    user: str

    @property
    def fqdn(self) -> str:
        """Its full name."""
        return f"{self.name}.{SUFFIX}"


DESKS: Final = (
    Machine("PC-011", "10.30.1.11", "desk", "hannah"),
    Machine("PC-012", "10.30.1.12", "desk", "ivan"),
    Machine("PC-013", "10.30.1.13", "desk", "julia"),
    Machine("PC-014", "10.30.1.14", "desk", "karim"),
    Machine("PC-021", "10.30.1.21", "dev", "lena"),
    Machine("PC-022", "10.30.1.22", "dev", "marco"),
    Machine("PC-031", "10.30.1.31", "admin", "nora"),
)
SERVERS: Final = (
    Machine("DC-A", "10.30.0.10", "dc", "adm.nora"),
    Machine("FILES01", "10.30.0.12", "files", "adm.nora"),
    Machine("APP01", "10.30.0.14", "server", "adm.nora"),
)
WINDOWS: Final = (*DESKS, *SERVERS)
DC: Final = SERVERS[0]
FILES: Final = SERVERS[1]
LINUX: Final = (
    Machine("web01", "10.30.2.20", "web", "deploy"),
    Machine("db01", "10.30.2.21", "db", "deploy"),
    Machine("bastion", "10.30.2.10", "bastion", "nora"),
)
PEOPLE: Final = ("hannah", "ivan", "julia", "karim", "lena", "marco", "nora")
WORDS: Final = (
    *("budget", "offer", "minutes", "travel", "invoice", "plan", "roster", "letter", "survey"),
    *("catalogue", "orders", "stock", "training", "intranet", "portal", "billing", "reports"),
)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days that are played."""

    days: int

    def each(self) -> Iterator[tuple[datetime, bool]]:
        """Midnight of each day, and whether people work on it."""
        for number in range(self.days):
            day = START + timedelta(days=number)
            yield day, day.weekday() < 5


def moments(
    draw: random.Random, calendar: Calendar, when: str, day: float = 0.0, week: float = 0.0
) -> Iterator[datetime]:
    """When something happens that comes so often a day (or a week) on average.

    `work`: in office hours of working days; `logon`: when people come; `night`: at night, every
    day; `any`: at any time, every day.
    """
    for midnight, working in calendar.each():
        if when in ("work", "logon") and not working:
            continue
        often = day or week / (5 if when in ("work", "logon") else 7)
        for _ in range(int(often) + (draw.random() < often % 1)):
            yield midnight + timedelta(seconds=_second(draw, when))


def _second(draw: random.Random, when: str) -> float:
    if when == "logon":
        return draw.uniform(6.2, 7.4) * 3600
    if when == "night":
        return draw.uniform(0.5, 4.5) * 3600
    if when == "work":
        hour = draw.gauss(11, 2.3)
        # Again rather than cut off: else much of a day would happen in the second it begins.
        return (hour if 7.2 <= hour <= 16.5 else draw.uniform(7.2, 16.5)) * 3600
    return draw.uniform(0, 86_399)
