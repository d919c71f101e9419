"""What must not be blocked: our own, what people allow, what many depend on, and too much at once."""

import ipaddress
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from publicsuffixlist import PublicSuffixList

from labrys.errors import LabrysError
from labrys.respond.facts import Facts
from labrys.respond.indicators import Indicator, address, domain, file_hash, inside

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MOST_HOSTS: Final = 0.5
_FEW: Final = 3
"""Of fewer hosts than these, "most" means nothing."""
_WIDEST: Final = {4: 8, 6: 16}
_EMPTY: Final = frozenset(
    (
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is not blocked, and why; `forcible`: `--force VALUE` blocks it all the same."""

    kind: str
    value: str
    reason: str
    forcible: bool
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """Networks, domain suffixes and hashes that people named."""

    networks: tuple[Network, ...] = ()
    domains: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()

    def holds(self, kind: str, value: str) -> bool:
        """Whether the value is one of them, in one of them, or below one of them."""
        if kind == "ip":
            where = ipaddress.ip_address(value)
            return any(where in network for network in self.networks)
        return value in self.hashes or (kind == "domain" and _below(value, self.domains))


@dataclass(frozen=True, slots=True)
class Limits:
    """So many blocks a minute and altogether, no more: a mistake stays small."""

    per_minute: int = 100
    total: int = 5_000


def names(lines: Iterable[str], where: str) -> Names:
    """One address, network, domain or hash a line, `#` begins a comment. Raises `LabrysError`."""
    networks: list[Network] = []
    domains, hashes = set(), set()
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if made := file_hash(text):
            hashes.add(made)
        elif (network := _network(text)) is not None:
            networks.append(network)
        elif made := domain(text.lstrip("*.")):
            domains.add(made)
        else:
            raise LabrysError(
                f"{where}, line {number}: {text[:80]!r} is no address, network, domain or hash"
            )
    return Names(tuple(networks), frozenset(domains), frozenset(hashes))


def read_names(path: Path | None) -> Names:
    """The names in a file; none where there is none."""
    if path is None:
        return Names()
    try:
        return names(path.read_text("utf-8").splitlines(), str(path))
    except (OSError, UnicodeDecodeError) as reason:
        raise LabrysError(f"{path}: cannot be read ({reason})") from reason


def refused(
    one: Indicator, known: Facts, allow: Names, own: Names, force: frozenset[str]
) -> Refusal | None:
    """Why an indicator is not blocked; None where nothing is against it."""
    never = _never(one, known, allow, own)
    if never:
        return Refusal(one.kind, one.value, never, False, one.findings)
    doubtful = "" if one.value in force else _doubtful(one, known)
    return Refusal(one.kind, one.value, doubtful, True, one.findings) if doubtful else None


def _never(one: Indicator, known: Facts, allow: Names, own: Names) -> str:
    if one.kind == "domain" and not domain(one.value):
        return "no name that DNS knows"
    if one.kind == "domain" and _is_suffix(one.value):
        return "a public suffix: everybody's names are below it"
    if allow.holds(one.kind, one.value):
        return "on the allow list"
    if own.holds(one.kind, one.value):
        return "our own, says --own"
    if one.kind == "ip":
        return inside(one.value) or known.own.get(one.value, "")
    return "the hash of an empty file" if one.value in _EMPTY else ""


def _doubtful(one: Indicator, known: Facts) -> str:
    if one.value in known.unknown:
        return "too many candidates at once to look this one up"
    said = _shared(one) or one.doubt
    if not said and one.system:
        said = f"a file of the operating system has it ({one.system[:80]})"
    return said or _used(one.value, known)


def _used(value: str, known: Facts) -> str:
    """Whether so many of our own use it that blocking it would be noticed."""
    asking = known.resolvers.get(value, 0)
    if asking > 1:
        return f"{asking} hosts ask it for names: a resolver"
    clients = known.clients.get(value, 0)
    most = clients >= _FEW and clients > known.hosts * _MOST_HOSTS
    return f"{clients} of {known.hosts} hosts use it" if most else ""


def _shared(one: Indicator) -> str:
    table = _table()
    if one.kind == "ip":
        if one.value in table["resolvers"]:
            return "a public DNS resolver"
        where = ipaddress.ip_address(one.value)
        if any(where in network for network in _shared_networks()):
            return "shared by many sites (content delivery)"
    if one.kind == "domain" and _below(one.value, table["domains"]):
        return "whole organisations work with it"
    return ""


def capped(
    wanted: Sequence[Indicator], active: int, lately: int, limits: Limits
) -> tuple[list[Indicator], list[Refusal]]:
    """As many of the wanted, worst first, as may be blocked now; `lately`: within this minute."""
    room = max(0, min(limits.per_minute - lately, limits.total - active))
    whole = limits.total - active <= limits.per_minute - lately
    reason = (
        f"there are {limits.total} blocks already: undo some, or raise --most"
        if whole
        else f"more than {limits.per_minute} blocks in a minute: look first, then go on"
    )
    rest = [Refusal(each.kind, each.value, reason, False, each.findings) for each in wanted[room:]]
    return list(wanted[:room]), rest


def _below(name: str, suffixes: Iterable[str]) -> bool:
    labels = name.split(".")
    known = suffixes if isinstance(suffixes, frozenset) else frozenset(suffixes)
    return any(".".join(labels[at:]) in known for at in range(len(labels)))


def _network(text: str) -> Network | None:
    if not address(text.partition("/")[0]):
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if network.prefixlen < _WIDEST[network.version]:
        raise LabrysError(f"{text}: so wide a network would let everything through")
    return network


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _is_suffix(name: str) -> bool:
    return _suffixes().privatesuffix(name) is None


@cache
def _table() -> dict[str, frozenset[str]]:
    text = files("labrys.respond").joinpath("shared.toml").read_text("utf-8")
    return {name: frozenset(values) for name, values in tomllib.loads(text).items()}


@cache
def _shared_networks() -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in sorted(_table()["networks"]))


def known_address(value: str, own: Names) -> bool:
    """Whether an address is inside, or ours by what people say."""
    return bool(inside(value)) or own.holds("ip", value)
