"""`labrys bots`: how likely each host of a case was a bot on each day, and why."""

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from labrys.cli.options import Lake

if TYPE_CHECKING:
    from labrys.detect.botnet.likelihood import HostDay

_ONE_IN: Final = 50
_ROWS: Final = 50


def command(
    lake: Lake = None,
    one_in: Annotated[
        float,
        typer.Option(min=2, metavar="NUMBER", help="Of so many host-days one is a bot's."),
    ] = _ONE_IN,
    rows: Annotated[
        int, typer.Option(min=0, metavar="NUMBER", help="The likeliest only; 0: all.")
    ] = _ROWS,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Say how likely each host was a bot. Of each day, by what the network detectors found of it."""
    from labrys.cli.case import existing
    from labrys.cli.stream import opened
    from labrys.detect.botnet.likelihood import host_days
    from labrys.lake.case import Case
    from labrys.scan.run import reopened
    from labrys.settings import load

    settings = load()
    with Case.open(existing(lake), create=False, write=False) as case:
        found = host_days(reopened(case, settings.decisions, settings.assets).findings, one_in)
    some = found if as_json or not rows else found[:rows]
    with opened(None) as stream:
        stream.write(_json(some) if as_json else _text(some, one_in))
    if len(some) < len(found):
        sys.stderr.write(f"labrys: {len(found):,} host-days, {len(some)} shown; --rows 0: all\n")


def _json(found: list["HostDay"]) -> str:
    import orjson

    lines = [
        {
            "host": each.host,
            "day": _date(each.day),
            "likelihood": round(each.likelihood, 4),
            "reasons": [
                {"detector": name, "title": title, "times": round(times, 1)}
                for name, title, times in each.reasons
            ],
        }
        for each in found
    ]
    return "".join(orjson.dumps(line).decode() + "\n" for line in lines)


def _text(found: list["HostDay"], one_in: float) -> str:
    from labrys.cli import shown
    from labrys.detect.botnet.likelihood import BESIDE

    if not found:
        return "no network detector accuses a host\n"
    lines = [
        f"one host-day in {one_in:g} taken to be a bot's; likelihoods are what is supported at least\n"
    ]
    for each in found:
        lines.append(f"{each.likelihood:4.0%} or more  {_date(each.day)}  {shown(each.host)}\n")
        for name, title, times in each.reasons:
            counts = "counts nothing" if name in BESIDE else f"odds times {times:.1f}"
            lines.append(f"      {name}: {shown(title)}: {counts}\n")
    return "".join(lines)


def _date(day: int) -> str:
    from datetime import UTC, datetime, timedelta

    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
    except OverflowError:
        return str(day)
