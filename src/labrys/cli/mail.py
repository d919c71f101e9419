"""`labrys mail`: the judgement of a scan at the mail server's gate, and what came of it."""

import getpass
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labrys.cli import mail_reports, shown
from labrys.cli.mail_folder import HERE, Folder, judging, there, when
from labrys.cli.options import AsJson, Quiet, Rules
from labrys.cli.stream import say

if TYPE_CHECKING:
    from collections import Counter

    from labrys.gate.probing import Alarm

app = typer.Typer(help="Judge mail at the gate, and learn from reports.", no_args_is_help=True)

PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="TOML file that says what is done from when on."),
]


@app.callback()
def group() -> None:
    """Judge mail at the gate, and learn from reports."""


@app.command("serve")
def serve(
    milter: Annotated[
        str, typer.Option(help="Where the mail server asks: HOST:PORT or unix:PATH.")
    ] = "127.0.0.1:8891",
    http: Annotated[
        str,
        typer.Option(help="Where others ask over HTTP: HOST:PORT or unix:PATH; empty: nowhere."),
    ] = "127.0.0.1:8892",
    policy: PolicyFile = None,
    folder: Folder = HERE,
    host: Annotated[
        str, typer.Option(help="This mail server's name in Authentication-Results.")
    ] = "",
    rules: Rules = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", min=0, metavar="NUMBER", help="Judging processes; 0: one a core."
        ),
    ] = 0,
    seconds: Annotated[
        float,
        typer.Option(
            min=1.0, metavar="NUMBER", help="How long judging may take before it counts as failed."
        ),
    ] = 20.0,
    budget: Annotated[
        int,
        typer.Option(
            min=0, metavar="NUMBER", help="Questions a client may ask over HTTP in an hour; 0: any."
        ),
    ] = 0,
    labels_only: Annotated[
        bool, typer.Option("--labels-only", help="Over HTTP say what to do, not how sure and why.")
    ] = False,
    proxied: Annotated[
        bool, typer.Option("--proxied", help="Take who asks from the proxy's X-Forwarded-For.")
    ] = False,
) -> None:
    """Serve a mail server (milter) and an HTTP check until interrupted.

    The server keeps every message until it has its answer: nothing is lost if this process ends.
    """
    import asyncio
    import os
    from functools import partial

    from labrys.gate.decide import Gate
    from labrys.gate.history import History
    from labrys.gate.http import Terms
    from labrys.gate.policy import read
    from labrys.gate.probing import Probing
    from labrys.gate.serve import address, run
    from labrys.gate.store import opened
    from labrys.gate.workers import Workers

    wanted = read(policy)
    at, web = address(milter), address(http) if http else None
    workers = Workers(
        partial(judging, tuple(rules or ())), jobs=jobs or os.cpu_count() or 1, seconds=seconds
    )
    with opened(folder) as store:
        workers.start()
        try:
            history = History(store)
            gate = Gate(workers, wanted, store, folder, host or socket.gethostname(), history)
            at_work = f"milter on {at}" + (f", HTTP on {web}" if web else "")
            ready = partial(_note, f"{at_work}; {_said(wanted.failed)}")
            terms = Terms(Probing(budget, partial(_alarmed, gate.seen)), labels_only, proxied)
            asyncio.run(run(gate, at, web, ready, terms))
            history.saving()()
        finally:
            workers.close()
    counted = ", ".join(f"{count} {name}" for name, count in sorted(gate.seen.items()) if count)
    sys.stderr.write(f"labrys: ended; {counted or 'no messages'}\n")


def _alarmed(seen: "Counter[str]", alarm: "Alarm") -> None:
    seen["probing alarms"] += 1
    sys.stderr.write(shown(f"labrys: alarm: {alarm.client}: {alarm.said}\n"))
    sys.stderr.flush()


