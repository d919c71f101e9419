"""Makes up the ordinary mail of today, and what imitates it: the same texts and layouts on both sides.

A receipt, a code or a newsletter is written by `train_modern.txt` and laid out as mail programs of
today get it (nested tables, a hidden first line, pictures from outside, one button, ways to
unsubscribe). The real sender writes from his own domain or through a platform, and his links lead there
or through the counters of his mailing service. The impostor uses the same words: what differs is where
he writes from, where his button leads, whom he greets, whether he wants to be called. So a model cannot
learn that such layouts and words are good, nor that they are bad. Templates, languages, layouts, firms
and brands for testing are others than those for training. All of it is simulated.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Final

import numpy as np

from labrys.detect.imitation import brands
from labrys.detect.mail import train_layout
from labrys.detect.mail.train_corpora import Sample
from labrys.detect.mail.train_made import (
    Draw,
    Part,
    bad_link,
    encoded_word,
    half,
    joined,
    piece,
    token,
)

TEMPLATES: Final = "train_modern.txt"
_CHOICE: Final = re.compile(r"\{([^{}]*)\}")
_SLOT: Final = re.compile(r"<(\w+)>")

_FIRMS: Final = (
    *("Oakline", "Vellora", "Brightwell", "Nordkap Supply", "Pampas Studio", "Quartz & Co", "Solano"),
    *("Tidewater", "Umbra Labs", "Vantor", "Wexcombe", "Yarrow", "Zephyra", "Amberlane", "Bluestem"),
    *("Cedarcroft", "Dunmore", "Eastgate", "Fjordly", "Grovecraft", "Hollin", "Isarwerk", "Jorvik"),
    *("Kalmia", "Lakemont", "Mirabel", "Northbay", "Osier", "Pellucid", "Rosewick", "Stellaro"),
)  # fmt: skip
_REAL: Final[Mapping[str, tuple[str, ...]]] = {
    "shop": ("amazon", "ebay", "walmart", "costco", "aliexpress", "etsy", "ikea", "zalando", "rakuten", "temu"),
    "post": ("dhl", "fedex", "usps", "royal_mail", "dpd", "evri", "correos", "canada_post", "gls", "la_poste", "postnl", "inpost"),
    "bank": ("paypal", "chase", "hsbc", "barclays", "santander", "american_express", "revolut", "wells_fargo", "coinbase", "capital_one"),
    "cloud": ("microsoft", "google", "netflix", "apple", "dropbox", "adobe", "spotify", "zoom", "slack", "godaddy"),
    "share": ("microsoft", "google", "dropbox", "wetransfer", "notion", "adobe"),
    "sign": ("docusign", "adobe", "dropbox"),
    "code": ("github", "atlassian", "gitlab", "trello"),
    "social": ("linkedin", "facebook", "instagram", "xing", "tiktok", "pinterest", "twitter", "snapchat"),
    "travel": ("booking", "airbnb", "expedia", "lufthansa", "ryanair", "british_airways"),
}  # fmt: skip
_FIRST: Final = (
    *("Aiko", "Bela", "Chiara", "Dmitri", "Esra", "Fiona", "Gabor", "Hana", "Ivo", "Julie", "Karim"),
    *("Leo", "Maren", "Noor", "Oskar", "Priya", "Rafael", "Selma", "Tobias", "Ulla", "Victor", "Wen"),
)  # fmt: skip
_LAST: Final = (
    *("Acker", "Bianchi", "Carver", "Doyle", "Engel", "Ferro", "Grant", "Holm", "Ishii", "Juarez"),
    *("Kovac", "Lindner", "Marsh", "Nolan", "Ortega", "Popov", "Quist", "Rossi", "Stein", "Tamm"),
)  # fmt: skip
_CITY: Final = ("Aarhus", "Bremen", "Cadiz", "Derby", "Espoo", "Fukuoka", "Geneva", "Haifa", "Izmir", "Jena")  # fmt: skip
_TOPIC: Final = ("Budget review", "Site visit", "Product roadmap", "Energy", "Design", "Local history", "Q3 planning", "Supplier day")  # fmt: skip
_FILE: Final = ("Offer_draft.docx", "Budget 2026.xlsx", "Site plan.pdf", "Service agreement.pdf", "Photos.zip", "Minutes.docx", "Contract v2.pdf", "Price list.xlsx")  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS: Final = ("January", "February", "May", "July", "August", "September", "December", "March")
_ENDS: Final = ("com", "com", "com", "io", "co", "co.uk", "de", "fr", "app", "shop", "net", "eu", "jp", "com.br")  # fmt: skip
_COUNTERS: Final = (
    *("u{n}.ct.sendgrid.net/ls/click?upn={t}", "{f}.us{k}.list-manage.com/track/click?u={t}&id={s}"),
    *("{s}.r.eu-west-1.awstrack.me/L0/{t}", "mandrillapp.com/track/click/{n}/{f}?p={t}"),
    *("trk.klclick.com/ls/click?upn={t}", "{f}.cmail{k}.com/t/d-l-{t}", "{s}.r.bh.d.sendibt3.com/tr/cl/{t}"),
    *("email.mg.{d}/c/{t}", "links.iterable.com/e/click?_t={t}", "click.e.{d}/?qs={t}"),
    *("{s}.mjt.lu/lnk/{t}", "r20.rs6.net/tn.jsp?f={t}", "app.link/3p?%243p={t}", "hubspotlinks.com/Ctc/{t}"),
    *("links.{d}/a/click?_t={t}", "go.{d}/e/{n}/{s}/{t}", "e.customeriomail.com/e/c/{t}"),
)  # fmt: skip
_KIND: Final = {"promo": "newsletter", "newsletter": "newsletter", "llm": "llm", "invoice": "business", "calendar": "business"}  # fmt: skip
_PRESSURE: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("If we do not hear from you within 24 hours, access will be limited.", "Please act today to avoid interruption.", "Your account has been put on hold until this is done.", "This is the last reminder.", "A small fee of 1.99 is due before we can go on."),
    "de": ("Andernfalls wird Ihr Konto innerhalb von 24 Stunden gesperrt.", "Bitte handeln Sie noch heute.", "Es fällt eine Gebühr von 1,99 € an."),
    "fr": ("Sans réponse sous 24 heures, votre compte sera suspendu.", "Merci d'agir dès aujourd'hui.", "Des frais de 1,99 € restent dus."),
    "es": ("Si no responde en 24 horas, su cuenta será suspendida.", "Es el último aviso.", "Queda pendiente un pago de 1,99 €."),
    "pt": ("Caso contrário, sua conta será bloqueada em 24 horas.", "Este é o último aviso."),
    "ja": ("24時間以内にご確認いただけない場合、アカウントは停止されます。", "至急ご対応ください。"),
    "zh": ("请在24小时内处理，否则您的账户将被停用。", "请立即操作。"),
    "nl": ("Reageer binnen 24 uur, anders wordt uw account geblokkeerd.", "Er staat nog € 1,99 open."),
    "it": ("In caso contrario l'account sarà sospeso entro 24 ore.", "Resta da pagare un importo di 1,99 €."),
    "pl": ("W przeciwnym razie konto zostanie zablokowane w ciągu 24 godzin.", "Do zapłaty pozostaje 4,99 zł."),
    "ru": ("Иначе доступ будет закрыт через 24 часа.", "Это последнее предупреждение."),
    "tr": ("Aksi halde hesabınız 24 saat içinde askıya alınacaktır.", "Bu son uyarıdır."),
    "sv": ("Annars spärras ditt konto inom 24 timmar.", "En avgift på 19 kr återstår att betala."),
    "cs": ("Jinak bude účet do 24 hodin zablokován.", "Zbývá uhradit poplatek 49 Kč."),
    "ko": ("24시간 이내에 확인하지 않으면 계정이 정지됩니다.", "지금 바로 조치해 주세요."),
}  # fmt: skip
_CALL: Final = (
    "If you did not authorise this charge, call our billing desk at {phone} within 24 hours.",
    "To cancel and get your money back, ring {phone} now. We do not answer emails.",
    "Not you? Our fraud department is there for you day and night: {phone}.",
)  # fmt: skip
_PICTURES: Final = 0.1
"""How many newsletters and impostors are one picture: who imitates hides his words in it."""
_TEAM: Final = ("", "", " Team", " Support", " Security", " Customer Service", " Notifications", " Billing")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Template:
    """A kind of message, its language, the sort of firm that sends it, and its text."""

    kind: str
    language: str
    who: str
    subject: str
    first: str
    body: tuple[str, ...]
    number: int


def templates(part: Part) -> list[Template]:
    """Those for training or for testing."""
    text = (files("labrys.detect.mail") / TEMPLATES).read_text("utf-8")
    made: list[Template] = []
    seen: dict[str, int] = {}
    for number, block in enumerate(text.split("\n@ ")[1:]):
        head, subject, first, *body = block.strip().split("\n")
        kind, language, who = head.split()
        at = seen[kind] = seen.get(kind, -1) + 1
        if (at % 2 == 0) == (part == "train"):
            made.append(Template(kind, language, who, subject, first, tuple(body), number))
    return made


def modern(part: Part, each: int, seed: int = 0) -> Iterator[Sample]:
    """`each` messages of each template of a part, on either side."""
    fold = f"modern_{part}"
    for template in templates(part):
        kind = _KIND.get(template.kind, "transactional")
        for bad in (False, True):
            for number in range(each):
                draw = np.random.default_rng([seed, bad, part == "train", template.number, number])
                raw = message(template, draw, part, bad=bad)
                yield Sample(fold, fold, "phish" if bad else kind, bad, raw)


def message(template: Template, draw: Draw, part: Part, *, bad: bool) -> bytes:
    """One message, by the real sender or by an impostor."""
    scene = _scene(template, draw, part)
    scene |= _impostor(template, scene, draw, part) if bad else _sender(template, scene, draw)
    subject, first = (_filled(one, scene, draw) for one in (template.subject, template.first))
    body = [_filled(one, scene, draw) for one in template.body]
    if bad:
        subject, body = _twisted(template, subject, body, scene, draw)
    page = train_layout.Page(
        subject, first, tuple(one for one in body if one), scene, template.language
    )
    parts = [("text/html", train_layout.html(page, draw, part))]
    if (bad or _KIND.get(template.kind) == "newsletter") and draw.random() < _PICTURES:
        parts = [("text/html", train_layout.picture(page, draw, part, bare=bad))]
    elif template.who == "person" and draw.random() < 0.5:
        parts = [("text/plain", train_layout.plain(page))]
    elif draw.random() < 0.7:
        parts.insert(0, ("text/plain", train_layout.plain(page)))
    pieces = [piece(kind, text) for kind, text in parts]
    whole = pieces[0] if len(pieces) == 1 else joined("alternative", pieces, draw)
    if attached := _attached(template, scene, draw, bad=bad):
        whole = joined("mixed", [whole, attached], draw)
    head = "\n".join(_head(template, subject, scene, draw, bad=bad))
    return f"{head}\nMIME-Version: 1.0\n{whole}".encode("utf-8", "replace")


def _filled(text: str, scene: Mapping[str, str], draw: Draw) -> str:
    text = _CHOICE.sub(lambda found: str(draw.choice(found[1].split("|"))), text)
    return _SLOT.sub(lambda found: scene.get(found[1], found[0]), text)


def _scene(template: Template, draw: Draw, part: Part) -> dict[str, str]:
    def one(values: tuple[str, ...]) -> str:
        return str(draw.choice(half(values, part)))

    firm, company, org = one(_FIRMS), one(_FIRMS), one(_FIRMS)
    domain = _domain(firm, draw)
    real = half(_REAL.get(template.who, ()), part)
    if real and draw.random() < 0.6:
        brand = brands.table()[str(draw.choice(real))]
        firm, domain = brand.name, brand.domain
    first, last, boss = one(_FIRST), one(_LAST), one(_LAST)
    colleague = f"{one(_FIRST)} {boss}"
    theirs = f"{_stem(org)}.example"
    to = f"{first.lower()}.{last.lower()}@{theirs}"
    return {
        "firm": firm, "domain": domain, "company": company, "org": org, "theirs": theirs, "to": to,
        "mail": to, "first": first, "last": last, "colleague": colleague, "brand": firm,
        "boss_mail": f"{colleague.lower().replace(' ', '.')}@{_domain(company, draw)}",
        "n": str(draw.integers(10**5, 10**9)), "n1": str(draw.integers(2, 9)),
        "n2": str(draw.integers(15, 97)), "n3": str(draw.integers(100, 999)),
        "n4": str(draw.integers(1000, 9999)), "n6": str(draw.integers(10**5, 10**6)),
        "pnr": token(draw, 6).upper(), "city": one(_CITY), "topic": one(_TOPIC), "file": one(_FILE),
        "day": str(draw.choice(_DAYS)), "month": one(_MONTHS),
        "date": f"{draw.integers(1, 28)} {one(_MONTHS)} {draw.integers(2019, 2028)}",
        "amount": f"{draw.choice(['$', '€', '£', 'CHF '])}{draw.integers(3, 900)}.{draw.integers(10, 99)}",
        "repo": str(draw.choice(["web-shop", "core", "mobile", "docs"])),
        "phone": f"+1 (8{draw.integers(10, 99)}) {draw.integers(200, 999)}-{draw.integers(1000, 9999)}",
    }  # fmt: skip


def _stem(firm: str) -> str:
    return re.sub(r"\W", "", firm.lower())


def _domain(firm: str, draw: Draw) -> str:
    stem = re.sub(r"\W+", str(draw.choice(["", "-"])), firm.lower())
    return f"{stem}.{draw.choice(_ENDS)}"


def _sender(template: Template, scene: dict[str, str], draw: Draw) -> dict[str, str]:
    """The real sender: his own domain, or the platform's that writes for him."""
    domain, firm = scene["domain"], scene["firm"]
    name, sub = f"{firm}{draw.choice(_TEAM)}", str(draw.choice(["", "", "mail.", "e.", "info.", "notify."]))  # fmt: skip
    box = _box(str(draw.choice(["noreply", "no-reply", "hello", "service", "notifications", "info", "news", "support"])), scene, draw)  # fmt: skip
    sender = f"{name} <{box}@{sub}{domain}>"
    if template.who == "person":
        domain = scene["boss_mail"].partition("@")[2]
        sender = f"{scene['colleague']} <{scene['boss_mail']}>"
    elif template.who == "mail":
        domain = scene["theirs"]
        sender = f"{draw.choice(['IT Service Desk', 'Mail gateway', scene['org'] + ' IT', 'Quarantine'])} <{box}@{domain}>"
    elif template.who in ("share", "sign", "code", "social"):
        sender = f"{scene['colleague']} ({draw.choice(['via ', ''])}{firm}) <{box}@{domain}>"
    form = int(draw.integers(5))
    counter = _counter(scene | {"domain": domain}, draw)
    link = f"https://{draw.choice(['www.', '', 'app.', 'account.'])}{domain}/{token(draw, 6)}"
    if template.who == "person" and form < 3:
        stem = domain.partition(".")[0]
        link = str(draw.choice([f"https://{stem}.sharepoint.com/:w:/s/{token(draw, 20)}", f"https://docs.google.com/document/d/{token(draw, 30)}/edit", f"https://us02web.zoom.us/j/{scene['n']}", f"https://teams.microsoft.com/l/meetup-join/{token(draw, 20)}"]))  # fmt: skip
    elif form >= 2 and template.who not in ("person", "mail"):
        link = counter
    return {"sender": sender, "link": link, "site": domain, "other": counter if form >= 2 else f"https://{domain}/u/{token(draw, 9)}", "pictures": f"https://{draw.choice(['cdn', 'img', 'static', 'assets'])}.{domain}"}  # fmt: skip


