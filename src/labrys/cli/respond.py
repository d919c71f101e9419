"""`labrys respond`: from incidents to blocks, guarded, written down, applied and undone."""

import getpass
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labrys.cli import shown
from labrys.cli.blocks import (
    ListForm,
    as_text,
    block_lines,
    block_row,
    finish,
    say_ended,
    write_lists,
)
from labrys.cli.options import AsJson, Lake, Out
from labrys.cli.stream import opened, say

if TYPE_CHECKING:
    from labrys.respond.guards import Names
    from labrys.respond.ledger import Block
    from labrys.scan.run import Scan

app = typer.Typer(
    help="Block what incidents name. Guarded, for a time, with undo.",
    no_args_is_help=True,
)


class Connector(StrEnum):
    """What blocks can be applied to."""

    NFTABLES = "nftables"


class Level(StrEnum):
    """Severities."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


Allow = Annotated[
    Path | None,
    typer.Option(
        "--allow", metavar="FILE", help="File of addresses, networks and domains never to block."
    ),
]
Own = Annotated[
    list[str] | None,
    typer.Option("--own", metavar="CIDR|DOMAIN", help="Our own networks and names; repeatable."),
]
Ttl = Annotated[str, typer.Option("--ttl", help="For how long: 90m, 24h, 7d.")]
Forms = Annotated[
    list[ListForm] | None,
    typer.Option("--format", "-f", help="Forms of the lists to write; repeatable."),
]
OutFolder = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", help="Folder for the lists; else standard output."),
]
Who = Annotated[str, typer.Option("--who", help="Who decides; by default you.")]
On = Annotated[
    Connector | None, typer.Option("--connector", help="Where to apply it at once as well.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Really do it; without, only say what would be.")]


@app.callback()
def group() -> None:
    """Block what incidents name. Guarded, for a time, with undo."""


@app.command("block")
def block(
    lake: Lake = None,
    incident: Annotated[
        list[str] | None,
        typer.Option("--incident", "-i", metavar="ID", help="By rank or id; repeatable."),
    ] = None,
    finding: Annotated[
        list[str] | None, typer.Option("--finding", metavar="UID", help="By uid; repeatable.")
    ] = None,
    level: Annotated[
        Level, typer.Option(help="Of incidents, findings of at least this severity count.")
    ] = Level.MEDIUM,
    forms: Forms = None,
    out: OutFolder = None,
    ttl: Ttl = "24h",
    allow: Allow = None,
    own: Own = None,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", metavar="VALUE", help="Block this although it is doubtful."),
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="So many blocks at once, no more.")
    ] = 5_000,
    per_minute: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="So many new blocks a minute.")
    ] = 100,
    why: Annotated[str, typer.Option(help="The reason; else the finding's title.")] = "",
    who: Who = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it, change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Block the attacker's addresses, names and hashes. Says what is not blocked, and why.

    Each block is kept in the case with its reason and its end. Lists hold all blocks that hold.
    """
    from labrys.lake.case import Case
    from labrys.respond.block import Policy, chosen, plan
    from labrys.respond.guards import Limits, read_names
    from labrys.respond.ledger import opened as ledger_of

    if not incident and not finding:
        raise typer.BadParameter("say what to block: --incident N or --finding UID")
    policy = Policy(
        lasts=_span(ttl),
        who=who or getpass.getuser(),
        why=why,
        allow=read_names(allow),
        own=_own(own),
        force=frozenset(value.strip().lower() for value in force or ()),
        limits=Limits(per_minute, most),
    )
    folder, url = _where(lake)
    with Case.open(folder, create=False, write=False) as case:
        scan = _scan(case, url)
        findings, incidents = chosen(
            scan.findings,
            scan.triage.incidents,
            incident or (),
            finding or (),
            list(Level).index(level) + 2,
        )
        if dry_run:
            from labrys.respond.ledger import kept

            made = plan(case, findings, incidents, policy, kept(folder, url))
            blocks = [*kept(folder, url), *made.blocks]
            new = len(made.blocks)
        else:
            with ledger_of(folder, url) as ledger:
                made = plan(case, findings, incidents, policy, ledger.all())
                new = len(ledger.add(made.blocks)[0])
                blocks = list(ledger.all())
    finish(made, new, blocks, policy, forms or (), out, as_json=as_json, dry=dry_run)


