"""The report as one page that asks for nothing: open it anywhere, print it, hand it to a client.

Style, script and data are inside the page and a policy forbids everything else, so that nothing
hidden in evidence can load or run. Evidence is only ever data: the script reads it from a JSON
block and puts it on the page as text.
"""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from typing import Final

import orjson

from labrys.report.contents import Report
from labrys.report.html.payload import payload
from labrys.report.summary import verdict
from labrys.report.visible import visible

_SCRIPTS: Final = ("dom.js", "timeline.js", "graph.js", "incident.js", "page.js")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}


def write(report: Report) -> Iterator[bytes]:
    """The page, in pieces."""
    style = _asset("page.css")
    script = "(() => {\n'use strict';\n" + "\n".join(_asset(name) for name in _SCRIPTS) + "\n})();"
    head, rest = _asset("page.html").split("{{data}}")
    text = {
        "policy": policy(style, script),
        "title": _escape(f"labrys: {report.summary.case or 'report'}"),
        "verdict": _escape(verdict(report.summary, report.incidents.num_rows)),
        "style": style,
        "script": script,
    }
    yield _fill(head, text)
    yield as_data(orjson.dumps(payload(report)))
    yield _fill(rest, text)


def policy(style: str, script: str) -> str:
    """A policy under which only this very style and script do anything."""
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        "img-src 'none'; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def as_data(json: bytes) -> bytes:
    """JSON that cannot end the element it stands in, nor open a comment in it."""
    return (
        json.replace(b"<", b"\\u003c")
        .replace(b">", b"\\u003e")
        .replace(b"&", b"\\u0026")
        .replace(b"\xe2\x80\xa8", b"\\u2028")
        .replace(b"\xe2\x80\xa9", b"\\u2029")
    )


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _escape(text: str) -> str:
    return "".join(_ENTITIES.get(character, character) for character in visible(text, 400))


def _fill(template: str, text: dict[str, str]) -> bytes:
    """Put the parts in their places; a part is never searched for places itself."""
    pieces = template.split("{{")
    made = [pieces[0]]
    for piece in pieces[1:]:
        name, _, after = piece.partition("}}")
        made.append(text[name] + after)
    return "".join(made).encode()


def _asset(name: str) -> str:
    return files("labrys.report.html").joinpath(name).read_text("utf-8")
