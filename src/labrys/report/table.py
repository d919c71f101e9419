"""The report for a terminal: few incidents, each with its timeline and why, then the rest in lines.

Everything that came from evidence passes `visible` and is printed as plain text, never as markup.
"""

from collections.abc import Iterable, Iterator
from io import StringIO
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from labrys.lake.places import Places
from labrys.ocsf.attack import technique
from labrys.report.contents import Report, Row
from labrys.report.levels import SEVERITY
from labrys.report.summary import counted, verdict
from labrys.report.unread import EXAMPLES, Unread, grouped, place
from labrys.report.visible import ending, visible, when

if TYPE_CHECKING:
    from rich.console import Console

DETAILED: Final = 10
"""So many incidents are told in full; `LISTED` more get one line; the rest is a number."""
LISTED: Final = 40
_STEPS: Final = 14
"""Rules in an incident's timeline, each with its first finding."""
_GROUPED: Final = ("severity_max", "row_min", "row_count")
_AT_END: Final = 20
"""So many folded rules and problems are listed."""
_PATH: Final = 90
_FIELDS: Final = 2
_TECHNIQUES: Final = 12
_PLACED: Final = 6
"""So many addresses of an incident are shown with their country and network."""
_VALUE: Final = 160
"""Of what a finding matched, so many fields of at most this length are shown."""
_STYLE: Final = {1: "dim", 2: "cyan", 3: "yellow", 4: "bright_red", 5: "bold white on red"}
_ALL: Final = "labrys scan … --out FILE lists all"


