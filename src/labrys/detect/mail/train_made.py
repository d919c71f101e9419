"""Makes up mail, good and bad, from our own templates: what no public corpus has enough of.

Every second template of a kind is kept for testing, and so are half of the names, companies, hosts
and layouts. Good and bad share the layouts and the manner of writing addresses, so that neither says
what a message is. All of it is simulated.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Final, Literal

import numpy as np

from labrys.detect.imitation import brands
from labrys.detect.mail.train_corpora import Sample

Part = Literal["train", "test"]
Draw = np.random.Generator

TEMPLATES: Final = "train_made.txt"
_CHOICE: Final = re.compile(r"\{([^{}]*)\}")
_SLOT: Final = re.compile(r"<(\w+(?::\w+)?)>")

_FIRST: Final = (
    *("Alice", "Bruno", "Carla", "Dario", "Emma", "Farid", "Greta", "Henrik", "Irina", "Jonas"),
    *("Katja", "Liam", "Mona", "Nils", "Olga", "Paul", "Ravi", "Sofia", "Tom", "Vera"),
)
_LAST: Final = (
    *("Anders", "Berger", "Conti", "Dubois", "Evans", "Frei", "Gomez", "Huber", "Ivanov", "Jansen"),
    *("Kuhn", "Lang", "Meyer", "Novak", "Olsen", "Price", "Reed", "Sato", "Turner", "Vogel"),
)
_COMPANY: Final = (
    *("Alpenglow", "Birchwood", "Cobalt", "Delphin", "Everline", "Fernway", "Granit", "Harbor"),
    *("Inkwell", "Juniper", "Kestrel", "Lumen", "Meridian", "Nordlicht", "Orchard", "Pinecone"),
)
_TOWN: Final = (
    "Basel",
    "Bergen",
    "Cork",
    "Dover",
    "Ghent",
    "Graz",
    "Lyon",
    "Malmo",
    "Porto",
    "York",
)
_DAY: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTH: Final = ("January", "March", "April", "June", "September", "October", "November")
_STEMS: Final = (
    *("secure", "portal", "update", "online", "docs", "cloud", "access", "service", "mail", "team"),
    *("center", "check", "global", "best", "pay", "direct", "info", "help", "web", "link"),
)
_HOSTING: Final = (
    "web.app",
    "pages.dev",
    "weebly.com",
    "netlify.app",
    "blogspot.com",
    "workers.dev",
)
_MAILERS: Final = ("mailer.example", "sendwell.example", "postbox.example", "clicks.example")
_ATTACHED: Final[Mapping[str, tuple[str, str]]] = {
    "zip": ("Order_{n}.zip", "application/zip"),
    "docm": ("Swift_{n}.docm", "application/vnd.ms-word.document.macroEnabled.12"),
    "html": ("Scan_{n}.html", "text/html"),
    "iso": ("Case_{n}.iso", "application/octet-stream"),
}


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of message to make up."""

    bad: bool
    kind: str
    language: str
    subject: str
    body: str
    number: int


def templates(part: Part) -> list[Template]:
    """Those for training or for testing."""
    text = (files("labrys.detect.mail") / TEMPLATES).read_text("utf-8")
    made: list[Template] = []
    seen: dict[tuple[str, str], int] = {}
    for block in text.split("\n@ ")[1:]:
        head, subject, body = block.strip().split("\n", 2)
        side, kind, language = head.split()
        at = seen[side, kind] = seen.get((side, kind), -1) + 1
        if (at % 2 == 0) == (part == "train"):
            made.append(Template(side == "bad", kind, language, subject, body, len(made)))
    return made


def made(part: Part, each: int, seed: int = 0) -> Iterator[Sample]:
    """`each` messages of each template of a part."""
    for template in templates(part):
        for number in range(each):
            draw = np.random.default_rng([seed, part == "train", template.number, number])
            fold = f"made_{part}"
            yield Sample(
                fold, fold, _KIND.get(template.kind, template.kind), template.bad,
                message(template, draw, part),
            )  # fmt: skip


