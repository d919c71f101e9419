"""Reads as much of CSS as decides whether text is seen: hiding, size and colours (CSS 2.1, 3 Color).

What cannot be understood hides nothing: text is called hidden only where its style says so.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_LONGEST: Final = 2_000
_MOST_RULES: Final = 400
Colour = tuple[int, int, int]
UNKNOWN: Final[Colour] = (-1, -1, -1)
"""A background that is there, but of which the colour is not known: nothing can be like it."""
_NEAR: Final = 14
"""Two colours that differ by no more than this in each of red, green and blue look the same."""


@dataclass(frozen=True, slots=True)
class Style:
    """What an element's own style says; None where it says nothing.

    `hides` is why it and all inside is not seen ("" when it is); `tiny` whether its letters are too
    small to read, which what is inside may undo.
    """

    hides: str = ""
    tiny: bool | None = None
    colour: Colour | None = None
    background: Colour | None = None


PLAIN: Final = Style()
_DECLARATION: Final = re.compile(r"([a-z-]{3,30})\s*:\s*([^;]{1,300})")
_LENGTH: Final = re.compile(r"(-?\d{0,6}(?:\.\d{1,6})?)\s*(px|pt|em|rem|ex|ch|%|vw|vh|in|cm|mm|)")
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.S)
_TO_PIXELS: Final = {"pt": 1.33, "em": 16.0, "rem": 16.0, "%": 0.16, "in": 96.0, "cm": 38.0}


@lru_cache(maxsize=8_192)
def style(said: str) -> Style:
    """What the text of a `style` attribute says."""
    lower = said[:_LONGEST].lower()
    if "/*" in lower:
        lower = _COMMENT.sub("", lower)
    found = dict(_DECLARATION.findall(lower))
    if not found:
        return PLAIN
    size = found.get("font-size") or _of_font(found.get("font", ""))
    pixels = _pixels(size) if size else None
    colour = _colour(found["color"]) if "color" in found else None
    hides = _hides(found)
    if not hides and found.get("color", "").startswith("transparent"):
        hides = "colour"
    return Style(hides, None if pixels is None else pixels <= 1.4, colour, _background(found))


def _of_font(font: str) -> str:
    found = _LENGTH.match(font)
    return found[0] if found and found[1] else ""


def _hides(found: dict[str, str]) -> str:
    """Why an element with these declarations is not seen."""
    if found.get("display", "").startswith("none"):
        return "display"
    if found.get("visibility", "").startswith(("hidden", "collapse")):
        return "visibility"
    opacity = _number(found.get("opacity", ""))
    if opacity is not None and opacity <= 0.05:
        return "opacity"
    far = [_pixels(found.get(name, "")) for name in ("text-indent", "left", "top", "margin-left")]
    if any(pixels is not None and pixels <= -500 for pixels in far):
        return "off screen"
    return "clipped" if _clips(found) else ""


def _clips(found: dict[str, str]) -> bool:
    """Whether an element shows no more than a dot of what is in it."""
    if found.get("overflow", "").startswith("hidden"):
        sides = ("height", "max-height", "width", "max-width")
        sizes = [_pixels(found.get(name, "")) for name in sides]
        if any(pixels is not None and pixels <= 1 for pixels in sizes):
            return True
    if found.get("clip", "").replace(" ", "").startswith(("rect(0", "rect(1px")):
        return True
    return "scale(0)" in found.get("transform", "").replace(" ", "")


def _number(said: str) -> float | None:
    found = _LENGTH.match(said)
    if found is None or not found[1].strip("-."):
        return None
    return float(found[1]) / (100 if found[2] == "%" else 1)


def _pixels(said: str) -> float | None:
    """A length in pixels, where an em is taken as 16 of them; None for `auto` and the like."""
    found = _LENGTH.match(said)
    if found is None or not found[1].strip("-."):
        return None
    return float(found[1]) * _TO_PIXELS.get(found[2], 1.0)


def _background(found: dict[str, str]) -> Colour | None:
    if "background-image" in found and "none" not in found["background-image"]:
        return UNKNOWN
    said = found.get("background-color") or found.get("background")
    if not said or said.startswith(("none", "inherit", "transparent", "initial")):
        return None
    if "url(" in said or "gradient" in said:
        return UNKNOWN
    return _colour(said) or (UNKNOWN if "background-color" in found else None)


_HEX: Final = re.compile(r"#([0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})\b")
_RGB: Final = re.compile(
    r"rgba?\(\s*(\d{1,3})\D{1,4}(\d{1,3})\D{1,4}(\d{1,3})(?:[\s,/]{1,4}([\d.]{1,6}))?"
)
_WORD: Final = re.compile(r"[a-z]{3,20}")
_NAMED: Final = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "green": (0, 128, 0),
    "yellow": (255, 255, 0),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "navy": (0, 0, 128),
    "maroon": (128, 0, 0),
    "orange": (255, 165, 0),
    "purple": (128, 0, 128),
    "lime": (0, 255, 0),
    "teal": (0, 128, 128),
    "aqua": (0, 255, 255),
    "whitesmoke": (245, 245, 245),
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "ghostwhite": (248, 248, 255),
    "floralwhite": (255, 250, 240),
    "lightgray": (211, 211, 211),
    "lightgrey": (211, 211, 211),
    "darkgray": (169, 169, 169),
    "dimgray": (105, 105, 105),
    "window": (255, 255, 255),
    "windowtext": (0, 0, 0),
}


@lru_cache(maxsize=4_096)
def colour(said: str) -> Colour | None:
    """The colour that an attribute such as `bgcolor` names; None where it is not known."""
    plain = said.strip().lower()[:40]
    return _colour(plain) or _colour(f"#{plain}")


def _colour(said: str) -> Colour | None:
    if found := _HEX.search(said):
        digits = found[1]
        if len(digits) in (3, 4):
            digits = "".join(2 * digit for digit in digits[:3])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
    if found := _RGB.search(said):
        if found[4] is not None and found[4].strip(".") and _number(found[4]) == 0:
            return None
        return min(int(found[1]), 255), min(int(found[2]), 255), min(int(found[3]), 255)
    for word in _WORD.findall(said):
        if word in _NAMED:
            return _NAMED[word]
    return None


def alike(one: Colour, other: Colour) -> bool:
    """Whether nobody can tell text of one colour on the other."""
    return all(abs(a - b) <= _NEAR for a, b in zip(one, other, strict=True))


_AT_RULE: Final = re.compile(
    r"@(?:media|supports|font-face|keyframes|-[a-z-]{1,30})[^{};]{0,300}\{"
)
_BRACE: Final = re.compile(r"[{}]")
_SELECTOR: Final = re.compile(r"[a-z][a-z0-9]*\Z|(?:[a-z][a-z0-9]*)?[.#][a-z_][\w-]*\Z")


def sheet(said: str) -> dict[str, Style]:
    """The rules of a style sheet that hide or colour, by simple selector (`p`, `.x`, `#y`, `p.x`).

    Those for some screens only are left out, and so is what needs more than one element to match.
    """
    made: dict[str, Style] = {}
    text = _COMMENT.sub("", said[: 256 << 10]).lower()
    for one in _without_at_rules(text).split("}", _MOST_RULES)[:_MOST_RULES]:
        selectors, _, body = one.rpartition("{")
        rule = style(body.strip())
        if rule == PLAIN:
            continue
        for selector in selectors[-2000:].split(",")[:20]:
            plain = selector.strip()
            if _SELECTOR.match(plain):
                made[plain] = rule
    return made


def _without_at_rules(text: str) -> str:
    kept, at = [], 0
    while found := _AT_RULE.search(text, at):
        kept.append(text[at : found.start()])
        depth, at = 1, found.end()
        while depth and (brace := _BRACE.search(text, at)):
            depth += 1 if brace[0] == "{" else -1
            at = brace.end()
        if depth:
            return "".join(kept)
    return "".join((*kept, text[at:]))
