"""What an appliance's message became, and the words that all of them share.

Every column keeps the name its maker gave it. Ours beside them, so that rules and detectors can speak
of all: `src_ip`, `src_port`, `dst_ip`, `dst_port`, `protocol`, `user`, `app`, `full_url`, `bytes_out`, `bytes_in`,
`packets_out`, `packets_in`, `duration` (seconds), `event_kind` (traffic, logon, logoff, web, alert,
change), `event_outcome` (allowed, blocked, opened, closed; success, failure), `flow_state` (REJ where blocked)
and, of an alert, `alert_name` and `alert_level` (informational to critical).
"""

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

Fields = dict[str, Any]


class Event(NamedTuple):
    """One message: its shape, columns, time (epoch milliseconds; None: the head's) and its device.

    `exact` is false where the time is that of a clock on the wall of nobody knows where.
    """

    shape: str
    fields: Fields
    time: int | None = None
    host: str | None = None
    exact: bool = True


PROTOCOLS: Final = {"1": "icmp", "6": "tcp", "17": "udp", "47": "gre", "50": "esp", "58": "icmp6"}
_EMPTY: Final = frozenset(["", "-", "N/A", "n/a", "(null)", "undefined", "unknown", "Unknown"])
_BLOCKED: Final = re.compile(
    r"den(?:y|ied)|drop|block|reject|reset|refus|prevent|quarantin|discard|violation", re.IGNORECASE
)
_FAILED: Final = re.compile(
    r"fail|invalid|den(?:y|ied)|reject|incorrect|bad|error|refus", re.IGNORECASE
)
_GOOD: Final = re.compile(
    r"allow|accept|permit|pass|success|succ|close|detect|timeout|ok\b|forward|start|end",
    re.IGNORECASE,
)


def fill(fields: Fields, **ours: str | None) -> None:
    """Add columns of ours that say something, and that the source has not already."""
    for name, value in ours.items():
        if value is not None and value not in _EMPTY and fields.get(name) in (None, ""):
            fields[name] = value


def first(fields: Fields, *names: str) -> str | None:
    """The first of some columns that says anything."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and value not in _EMPTY:
            return value
    return None


@lru_cache(maxsize=1024)
def verdict(said: str | None) -> str | None:
    """Whether a packet or request went through, by the word for what was done with it."""
    if not said or said in _EMPTY:
        return None
    if _BLOCKED.search(said[:80]):
        return "blocked"
    return "allowed" if _GOOD.search(said[:80]) else None


@lru_cache(maxsize=1024)
def outcome(said: str | None) -> str | None:
    """Whether somebody got in, by the word for how it went."""
    if not said or said in _EMPTY:
        return None
    if _FAILED.search(said[:200]):
        return "failure"
    return "success" if _GOOD.search(said[:200]) else None


def protocol(said: str | None) -> str | None:
    """A protocol's name in lower case, whether its number or its name was written."""
    return PROTOCOLS.get(said, said.lower()) if said and len(said) < 20 else None


_LEVELS: Final = {
    **dict.fromkeys(("emergency", "critical", "very-high", "veryhigh", "9", "10"), "critical"),
    **dict.fromkeys(("alert", "high", "7", "8", "error"), "high"),
    **dict.fromkeys(("medium", "warning", "moderate", "4", "5", "6"), "medium"),
    **dict.fromkeys(("low", "notice", "1", "2", "3", "minor"), "low"),
}


@lru_cache(maxsize=256)
def level(said: str | None) -> str:
    """How grave the maker calls it, in our words."""
    return _LEVELS.get((said or "").strip().lower(), "informational")
