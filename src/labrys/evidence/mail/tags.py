"""Cuts HTML into tags and text, and joins text as a browser flows it (WHATWG HTML, tokenization).

Every pattern is linear: quantifiers give nothing back, and nothing is looked for that cannot come.
"""

import re
from html import unescape
from typing import Final

from labrys.evidence.mail.lists import words

BREAK: Final = "\x0c"
_RAW: Final = "script|style|textarea|title|xmp|iframe|noembed|noframes"
_ATTRIBUTES: Final = r"(?:[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+)?+)?+)*+[\s/]*+"
TOKEN: Final = re.compile(
    rf"<(?:!--(?:-?>|(.*?)(?:--!?>|\Z))|({_RAW})(?=[\s/>])({_ATTRIBUTES})>(.*?)(?:</\2\b[^>]*+>|\Z)"
    rf"|(/?)([a-z][^\s/>]*+)({_ATTRIBUTES})>|[!?/][^>]*+>)",
    re.S | re.I,
)
_ATTRIBUTE: Final = re.compile(
    r"[\s/]*+([^\s/>=][^\s/>=]*+)(?:\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|[^\s>]*+))?+"
)
VOID: Final = words("html_void")
BLOCKS: Final = words("html_blocks")
CLOSES: Final = {
    "p": frozenset(("p",)),
    "li": frozenset(("li", "p")),
    "td": frozenset(("td", "th", "p")),
    "th": frozenset(("td", "th", "p")),
    "tr": frozenset(("td", "th", "tr", "p")),
    "option": frozenset(("option",)),
}
"""Which open elements a start tag ends, while they are the innermost."""
CLOSE_P: Final = frozenset(("p",))

_MOST_ATTRIBUTES: Final = 60


def attributes_of(raw: str) -> dict[str, str]:
    """A tag's attributes by lower-cased name; of one given twice the first counts."""
    found = _ATTRIBUTE.findall(raw[: 256 << 10])
    made: dict[str, str] = {}
    for name, value in found[:_MOST_ATTRIBUTES]:
        plain = value[1:-1] if value[:1] in ("'", '"') else value
        made.setdefault(name.lower(), unescape(plain) if "&" in plain[:4096] else plain)
    return made


def is_dot(attributes: dict[str, str]) -> bool:
    """Whether an image is too small to be seen: it tells that the mail was opened."""
    return any(attributes.get(side, "").strip("px ") in ("0", "1") for side in ("width", "height"))


_SPACES: Final = re.compile(r"[\t\r\n\xa0][ \t\r\n\xa0]*+| [ \t\r\n\xa0]++")
"""Blanks that are not one space already: most are, and would be put in their own place."""
_BREAKS: Final = re.compile(r" ?\x0c[\x0c ]*")


def flowed(parts: list[str]) -> str:
    """Pieces of HTML text as lines, their references resolved and their blanks made one."""
    text = "".join(parts)
    if "&" in text:
        text = unescape(text)
    text = _SPACES.sub(" ", text)
    return (_BREAKS.sub("\n", text) if BREAK in text else text).strip()
