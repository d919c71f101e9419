"""An implant's calls as a target, changed as `detect/beacon/threat.py` says: traffic of a made-up day.

The flows go through the detector's own query and scores, beside the traffic of a small network. All
channels of a question are in one query, each with a host and a controller of its own, so that they do
not change each other's answers. A channel holds as an attack while its controller is still heard of
often enough to be one: a fifth of the calls of before, no gap longer than two hours between most of
them, and never fewer than `LEAST_CALLS`, below which it is no channel.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from labrys.detect.beacon.features import LEAST_CALLS
from labrys.detect.beacon.score import ALERT, BASE, judge
from labrys.detect.beacon.threat import COST, MUTATIONS, Channel
from labrys.detect.network import testing
from labrys.duel.target import Change, Floats, Target

_PERIODS: Final = (45.0, 90.0, 180.0, 420.0)
_SHARE: Final = 0.2
_LONGEST_GAP: Final = 7_200.0
_NOTHING: Final = -20.0
_HOSTS: Final = 8
_SITES: Final = 12
_VIEW: Final = "network_activity"


def target(attacks: int, seed: int) -> Target:
    """Implants of our own that are alerts as they are: drawn period, jitter, sizes and hours."""
    draw = np.random.default_rng(seed)
    made = [_implant(draw) for _ in range(4 * attacks)]
    told = _scores(made) >= ALERT
    seeds = [channel for channel, found in zip(made, told.tolist(), strict=True) if found]
    return Target(
        name="beacon",
        version="1",
        seeds=seeds[:attacks],
        changes=[Change(name, one, COST[name], "free") for name, one in MUTATIONS.items()],
        score=_scores,
        threshold=ALERT,
        show=_shown,
        holds=_holds,
        notes=[
            f"{int(told.sum())} of {len(made)} made-up implants (gaps of {_PERIODS[0]:.0f} to "
            f"{_PERIODS[-1]:.0f} s, jitter of 10 to 50 %) are alerts as they are",
            "no model, but points for what is seen: nothing is sure, for an implant that calls seldom "
            "enough is no beat",
        ],
    )


def _implant(draw: np.random.Generator) -> Channel:
    period, jitter = float(draw.choice(_PERIODS)), draw.uniform(0.1, 0.5)
    hours = draw.uniform(6, 16)
    count = max(2 * LEAST_CALLS, int(hours * 3600 / period))
    gaps = period * (1 + draw.uniform(-jitter, jitter, count))
    when = draw.uniform(0, 8 * 3600) + np.cumsum(gaps)
    when = when[when < 86_400]
    sizes = draw.uniform(0, 20, (2, len(when))) + draw.uniform(200, 2_000, (2, 1))
    lasts = draw.uniform(0.1, 1.5, len(when))
    return Channel(when, sizes[0], sizes[1], lasts, int(draw.choice((80, 443, 8443))))


def _holds(before: Channel, after: Channel) -> bool:
    if len(after.when) < max(LEAST_CALLS, _SHARE * len(before.when)):
        return False
    return float(np.quantile(np.diff(after.when), 0.9)) <= _LONGEST_GAP


def _shown(channel: Channel) -> str:
    gaps = np.diff(channel.when)
    low, middle, high = np.quantile(gaps, (0.1, 0.5, 0.9))
    return (
        f"{len(channel.when)} calls to port {channel.port}{' of ' * bool(channel.name)}{channel.name}, "
        f"{middle:.0f} s apart (eight in ten {low:.0f} to {high:.0f}), "
        f"{np.median(channel.sent):.0f} bytes sent and {np.median(channel.received):.0f} received, held "
        f"{np.median(channel.lasts):.0f} s, {len(channel.cover)} calls elsewhere"
    )


def _scores(channels: Sequence[Channel]) -> Floats:
    """The points of each channel, `_NOTHING` where it is no beat."""
    events = list(_network())
    for number, channel in enumerate(channels):
        events += _events(channel, _host(number), _controller(number))
    made = np.full(len(channels), _NOTHING)
    place = {_controller(number): number for number in range(len(channels))}
    for row in _rows(events):
        if row["dst"] in place and row["own"]:
            which = place[row["dst"]]
            points = BASE + sum(signal.weight for signal in judge(row))
            made[which] = max(made[which], points)
    return made


def _rows(events: Sequence[testing.Event]) -> list[dict[str, Any]]:
    query = testing.query("beacon")
    table: pa.Table = testing.table(_VIEW, events)
    with duckdb.connect(config={"threads": 1}) as database:
        database.register(_VIEW, table)
        made: list[dict[str, Any]] = database.sql(query).to_arrow_table().to_pylist()
        return made


def _host(number: int) -> str:
    return f"10.9.{number // 250}.{number % 250 + 1}"


def _controller(number: int) -> str:
    """One in a network of its own each, for neighbours count."""
    return f"{101 + number // 250}.{number % 250}.7.9"


def _events(channel: Channel, host: str, controller: str) -> list[testing.Event]:
    made = [
        testing.flow(
            1000 * when, controller, channel.port, host, duration=int(1000 * lasts),
            traffic_bytes_out=int(sent), traffic_bytes_in=int(received),
        )
        for when, sent, received, lasts in zip(
            channel.when.tolist(), channel.sent.tolist(), channel.received.tolist(),
            channel.lasts.tolist(), strict=True,
        )
    ]  # fmt: skip
    if channel.name:
        when = 1000 * float(channel.when[0]) + 30
        none = {"traffic_packets_out": None, "traffic_bytes_out": None}
        shaken = {"tls_sni": channel.name, "tls_version": "TLSv12"}
        made.append(testing.flow(when, controller, channel.port, host, **shaken, **none))
    near = controller.rsplit(".", 2)[0]
    for when, which in channel.cover:
        other = f"198.{which}.100.{which}" if which >= 0 else f"{near}.80.{-which}"
        made.append(testing.flow(1000 * when, other, 443, host))
    return made


@cache
def _network() -> tuple[testing.Event, ...]:
    """Some hosts that browse: seldom enough to be no beat."""
    draw = np.random.default_rng(9)
    made = []
    for host in range(_HOSTS):
        for site in range(_SITES):
            count = int(draw.integers(2, LEAST_CALLS))
            made += [
                testing.flow(float(when), f"198.{site}.100.{site}", 443, f"10.8.0.{host + 1}")
                for when in draw.uniform(0, testing.DAY, count)
            ]
    return tuple(made)
