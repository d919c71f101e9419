"""Makes up phishing URLs of the kinds that the field describes, to learn from: simulated, not found.

Kinds: a brand's name, often misspelt, on free hosting or under a cheap end; the brand's real host name
in front of another domain; drawn names; pages put into the folders of other people's sites; files in
IPFS (APWG's quarterly reports; OWASP and Unit 42 on free hosting). Brands and zones are `known.toml`'s.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from labrys.detect.url.brands import misspellings

Draw = np.random.Generator

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_MIXED: Final = _LETTERS + "0123456789"
_BASE32: Final = _LETTERS + "234567"
_ENDS: Final = (
    *(
        "top",
        "xyz",
        "shop",
        "online",
        "site",
        "club",
        "vip",
        "icu",
        "info",
        "live",
        "cc",
        "cn",
        "ru",
    ),
    *(
        "com",
        "com",
        "com",
        "com",
        "com",
        "net",
        "org",
        "co",
        "me",
        "io",
        "us",
        "in",
        "eu",
        "pro",
        "work",
    ),
    *(
        "click",
        "link",
        "buzz",
        "life",
        "world",
        "app",
        "dev",
        "space",
        "fun",
        "store",
        "website",
        "pw",
    ),
)
_ZONES: Final = (
    *("github.io", "webflow.io", "vercel.app", "pages.dev", "workers.dev", "r2.dev", "gitbook.io"),
    *("netlify.app", "web.app", "firebaseapp.com", "blogspot.com", "onrender.com", "framer.app"),
    *("fly.dev", "replit.app", "surge.sh", "glitch.me", "wixsite.com", "weebly.com", "square.site"),
    *("godaddysites.com", "duckdns.org", "ddns.net", "myshopify.com", "azurewebsites.net"),
    *("trycloudflare.com", "ngrok-free.app", "herokuapp.com", "carrd.co", "translate.goog"),
)
_FOLDERS: Final = (
    *(
        "wp-content/plugins",
        "wp-includes/js",
        "wp-admin/css",
        "images",
        "uploads",
        "css",
        "cgi-bin",
    ),
    *(
        ".well-known",
        "tmp",
        "backup",
        "js",
        "assets",
        "old",
        "modules",
        "components",
        "wp-content/themes",
    ),
)
_PAGES: Final = (
    "index.php",
    "login.php",
    "verify.html",
    "signin",
    "index.html",
    "next.php",
    "update",
    "",
)
_LURES: Final = (
    *("login", "logon", "signin", "verify", "secure", "account", "update", "wallet", "support"),
    *(
        "recovery",
        "auth",
        "billing",
        "confirm",
        "webmail",
        "unlock",
        "claim",
        "help",
        "service",
        "pay",
    ),
)


def _drawn(draw: Draw, alphabet: str, low: int, high: int) -> str:
    size = int(draw.integers(low, high + 1))
    return "".join(alphabet[n] for n in draw.integers(0, len(alphabet), size))


def _pick(draw: Draw, choices: Sequence[str]) -> str:
    return choices[int(draw.integers(len(choices)))]


def _written(draw: Draw, brand: str) -> str:
    """A brand's name as phishers write it."""
    for _ in range(int(draw.integers(0, 4))):
        near = sorted(misspellings(brand)) if len(brand) >= 6 else []
        brand = _pick(draw, near) if near else brand
    return brand


def _name(draw: Draw, brands: Sequence[str]) -> str:
    brand, lure = _written(draw, _pick(draw, brands)), _written(draw, _pick(draw, _LURES))
    between = "-" if draw.random() < 0.5 else ""
    parts = [brand, lure] if draw.random() < 0.6 else [lure, brand]
    if draw.random() < 0.4:
        parts.append(_drawn(draw, _MIXED, 2, 6))
    return between.join(parts if draw.random() < 0.75 else [brand])


def _page(draw: Draw) -> str:
    kind = draw.random()
    if kind < 0.55:
        return ""
    page = _pick(draw, _PAGES)
    if kind < 0.75:
        return f"/{page}"
    token = _drawn(draw, "0123456789abcdef", 6, 32)
    return (
        f"/{token}/{page}"
        if kind < 0.9
        else f"/{page}?{_pick(draw, ('id', 'e', 'token', 's'))}={token}"
    )


def _hosted(draw: Draw, brands: Sequence[str], _: Sequence[str]) -> str:
    return f"{_name(draw, brands)}.{_pick(draw, _ZONES)}{_page(draw)}"


def _hosted_drawn(draw: Draw, _: Sequence[str], __: Sequence[str]) -> str:
    name = _drawn(draw, _MIXED if draw.random() < 0.5 else _LETTERS, 8, 20)
    return f"{name}.{_pick(draw, _ZONES)}{_page(draw)}"