def write(
    report: Report, *, width: int = 100, color: bool = False, whole: bool = False
) -> Iterator[bytes]:
    """The report in pieces, `width` columns wide; `whole` with no list at its end cut short."""
    from rich.console import Console

    text = StringIO()
    console = Console(
        file=text,
        width=max(40, width),
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    _head(console, report)
    yield _taken(text)
    for number, row in enumerate(report.each_incident()):
        if number < DETAILED:
            _incident(console, report, number, row)
            yield _taken(text)
        elif number < DETAILED + LISTED:
            _one_line(console, row)
    rest = report.incidents.num_rows - DETAILED - LISTED
    if rest > 0:
        line = f"… and {rest:,} more incidents of lower rank; --format csv and ndjson have all."
        _say(console, line, style="dim")
    _tail(console, report, None if whole else _AT_END)
    yield _taken(text)


def _taken(text: StringIO) -> bytes:
    made = text.getvalue()
    text.seek(0)
    text.truncate()
    # Padding fills lines with blanks, which only make the output longer when it is no terminal.
    made = "".join(f"{line.rstrip(' ')}\n" for line in made.splitlines())
    return made.encode("utf-8", "replace")


def _say(console: "Console", line: str, *, indent: int = 0, style: str = "") -> None:
    from rich.padding import Padding
    from rich.text import Text

    console.print(Padding(Text(line, style=style), (0, 0, 0, indent)))


def _heading(console: "Console", line: str) -> None:
    console.print()
    _say(console, line, style="bold")


def _head(console: "Console", report: Report) -> None:
    summary = report.summary
    parts = [f"labrys {visible(summary.version, 20)}".strip()]
    if summary.case:
        parts.append(visible(summary.case, 80))
    if summary.records or summary.sources:
        parts.append(
            f"{counted(summary.records, 'record')} from {counted(len(summary.sources), 'source')}"
        )
    if summary.time_start is not None:
        span = (when(summary.time_start, seconds=False), when(summary.time_end, seconds=False))
        parts.append(f"{span[0]} to {span[1]} UTC")
    _say(console, " · ".join(parts), style="bold")
    style = "yellow" if summary.inconclusive else ""
    _say(console, verdict(summary, report.incidents.num_rows), style=style)


def _incident(console: "Console", report: Report, number: int, row: Row) -> None:
    severity = row["severity_id"]
    console.print()
    mark = f"{row['rank']:>2} {SEVERITY[severity].upper()}"
    _beside(console, mark, 12, _STYLE[severity], visible(row["title"], 300), "bold")
    facts = [f"score {row['score']:.0f}", f"likelihood {row['confidence']} %"]
    if row["time_start"] is not None:
        facts.insert(0, f"{_span(row['time_start'], row['time_end'])} UTC")
    facts.append(f"incident {row['uid']}")
    _say(console, " · ".join(facts), indent=4, style="dim")
    _say(console, visible(row["summary"], 1200), indent=4)
    if placed := _placed(row, report.where):
        _say(console, f"Addresses: {placed}", indent=4)
    _timeline(console, report, number)
    if row["techniques"]:
        names = ", ".join(_technique(uid) for uid in row["techniques"][:_TECHNIQUES])
        more = len(row["techniques"]) - _TECHNIQUES
        _say(console, f"Techniques: {names}{f' and {more} more' if more > 0 else ''}", indent=4)
    if row["advice"]:
        _say(console, "Next", indent=4, style="bold")
        for place, step in enumerate(row["advice"], start=1):
            _beside(console, f"{place}.", 8, "dim", visible(step, 400))


def _placed(row: Row, where: Places) -> str:
    """The addresses of which tables say something, with what they say."""
    made = dict.fromkeys(e["value"] for e in row["entities"] or () if e["type"] == "ip")
    told = [f"{each} ({place})" for each in made if (place := where.of(each))]
    rest = f" and {len(told) - _PLACED:,} more" if len(told) > _PLACED else ""
    return visible("; ".join(told[:_PLACED]), 1200) + rest


def _timeline(console: "Console", report: Report, number: int) -> None:
    """The findings that tell the story: the first of each of the worst rules, by time."""
    found = report.members(number)
    shown, total = _telling(found)
    rows = found.take(pa.array(list(shown))).to_pylist()
    _say(console, "Timeline", indent=4, style="bold")
    for row, count in zip(rows, shown.values(), strict=True):
        _finding(console, row, count)
    rest = found.num_rows - sum(shown.values())
    if rest:
        _say(console, f"… and {rest:,} findings of {total - len(shown):,} more rules", indent=6)


def _telling(found: pa.Table) -> tuple[dict[int, int], int]:
    """The row of the worst rules' first finding, by time, and how many findings each has; and of
    how many rules there are findings at all."""
    rows = pa.table({"rule": found["rule_uid"], "severity": found["severity_id"]})
    rows = rows.append_column("row", pa.array(range(found.num_rows), pa.int64()))
    rules = rows.group_by("rule").aggregate([("severity", "max"), ("row", "min"), ("row", "count")])
    ordered = sorted(
        zip(*(rules[name].to_pylist() for name in _GROUPED), strict=True),
        key=lambda each: (-(each[0] or 1), each[1]),
    )[:_STEPS]
    return {row: count for _, row, count in sorted(ordered, key=lambda each: each[1])}, len(rules)


def _finding(console: "Console", row: Row, count: int) -> None:
    severity = row["severity_id"] or 1
    times = f" ({count:,} times)" if count > 1 else ""
    author = f" — rule by {visible(row['author'], 60)}" if row["author"] else ""
    line = f"{SEVERITY[severity].lower()}: {visible(row['title'], 200)}{times}{author}"
    _beside(
        console, when(row["time_start"]) or "no time", 25, "dim", line, _STYLE[min(severity, 4)]
    )
    if said := _matched(row["reasons"] or ()):
        _beside(console, "", 25, "", said)
    why = visible(row["why"] or "", 300)
    if row["evidence"]:
        first = row["evidence"][0]
        why += f" [{ending(first['_source'], _PATH)} at {first['_offset']}]"
    _beside(console, "", 25, "", why, "dim")


def _matched(reasons: Iterable[Row]) -> str:
    """What the record says where the rule looked: the fields that say most, in the rule's order."""
    given = [each for each in reasons if each["feature"] and each["value"]]
    telling = sorted(given, key=lambda each: -len(each["value"]))[:_FIELDS]
    return ", ".join(
        f"{visible(each['feature'], 60)}: {visible(each['value'], _VALUE)}"
        for each in given
        if each in telling
    )


def _beside(
    console: "Console", mark: str, width: int, mark_style: str, line: str, style: str = ""
) -> None:
    """A line with a mark right before it; its continuation lines stay under its text."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=width, justify="right", no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_row(Text(mark, style=mark_style), Text(line, style=style))
    console.print(grid)


def _span(start: int, end: int) -> str:
    """Two times; the second without its date where that is the same."""
    first, last = when(start), when(end)
    if first == last:
        return first
    return f"{first} to {last[11:] if first[:10] == last[:10] else last}"


def _technique(uid: str) -> str:
    known = technique(uid)
    return f"{visible(uid, 20)} {known.name}" if known else visible(uid, 20)


def _one_line(console: "Console", row: Row) -> None:
    when_ = when(row["time_start"], seconds=False) or "no time"
    line = (
        f"{row['rank']:>3}  {SEVERITY[row['severity_id']]:<9} {when_}  {visible(row['title'], 200)}"
    )
    _say(console, line)


def _tail(console: "Console", report: Report, most: int | None) -> None:
    """What did not make an incident, what was not read, and what ran; `most` lines of a list."""
    summary = report.summary
    if report.folded.num_rows:
        _heading(console, "Folded: weak findings that belong to no incident")
        for row in report.folded.slice(0, most).to_pylist():
            _say(console, visible(row["line"], 300), indent=4)
        _left_out(console, report.folded.num_rows, most, "rules")
    if summary.problems:
        _heading(console, "Not read, and therefore unknown")
        _unread(console, grouped(summary.problems), most)
    for line in (*_rules(report), *(visible(text, 300) for text in summary.omitted)):
        _say(console, line, style="dim")


def _unread(console: "Console", groups: list[Unread], most: int | None) -> None:
    """Every reason once; all that has it where it is a few or nothing is to be cut short."""
    for group in groups[:most]:
        if not group.few:
            line = f"{len(group.problems):,} × {visible(group.reason, 300)}"
            _say(console, line, indent=4, style="yellow")
        shown = group.problems if group.few or most is None else group.problems[:EXAMPLES]
        for problem in shown:
            at = f" at {problem.offset:,}" if problem.offset >= 0 else ""
            times = f" ({problem.count:,} times)" if problem.count > 1 else ""
            reason = f": {visible(problem.reason, 300)}" if group.few else place(problem)
            line = f"{visible(problem.source, 200)}{at}{reason}{times}"
            _say(console, line, indent=4 if group.few else 6, style="yellow")
        if len(shown) < len(group.problems):
            left = len(group.problems) - len(shown)
            _say(console, f"… and {left:,} more; {_ALL}", indent=6, style="dim")
    _left_out(console, len(groups), most, "problems")


def _left_out(console: "Console", count: int, most: int | None, what: str) -> None:
    """How many of a list are not shown, and where they are."""
    if most is not None and count > most:
        line = f"… and {count - most:,} more {what}; {_ALL}"
        _say(console, line, indent=4, style="dim")


def _rules(report: Report) -> list[str]:
    """What ran, in one line, and what could not."""
    summary = report.summary
    made = []
    if summary.detectors:
        ran = ", ".join(
            f"{visible(each.id, 40)} ({each.rules:,} rules)" if each.rules else visible(each.id, 40)
            for each in summary.detectors
        )
        made.append(f"\nRan: {ran}.")
    if summary.rejected:
        waiting = sum(each.waiting for each in summary.rejected)
        if bad := len(summary.rejected) - waiting:
            made.append(f"Not loaded: {counted(bad, 'rule')}; `labrys rules check DIR` says why.")
        if waiting:
            made.append(f"Waiting for values of yours (--lists): {counted(waiting, 'rule')}.")
    if summary.seconds:
        total = sum(summary.seconds.values())
        made.append(f"{total:.1f} CPU seconds.")
    return made