_KIND: Final = {"marketing": "newsletter", "credential": "phish", "bec": "bec"}


def message(template: Template, draw: Draw, part: Part, **given: str) -> bytes:
    """One message; `given` are slots and addresses (`sender`, `to`) that are not drawn."""
    scene = _scene(template, draw, part) | given
    subject = _filled(template.subject, scene, draw)
    body = _filled(template.body, scene, draw)
    attach = re.search(r"<attach:(\w+)>", template.body)
    body = re.sub(r"<attach:\w+>", "", body).strip()
    return _written(template, subject, body, scene, draw, attach[1] if attach else "")


def half(values: tuple[str, ...], part: Part) -> tuple[str, ...]:
    """What a part may draw from."""
    return values[:: 2] if part == "train" else values[1::2]  # fmt: skip


@cache
def _brands() -> tuple[str, ...]:
    return tuple(one.name for one in brands.table().values() if one.name.isascii())


def _scene(template: Template, draw: Draw, part: Part) -> dict[str, str]:
    def one(values: tuple[str, ...]) -> str:
        return str(draw.choice(half(values, part)))

    company = one(_COMPANY)
    domain = f"{company.lower()}.{draw.choice(['com', 'example', 'org', 'ch', 'co.uk', 'de'])}"
    boss = f"{one(_FIRST)} {one(_LAST)}"
    brand = str(draw.choice(half(_brands(), part)))
    first, last = one(_FIRST), one(_LAST)
    to = f"{first}.{last}@{one(_COMPANY).lower()}.example".lower()
    scene = {
        "first": first, "last": last, "colleague": one(_FIRST), "boss": boss, "company": company,
        "brand": brand, "city": one(_TOWN), "day": one(_DAY), "month": one(_MONTH), "mail": to,
        "to": to, "n": str(draw.integers(1000, 99999)),
        "amount": f"{draw.choice(['$', '€', 'CHF ', '£'])}{draw.integers(20, 9000)}.{draw.integers(10, 99)}",
        "freemail": f"{boss.replace(' ', '').lower()}{draw.integers(99)}@{draw.choice(['gmail.com', 'outlook.com', 'yahoo.com'])}",
        "domain": domain,
    }  # fmt: skip
    scene["link"] = bad_link(scene, draw, part) if template.bad else _good_link(scene, draw)
    scene["sender"] = _bad_sender(template, scene, draw, part) if template.bad else _good_sender(template, scene, draw)  # fmt: skip
    return scene


def token(draw: Draw, size: int) -> str:
    """Letters and digits."""
    return "".join(draw.choice(list("abcdefghijklmnopqrstuvwxyz0123456789"), size=size).tolist())


def _good_link(scene: Mapping[str, str], draw: Draw) -> str:
    domain, long = scene["domain"], token(draw, 24)
    forms = (
        f"https://www.{domain}/{token(draw, 6)}",
        f"https://click.mail.{domain}/f/a/{long}?e={token(draw, 12)}",
        f"https://{token(draw, 8)}.{draw.choice(_MAILERS)}/ls/click?upn={long}{long}",
        f"https://{domain}/account/orders/{scene['n']}",
        f"https://news.{domain}/c/{long}",
    )
    return str(forms[int(draw.integers(len(forms)))])


