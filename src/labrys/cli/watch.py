"""`labrys watch`: the same detection on evidence that grows, until told to stop."""

import getpass
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labrys.cli import shown
from labrys.cli.options import Jobs, Lists, NewLake, Only, OwnRules, Rules
from labrys.cli.respond import Allow, Connector, Own, Ttl
from labrys.cli.stream import Stream, named

if TYPE_CHECKING:
    from labrys.lake.case import Case
    from labrys.scan.run import Options, Scan
    from labrys.settings import Settings
    from labrys.watch.reaction import Reaction
    from labrys.watch.run import Pace
    from labrys.watch.source import Fed


class Lines(StrEnum):
    """How findings are told as they come."""

    TABLE = "table"
    NDJSON = "ndjson"


class Respond(StrEnum):
    """What to do about new severe findings."""

    BLOCK = "block"


def command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files or folders that grow; - for standard input."),
    ] = None,
    interface: Annotated[
        str, typer.Option("--interface", help="Capture from this network interface as well.")
    ] = "",
    rules: Rules = None,
    lists: Lists = None,
    own_rules: OwnRules = True,
    lake: NewLake = None,
    only: Only = None,
    every: Annotated[
        str, typer.Option(help="How often to correlate and join what has come: 10s, 1m.")
    ] = "10s",
    idle: Annotated[
        str, typer.Option(help="End when nothing has grown for so long; else on Ctrl-C.")
    ] = "",
    form: Annotated[
        Lines, typer.Option("--format", "-f", help="How to tell of what is found.")
    ] = Lines.TABLE,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Append to this file instead."),
    ] = None,
    react: Annotated[
        Respond | None, typer.Option("--respond", help="React to new findings, high or worse.")
    ] = None,
    connector: Annotated[
        Connector | None, typer.Option("--connector", help="Where to apply blocks at once.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Really change this machine through the connector.")
    ] = False,
    ttl: Ttl = "24h",
    allow: Allow = None,
    own: Own = None,
    jobs: Jobs = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No summary at the end.")] = False,
) -> None:
    """Watch evidence as it grows. Each finding and incident is told once, as soon as it is there.

    Ctrl-C ends it; the same command goes on where it was. Exit code 0: done. 1: done, but something
    could not be read. 2: bad usage.
    """
    from labrys.cli.case import evidence, for_scan
    from labrys.cli.scan import known_detectors, reading
    from labrys.lake.places import opened
    from labrys.scan.lists import read_lists
    from labrys.scan.rules import builtin_rules
    from labrys.scan.run import Options
    from labrys.settings import load

    given = list(paths or ())
    if not given and not interface:
        raise typer.BadParameter("say what to watch: files, folders, - or --interface")
    if (connector or yes) and react is None:
        raise typer.BadParameter("--connector and --yes need --respond block")
    if connector and not yes:
        raise typer.BadParameter("--connector changes this machine: add --yes")
    settings = load({"jobs": jobs, "lake": str(lake) if lake else None})
    folder = for_scan(settings.lake, [_named(path) for path in given] or [Path(interface)])
    options = Options(
        paths=evidence([path for path in given if str(path) != "-"]),
        rules=(
            *([builtin_rules()] if own_rules else []),
            *(Path(each) for each in settings.rules),
            *(rules or []),
        ),
        placeholders=read_lists(lists),
        only=known_detectors(only),
        engine_memory=settings.engine_memory,
        decisions=settings.decisions,
        places=opened(settings.network.places),
        reading=reading(settings),
    )
    made = _Asked(options, settings, interface, "-" in map(str, given), form, out, react, connector)
    policy = (ttl, allow, own)
    if _watch(folder, made, _pace(every, idle), policy, quiet=quiet).inconclusive:
        raise typer.Exit(1)


class _Asked:
    """What was asked for on the command line."""

    def __init__(
        self,
        options: "Options",
        settings: "Settings",
        interface: str,
        stdin: bool,
        form: Lines,
        out: Path | None,
        react: Respond | None,
        connector: Connector | None,
    ) -> None:
        self.options, self.settings = options, settings
        self.interface, self.stdin = interface, stdin
        self.form, self.out = form, out
        self.react, self.connector = react, connector


