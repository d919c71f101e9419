"""Checks whether a domain lets a host send mail for it: SPF (RFC 7208), with its limits."""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from labrys.evidence.mail.domains import ascii_host
from labrys.evidence.mail_auth.dkim import NOT_GIVEN, Checked
from labrys.evidence.mail_auth.macros import Mail, Unreadable, dotted, expand
from labrys.evidence.mail_auth.zone import NotGiven, Zone

MOST_LOOKUPS: Final = 10
MOST_VOID: Final = 2
_MOST_HOSTS: Final = 10
"""Names of an MX or PTR record that are looked up (section 4.6.4)."""
_LONGEST: Final = 10_000
_RESULTS: Final = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_TERM: Final = re.compile(
    r"([+~?-]?)(all|include|a|mx|ptr|ip4|ip6|exists)"
    r"(?:[:](?!/)([^\s/]{1,500}(?:/(?!\d{1,3}(?:/|\Z)|/)[^\s/]{1,500})*))?"
    r"(?:/(0|[1-9]\d{0,2}))?(?://(0|[1-9]\d{0,2}))?\Z",
    re.I,
)
_MACROS: Final = re.compile(r"(?:[^%\s]|%\{[slodiphv]\d{0,3}r?[-.+,/_=]*\}|%[%_-])*+\Z", re.I)
_END: Final = re.compile(
    r"(?:%\{[^}]*\}|%[%_-]|\.(?!\d+\.?\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.?)\Z", re.I
)
"""How the name in a term ends: with a macro, or a label that can be the topmost (section 7.1)."""
_MODIFIER: Final = re.compile(r"([a-z][a-z0-9_.-]{0,60})=(\S*)\Z", re.I)
_NEEDS_NAME: Final = frozenset(("include", "exists", "ip4", "ip6"))
_LENGTHS: Final = frozenset(("a", "mx", "ip4", "ip6"))


class _Broken(Exception):
    """The records of the domain cannot be used: permerror."""


@dataclass(frozen=True, slots=True)
class _Term:
    """A mechanism: its result when it matches, and what it is about."""

    result: str
    name: str
    value: str
    length4: int
    length6: int


@dataclass(slots=True)
class _Check:
    """One check, and what it has used up of its limits."""

    zone: Zone
    mail: Mail
    lookups: int = 0
    void: int = 0
    open: list[str] = field(default_factory=list)


def check(zone: Zone, address: str, sender: str, helo: str) -> Checked:
    """Whether the host at this address may send for the mailbox, or without one for its own name."""
    try:
        client = ip_address(address)
    except ValueError:
        return Checked("none", why="no address of the host is known")
    if isinstance(client, IPv6Address) and client.ipv4_mapped is not None:
        client = client.ipv4_mapped
    mailbox = sender if "@" in sender else f"postmaster@{sender or helo}"
    local, _, domain = mailbox.rpartition("@")
    domain = ascii_host(domain)
    if "." not in domain or len(domain) > 253:
        return Checked("none", why="no domain to ask")
    one = _Check(zone, Mail(client, f"{local[:64]}@{domain}", ascii_host(helo)))
    try:
        return Checked(_domain(one, domain), domain)
    except NotGiven as error:
        return Checked(NOT_GIVEN, domain, str(error))
    except (_Broken, Unreadable) as error:
        return Checked("permerror", domain, str(error))


def _domain(check: _Check, domain: str) -> str:
    """The result for a domain (section 4)."""
    found = [
        text
        for text in check.zone.ask(domain, "TXT")
        if text[:7].lower() in ("v=spf1", "v=spf1 ") and len(text) <= _LONGEST
    ]
    if not found:
        return "none"
    if len(found) > 1:
        raise _Broken(f"{domain} has several records")
    if domain in check.open:
        raise _Broken(f"the record of {domain} includes itself")
    check.open.append(domain)
    terms, redirect = _parsed(found[0])
    for term in terms:
        if _matches(check, domain, term):
            check.open.pop()
            return term.result
    check.open.pop()
    if not redirect:
        return "neutral"
    _count(check)
    target = _expand(check, redirect, domain)
    made = _domain(check, target)
    if made == "none":
        raise _Broken(f"redirect to {target}, which has no record")
    return made


def _parsed(text: str) -> tuple[list[_Term], str]:
    """The mechanisms of a record, and where it redirects to (section 4.6, 6)."""
    terms: list[_Term] = []
    given: dict[str, str] = {}
    if not text.isascii():
        raise _Broken("a record that is no ASCII")
    for word in text.split(" ")[1:]:
        if not word:
            continue
        if (other := _MODIFIER.match(word)) is None:
            terms.append(_term(word))
            continue
        name, value = other[1].lower(), other[2]
        if name in given and name in ("redirect", "exp"):
            raise _Broken(f"{name}= is given twice")
        if name in ("redirect", "exp"):
            _check_name(value)
        elif not _MACROS.match(value):
            raise _Broken(f"{word[:60]!r} is no modifier")
        given[name] = value
    has_all = any(term.name == "all" for term in terms)
    return terms, "" if has_all else given.get("redirect", "")