def _box(box: str, scene: Mapping[str, str], draw: Draw) -> str:
    """A mailbox as it is, or as services write it so that answers and bounces tell whom they wrote to
    (sub-addresses of RFC 5233, VERP)."""
    if draw.random() < 0.75:
        return box
    whom = scene["to"].replace("@", "=")
    return str(draw.choice([f"{box}+{token(draw, 8)}", f"n-{whom}-{token(draw, 5)}", f"{box}-{scene['n']}"]))  # fmt: skip


def _counter(scene: dict[str, str], draw: Draw) -> str:
    stem = scene["domain"].partition(".")[0]
    form = str(draw.choice(_COUNTERS))
    return "https://" + form.format(n=draw.integers(10**6, 10**8), t=token(draw, 40), s=token(draw, 8), f=stem, d=scene["domain"], k=draw.integers(2, 22))  # fmt: skip


def _impostor(template: Template, scene: dict[str, str], draw: Draw, part: Part) -> dict[str, str]:
    """Somebody else under the same name: another domain, another place behind the button."""
    firm, own = scene["firm"], scene["domain"]
    stem = _stem(firm)
    other = f"{_stem(str(draw.choice(half(_FIRMS, part))))}{token(draw, 2)}.{draw.choice(_ENDS)}"
    odd = f"{token(draw, 8)}.{draw.choice(['com', 'net', 'top', 'xyz', 'shop', 'info', 'jp', 'com.br'])}"
    near = f"{stem}-{draw.choice(['secure', 'service', 'alerts', 'mail', 'support'])}.{draw.choice(['com', 'net', 'info', 'online'])}"
    free = f"{stem[:12]}{draw.integers(999)}@{draw.choice(['gmail.com', 'outlook.com', 'yahoo.com', 'gmx.net'])}"
    domain = str(draw.choice([other, other, odd, odd, near, own]))
    box = _box(str(draw.choice(["noreply", "info", "admin", "service", "support", "contact", token(draw, 7)])), scene, draw)  # fmt: skip
    name = f"{firm}{draw.choice(_TEAM)}"
    if template.who == "person":
        name = scene["colleague"]
        box, domain = scene["boss_mail"].partition("@")[0], str(draw.choice([other, odd, near]))
    elif template.who == "mail":
        name = str(draw.choice([f"{scene['org']} IT", scene["theirs"], "Mail Administrator", "IT Service Desk", scene["to"], "Voice mail"]))  # fmt: skip
        domain = str(draw.choice([other, odd, scene["theirs"]]))
    elif template.who in ("share", "sign", "code", "social") and draw.random() < 0.5:
        name = f"{scene['colleague']} via {firm}"
    sender = f"{name} <{free if draw.random() < 0.12 else f'{box}@{domain}'}>"
    target = bad_link(scene, draw, part)
    if draw.random() < 0.2:
        target = str(draw.choice([f"https://www.google.com/url?q={target}", _counter(scene | {"domain": other}, draw), f"https://{other}/{token(draw, 8)}"]))  # fmt: skip
    site = own if draw.random() < 0.5 else target.split("/")[2]
    return {"sender": sender, "link": target, "site": site, "other": target, "pictures": f"https://{draw.choice(['cdn', 'img', 'www'])}.{own if draw.random() < 0.5 else other}", "free": free}  # fmt: skip


