"""Markdown from plain data, and parts of a page kept between two marks."""

import re
from collections.abc import Iterable, Sequence

NOTICE = "<!-- Written by docs/generate.py from the code: change the code, then run it again. -->"


def page(title: str, *parts: str) -> str:
    """A whole page, parts one blank line apart."""
    return "\n\n".join((f"# {title}", NOTICE, *(part.strip("\n") for part in parts))) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown, their bars and line ends made harmless."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def code(text: str) -> str:
    """A piece of code, whatever is in it; nothing where it is empty."""
    if not text:
        return ""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def codes(texts: Iterable[str]) -> str:
    """Several pieces of code, separated by blanks, so that long lists wrap."""
    return " ".join(map(code, texts))


def link(text: str, target: str) -> str:
    """A link."""
    return f"[{text}]({target})"


def replaced(text: str, name: str, content: str) -> str:
    """A page with the part between `<!-- name -->` and `<!-- /name -->` replaced."""
    mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if len(mark.findall(text)) != 1:
        raise ValueError(f"the page must have one part <!-- {name} -->")
    return mark.sub(lambda found: f"{found[1]}{content.strip()}\n{found[2]}", text)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