def _watch(
    folder: Path, asked: _Asked, pace: "Pace", policy: tuple[Any, ...], *, quiet: bool
) -> "Scan":
    from dataclasses import replace

    from labrys.cli.progress import Silent
    from labrys.lake.case import Case
    from labrys.scan.run import equip, found_in
    from labrys.watch.run import Watch
    from labrys.watch.said import Told
    from labrys.watch.teller import Teller

    with ExitStack() as stack:
        case = stack.enter_context(Case.open(folder))
        tools = equip(asked.options)
        fed = stack.enter_context(_fed(case, asked))
        told = Told(folder)
        stack.callback(told.close)
        if told.fresh:  # what an earlier scan found, its report told
            told.mark(found_in(case)["uid"].to_pylist())
        if asked.out is not None:
            told.cut(asked.out)
        output = stack.enter_context(_output(asked.out))
        reaction = _reaction(case, asked, policy) if asked.react is not None else None
        teller = Teller(
            told,
            output,
            asked.out,
            as_json=asked.form is Lines.NDJSON,
            rows=frozenset(name for each in tools.rows for name in each.emits),
            react=reaction,
            places=asked.options.places,
        )
        stop = stack.enter_context(_until_interrupted())
        done = Watch(
            case,
            replace(asked.options, paths=(*asked.options.paths, *fed.paths)),
            tools,
            pace,
            teller,
            Silent(),
            stop=stop,
            fed=fed,
            expire=reaction.expire if reaction is not None else None,
        ).run()
    if not quiet:
        rows = sum(row.rows for row in done.sources)
        sys.stderr.write(
            f"labrys: {rows:,} records of {len(done.sources)} sources; told of"
            f" {teller.findings_told} findings and {teller.incidents_told} incidents in"
            f" {done.seconds:.0f} s; the case is {shown(str(folder))}\n"
        )
    return done


def _pace(every: str, idle: str) -> "Pace":
    from labrys.respond.ledger import span
    from labrys.watch.run import Pace

    return Pace(every=span(every) / 1000, idle=span(idle) / 1000 if idle else None)


def _named(path: Path) -> Path:
    return Path("stdin") if str(path) == "-" else path


@contextmanager
def _fed(case: "Case", asked: _Asked) -> "Iterator[Fed]":
    """What brings evidence that does not lie in files: standard input, a capture."""
    from labrys.watch.source import Fed

    fed = Fed(case.path / "inbox")
    try:
        if asked.stdin:
            fed.standard_input(sys.stdin.buffer)
        if asked.interface:
            fed.interface(asked.interface)
        yield fed
    finally:
        fed.close()


def _reaction(case: "Case", asked: _Asked, given: tuple[Any, ...]) -> "Reaction":
    from labrys.respond.block import Policy
    from labrys.respond.guards import names, read_names
    from labrys.respond.ledger import span
    from labrys.watch.reaction import Reaction

    ttl, allow, own = given
    policy = Policy(
        lasts=span(ttl),
        who=f"{getpass.getuser()} (watch)",
        allow=read_names(allow),
        own=names(own or (), "--own"),
    )
    apply = asked.connector is Connector.NFTABLES

    def tell(said: str) -> None:
        sys.stderr.write(f"labrys: {shown(said)}\n")

    return Reaction(case, policy, asked.settings.decisions, apply, tell)


@contextmanager
def _output(out: Path | None) -> Iterator[Stream]:
    if out is None:
        yield Stream(sys.stdout.buffer, "standard output")
        return
    with named(str(out)):
        raw = out.open("ab")
    with raw:
        yield Stream(raw, str(out))


@contextmanager
def _until_interrupted() -> Iterator[Any]:
    """A function that says whether somebody has asked to end; asking twice ends at once."""
    asked: list[int] = []

    def handle(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for each, old in before.items():
            signal.signal(each, old)
