"""Takes names of hosts apart: what was registered, where a program may have made it up."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from publicsuffixlist import PublicSuffixList

from labrys.evidence.mail.domains import ascii_host, ip

DYNAMIC: Final = frozenset(
    (
        *("ddns.net", "no-ip.com", "no-ip.org", "no-ip.biz", "no-ip.info", "noip.me", "hopto.org"),
        *("zapto.org", "sytes.net", "servebeer.com", "serveftp.com", "servegame.com", "myftp.biz"),
        *(
            "myftp.org",
            "redirectme.net",
            "bounceme.net",
            "gotdns.ch",
            "webhop.me",
            "3utilities.com",
        ),
        *("duckdns.org", "dyndns.org", "dyndns.biz", "dyndns.info", "dyndns.tv", "dynu.net"),
        *(
            "freeddns.org",
            "mooo.com",
            "chickenkiller.com",
            "us.to",
            "ignorelist.com",
            "changeip.com",
        ),
        *("dynv6.net", "ddnsfree.com", "giize.com", "kozow.com", "loseyourip.com", "ooguy.com"),
        *(
            "theworkpc.com",
            "casacam.net",
            "accesscam.org",
            "camdvr.org",
            "myvnc.com",
            "publicvm.com",
        ),
        *("dns.army", "afraid.org", "eu.org", "cu.cc", "co.cc", "ydns.eu", "spdns.de", "yi.org"),
    )
)
"""Zones in which anybody gets a name for nothing, as the makers of bots do (public knowledge)."""

LOCAL: Final = frozenset(
    (
        *(
            "arpa",
            "local",
            "localdomain",
            "localhost",
            "lan",
            "home",
            "internal",
            "corp",
            "intranet",
        ),
        *(
            "private",
            "invalid",
            "test",
            "example",
            "onion",
            "workgroup",
            "domain",
            "belkin",
            "dlink",
        ),
        *("router", "gateway", "mshome", "box", "localnet", "dhcp", "host", "wan"),
    )
)
"""Ends of names that are local, reserved, or added by a router."""

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]{0,15}://(?:[^/?#@]{0,512}@)?([^/?#:@]{1,255})")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Name:
    """`label` was registered under `suffix`; `registered` is both."""

    label: str
    suffix: str

    @property
    def registered(self) -> str:
        """What somebody registered."""
        return f"{self.label}.{self.suffix}"


@cache
def _list() -> PublicSuffixList:
    # Names below hosting and content networks are theirs, and often numbers: only registries count.
    return PublicSuffixList(only_icann=True)


@lru_cache(maxsize=65_536)
def split(host: str) -> Name | None:
    """The name that was registered for a host (or for a URL's); None for what nobody registers.

    That is addresses, single labels, bare public suffixes, and reverse and local zones; also names in
    other scripts, whose letters DNS does not show, are left alone. Below zones
    of free dynamic names the name there counts.
    """
    if "://" in host[:20] and (found := _URL.match(host.lower())):
        host = found[1]
    host = ascii_host(host[:1024])
    labels = host.split(".")[-6:]
    if len(labels) < 2 or labels[-1] in LOCAL or labels[-1].isdecimal() or ip(host) is not None:
        return None
    whole = _list().privatesuffix(".".join(labels))
    if whole is None:
        return None
    if whole in DYNAMIC and len(labels) > len(whole.split(".")):
        whole = f"{labels[-len(whole.split('.')) - 1]}.{whole}"
    label, _, suffix = whole.partition(".")
    return Name(label, suffix) if _LABEL.match(label) and not label.startswith("xn--") else None
