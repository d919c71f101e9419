"""Duels as one page for those who decide: what was attacked, what it came to, what answers it.

Complete in itself: no script, nothing fetched, everything that comes from an attack escaped.
"""

from collections.abc import Iterator
from html import escape
from math import log10
from typing import Final

from labrys.duel import taxonomy
from labrys.duel.history import compared
from labrys.duel.outcome import Curve, Outcome, Table
from labrys.duel.report import Pairs, mitigations, share

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#222;"
    "background:#fff}table{border-collapse:collapse;margin:1em 0;width:100%}td,th{padding:.35em .7em;"
    "border-bottom:1px solid #ddd;text-align:left;vertical-align:top}"
    "pre{background:#f5f5f5;padding:.8em;white-space:pre-wrap;overflow-wrap:anywhere}"
    "section{border-top:2px solid #ddd;margin-top:2.5em}.sure{border-left:4px solid #2a7;padding-left:"
    ".8em}.bar{background:#ddd;min-width:8em;height:.8em;display:block}.bar i{background:#b33;height:"
    "100%;display:block}svg{max-width:100%;height:auto}figcaption,.note{color:#666}"
    "@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}pre{background:#2a2a2a}"
    "td,th,section{border-color:#444}figcaption,.note{color:#aaa}}"
    "@media print{section{break-inside:avoid}}"
)
_COLOURS: Final = ("#b33", "#27a", "#2a7", "#a70", "#83a", "#555")
_WIDE, _HIGH, _LEFT, _BELOW = 560, 220, 44, 40


def as_html(done: Pairs) -> str:
    """The page."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Duel</title><style>{_STYLE}</style><h1>How our models stand against an attacker</h1>"
        "<p>Each attack was played on this machine against the model as it is used. Figures hold for "
        "what was played: that an attack was not found does not show that there is none.</p>"
        + "".join(_summary(done))
        + "".join("".join(_section(one, before)) for one, before in done)
        + "".join(_known(done))
        + "</html>\n"
    )


def _summary(done: Pairs) -> Iterator[str]:
    yield (
        "<h2>At a glance</h2><table><tr><th>model<th>attack<th>who can do it<th>how often it wins<th>"
        "<th>at what cost<th>what is sure"
    )
    for one, _ in done:
        wins = one.figures.get(one.chief, 0.0)
        yield (
            f"<tr><td>{escape(one.target)}<td>{escape(one.attack)}<td>{escape(one.who)}"
            f"<td>{escape(share(one))}<td>{_bar(wins)}<td>{escape(one.cost)}<td>"
            f"{escape(one.sure or 'nothing')}"
        )
    yield "</table>"


def _section(one: Outcome, before: Outcome | None) -> Iterator[str]:
    title = f"{one.target} {one.version}".strip()
    yield f"<section><h2>{escape(one.attack.capitalize())} of {escape(title)}</h2>"
    yield f"<p>{escape(one.rules)}.</p>"
    if not one.complete:
        yield "<p><b>Interrupted:</b> this is what was played until then.</p>"
    if one.notes:
        yield "<ul>" + "".join(f"<li>{escape(note)}" for note in one.notes) + "</ul>"
    yield from (_table(each) for each in one.tables)
    if one.curves:
        yield _plot(one.curves)
    if one.sure:
        yield f"<p class=sure><b>Sure:</b> {escape(one.sure)}</p>"
    if before is not None:
        yield f"<p>Since the last duel: {escape('; '.join(compared(before, one)))}</p>"
    for each in one.examples:
        yield (
            f"<h3>An example ({escape(each.title)})</h3><pre>{escape(each.before)}</pre>"
            f"<pre>{escape(each.after)}</pre>"
        )
    yield from _answers(one)
    yield "</section>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}" for name in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in table.rows
    )  # fmt: skip
    return f"<h3>{escape(table.title.capitalize())}</h3><table><tr>{head}{rows}</table>"


def _answers(one: Outcome) -> Iterator[str]:
    """Which of our defences answer the attack."""
    found = taxonomy.against(one.attack)
    if found:
        yield "<h3>What stands against it</h3><ul>"
        yield from (
            f"<li>{escape(name)}: {escape(entry.what)} ({', '.join(entry.mitigations)})"
            for name, entry in found
        )
        yield "</ul>"


def _known(done: Pairs) -> Iterator[str]:
    """Techniques, risks and mitigations, each once."""
    parts = (
        ("Techniques (MITRE ATLAS)", [uid for one, _ in done for uid in one.techniques]),
        ("Risks (BIML)", [uid for one, _ in done for uid in one.risks]),
        ("Mitigations (MITRE ATLAS)", [uid for one, _ in done for uid in mitigations(one)]),
    )
    yield "<section><h2>By its name elsewhere</h2>"
    for title, uids in parts:
        items = "".join(
            f"<li>{escape(uid)}: {escape(taxonomy.meaning(uid))}" for uid in sorted(set(uids))
        )
        yield f"<h3>{title}</h3><ul>{items}</ul>"
    yield "</section>"


def _bar(wins: float) -> str:
    return f'<span class=bar><i style="width:{min(max(wins, 0.0), 1.0):.0%}"></i></span>'


def _plot(curves: tuple[Curve, ...]) -> str:
    """All curves in one picture: what the attacker wins against what he spends."""
    scaled = curves[0].logarithmic
    most = max((x for each in curves for x, _ in each.points), default=1.0) or 1.0
    least = min((x for each in curves for x, _ in each.points if x > 0), default=1.0)

    def across(x: float) -> float:
        if scaled and most > least:
            return _LEFT + _WIDE * log10(max(x, least) / least) / log10(most / least)
        return _LEFT + _WIDE * x / most

    lines, legend = [], []
    for number, each in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        steps = " ".join(f"{across(x):.1f},{_up(y):.1f}" for x, y in _steps(each))
        lines.append(f'<polyline fill=none stroke="{colour}" stroke-width=2 points="{steps}"/>')
        legend.append(
            f'<text x={_LEFT + _WIDE + 12} y={24 + 18 * number} fill="{colour}">'
            f"{escape(each.title)}</text>"
        )
    marks = (
        [0.0, most / 2, most] if not scaled else sorted({x for c in curves for x, _ in c.points})
    )
    ticks = "".join(
        f"<text x={across(x):.0f} y={_HIGH + 26} text-anchor=middle>{x:g}</text>" for x in marks[:8]
    )
    sides = "".join(
        f'<line x1={_LEFT} x2={_LEFT + _WIDE} y1={_up(y):.0f} y2={_up(y):.0f} stroke="#8884"/>'
        f"<text x={_LEFT - 6} y={_up(y) + 4:.0f} text-anchor=end>{y:.0%}</text>"
        for y in (0.0, 0.5, 1.0)
    )
    return (
        f'<figure><svg viewBox="0 0 {_LEFT + _WIDE + 180} {_HIGH + _BELOW}" font-size=12 '
        f'fill=currentColor role=img aria-label="share won against what is spent">{sides}{ticks}'
        f"{''.join(lines)}{''.join(legend)}</svg><figcaption>{escape(curves[0].across)}"
        "</figcaption></figure>"
    )


def _up(y: float) -> float:
    return 10 + (_HIGH - 10) * (1 - min(max(y, 0.0), 1.0))


def _steps(each: Curve) -> Iterator[tuple[float, float]]:
    """Joined points where the scale is logarithmic, else steps: won is won from then on."""
    last = None
    for x, y in each.points:
        if last is not None and not each.logarithmic:
            yield x, last
        yield x, y
        last = y
