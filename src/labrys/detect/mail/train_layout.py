"""Lays out made-up mail as services of today do: two grammars of HTML, one to train, one to test with.

Both have what such mail has: a first line that is not shown, a picture, headings, goods in a table, a
button, small print with ways to unsubscribe, links to social media, a picture of one pixel. They differ
in how: nested tables and attributes, or blocks and styles with conditional comments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

from labrys.detect.mail.train_made import Draw, Part, token

_GOODS: Final = ("Desk lamp", "Cotton shirt, M", "Green tea 250 g", "USB cable", "Notebook A5", "Running shoes", "Water bottle", "Monthly plan")  # fmt: skip
_SOCIAL: Final = ("https://www.facebook.com/", "https://www.instagram.com/", "https://x.com/", "https://www.linkedin.com/company/", "https://www.youtube.com/@", "https://apps.apple.com/app/", "https://play.google.com/store/apps/details?id=")  # fmt: skip
_FOOT: Final[Mapping[str, tuple[str, str, str]]] = {
    "en": ("Unsubscribe", "Manage preferences", "View in browser"),
    "de": ("Abmelden", "Einstellungen", "Im Browser ansehen"),
    "fr": ("Se désabonner", "Gérer mes préférences", "Voir dans le navigateur"),
    "es": ("Darse de baja", "Preferencias", "Ver en el navegador"),
    "pt": ("Cancelar inscrição", "Preferências", "Ver no navegador"),
    "it": ("Annulla iscrizione", "Preferenze", "Visualizza nel browser"),
    "nl": ("Uitschrijven", "Voorkeuren", "Bekijk online"),
    "pl": ("Wypisz się", "Ustawienia", "Zobacz w przeglądarce"),
    "ru": ("Отписаться", "Настройки", "Открыть в браузере"),
    "tr": ("Abonelikten çık", "Tercihler", "Tarayıcıda görüntüle"),
    "sv": ("Avsluta prenumeration", "Inställningar", "Visa i webbläsaren"),
    "cs": ("Odhlásit odběr", "Nastavení", "Zobrazit v prohlížeči"),
    "ja": ("配信停止", "設定", "ブラウザで表示"),
    "zh": ("退订", "偏好设置", "在浏览器中查看"),
    "ko": ("수신거부", "설정", "브라우저에서 보기"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """What a message says: subject, first line, lines of the body as in the templates, and who says it."""

    subject: str
    first: str
    body: tuple[str, ...]
    scene: Mapping[str, str]
    language: str

    @property
    def bulk(self) -> bool:
        """Whether a service sends it, rather than a person."""
        return self.scene["colleague"] not in self.scene["sender"]


def plain(page: Page) -> str:
    """The same in plain text."""
    said = []
    for line in page.body:
        mark, rest = (line[0], line[1:].strip()) if line[0] in ">#*$" else ("", line)
        said.append({">": f"{rest}: {page.scene['link']}", "$": ""}.get(mark, rest))
    if page.bulk:
        said.append(f"--\n{page.scene['firm']}, 12 {page.scene['city']} Street\n{_FOOT[page.language][0]}: {page.scene['other']}")  # fmt: skip
    return "\n\n".join(one for one in said if one) + "\n"


def html(page: Page, draw: Draw, part: Part) -> str:
    """The page in the grammar of a part."""
    if not page.bulk and draw.random() < 0.6:
        inner = "".join(f"<div>{_inline(page, one)}</div><div><br></div>" for one in page.body)
        return f"<html><body>{inner}</body></html>"
    return _tables(page, draw) if part == "train" else _blocks(page, draw)


def picture(page: Page, draw: Draw, part: Part, *, bare: bool) -> str:
    """One picture that leads where the button would; below it the small print, or hardly a word."""
    link, source = escape(page.scene["link"]), f"{page.scene['pictures']}/{token(draw, 9)}"
    style = 'border="0"' if part == "train" else 'style="display:block"'
    leave = f'<a href="{escape(page.scene["other"])}">{_FOOT[page.language][0]}</a>' if draw.random() < 0.5 else ""  # fmt: skip
    below = leave if bare else f"<p>{escape(page.body[-1])}</p><p>{_foot(page, draw, ' | ')}</p>"
    return f'<html><body><center><a href="{link}"><img src="{source}.jpg" width="600" {style} alt=""></a><br>{below}</center></body></html>'


def _inline(page: Page, line: str) -> str:
    mark, rest = (line[0], line[1:].strip()) if line[0] in ">#*$" else ("", line)
    if mark == "$":
        return ""
    return f'<a href="{escape(page.scene["link"])}">{escape(rest)}</a>' if mark == ">" else escape(rest)  # fmt: skip


def _goods(draw: Draw) -> list[tuple[str, str]]:
    chosen = draw.choice(_GOODS, size=int(draw.integers(1, 4)), replace=False).tolist()
    return [(name, f"{draw.integers(2, 200)}.{draw.integers(10, 99)}") for name in chosen]


def _foot(page: Page, draw: Draw, between: str) -> str:
    leave, manage, online = _FOOT[page.language]
    scene = page.scene
    links = [(leave, scene["other"])] if draw.random() < 0.8 else []
    if draw.random() < 0.6:
        links.append((manage, f"https://www.{scene['site']}/preferences"))
    if draw.random() < 0.4:
        links.append((online, scene["other"]))
    said = [f'<a href="{escape(to)}" style="color:#888888">{name}</a>' for name, to in links]
    if draw.random() < 0.5:
        stem = scene["domain"].partition(".")[0]
        some = draw.choice(_SOCIAL, size=int(draw.integers(1, 5)), replace=False).tolist()
        said += [f'<a href="{one}{stem}"><img src="{scene["pictures"]}/{token(draw, 4)}.png" width="24" height="24" alt=""></a>' for one in some]  # fmt: skip
    return between.join([f"© {escape(scene['firm'])}, 12 {scene['city']} Street", *said])


def _tables(page: Page, draw: Draw) -> str:
    scene, link = page.scene, escape(page.scene["link"])
    colour = str(draw.choice(["#0a66c2", "#d6336c", "#2b8a3e", "#111111", "#e8590c"]))
    rows = []
    if draw.random() < 0.7:
        rows.append(f'<a href="{link}"><img src="{scene["pictures"]}/{token(draw, 8)}.png" width="{draw.choice([120, 180, 600])}" alt="{escape(scene["firm"])}" border="0"></a>')  # fmt: skip
    for line in page.body:
        mark, rest = (
            (line[0], escape(line[1:].strip())) if line[0] in ">#*$" else ("", escape(line))
        )
        if mark == ">":
            rows.append(f'<table cellpadding="0" cellspacing="0" border="0"><tr><td bgcolor="{colour}" style="border-radius:4px;padding:12px 24px"><a href="{link}" target="_blank" style="color:#ffffff;text-decoration:none;font-weight:bold">{rest}</a></td></tr></table>')  # fmt: skip
        elif mark == "$":
            goods = "".join(f'<tr><td>{name}</td><td align="right">{price}</td></tr>' for name, price in _goods(draw))  # fmt: skip
            rows.append(f'<table width="100%" cellpadding="6">{goods}</table>')
        elif mark == "*":
            rows.append(f'<span style="font-size:32px;letter-spacing:6px;font-weight:bold">{rest}</span>')  # fmt: skip
        else:
            rows.append(f"<h1>{rest}</h1>" if mark == "#" else f'<p style="margin:0 0 16px">{rest}</p>')  # fmt: skip
    if page.bulk:
        rows.append(f'<span style="font-size:12px;color:#888888">{_foot(page, draw, " | ")}</span>')
    cells = "".join(f'<tr><td align="left" style="padding:16px 24px;font-family:Arial,sans-serif">{one}</td></tr>' for one in rows)  # fmt: skip
    hidden = f'<div style="display:none;max-height:0;overflow:hidden">{escape(page.first)}{"&#8199;&#847; " * int(draw.integers(60))}</div>' if draw.random() < 0.7 else ""  # fmt: skip
    dot = f'<img src="{scene["pictures"]}/o/{token(draw, 24)}.gif" width="1" height="1" alt="">' if draw.random() < 0.7 else ""  # fmt: skip
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{escape(page.subject)}</title><style>@media only screen and (max-width:600px){{.c{{width:100%!important}}}}</style></head>'
        f'<body bgcolor="#f4f4f4">{hidden}<table width="100%" bgcolor="#f4f4f4"><tr><td align="center"><table class="c" width="600" bgcolor="#ffffff">{cells}</table></td></tr></table>{dot}</body></html>'
    )  # fmt: skip


def _blocks(page: Page, draw: Draw) -> str:
    scene, link = page.scene, escape(page.scene["link"])
    said = []
    for line in page.body:
        mark, rest = (
            (line[0], escape(line[1:].strip())) if line[0] in ">#*$" else ("", escape(line))
        )
        if mark == ">":
            said.append(f'<!--[if mso]><v:roundrect href="{link}" style="height:40px;width:200px"></v:roundrect><![endif]--><a class="btn" href="{link}">{rest}</a>')  # fmt: skip
        elif mark == "$":
            said.append("<ul>" + "".join(f"<li>{name} <b>{price}</b></li>" for name, price in _goods(draw)) + "</ul>")  # fmt: skip
        else:
            said.append(
                f"<div class='{ {'*': 'code', '#': 'head'}.get(mark, 'text') }'>{rest}</div>"
            )
    hero = f'<img class="hero" src="{scene["pictures"]}/{token(draw, 10)}.jpg" style="max-width:100%" alt="">' if draw.random() < 0.5 else ""  # fmt: skip
    hidden = f'<span style="font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;mso-hide:all">{escape(page.first)}{"&zwnj;&nbsp;" * int(draw.integers(90))}</span>' if draw.random() < 0.6 else ""  # fmt: skip
    foot = f"<footer><small>{_foot(page, draw, '<br>')}</small></footer>" if page.bulk else ""
    dot = f'<img src="https://open.{scene["site"]}/{token(draw, 30)}" height="1" width="1" style="display:block">' if draw.random() < 0.5 else ""  # fmt: skip
    return (
        '<!doctype html><html lang="und"><head><meta name="viewport" content="width=device-width"><style>.btn{background:#333;color:#fff;padding:10px}'
        f'.code{{font-size:28px}}</style></head><body>{hidden}<center><div style="max-width:640px;margin:auto">{hero}{"".join(said)}{foot}</div></center>{dot}</body></html>'
    )  # fmt: skip