def _check_name(value: str) -> None:
    if not (value.isprintable() and _MACROS.match(value) and _END.search(value)):
        raise _Broken(f"{value[:60]!r} is no name of a domain")


def _term(word: str) -> _Term:
    found = _TERM.match(word)
    if found is None:
        raise _Broken(f"{word[:60]!r} is no mechanism")
    sign, name, value, first, second = found.groups()
    name = name.lower()
    bad = (name in _NEEDS_NAME) != bool(value) and (name in _NEEDS_NAME or name == "all")
    bad = bad or ((first or second) and name not in _LENGTHS)
    bad = bad or (name in ("ip4", "ip6") and second is not None)
    most = 128 if name == "ip6" else 32
    if bad or int(first or 0) > most or int(second or 0) > 128:
        raise _Broken(f"{word[:60]!r} is no mechanism")
    if value and name not in ("ip4", "ip6"):
        _check_name(value)
    return _Term(
        _RESULTS[sign or "+"],
        name,
        value or "",
        int(first if first is not None else most),
        int(second if second is not None else 128),
    )


def _matches(check: _Check, domain: str, term: _Term) -> bool:
    if term.name == "all":
        return True
    if term.name in ("ip4", "ip6"):
        return _in_network(term, check.mail.address)
    _count(check)
    name = _expand(check, term.value, domain) if term.value else domain
    if term.name == "include":
        made = _domain(check, name)
        if made == "none":
            raise _Broken(f"include of {name}, which has no record")
        return made == "pass"
    return _by_lookup(check, name, term)


def _by_lookup(check: _Check, name: str, term: _Term) -> bool:
    if term.name == "exists":
        return bool(_ask(check, name, "A"))
    if term.name == "ptr":
        return any(_below(one, name) for one in _validated(check))
    if term.name == "a":
        return _at(check, name, term)
    hosts = [one.split(" ")[-1] for one in _ask(check, name, "MX")]
    if len(hosts) > _MOST_HOSTS:
        raise _Broken(f"{name} has more than {_MOST_HOSTS} mail hosts")
    return any(_at(check, host, term) for host in hosts)


def _in_network(term: _Term, address: IPv4Address | IPv6Address) -> bool:
    version = 4 if term.name == "ip4" else 6
    try:
        network = ip_network(f"{term.value}/{term.length4}", strict=False)
    except ValueError as error:
        raise _Broken(f"{term.value[:60]!r} is no address") from error
    if network.version != version:
        raise _Broken(f"{term.value[:60]!r} is no address of {term.name}")
    return address in network


def _at(check: _Check, host: str, term: _Term) -> bool:
    """Whether the client is at one of a host's addresses, or in the network around it."""
    address = check.mail.address
    four = address.version == 4
    length = term.length4 if four else term.length6
    for said in _ask(check, host, "A" if four else "AAAA"):
        try:
            if address in ip_network(f"{said}/{length}", strict=False):
                return True
        except ValueError as error:
            raise _Broken(f"{host} has an address that is none") from error
    return False


def _validated(check: _Check) -> list[str]:
    """The names of the client whose address is the client's (section 5.5)."""
    address = check.mail.address
    zone = "in-addr" if address.version == 4 else "ip6"
    turned = ".".join(reversed(dotted(address).split(".")))
    found = check.zone.ask(f"{turned}.{zone}.arpa", "PTR")[:_MOST_HOSTS]
    exact = _Term("pass", "a", "", 32, 128)
    return [name.rstrip(".").lower() for name in found if _at(check, name, exact)]


def _below(host: str, domain: str) -> bool:
    domain = domain.lower()
    return host == domain or host.endswith(f".{domain}")


def _expand(check: _Check, text: str, domain: str) -> str:
    def validated() -> str:
        _count(check)
        return next(iter(_validated(check)), "unknown")

    return expand(text, check.mail, domain, validated)


def _ask(check: _Check, name: str, kind: str) -> list[str]:
    found = check.zone.ask(name, kind)
    if not found:
        check.void += 1
        if check.void > MOST_VOID:
            raise _Broken("asks too often for what is not there")
    return found


def _count(check: _Check) -> None:
    check.lookups += 1
    if check.lookups > MOST_LOOKUPS:
        raise _Broken(f"needs more than {MOST_LOOKUPS} lookups")