def _clone(draw: Draw, brands: Sequence[str], _: Sequence[str]) -> str:
    brand = _pick(draw, brands)
    page = _pick(draw, ("clone", "login", "page", "login-page", "website", "homepage"))
    return f"{_drawn(draw, _LETTERS, 5, 12)}.{_pick(draw, ('github.io', 'vercel.app', 'netlify.app'))}/{brand}-{page}/"


def _own_domain(draw: Draw, brands: Sequence[str], _: Sequence[str]) -> str:
    return f"{_name(draw, brands)}.{_pick(draw, _ENDS)}{_page(draw)}"


def _in_front(draw: Draw, brands: Sequence[str], _: Sequence[str]) -> str:
    brand = _pick(draw, brands)
    end = _pick(draw, ("com", "com", "co.jp", "co.uk", "de", "fr", "it", "com.br"))
    front = brand if draw.random() < 0.3 else f"{brand}.{end}"
    www = "www." if draw.random() < 0.3 else ""
    return f"{www}{front}.{_drawn(draw, _MIXED, 5, 12)}.{_pick(draw, _ENDS)}{_page(draw)}"


def _drawn_domain(draw: Draw, _: Sequence[str], __: Sequence[str]) -> str:
    name = _drawn(draw, _LETTERS if draw.random() < 0.6 else _MIXED, 5, 14)
    before = f"{_pick(draw, _LURES)}." if draw.random() < 0.15 else ""
    return f"{before}{name}.{_pick(draw, _ENDS)}{_page(draw)}"


def _broken_into(draw: Draw, brands: Sequence[str], sites: Sequence[str]) -> str:
    folders = [_pick(draw, _FOLDERS)]
    if draw.random() < 0.5:
        folders.append(_drawn(draw, _MIXED, 2, 10))
    if draw.random() < 0.4:
        folders.append(_pick(draw, brands))
    page = _pick(draw, _PAGES)
    asked = (
        f"?{_drawn(draw, _LETTERS, 2, 6)}={_drawn(draw, '0123456789abcdef', 8, 40)}"
        if draw.random() < 0.3
        else ""
    )
    if draw.random() < 0.1:
        asked = f"?email={_drawn(draw, _LETTERS, 4, 9)}@{_pick(draw, sites)}"
    return f"{_pick(draw, sites)}/{'/'.join(folders)}/{page}{asked}"


def _interplanetary(draw: Draw, _: Sequence[str], __: Sequence[str]) -> str:
    content = "bafy" + _drawn(draw, _BASE32, 55, 55)
    gateway = _pick(draw, ("ipfs.dweb.link", "ipfs.w3s.link", "ipfs.cf-ipfs.com"))
    return f"{content}.{gateway}/" if draw.random() < 0.6 else f"ipfs.io/ipfs/{content}"


def _address(draw: Draw, brands: Sequence[str], _: Sequence[str]) -> str:
    numbers = ".".join(str(n) for n in draw.integers(1, 255, 4))
    return f"{numbers}/{_pick(draw, brands)}{_page(draw)}"


KINDS: Final[Sequence[tuple[float, Callable[[Draw, Sequence[str], Sequence[str]], str]]]] = (
    (5, _hosted),
    (2, _hosted_drawn),
    (1, _clone),
    (4, _own_domain),
    (2, _in_front),
    (3, _drawn_domain),
    (3, _broken_into),
    (1, _interplanetary),
    (0.3, _address),
)


def made_up(seed: int, brands: Sequence[str], sites: Sequence[str], count: int) -> list[str]:
    """Different URLs, at most `count`; `sites` are domains of other people."""
    draw = np.random.default_rng(seed)
    odds = np.array([share for share, _ in KINDS])
    chosen: Any = draw.choice(len(KINDS), count, p=odds / odds.sum())
    return list(dict.fromkeys("https://" + KINDS[int(at)][1](draw, brands, sites) for at in chosen))


def ordinary(seed: int, names: Sequence[str], count: int) -> list[str]:
    """Ordinary pages on free hosting: names that people chose for sites, with paths as people write."""
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        page = "" if draw.random() < 0.5 else f"/{_pick(draw, names)}"
        if page and draw.random() < 0.5:
            page += f"/{_pick(draw, names)}" + _pick(draw, ("", ".html", "/", ".pdf"))
        made.append(f"https://{_pick(draw, names)}.{_pick(draw, _ZONES)}{page}")
    return list(dict.fromkeys(made))


