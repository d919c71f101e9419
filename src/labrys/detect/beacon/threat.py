"""What whoever writes an implant may do to how it calls home, and what it costs him.

A channel is its calls: when (s), bytes sent and received, seconds it lasted. Cost 0 is a setting of the
implant. 1 costs control: it is slower to obey. 2 costs most of it, or takes more servers. `cover` is
traffic of the same host to other servers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

Draw = np.random.Generator
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """Calls to one controller; `cover` says when other servers are called, and which of them."""

    when: Floats
    sent: Floats
    received: Floats
    lasts: Floats
    port: int = 443
    name: str = ""
    cover: tuple[tuple[float, int], ...] = ()


Rewrite = Callable[[Channel, Draw], Channel]
_LONGEST_DAY: Final = 86_400.0


def _timed(channel: Channel, gaps: Floats) -> Channel:
    """The same calls with other gaps, as many as there is time for."""
    when = channel.when[0] + np.concatenate([[0.0], np.cumsum(np.maximum(gaps, 1.5))])
    kept = when < _LONGEST_DAY
    when = when[kept]
    count = len(when)
    return replace(
        channel,
        when=when,
        sent=channel.sent[:count],
        received=channel.received[:count],
        lasts=channel.lasts[:count],
    )


def _jitter(share: float) -> Rewrite:
    def rewrite(channel: Channel, draw: Draw) -> Channel:
        gaps = np.diff(channel.when)
        return _timed(channel, np.median(gaps) * (1 + draw.uniform(-share, share, len(gaps))))

    return rewrite


def _by_chance(channel: Channel, draw: Draw) -> Channel:
    """Gaps as those of people: drawn from an exponential distribution."""
    gaps = np.diff(channel.when)
    return _timed(channel, draw.exponential(np.median(gaps), len(gaps)))


def _lopsided(channel: Channel, draw: Draw) -> Channel:
    """Mostly short gaps, some long ones."""
    gaps = np.diff(channel.when)
    return _timed(channel, np.median(gaps) * draw.lognormal(-0.3, 0.8, len(gaps)))


def _timer(channel: Channel, _: Draw) -> Channel:
    """As equal as the timers of ordinary programs."""
    gaps = np.diff(channel.when)
    return _timed(channel, np.full(len(gaps), np.median(gaps)))


def _slower(channel: Channel, _: Draw) -> Channel:
    gaps = np.diff(channel.when)
    return _timed(channel, 2 * gaps)


def _padded(channel: Channel, draw: Draw) -> Channel:
    count = len(channel.when)
    return replace(
        channel,
        sent=channel.sent + draw.lognormal(7, 1.5, count),
        received=channel.received + draw.lognormal(8, 1.5, count),
    )


def _much_padded(channel: Channel, draw: Draw) -> Channel:
    """What is received looks like content."""
    return replace(channel, received=channel.received + draw.uniform(1e5, 4e5, len(channel.when)))


def _covered(channel: Channel, draw: Draw) -> Channel:
    """Calls to other servers, as somebody who browses makes them."""
    more = [(float(draw.uniform(0, _LONGEST_DAY)), int(draw.integers(60))) for _ in range(60)]
    return replace(channel, cover=(*channel.cover, *more))


def _near_by(channel: Channel, draw: Draw) -> Channel:
    """Calls to other servers in the controller's network, which are others' customers."""
    more = [(float(draw.uniform(0, _LONGEST_DAY)), -1 - int(draw.integers(5))) for _ in range(5)]
    return replace(channel, cover=(*channel.cover, *more))


def _named(channel: Channel, _: Draw) -> Channel:
    return replace(channel, name="cdn.example.com")


def _held(channel: Channel, draw: Draw) -> Channel:
    """Connections held open, as those that wait for news."""
    return replace(channel, lasts=channel.lasts + draw.uniform(20, 60, len(channel.when)))


def _office_hours(channel: Channel, _: Draw) -> Channel:
    day = (channel.when >= 8 * 3600) & (channel.when < 18 * 3600)
    if day.sum() < 2:
        return channel
    return replace(
        channel,
        when=channel.when[day],
        sent=channel.sent[day],
        received=channel.received[day],
        lasts=channel.lasts[day],
    )


def _hourly(channel: Channel, draw: Draw) -> Channel:
    """Called once an hour or so."""
    count = len(channel.when)
    return _timed(channel, draw.uniform(2_400, 4_800, count - 1))


MUTATIONS: Final[Mapping[str, Rewrite]] = {
    "jitter of 20 %": _jitter(0.2),
    "jitter of 60 %": _jitter(0.6),
    "jitter of 90 %": _jitter(0.9),
    "a timer's gaps": _timer,
    "padded calls": _padded,
    "cover traffic": _covered,
    "cover next door": _near_by,
    "a server's name": _named,
    "connections held": _held,
    "gaps by chance": _by_chance,
    "lopsided gaps": _lopsided,
    "half the calls": _slower,
    "much padding": _much_padded,
    "office hours": _office_hours,
    "hourly": _hourly,
}
COST: Final[Mapping[str, int]] = {
    **dict.fromkeys(list(MUTATIONS)[:9], 0),
    **dict.fromkeys(("gaps by chance", "lopsided gaps", "half the calls", "much padding"), 1),
    **dict.fromkeys(("office hours", "hourly"), 2),
}