def bad_link(scene: Mapping[str, str], draw: Draw, part: Part) -> str:
    """Where a lure leads: free hosting, odd endings, sites broken into, the brand before a host."""
    stem = f"{draw.choice(half(_STEMS, part))}-{draw.choice(half(_STEMS, part))}"
    mark = re.sub(r"\W", "", scene["brand"].lower())
    plain = f"{token(draw, 7)}.{draw.choice(['com', 'net', 'com.br', 'in', 'org', 'ru'])}"
    forms = (
        f"https://{stem}.{draw.choice(['xyz', 'top', 'online', 'click', 'shop', 'info'])}/login",
        f"https://{stem}{draw.integers(99)}.{draw.choice(_HOSTING)}/",
        f"https://{plain}/wp-content/{token(draw, 5)}/?e={scene['mail']}",
        f"https://{mark}.{stem}.com/verify/{token(draw, 10)}",
        f"https://bit.ly/{token(draw, 7)}",
        f"http://{stem}.{plain}/{token(draw, 12)}",
        f"https://www.{plain}/{token(draw, 6)}",
        f"https://click.mail.{plain}/f/a/{token(draw, 24)}?e={token(draw, 12)}",
    )
    return str(forms[int(draw.integers(len(forms)))])


def _good_sender(template: Template, scene: Mapping[str, str], draw: Draw) -> str:
    if template.kind in ("business", "llm"):
        box = scene["boss"].lower().replace(" ", ".")
        if draw.random() < 0.25:
            return f"{scene['boss']} <{box}{draw.integers(99)}@gmail.com>"
        return f"{scene['boss']} <{box}@{scene['domain']}>"
    box = str(draw.choice(["news", "hello", "noreply", "no-reply", "info", "service", "orders"]))
    return f"{scene['company']} <{box}@{draw.choice(['', 'mail.', 'e.'])}{scene['domain']}>"


def _bad_sender(template: Template, scene: Mapping[str, str], draw: Draw, part: Part) -> str:
    name = scene["brand"] if "<brand>" in template.subject + template.body else scene["boss"]
    odd = f"{token(draw, 8)}.{draw.choice(['com', 'net', 'xyz', 'com.br', 'top', 'jp'])}"
    forms = (
        f"{name} <{scene['freemail']}>",
        f"{name} <{draw.choice(['info', 'support', 'admin', 'service', 'contact'])}@{odd}>",
        f"{name} <{scene['boss'].split()[0].lower()}@{draw.choice(half(_COMPANY, part)).lower()}{draw.choice(half(_STEMS, part))}.com>",
        f'"{name}" <{token(draw, 6)}@{odd}>',
    )  # fmt: skip
    return str(forms[int(draw.integers(len(forms)))])


def _filled(text: str, scene: Mapping[str, str], draw: Draw) -> str:
    text = _CHOICE.sub(lambda found: str(draw.choice(found[1].split("|"))), text)
    return _SLOT.sub(lambda found: scene.get(found[1], found[0]), text)


def _written(
    template: Template, subject: str, body: str, scene: Mapping[str, str], draw: Draw, attach: str
) -> bytes:
    plain_only = template.kind in ("business", "llm", "bec", "scam", "extortion")
    as_html = draw.random() < (0.4 if plain_only else 0.85)
    parts = [("text/plain", lined(body))] if not as_html or draw.random() < 0.6 else []
    if as_html:
        parts.append(("text/html", _html(template, subject, body, scene, draw)))
    head = _head(template, subject, scene, draw)
    pieces = [piece(kind, text) for kind, text in parts]
    whole = pieces[0] if len(pieces) == 1 else joined("alternative", pieces, draw)
    if attach:
        name, kind = _ATTACHED[attach]
        name = name.format(n=scene["n"])
        held = f"Content-Type: {kind}; name={name}\nContent-Disposition: attachment; filename={name}\n\n{_inside(attach, scene)}"
        whole = joined("mixed", [whole, held], draw)
    return ("\n".join(head) + "\nMIME-Version: 1.0\n" + whole).encode("utf-8", "replace")