_TRACKERS: Final = (
    "click",
    "links",
    "email",
    "mail",
    "go",
    "news",
    "e",
    "t",
    "track",
    "em",
    "info",
    "list",
)
_TRACKED: Final = (
    "ls/click?upn=",
    "track/click?id=",
    "c/",
    "e3t/Ctc/",
    "f/a/",
    "uni/ss/c/",
    "unsubscribe?u=",
    "view?m=",
)
_HEXADECIMAL: Final = "0123456789abcdef"
_BASE64: Final = _MIXED + _LETTERS.upper() + "-_"


def _hashed(draw: Draw, names: Sequence[str]) -> str:
    where = _pick(
        draw, ("commit", "c", "blob", "tree", "patch", "r", "raw", "d", "revision", "object")
    )
    return f"{_pick(draw, names)}/{_pick(draw, names)}/{where}/{_drawn(draw, _HEXADECIMAL, 7, 40)}"


def _message(draw: Draw, names: Sequence[str]) -> str:
    stamp = _drawn(draw, "0123456789", 8, 14)
    return f"{_pick(draw, ('lists', 'archive', 'r', 'all'))}/{stamp}.{_drawn(draw, _MIXED, 3, 9)}@{_pick(draw, names)}.org"


def _tracked(draw: Draw, _: Sequence[str]) -> str:
    return _pick(draw, _TRACKED) + _drawn(draw, _BASE64, 12, 160)


def _shared(draw: Draw, names: Sequence[str]) -> str:
    token = _drawn(draw, _BASE64, 8, 44)
    return _pick(
        draw,
        (
            f"s/{token}/",
            f"file/d/{token}/view",
            f"share?code={token}",
            f"{_pick(draw, names)}?id={token}",
        ),
    )


def _numbered(draw: Draw, names: Sequence[str]) -> str:
    number = _drawn(draw, "0123456789", 2, 8)
    kind = _pick(
        draw, ("id", "p", "page", "product", "t", "bug", "utm_campaign", "ref", "v", "article")
    )
    return _pick(
        draw,
        (
            f"{_pick(draw, names)}/{number}",
            f"{_pick(draw, ('index.php', 'show.php', 'view', 'default.aspx', names[0]))}?{kind}={number}",
            f"{_pick(draw, names)}/{_pick(draw, names)}.html#{_pick(draw, names)}",
            f"{_pick(draw, names)}?utm_source=newsletter&utm_medium=email&utm_campaign={_pick(draw, names)}",
        ),
    )


def _of_account(draw: Draw, names: Sequence[str]) -> str:
    """Pages that ordinary services send their customers to: they ask for logins as well."""
    token = _drawn(draw, _BASE64 if draw.random() < 0.5 else _HEXADECIMAL, 16, 64)
    return _pick(
        draw,
        (
            *(
                "login",
                "signin",
                "account",
                "account/login",
                "users/sign_in",
                "my-account",
                "auth/login",
            ),
            *(
                f"account/confirm?token={token}",
                f"verify-email?code={token}",
                f"users/confirm/{token}",
            ),
            *(f"password/reset/{token}", f"reset-password?token={token}", f"activate/{token}"),
            *(
                f"invite/{token}",
                f"unsubscribe/{token}",
                "settings/notifications",
                "billing/invoices",
            ),
            *(
                f"orders/{_drawn(draw, '0123456789', 5, 10)}",
                "support",
                f"{_pick(draw, names)}/login.php",
            ),
        ),
    )


_BEFORE: Final = (
    "app",
    "my",
    "account",
    "accounts",
    "login",
    "portal",
    "secure",
    "id",
    "auth",
    "verify",
    "shop",
)
_WAYS: Final = (
    _hashed,
    _message,
    _tracked,
    _shared,
    _numbered,
    _numbered,
    _of_account,
    _of_account,
)


def in_mail(seed: int, sites: Sequence[str], count: int) -> list[str]:
    """Links as ordinary mail has them, on sites that exist: versions, archives, click trackers, shares,
    pages of accounts."""
    draw = np.random.default_rng(seed)
    names = [site.partition(".")[0] for site in sites]
    made = []
    for _ in range(count):
        site, way = _pick(draw, sites), _WAYS[int(draw.integers(len(_WAYS)))]
        if way is _tracked or draw.random() < 0.15:
            number = _drawn(draw, "0123456789", 0, 3)
            site = f"{_pick(draw, _TRACKERS)}{number}.{site}"
        elif way is _of_account and draw.random() < 0.6:
            site = f"{_pick(draw, _BEFORE)}.{site}"
        made.append(f"https://{site}/{way(draw, names)}")
    return list(dict.fromkeys(made))
