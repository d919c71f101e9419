"""Who and what is in the demo: a small firm, its machines, its people, and one who is not of it.

Everything is invented; addresses are from the ranges kept for documentation (RFC 5737, RFC 2606).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

DAY: Final = datetime(2026, 11, 17, tzinfo=UTC)
"""A Tuesday. Fixed, so that the demo is the same every time."""
DOMAIN: Final = "EXAMPLE"
INTRUDER: Final = "203.0.113.66"
ACCOUNT: Final = "111122223333"


@dataclass(frozen=True, slots=True)
class Machine:
    """A computer of the firm."""

    name: str
    ip: str
    user: str

    @property
    def fqdn(self) -> str:
        """Its full name, as Windows logs it."""
        return f"{self.name}.corp.example"


ANNA: Final = Machine("WS-ANNA", "10.20.1.11", "anna")
BEN: Final = Machine("WS-BEN", "10.20.1.12", "ben")
CARLA: Final = Machine("WS-CARLA", "10.20.1.13", "carla")
FILES: Final = Machine("SRV-FILES", "10.20.0.5", "svc_backup")
DC: Final = Machine("DC01", "10.20.0.2", "adm.david")
WEB: Final = Machine("web01", "10.20.2.10", "deploy")
DESKS: Final = (ANNA, BEN, CARLA)


def at(clock: str, seconds: float = 0.0) -> datetime:
    """A time of the day, `at("09:41")`, and some seconds more."""
    hours, minutes = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes), seconds=seconds)
