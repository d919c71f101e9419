"""A duel as a person reads it: on a terminal, as JSON, or as one page for those who decide.

Techniques are ATLAS's, risks those of the BIML architectural risk analysis by number; the words are
ours. What an attack shows may be hostile: it is escaped.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import msgspec

from labrys.duel.evasion.fight import Duel, Round
from labrys.duel.evasion.fight import as_json as plain
from labrys.duel.history import compared

Pairs = Sequence[tuple[Duel, Duel | None]]

TECHNIQUES: Final = (
    ("AML.T0015", "evade a model: change the thing, not the model"),
    ("AML.T0043.001", "craft it by asking the model for answers (black box)"),
    ("AML.T0005.001", "stand-in: learn a copy of the model from its answers (transfer)"),
)
RISKS: Final = (
    ("BIML input:1", "adversarial examples: what the model is shown is chosen by the attacker"),
    ("BIML model:5", "a model that is asked without limit gives itself away"),
)
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.3em .8em;border-bottom:1px solid #ddd;"
    "text-align:left}pre{background:#f5f5f5;padding:.8em;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".bar{background:#ddd;width:12em;height:.8em;display:inline-block}.bar i{background:#b33;"
    "height:100%;display:block}@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}"
    "pre{background:#2a2a2a}td,th{border-color:#444}}"
)


def as_json(done: Pairs) -> bytes:
    """One JSON document: a list of duels, each with what changed since the one before."""
    rows = [
        {**plain(duel), "since": compared(before, duel) if before else []} for duel, before in done
    ]
    return msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n"


def as_text(done: Pairs) -> str:
    """For a terminal."""
    return "\n".join("\n".join(_lines(duel, before)) for duel, before in done) + "\n"


def _lines(duel: Duel, before: Duel | None) -> Iterator[str]:
    yield f"{duel.target} {duel.version}".strip()
    yield (
        f"  {duel.budget} questions for each attack, the attacker sees the {duel.access}, "
        f"changes of cost {duel.most_cost} at most"
    )
    yield from (f"  {note}" for note in duel.notes)
    for each in duel.rounds:
        yield f"  {each.search:<10} {_won(each)}"
        if each.wins:
            how = ", ".join(f"{name} ({count})" for name, count in list(each.changes.items())[:5])
            yield f"{'':13}by {how}"
    best = max(duel.rounds, key=lambda each: each.share, default=None)
    for example in best.examples[:1] if best else ():
        yield f"  before: {example.before}"
        yield f"  after:  {example.after}"
        yield f"          ({', '.join(example.changes)}; {example.asked} questions)"
    if duel.guarantee:
        yield f"  sure: {duel.guarantee}"
    if before is not None:
        yield from (f"  since the last duel: {each}" for each in compared(before, duel))
    if not duel.complete:
        yield "  interrupted: this is what was played until then"


def _won(each: Round) -> str:
    said = f"{each.wins} of {each.attacks} got through ({each.low:.0%} to {each.high:.0%})"
    if each.median_questions is not None:
        said += f", after {each.median_questions:g} questions, cost {each.median_cost:g}"
    return said


def as_html(done: Pairs) -> str:
    """One page, complete in itself: no script, nothing fetched."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Duel</title><style>{_STYLE}</style><h1>How our models stand against an attacker</h1>"
        + "".join("".join(_page(duel, before)) for duel, before in done)
        + "<h2>What was tried, by its name elsewhere</h2><ul>"
        + "".join(f"<li>{escape(uid)}: {escape(what)}" for uid, what in (*TECHNIQUES, *RISKS))
        + "</ul></html>\n"
    )


def _page(duel: Duel, before: Duel | None) -> Iterator[str]:
    yield f"<h2>{escape(duel.target)} {escape(duel.version)}</h2>"
    yield (
        f"<p>An attacker who may ask {duel.budget} questions for each attack, and is told the "
        f"{escape(duel.access)}.</p><ul>"
    )
    yield from (f"<li>{escape(note)}" for note in duel.notes)
    yield "</ul><table><tr><th>search<th>got through<th><th>questions<th>by"
    for each in duel.rounds:
        how = ", ".join(list(each.changes)[:5])
        asked = "" if each.median_questions is None else f"{each.median_questions:g}"
        yield (
            f"<tr><td>{escape(each.search)}<td>{each.wins} of {each.attacks} "
            f"({each.low:.0%} to {each.high:.0%})<td><span class=bar>"
            f'<i style="width:{each.share:.0%}"></i></span><td>{asked}<td>{escape(how)}'
        )
    yield "</table>"
    if duel.guarantee:
        yield f"<p><b>Sure:</b> {escape(duel.guarantee)}</p>"
    if before is not None:
        yield f"<p>Since the last duel: {escape('; '.join(compared(before, duel)))}</p>"
    for each in duel.rounds:
        for example in each.examples[:1]:
            yield (
                f"<h3>An example ({escape(each.search)})</h3><p>{escape(', '.join(example.changes))}; "
                f"{example.asked} questions</p><pre>{escape(example.before)}</pre>"
                f"<pre>{escape(example.after)}</pre>"
            )
