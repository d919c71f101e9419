"""The links of a message: what is shown, where it goes, and where a redirector sends it on."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from labrys.evidence.mail.domains import is_name, registered
from labrys.evidence.mail.html import Link, Rendered
from labrys.evidence.mail.lists import words
from labrys.evidence.mail.tags import flowed
from labrys.evidence.mail.urls import Url, target, url

MOST: Final = 500
"""Distinct links of one message that are kept."""
_TEXT: Final = 256
_IN_TEXT: Final = re.compile(r"\b(?:https?://|www\.)[^\s<>\"'`\x00-\x1f\u200b]{3,2000}", re.I)
_BEHIND: Final = ".,;:!?)]}>*'\"’”»…，。、；：）】》"
_FILES: Final = (words("extensions_that_run") | words("extensions_that_do_not")) - {"com"}
_SHOWN: Final = re.compile(
    r"(?:https?://)?(?:[^\s/@?#]{1,100}@)?((?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}|(?:\d{1,3}\.){3}\d{1,3})"
    r"(?::\d{1,5})?(?:[/?#]\S*)?\s*\Z",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A link as it was met; `kind` as in `html.Link`, or text, calendar, pdf, qr."""

    kind: str
    href: str
    text: str = ""
    hidden: bool = False
    image: bool = False
    quoted: bool = False
    attachment: str = ""


def of_html(made: Rendered, attachment: str = "") -> list[Seen]:
    """The links that HTML holds; those without a host get that of its `base`."""
    base = next((link.href for link in made.links if link.kind == "base"), "")
    found = [_seen(link, base, attachment) for link in made.links]
    known = {one.href for one in found} | {one.text for one in found}
    for one in of_text(made.visible):
        if one.href not in known and one.href.rstrip("/") not in known:
            found.append(one)
    return found


def _seen(link: Link, base: str, attachment: str) -> Seen:
    href = link.href
    if base and ":" not in href[:12] and not href.startswith(("#", "//")):
        href = base.rstrip("/") + "/" + href.lstrip("/")
    said = flowed(link.text)[:_TEXT] if link.text else ""
    return Seen(link.kind, href, said, link.hidden, link.image, link.quoted, attachment)


def of_text(text: str, *, quoted: bool = False, kind: str = "text") -> list[Seen]:
    """The addresses that stand in plain text."""
    if "://" not in text and "www." not in text and "WWW." not in text:
        return []
    made: dict[str, Seen] = {}
    for found in _IN_TEXT.findall(text):
        href = found.rstrip(_BEHIND)
        if href.count("(") > href.count(")") and found[len(href) : len(href) + 1] == ")":
            href += ")"
        if href not in made:
            made[href] = Seen(kind, href, href[:_TEXT], quoted=quoted)
            if len(made) >= 2 * MOST:
                break
    return list(made.values())


def rows(message: str, seen: Iterable[Seen]) -> tuple[list[dict[str, Any]], int]:
    """A row for each distinct link, in order, and how many were left out for being too many."""
    counts: dict[tuple[str, str, str, str], int] = {}
    first: list[tuple[Seen, tuple[str, str, str, str]]] = []
    left_out = 0
    for one in seen:
        key = (one.kind, one.href, one.text, one.attachment)
        if key in counts:
            counts[key] += 1
        elif len(counts) >= MOST:
            left_out += 1
        else:
            counts[key] = 1
            first.append((one, key))
    made = [
        {"message": message, **row, "count": counts[key]}
        for one, key in first
        if (row := _row(one)) is not None
    ]
    return made, left_out


def _row(one: Seen) -> dict[str, Any] | None:
    href = one.href if one.kind != "text" or "://" in one.href[:12] else f"http://{one.href}"
    made = url(href)
    if made is None and one.kind != "form":
        return None
    where, via = _target(made) if made is not None else (None, "")
    return {
        "kind": one.kind,
        "text": one.text or None,
        "href": made.text[:2048] if made is not None else one.href[:2048] or None,
        "scheme": made.scheme if made is not None else None,
        "host": made.host or None if made is not None else None,
        "domain": made.domain or None if made is not None else None,
        "ip": made.address if made is not None else None,
        "port": made.port or None if made is not None else None,
        "has_user": made.has_user or None if made is not None else None,
        "shown_domain": shown_domain(one.text) or None,
        "target": where.text[:2048] if where is not None else None,
        "target_host": where.host or None if where is not None else None,
        "target_domain": where.domain or None if where is not None else None,
        "unwrapped_by": via or None,
        "is_form_action": one.kind == "form" or None,
        "is_image": one.image or one.kind in ("img", "qr") or None,
        "is_hidden": one.hidden or None,
        "is_quoted": one.quoted or None,
        "attachment": one.attachment or None,
    }


@lru_cache(maxsize=8_192)
def _target(made: Url) -> tuple[Url | None, str]:
    return target(made)


def shown_domain(text: str) -> str:
    """The registered domain that a link's text pretends to lead to; "" when it shows none."""
    if "." not in text or ("@" in text and "://" not in text):
        return ""
    said = text.strip()
    found = _SHOWN.match(said)
    if found is None or (not is_name(host := found[1].lower()) and host.isascii()):
        return ""
    if len(host) == len(said) and host.rpartition(".")[2] in _FILES:
        return ""  # the name of a file
    return registered(host)