@app.command("check")
def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Messages; - for standard input.")
    ],
    policy: PolicyFile = None,
    rules: Rules = None,
    as_json: AsJson = False,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help="A gate's folder: who wrote there before."),
    ] = None,
) -> None:
    """Judge messages as the gate would. Exit code 1: something in one could not be read."""
    import msgspec

    from labrys.gate.history import History
    from labrys.gate.http import said
    from labrys.gate.judge import LARGEST, joined
    from labrys.gate.policy import read
    from labrys.gate.store import opened

    wanted = read(policy)
    contents = []
    for file in files:
        if str(file) != "-" and not file.is_file():
            raise typer.BadParameter(f"no such file: {file}")
        stream = sys.stdin.buffer if str(file) == "-" else file.open("rb")
        with stream:
            contents.append(stream.read(LARGEST + 1))
    judge = judging(tuple(rules or ()))
    judged = judge.judge(contents)
    if folder is not None:
        with opened(there(folder)) as store:
            history = History(store)
            asked = [(each, history.broken(each)) for each in judged]
        judged = [joined(each, judge.related(rows)) if rows else each for each, rows in asked]
    for file, each in zip(files, judged, strict=True):
        made = {"file": str(file), **said(each, wanted.action(each))}
        say(msgspec.json.encode(made).decode() + "\n" if as_json else _told(made))
    if any(each.problems for each in judged):
        raise typer.Exit(1)


@app.command("learn")
def learn(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Mailboxes, folders of mail, or cases.")
    ],
    folder: Folder = HERE,
    quiet: Quiet = False,
) -> None:
    """Let the gate know who has written before. So it finds who borrows a known name.

    A mailbox is scanned for it. Messages in which something was found teach nothing. The oldest
    mailbox comes first: what is older than what was learnt already is not counted.
    """
    from labrys.cli.progress import Live, Silent
    from labrys.cli.scan import reading
    from labrys.gate.history import History
    from labrys.gate.history import learn as learnt
    from labrys.gate.store import opened
    from labrys.settings import load

    for path in paths:
        if not path.exists():
            raise typer.BadParameter(f"no such file or folder: {path}")
    read = reading(load({}))
    with opened(folder) as store, Silent() if quiet else Live() as watch:
        history = History(store)
        counts = [learnt(history, path, read, watch) for path in paths]
    kept, left = (sum(each) for each in zip(*counts, strict=True))
    sys.stderr.write(
        f"labrys: learnt from {kept} messages, {left} taught nothing; "
        f"{len(history.profile)} domains are known\n"
    )


@app.command("held")
def held(
    folder: Folder = HERE,
    days: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Of the last so many days.")
    ] = 30,
    every: Annotated[bool, typer.Option("--all", help="Also what was only tagged.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what was held back, newest first. Why, whose, and whether it was let go."""
    import msgspec

    from labrys.gate.store import opened

    with opened(there(folder)) as store:
        rows = store.held(days=days, action="" if every else "quarantine")
    for row in rows:
        if as_json:
            say(msgspec.json.encode(row).decode() + "\n")
            continue
        state = "released by " + row.released_by if row.released else row.action
        to = ", ".join(row.recipients)
        line = f"{when(row.time)}  {row.queue_id or '-'}  {state}  {row.sender} → {to}\n"
        say(shown(f"{line}    {row.subject}\n    {row.title}: {'; '.join(row.reasons)}\n"))


@app.command("release")
def release(
    queue_id: Annotated[str, typer.Argument(metavar="QUEUE-ID", help="As `held` shows it.")],
    folder: Folder = HERE,
    who: Annotated[str, typer.Option("--who", help="Who lets it go; by default you.")] = "",
    server: Annotated[
        bool, typer.Option(help="Tell Postfix (postsuper -H) and not only the ledger.")
    ] = True,
) -> None:
    """Let a held message go on to its recipients."""
    from labrys.gate.postfix import let_go
    from labrys.gate.store import opened

    with opened(there(folder)) as store:
        found = store.held(days=36_500, action="quarantine")
        if server and any(row.queue_id == queue_id for row in found):
            let_go(queue_id)
        row = store.release(queue_id, who or getpass.getuser())
    sys.stderr.write(shown(f"labrys: {queue_id} is on its way to {', '.join(row.recipients)}\n"))


for _made in (mail_reports.report, mail_reports.reports, mail_reports.show, mail_reports.decide):
    app.command(_made.__name__)(_made)


def _note(text: str) -> None:
    sys.stderr.write(f"labrys: {text}\n")
    sys.stderr.flush()


def _said(failed: str) -> str:
    opened = "are let through (fails open)" if failed == "accept" else "must wait (fails closed)"
    return f"messages that cannot be judged {opened}"


def _told(made: dict[str, Any]) -> str:
    lines = [f"{made['file']}: {made['verdict']}, {made['action']}"]
    for each in made.get("reasons", ()):
        lines.append(f"  {each['title']} ({each['rule']}, {each['confidence_score']} of 100)")
        lines.extend(f"    {seen}" for seen in each["seen"])
    lines.extend(f"  not read: {each}" for each in made["problems"])
    return shown("\n".join(lines)) + "\n"