def _head(template: Template, subject: str, scene: Mapping[str, str], draw: Draw) -> list[str]:
    name, _, box = scene["sender"].rpartition(" ")
    head = [
        f"From: {encoded_word(name) if not name.isascii() else name} {box}",
        f"Subject: {encoded_word(subject) if not subject.isascii() else subject}",
        f"Date: {draw.integers(1, 28)} Mar {draw.integers(2015, 2027)} {draw.integers(7, 20)}:10:00 +0100",
        f"Message-ID: <{token(draw, 16)}@{box.strip('<>').partition('@')[2]}>",
    ]
    shy = template.bad and draw.random() < 0.15
    head.append(f"To: {'undisclosed-recipients:;' if shy else scene['to']}")
    if template.bad and template.kind in ("bec", "scam", "llm") and draw.random() < 0.4:
        head.append(f"Reply-To: {scene['freemail']}")
    if not template.bad and template.kind in ("newsletter", "marketing", "transactional"):
        if draw.random() < 0.3:
            head.append(f"Reply-To: reply-{token(draw, 10)}@{draw.choice(_MAILERS)}")
        if template.kind != "transactional":
            head.append(f"List-Unsubscribe: <https://{draw.choice(_MAILERS)}/u/{token(draw, 20)}>")
    return head


def encoded_word(text: str) -> str:
    """A header's text that is not ASCII (RFC 2047)."""
    return f"=?utf-8?B?{b64encode(text.encode()).decode()}?="


def piece(kind: str, text: str) -> str:
    """A part of a message, in base64."""
    packed = b64encode(text.encode()).decode()
    lines = "\n".join(packed[at : at + 76] for at in range(0, len(packed), 76))
    return f"Content-Type: {kind}; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{lines}\n"


def joined(kind: str, pieces: list[str], draw: Draw) -> str:
    """Parts as one of several."""
    mark = token(draw, 20)
    body = "".join(f"--{mark}\n{piece}\n" for piece in pieces)
    return f'Content-Type: multipart/{kind}; boundary="{mark}"\n\n{body}--{mark}--\n'


def _inside(attach: str, scene: Mapping[str, str]) -> str:
    if attach == "html":
        return f'<html><form action="{scene["link"]}"><input type="password"></form></html>'
    return "PK" if attach in ("zip", "docm") else "data"


def lined(body: str) -> str:
    """A text in lines."""
    return re.sub(r"(?<=[.!?]) (?=[A-Z])", "\n", body, count=2) + "\n"


def _html(template: Template, subject: str, body: str, scene: Mapping[str, str], draw: Draw) -> str:
    link = scene["link"]
    colour = str(draw.choice(["#0a66c2", "#d6336c", "#2b8a3e", "#333333", "#e8590c"]))
    label = str(
        draw.choice(["Open", "View", "Continue", "Learn more", "Click here", "Go to account"])
    )
    first = True

    def button(_: re.Match[str]) -> str:
        nonlocal first
        said, first = (label if first else str(draw.choice(["here", "this link", "online"]))), False
        return f'<a href="{escape(link)}" style="color:{colour}">{said}</a>'

    said = (
        re.sub(re.escape(escape(link)), button, escape(body))
        if "<link>" in template.body
        else escape(body)
    )
    said = re.sub(r"(?<=[.!?]) (?=[A-Z])", "<br>\n" if draw.random() < 0.5 else "</p>\n<p>", said)
    style = int(draw.integers(4))
    if template.kind in ("business", "llm", "bec", "scam", "extortion") or style == 0:
        return f"<html><body><div>{said}</div></body></html>"
    picture = f'<img src="https://cdn.{scene["domain"]}/{token(draw, 8)}.png" width="600" alt="{scene["company"]}">'
    hidden = f'<div style="display:none;max-height:0;overflow:hidden">{escape(subject)} {"&zwnj;&nbsp;" * int(draw.integers(40))}</div>'
    dot = f'<img src="https://t.{scene["domain"]}/o/{token(draw, 20)}.gif" width="1" height="1">'
    inner = f'<table width="600" align="center"><tr><td>{picture if style > 1 else ""}</td></tr><tr><td style="font-family:Arial;font-size:15px"><p>{said}</p></td></tr></table>'
    return (
        f"<!DOCTYPE html><html><head><style>td{{padding:8px}}</style></head><body>{hidden if style > 1 else ''}"
        f"{inner}{dot if style == 3 else ''}</body></html>"
    )  # fmt: skip
