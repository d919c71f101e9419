"""`labrys mail report, reports, show, decide`: what people say of mail, and what may teach of it."""

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labrys.cli import shown
from labrys.cli.mail_folder import HERE, Folder, judging, there, when
from labrys.cli.options import AsJson
from labrys.cli.stream import say

if TYPE_CHECKING:
    from labrys.gate.reports import Checked
    from labrys.gate.store import Store

_AS = ("spam", "ham", "drop", "reported")


def report(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Reports with the message attached; ARF; - for stdin."),
    ],
    label: Annotated[str, typer.Option(help="spam or ham, where the report does not say.")] = "",
    who: Annotated[str, typer.Option("--who", help="Who reports; by default you.")] = "",
    folder: Folder = HERE,
) -> None:
    """Keep what people report, with the reported message as it was."""
    from labrys.gate.decide import REPORTED
    from labrys.gate.reports import messages
    from labrys.gate.sketch import signature
    from labrys.gate.store import Report, now, opened

    if label not in ("", "spam", "ham"):
        raise typer.BadParameter("a label is spam or ham")
    kept = skipped = 0
    judge = judging(())
    with opened(folder) as store:
        (folder / REPORTED).mkdir(mode=0o700, exist_ok=True)
        for file in files:
            content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
            found = [(each, each.label or label) for each in messages(content)]
            skipped += not found
            for each, said in found:
                if said not in ("spam", "ham"):
                    raise typer.BadParameter(f"{file} does not say what it reports: give --label")
                (judged,) = judge.judge([each.content])
                (folder / REPORTED / f"{each.digest}.eml").write_bytes(each.content)
                store.report(
                    Report(
                        digest=each.digest,
                        label="spam" if said == "spam" else "ham",
                        reporter=who or getpass.getuser(),
                        time=now(),
                        severity=judged.severity,
                        signature=signature(judged.runs),
                    )
                )
                kept += 1
    sys.stderr.write(f"labrys: {kept} reported messages kept\n")
    if skipped:
        sys.stderr.write(f"labrys: in {skipped} files no message is attached as it was\n")
        raise typer.Exit(1)


def reports(
    folder: Folder = HERE,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Copy what may teach to DIR/spam and DIR/ham."
        ),
    ] = None,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only what waits for a person.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List what was reported. Why some of it must wait; copies the rest for `labrys train`.

    With --waiting exit code 1 says that something waits.
    """
    import msgspec

    from labrys.gate.decide import REPORTED
    from labrys.gate.reports import export
    from labrys.gate.store import opened

    with opened(there(folder)) as store:
        found = _found(store)
    listed = [each for each in found if each.waits or not waiting]
    for each in listed:
        text = msgspec.json.encode(_row(each)).decode() if as_json else shown(_line(each))
        say(text + "\n")
    if out is not None:
        spam, ham = export(out, folder / REPORTED, found)
        sys.stderr.write(f"labrys: {spam} spam and {ham} ham are in {out}\n")
    if waiting and listed:
        raise typer.Exit(1)


def show(
    digest: Annotated[
        str, typer.Argument(metavar="ID", help="As `reports` shows it; a beginning will do.")
    ],
    folder: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show a reported message. Who said what of it, what it says, and what is found in it now.

    Nothing in it is opened or fetched. Exit code 1: the message is not kept any more, or something
    in it could not be read.
    """
    import msgspec

    from labrys.gate.decide import REPORTED
    from labrys.gate.http import said
    from labrys.gate.policy import read
    from labrys.gate.reports import content_of
    from labrys.gate.store import opened

    with opened(there(folder)) as store:
        found = _found(store)
    (whole,) = _chosen([digest], {each.report.digest for each in found})
    made: dict[str, Any] = {
        "digest": whole,
        "reports": [_row(each) for each in found if each.report.digest == whole],
    }
    path = folder / REPORTED / f"{whole}.eml"
    if kept := path.is_file():
        (judged,) = judging(()).judge([path.read_bytes()])
        made |= {"message": content_of(path), "now": said(judged, read(None).action(judged))}
    say(msgspec.json.encode(made).decode() + "\n" if as_json else _page(made, found))
    if not kept or made["now"]["problems"]:
        raise typer.Exit(1)