def _twisted(
    template: Template, subject: str, body: list[str], scene: Mapping[str, str], draw: Draw
) -> tuple[str, list[str]]:
    """What an impostor changes in a text: whom he greets, and what he says to hurry."""
    greets = str(draw.choice([scene["first"], scene["first"], scene["to"], scene["to"].partition("@")[0], "customer"]))  # fmt: skip
    body = [one.replace(scene["first"], greets) for one in body]
    if draw.random() < 0.12:
        subject = f"{subject} {draw.choice([scene['to'], scene['theirs']])}"
    if template.language == "en" and template.kind in ("receipt", "order", "renewal", "statement") and draw.random() < 0.35:  # fmt: skip
        kept = [one for one in body if not one.startswith(">")]
        return subject, [*kept, str(draw.choice(_CALL)).format(phone=scene["phone"])]
    if draw.random() < 0.5:
        body.insert(len(body) - 1, str(draw.choice(_PRESSURE[template.language])))
    return subject, body


def _attached(template: Template, scene: Mapping[str, str], draw: Draw, *, bad: bool) -> str:
    if template.kind == "calendar" and draw.random() < 0.7:
        text = f"BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:{scene['topic']}\nLOCATION:{scene['link']}\nEND:VEVENT\nEND:VCALENDAR\n"
        return f"Content-Type: text/calendar; method=REQUEST; name=invite.ics\nContent-Disposition: attachment; filename=invite.ics\n\n{text}"
    if template.kind not in ("invoice", "statement", "receipt", "notice") or draw.random() > 0.25:
        return ""
    name = f"{template.kind.title()}_{scene['n']}"
    if bad and draw.random() < 0.5:
        page = f'<html><form action="{escape(scene["link"])}"><input type="password"></form></html>'
        return f"Content-Type: text/html; name={name}.html\nContent-Disposition: attachment; filename={name}.html\n\n{page}"
    return f"Content-Type: application/pdf; name={name}.pdf\nContent-Disposition: attachment; filename={name}.pdf\n\n%PDF-1.4"


def _head(
    template: Template, subject: str, scene: Mapping[str, str], draw: Draw, *, bad: bool
) -> list[str]:
    name, _, box = scene["sender"].rpartition(" ")
    to = scene["to"]
    if bad and draw.random() < 0.15:
        to = str(draw.choice(["undisclosed-recipients:;", box.strip("<>")]))
    quoted = encoded_word(name) if not name.isascii() else f'"{name}"'
    head = [
        f"From: {quoted} {box}", f"To: {to}",
        f"Subject: {encoded_word(subject) if not subject.isascii() else subject}",
        f"Date: {draw.integers(1, 28)} May {draw.integers(2019, 2028)} {draw.integers(7, 20)}:10:00 +0000",
        f"Message-ID: <{token(draw, 20)}@{box.strip('<>').partition('@')[2]}>",
    ]  # fmt: skip
    if draw.random() < 0.15:
        answers = scene["free"] if bad and draw.random() < 0.5 else f"reply-{token(draw, 12)}@{scene['site']}"  # fmt: skip
        head.append(f"Reply-To: {answers}")
    if template.kind in ("promo", "newsletter", "survey", "social") and draw.random() < 0.85:
        head += [f"List-Unsubscribe: <{scene['other']}>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"]  # fmt: skip
    return head