@app.command("list")
def list_all(
    lake: Lake = None,
    every: Annotated[bool, typer.Option("--all", help="Also what no longer holds.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the blocks that hold: what, why, by whom, until when."""
    from labrys.respond.ledger import kept, now

    at = now()
    blocks = [each for each in kept(*_where(lake)) if every or each.active(at)]
    if as_json:
        say(as_text([block_row(each, at) for each in blocks]))
        return
    lines = [line for each in blocks for line in block_lines(each, at)]
    say(shown("\n".join(lines or ["no blocks"]) + "\n"))


@app.command("export")
def export(
    lake: Lake = None, forms: Forms = None, out: OutFolder = None, allow: Allow = None
) -> None:
    """Write the lists of all blocks that hold. Do so after an undo or when some have expired."""
    from labrys.respond.guards import read_names
    from labrys.respond.ledger import kept

    write_lists(list(kept(*_where(lake))), forms or [ListForm.TEXT], read_names(allow), out)


@app.command("undo")
def undo(
    blocks: Annotated[
        list[str] | None, typer.Argument(metavar="ID|VALUE", help="As `list` shows them.")
    ] = None,
    lake: Lake = None,
    every: Annotated[bool, typer.Option("--all", help="Every block that holds.")] = False,
    why: Annotated[str, typer.Option(help="The reason.")] = "",
    who: Who = "",
    connector: On = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End blocks before their time. With a connector also where they were applied."""
    from labrys.respond.block import selected
    from labrys.respond.ledger import now
    from labrys.respond.ledger import opened as ledger_of

    if bool(blocks) == every:
        raise typer.BadParameter("name blocks, or give --all")
    _must_confirm(connector, yes)
    folder, url = _where(lake)
    with ledger_of(folder, url) as ledger:
        there = ledger.all()
        at = now()
        wanted = (
            [each for each in there if each.active(at)]
            if every
            else selected(there, blocks or (), at=at)
        )
        ended = ledger.end(wanted, who or getpass.getuser(), why)
        rest = list(ledger.all())
    _sync(rest, connector)
    say_ended(ended, "undone", as_json=as_json)


@app.command("expire")
def expire(
    lake: Lake = None, connector: On = None, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Write down which blocks have ended. Nothing holds longer than it should, also without."""
    from labrys.respond.ledger import FILE
    from labrys.respond.ledger import opened as ledger_of

    _must_confirm(connector, yes)
    folder, url = _where(lake)
    ended: list[Block] = []
    rest: list[Block] = []
    if url or (folder / FILE).is_file():
        with ledger_of(folder, url) as ledger:
            ended, rest = ledger.expire(), list(ledger.all())
    _sync(rest, connector)
    say_ended(ended, "expired", as_json=as_json)


@app.command("apply")
def apply(
    connector: Annotated[Connector, typer.Option("--connector", help="Where to apply them.")],
    lake: Lake = None,
    allow: Allow = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make this machine drop what is blocked. Nothing else; without --yes it only says what would."""
    from labrys.respond import nft
    from labrys.respond.guards import read_names
    from labrys.respond.ledger import kept, now

    at, blocks, allowed = now(), list(kept(*_where(lake))), read_names(allow)
    script = nft.wanted(blocks, allowed, at)
    before = nft.held()
    good, no = nft.droppable(blocks, allowed, at)
    after = {each.value for each in good}
    if yes:
        nft.apply(script)
    else:
        nft.check(script)
    more, fewer = sorted(after - before), sorted(before - after)
    if as_json:
        say(as_text({"applied": yes, "added": more, "removed": fewer, "held": len(after)}))
        return
    lines = [*(f"+ {value}" for value in more), *(f"- {value}" for value in fewer)]
    lines += [f"not dropped: {each.value}: {reason}" for each, reason in no]
    what = (
        f"{len(after)} addresses are dropped now" if yes else "nothing was changed; --yes does it"
    )
    say("\n".join([*lines, f"{connector.value}: {what}"]) + "\n")


@app.command("playbook")
def playbook(
    incident: Annotated[str, typer.Option("--incident", "-i", metavar="ID", help="By rank or id.")],
    lake: Lake = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help="The form of the playbook: cacao.")
    ] = "cacao",
    out: Out = None,
) -> None:
    """Write what to do about an incident as a CACAO 2.0 playbook."""
    from labrys.lake.case import Case
    from labrys.ocsf.schema import Severity
    from labrys.respond import cacao
    from labrys.respond.block import Policy, chosen, plan
    from labrys.triage.named import incident as named

    if form != "cacao":
        raise typer.BadParameter(f"no format {form!r}; there is: cacao")
    folder, url = _where(lake)
    with Case.open(folder, create=False, write=False) as case:
        scan = _scan(case, url)
        findings, incidents = chosen(
            scan.findings, scan.triage.incidents, [incident], (), Severity.MEDIUM
        )
        planned = plan(case, findings, incidents, Policy(1, ""))
        row = named(scan.triage.incidents, incident)
    made = cacao.playbook(row, str(folder), block=any(b.kind == "ip" for b in planned.blocks))
    with opened(out) as stream:
        stream.write(as_text(made))


def _where(lake: Path | None) -> tuple[Path, str]:
    """The case, and where decisions about it are kept."""
    from labrys.cli.case import existing
    from labrys.settings import load

    return existing(lake), load().decisions


def _scan(case: Any, url: str) -> "Scan":
    from labrys.scan.run import reopened

    return reopened(case, url)


def _span(text: str) -> int:
    """`24h` as milliseconds."""
    from labrys.respond.ledger import span

    return span(text)


def _own(given: Sequence[str] | None) -> "Names":
    from labrys.respond.guards import names

    return names(given or (), "--own")


def _must_confirm(connector: Connector | None, yes: bool) -> None:
    if connector is not None and not yes:
        raise typer.BadParameter("--connector changes this machine: add --yes")


def _sync(blocks: list["Block"], connector: Connector | None) -> None:
    """Make what is applied agree with what holds."""
    if connector is None:
        return
    from labrys.respond import nft
    from labrys.respond.guards import Names
    from labrys.respond.ledger import now

    nft.apply(nft.wanted(blocks, Names(), now()))
