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
    host, slash, path = rest.partition("/")
    return scheme, host, slash + path


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
