"""A model's card as one page for whoever must answer for the model: complete in itself, escaped.

What everybody asks first stands in front: what it is for, its data and licences, what it reached on
data it had not seen, how it can be fooled. The rest follows as the card has it.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;"
    "background:#fff}table{border-collapse:collapse;margin:.3em 0}td,th{padding:.2em .7em;border-bottom:"
    "1px solid #ddd;text-align:left;vertical-align:top}code{overflow-wrap:anywhere}svg{display:block}"
    "@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}td,th{border-color:#444}}"
)
_FIRST: Final = (
    ("what", "What it is for"),
    ("data", "What it was trained on"),
    ("held_out", "What it reached on data it had not seen"),
    ("thresholds", "From when on it speaks"),
    ("threat", "How it is fooled"),
    ("features", "What it looks at, and what an attacker can do to it"),
    ("canaries", "What it is asked whenever it is loaded"),
    ("reference", "What it was made for: ordinary things, by number"),
    ("files", "Its files"),
)
_TITLES: Final = ("name", "version", "licence")
_DEEPEST: Final = 8
_MOST: Final = 2_000
_WIDE, _HIGH = 160, 28


def as_html(detector: str, card: Mapping[str, Any]) -> str:
    """The page."""
    title = f"{detector}, version {card.get('version', '?')}"
    known = {*(name for name, _ in _FIRST), *_TITLES}
    rest = {name: value for name, value in card.items() if name not in known}
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>"
        f"<p>Licence: {escape(str(card.get('licence', 'none stated')))}</p>"
        + "".join(_sections(card))
        + ("<h2>Besides</h2>" + _shown(rest, 0) if rest else "")
        + "</html>\n"
    )


def _sections(card: Mapping[str, Any]) -> Iterator[str]:
    for name, title in _FIRST:
        if name in card:
            made = _histograms(card[name]) if name == "reference" else _shown(card[name], 0)
            yield f"<h2>{title}</h2>{made}"


def _shown(value: Any, depth: int) -> str:
    if depth > _DEEPEST:
        return "…"
    match value:
        case dict():
            rows = list(value.items())[:_MOST]
            return (
                "<table>"
                + "".join(
                    f"<tr><th>{escape(str(name))}<td>{_shown(each, depth + 1)}"
                    for name, each in rows
                )
                + "</table>"
            )
        case list() if any(isinstance(each, dict | list) for each in value):
            return "<br>".join(_shown(each, depth + 1) for each in value[:_MOST])
        case list():
            return escape(", ".join(map(str, value[:_MOST])))
    return f"<code>{escape(str(value)[:_MOST])}</code>"


def _histograms(held: Any) -> str:
    """A small picture for each number; whatever is no reference is shown as it is."""
    try:
        rows = [
            f"<tr><th>{escape(str(name))}<td>{_bars(list(map(float, each['shares'])))}"
            f"<td>{escape(', '.join(f'{edge:.4g}' for edge in each['edges']))}"
            for name, each in list(held["numbers"].items())[:_MOST]
        ]
        head = f"{int(held['rows'])} things: {held['source']}"
    except (KeyError, TypeError, ValueError, AttributeError):
        return _shown(held, 0)
    return (
        f"<p>{escape(head)}</p><table><tr><th>number<th>shares between edges<th>edges"
        + "".join(rows)
        + "</table>"
    )


def _bars(shares: list[float]) -> str:
    most, step = max(shares, default=1.0) or 1.0, _WIDE / max(len(shares), 1)
    bars = "".join(
        f"<rect x={at * step:.1f} y={_HIGH - _HIGH * share / most:.1f} width={step * 0.8:.1f} "
        f"height={_HIGH * share / most:.1f} />"
        for at, share in enumerate(shares[:_MOST])
    )
    return (
        f'<svg width={_WIDE} height={_HIGH} fill="#27a" role=img aria-label="shares">{bars}</svg>'
    )