def decide(
    digests: Annotated[
        list[str],
        typer.Argument(metavar="ID…", help="As `reports` shows them; a beginning will do."),
    ],
    label: Annotated[
        str,
        typer.Option(
            "--as",
            help="What it is: spam, ham, reported (as people said), or drop: it must not teach.",
        ),
    ],
    folder: Folder = HERE,
    who: Annotated[str, typer.Option("--who", help="Who decides; by default you.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say what a reported message is, so that it teaches that, or not at all. It can be said anew."""
    import msgspec

    from labrys.gate.store import Decision, now, opened

    if label not in _AS:
        raise typer.BadParameter(f"--as is one of {', '.join(_AS)}")
    with opened(there(folder)) as store:
        given: dict[str, set[str]] = {}
        for each in store.reports():
            given.setdefault(each.digest, set()).add(each.label)
        meant = {
            digest: _agreed(digest, given[digest]) if label == "reported" else label
            for digest in _chosen(digests, set(given))
        }
        by = who or getpass.getuser()
        for digest, what in meant.items():
            said = {"digest": digest, "label": what, "who": by, "time": now()}
            store.decide(msgspec.convert(said, Decision))
            if as_json:
                say(msgspec.json.encode(said).decode() + "\n")
    sys.stderr.write(f"labrys: {len(meant)} decided to be {label}\n")


def _agreed(digest: str, labels: set[str]) -> str:
    """What all people said of a message; LabrysError where they differ."""
    from labrys.errors import LabrysError

    if len(labels) > 1:
        raise LabrysError(f"people disagree about {digest[:12]}: decide --as spam, ham or drop")
    (made,) = labels
    return made


def _chosen(given: list[str], known: set[str]) -> list[str]:
    """The digests that begin so; LabrysError where none or several do."""
    from labrys.errors import LabrysError

    chosen = []
    for start in given:
        found = [each for each in known if start and each.startswith(start.lower())]
        if len(found) != 1:
            wrong = "several reported messages begin" if found else "no reported message begins"
            raise LabrysError(f"{wrong} with {start} (labrys mail reports lists them)")
        chosen += found
    return chosen


def _found(store: "Store") -> "list[Checked]":
    from labrys.gate.reports import checked

    return list(checked(store.reports(), store.decisions()))


def _row(each: "Checked") -> dict[str, Any]:
    import msgspec

    return {**msgspec.to_builtins(each.report), "doubt": each.doubt, "decided": each.decided}


def _line(each: "Checked") -> str:
    said = each.report
    who = f"  decided by {each.decided}" if each.decided else ""
    doubt = f"  {'waits' if each.waits else 'left out'}: {each.doubt}" if each.doubt else ""
    return f"{when(said.time)}  {said.label}  {said.digest[:12]}  {said.reporter}{who}{doubt}"


def _page(made: dict[str, Any], found: "list[Checked]") -> str:
    lines = [_line(each) for each in found if each.report.digest == made["digest"]]
    if "message" not in made:
        return shown("\n".join([*lines, "the message itself is not kept any more"])) + "\n"
    # One line each: what a header holds must not look like a line of ours.
    lines.extend(
        f"{name}: {' '.join(text.split())}"
        for name, text in made["message"].items()
        if name != "text"
    )
    lines.append(f"now: {made['now']['verdict']}")
    for each in made["now"].get("reasons", ()):
        lines.append(f"  {each['title']} ({each['rule']}, {each['confidence_score']} of 100)")
    lines.extend(f"  not read: {each}" for each in made["now"]["problems"])
    text = "".join(f"\n  {line}" for line in made["message"]["text"].splitlines())
    return shown("\n".join(lines) + text) + "\n"
