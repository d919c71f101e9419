"""What a phisher may do to his link, and what it costs him.

Cost 0: a setting of his kit. 1: another domain, page or service. 2: gives up convincing the reader by
the link, or depends on a site that others run.
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

import numpy as np

Draw = np.random.Generator
Rewrite = Callable[[str, Draw], str]

_WORDS: Final = (
    "garden",
    "travel",
    "music",
    "school",
    "coffee",
    "family",
    "design",
    "photo",
    "house",
)


def _split(link: str) -> tuple[str, str, str]:
    scheme, _, rest = link.partition("://")
    at = min((place for mark in "/?#" if (place := rest.find(mark)) >= 0), default=len(rest))
    return scheme, rest[:at], rest[at:]


def _other_scheme(link: str, _: Draw) -> str:
    scheme, host, path = _split(link)
    return f"{'http' if scheme == 'https' else 'https'}://{host}{path}"


def _ordinary_path(link: str, draw: Draw) -> str:
    scheme, host, _ = _split(link)
    return f"{scheme}://{host}/{draw.choice(_WORDS)}/{draw.choice(_WORDS)}.html"


def _padded(link: str, draw: Draw) -> str:
    more = "&".join(f"{draw.choice(_WORDS)}={draw.choice(_WORDS)}" for _ in range(6))
    return f"{link}{'&' if '?' in link else '?'}{more}"


def _encoded(link: str, _: Draw) -> str:
    scheme, host, path = _split(link)
    return f"{scheme}://{host}" + "".join(
        f"%{ord(c):02x}" if c.isalpha() and ord(c) < 128 else c for c in path
    )


def _redirected(link: str, draw: Draw) -> str:
    return f"https://www.{draw.choice(_WORDS)}-{draw.choice(_WORDS)}.com/redirect?url={quote(link, safe='')}"


def _hung_on(link: str, more: str) -> str:
    """The link with a parameter more; what stands behind `#` stays behind it."""
    head, mark, fragment = link.partition("#")
    return f"{head}{'&' if '?' in head else '?'}{more}{mark}{fragment}"


def _parameter(link: str, draw: Draw) -> str:
    return _hung_on(link, f"{draw.choice(_WORDS)}={draw.choice(_WORDS)}")


def _other_link(link: str, draw: Draw) -> str:
    """An ordinary address as a parameter, as redirectors have it."""
    name = str(draw.choice(("u", "url", "to", "next", "ref")))
    other = f"https://www.{draw.choice(_WORDS)}.org/{draw.choice(_WORDS)}"
    return _hung_on(link, f"{name}={quote(other, safe='') if draw.random() < 0.5 else other}")


def _fragment(link: str, draw: Draw) -> str:
    """What browsers never send: words, or an ordinary address."""
    other = f"https://www.{draw.choice(_WORDS)}.org/" if draw.random() < 0.5 else ""
    return f"{link}{'&' if '#' in link else '#'}{other}{draw.choice(_WORDS)}"


def _label(link: str, draw: Draw) -> str:
    scheme, host, path = _split(link)
    user, at, name = host.rpartition("@")
    return f"{scheme}://{user}{at}{draw.choice(_WORDS)}.{name}{path}"


def _user(link: str, draw: Draw) -> str:
    scheme, host, path = _split(link)
    long = str(draw.choice(_WORDS)) * int(draw.choice((1, 1, 40, 400)))
    return f"{scheme}://{long}.{draw.choice(_WORDS)}.org@{host}{path}"


def _in_capitals(link: str, _: Draw) -> str:
    scheme, host, path = _split(link)
    return f"{scheme.upper()}://{host.upper()}{path}"


def _words_in_front(link: str, draw: Draw) -> str:
    scheme, host, path = _split(link)
    return f"{scheme}://{draw.choice(_WORDS)}.{draw.choice(_WORDS)}.{host}{path}"


def _ordinary_domain(link: str, draw: Draw) -> str:
    scheme, _, path = _split(link)
    return f"{scheme}://www.{draw.choice(_WORDS)}{draw.choice(_WORDS)}.com{path}"


MUTATIONS: Final[Mapping[str, Rewrite]] = {
    "other scheme": _other_scheme,
    "capitals": _in_capitals,
    "ordinary parameters": _padded,
    "encoded path": _encoded,
    "words in front": _words_in_front,
    "ordinary path": _ordinary_path,
    "redirector": _redirected,
    "ordinary domain": _ordinary_domain,
}
COST: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        ("other scheme", "capitals", "ordinary parameters", "encoded path", "words in front"), 0
    ),
    **dict.fromkeys(("ordinary path", "redirector"), 1),
    "ordinary domain": 2,
}

ADD_ONLY: Final[Mapping[str, Rewrite]] = {
    "a parameter more": _parameter,
    "an ordinary address as a parameter": _other_link,
    "a fragment more": _fragment,
    "a label in front": _label,
    "a user in front": _user,
}
"""What only adds and leads to the same host and path: none of it may ever lower a score."""
