"""`labrys scan`: the main job, from a folder of evidence to a few explained incidents."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labrys.cli import shown
from labrys.cli.options import Jobs, Lists, NewLake, Only, Out, OwnRules, Quiet, Rules
from labrys.cli.output import Form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labrys.scan.ingest import Reading
    from labrys.scan.run import Options, Scan
    from labrys.settings import Settings


def command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files or folders of evidence.")
    ],
    rules: Rules = None,
    lists: Lists = None,
    own_rules: OwnRules = True,
    lake: NewLake = None,
    engine: Annotated[
        str | None, typer.Option(help="Where detectors run: duckdb (default) or sc://host:port.")
    ] = None,
    only: Only = None,
    form: Annotated[
        Form, typer.Option("--format", "-f", help="What to write to standard output.")
    ] = Form.TABLE,
    out: Out = None,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Read evidence, find what matters and explain it.

    Exit code 0: done. 1: done, but something could not be read, so the result is inconclusive
    about it. 2: bad usage. Scanning the same evidence again reads only what is new.
    """
    from labrys.cli.case import evidence, for_scan
    from labrys.lake.places import opened
    from labrys.scan.lists import read_lists
    from labrys.scan.rules import builtin_rules
    from labrys.scan.run import Options
    from labrys.settings import load

    settings = load({"engine": engine, "jobs": jobs, "lake": str(lake) if lake else None})
    own = [builtin_rules()] if own_rules else []
    options = Options(
        paths=evidence(paths),
        rules=(*own, *(Path(folder) for folder in settings.rules), *(rules or [])),
        placeholders=read_lists(lists),
        only=known_detectors(only),
        engine=settings.engine,
        engine_memory=settings.engine_memory,
        decisions=settings.decisions,
        assets=settings.assets,
        places=opened(settings.network.places),
        reading=reading(settings),
    )
    case = for_scan(settings.lake, paths)
    if perform(case, options, [(form, out)], quiet=quiet).inconclusive:
        raise typer.Exit(1)


def perform(
    folder: Path, options: "Options", outputs: "Sequence[tuple[Form, Path | None]]", *, quiet: bool
) -> "Scan":
    """Scan into the case in `folder`, and write what came of it in each form to each place."""
    from labrys.cli.output import report_of, write
    from labrys.cli.progress import Live, Silent
    from labrys.lake.case import Case
    from labrys.scan.run import scan

    with Case.open(folder) as case:
        with Silent() if quiet else Live() as watch:
            done = scan(case, options, watch)
            reports = [report_of(case, done, form) for form, _ in outputs]
        for report, (form, out) in zip(reports, outputs, strict=True):
            write(report, form, out)
    if not quiet:
        sys.stderr.write(
            f"labrys: {done.seconds:.1f} s; the case is {shown(str(folder))} "
            f'(ask it: labrys hunt --lake {shown(str(folder))} "SELECT …")\n'
        )
    return done


def reading(settings: "Settings") -> "Reading":
    """The settings as the reading processes take them."""
    from labrys.evidence.mail_auth.zone import given
    from labrys.evidence.unpack.limits import Limits
    from labrys.scan.ingest import Reading
    from labrys.settings import size

    given()  # DNS records that cannot be read are told of before anything else is
    limits = Limits(
        max_depth=settings.unpack_depth,
        max_total_bytes=size(settings.unpack_bytes),
        max_members=settings.unpack_files,
    )
    return Reading(
        jobs=min(settings.workers, 16),
        memory=size(settings.worker_memory),
        stall_seconds=settings.worker_seconds,
        limits=limits,
    )


def known_detectors(only: list[str] | None) -> tuple[str, ...]:
    """The detectors that were named, all of which there must be."""
    if not only:
        return ()
    from labrys.detect.registry import detectors

    known = ["sigma", *(made.id for made in detectors())]
    for name in only:
        if name not in known:
            raise typer.BadParameter(f"no detector {name!r}; there are: {', '.join(known)}")
    return tuple(only)
