"""Notices who asks the HTTP check in order to learn what gets through, and limits how much he may ask.

Two signs, each for one client within an hour: many near copies of one message whose judgements differ
(somebody tries changes, as evasion does), and far more questions than the mail server's own mail.
Whoever asks slowly, from many addresses, or about ordinary mail only, is not noticed: the budget
bounds him. Idea of the first: Juuti et al., PRADA, 2019, made small. Memory is bounded throughout.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from labrys.gate.judge import Judgement
from labrys.ocsf.schema import Severity

HOUR: Final = 3_600.0
_CLIENTS: Final = 256
_FAMILIES: Final = 16
_MOST_COPIES: Final = 256
_LIKE: Final = 0.35
"""Of the runs of the shorter message so many are in the other: near copies."""
_COPIES: Final = 8
_GRADES: Final = 6
_DETECTED: Final = 0.5
_FLOOD: Final = 500
_TIMES: Final = 3.0
_FLOW: Final = 50
_ALARMS: Final = 100

Sketch = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Somebody asks as an attacker would; `techniques` are ATLAS ids."""

    client: str
    what: str
    said: str
    techniques: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "client": self.client, "alarm": self.what, "said": self.said,
            "techniques": list(self.techniques),
        }  # fmt: skip


@dataclass(slots=True, eq=False)
class _Family:
    """Near copies of one message: what the first and the last are like, and what they got."""

    first: Sketch
    last: Sketch
    begun: float
    digests: set[str] = field(default_factory=set)
    grades: set[tuple[int, int]] = field(default_factory=set)
    detected: int = 0


@dataclass(slots=True)
class _Client:
    begun: float
    asked: int = 0
    families: list[_Family] = field(default_factory=list)
    told: set[str] = field(default_factory=set)


class Probing:
    """All clients of the HTTP check. `budget` questions an hour each, 0 for as many as he likes."""

    def __init__(
        self,
        budget: int = 0,
        told: Callable[[Alarm], None] = lambda _: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.budget = budget
        self.alarms: deque[Alarm] = deque(maxlen=_ALARMS)
        self._told, self._clock = told, clock
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        self._flow, self._flow_begun = 0, clock()

    def may_ask(self, client: str) -> bool:
        """Count a question; False where the client has asked enough for this hour."""
        held = self._client(client)
        held.asked += 1
        return not self.budget or held.asked <= self.budget

    def mail(self) -> None:
        """The mail server had a message judged."""
        self._hour()
        self._flow += 1

    def asked(self, client: str, judged: Judgement | None) -> None:
        """Take in a question and its judgement; alarms are told."""
        held = self._client(client)
        self._hour()
        if self._flow >= _FLOW and held.asked > max(_FLOOD, _TIMES * self._flow):
            self._alarm(
                client, held, "flood",
                f"{held.asked} questions in an hour, while {self._flow} messages came by mail",
                ("AML.T0024.002", "AML.T0034.000"),
            )  # fmt: skip
        if judged is not None and judged.runs:
            family = self._family(held, judged)
            if _tried(family):
                self._alarm(
                    client, held, "near copies",
                    f"{len(family.digests)} near copies of one message, {family.detected} of them "
                    f"detected, {len(family.grades)} different judgements: a campaign, or somebody "
                    "tries what gets through",
                    ("AML.T0042", "AML.T0043.001"),
                )  # fmt: skip

    def _client(self, name: str) -> _Client:
        now = self._clock()
        held = self._clients.get(name)
        if held is None or now - held.begun > HOUR:
            held = self._clients[name] = _Client(now)
        self._clients.move_to_end(name)
        if len(self._clients) > _CLIENTS:
            self._clients.popitem(last=False)
        return held

    def _hour(self) -> None:
        if self._clock() - self._flow_begun > HOUR:
            self._flow, self._flow_begun = 0, self._clock()

    def _family(self, held: _Client, judged: Judgement) -> _Family:
        runs = np.array(judged.runs, np.int64)
        likeness = [max(_like(runs, one.first), _like(runs, one.last)) for one in held.families]
        if likeness and max(likeness) >= _LIKE:
            family = held.families[int(np.argmax(likeness))]
            family.last = runs
        else:
            family = _Family(runs, runs, self._clock())
            held.families.append(family)
            if len(held.families) > _FAMILIES:
                # The one with fewest copies, the oldest of those.
                held.families.remove(min(held.families[:-1], key=lambda one: len(one.digests)))
        if judged.digest not in family.digests and len(family.digests) < _MOST_COPIES:
            family.digests.add(judged.digest)
            family.grades.add((judged.severity, judged.confidence))
            # Informational is what may be a mailing that nobody wanted, no attack.
            family.detected += judged.severity > Severity.INFORMATIONAL
        return family

    def _alarm(
        self, client: str, held: _Client, what: str, said: str, techniques: tuple[str, ...]
    ) -> None:
        if what not in held.told:
            held.told.add(what)
            made = Alarm(client, what, said, techniques)
            self.alarms.append(made)
            self._told(made)


def client_of(peer: str, forwarded: str = "") -> str:
    """Who asks: an address, of IPv6 its network of 64 bits. `forwarded` is what a proxy that is
    trusted put in `X-Forwarded-For`: its last entry, which the proxy itself wrote, counts."""
    said = forwarded.rpartition(",")[2].strip() or peer
    try:
        found = ip_address(said)
    except ValueError:
        return said[:64] or "here"
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return str(found)


def _like(one: Sketch, other: Sketch) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / max(min(len(one), len(other)), 1)


def _tried(family: _Family) -> bool:
    copies = len(family.digests)
    return (
        copies >= _COPIES
        and len(family.grades) >= _GRADES
        and family.detected >= _DETECTED * copies
    )
