"""The columns of `mail.message` that say what labrys itself found out about a message's sender.

SPF is about the host that handed the message to the last organisation, as that organisation's own
Received field names it; for whom it came stands in Return-Path above that field. What a message
says of these things further down is its sender's own word.
"""

from typing import Any, Final

from labrys.evidence.mail.domains import ascii_host
from labrys.evidence.mail.hops import Hop, border
from labrys.evidence.mail.mime import Headers, Message
from labrys.evidence.mail.words import addresses, domain_of
from labrys.evidence.mail_auth import arc, dkim, dmarc, spf
from labrys.evidence.mail_auth.dkim import NOT_GIVEN, Checked
from labrys.evidence.mail_auth.signature import signed
from labrys.evidence.mail_auth.zone import Zone

_ORDER: Final = ("pass", NOT_GIVEN, "fail", "policy", "neutral", "permerror")


def of(
    message: Message, way: list[Hop], said_from: str, zone: Zone, left: int = 400
) -> tuple[dict[str, Any], int]:
    """The columns, and how many signatures were checked.

    `said_from` is the sender's domain as the last organisation's own results have it; `left` says
    how many signatures may still be checked.
    """
    checked = 0
    signatures: list[Checked] | None = None  # of an Outlook item, what was signed is gone
    chain = Checked("")
    if message.buffer and left > 0:
        made = signed(message.headers.block, message.buffer[message.body : message.end])
        signatures = dkim.check(made, zone, way[0].time if way else None)
        chain = arc.check(made, zone)
        checked = made.checked
    elif message.buffer:
        message.problem("too many signatures: the rest is not checked")
    host = _spf(message.headers, way, said_from, zone)
    verdict, wanted = _dmarc(message.headers, signatures, host, zone)
    each = [("dkim", one) for one in signatures or ()]
    each += [("spf", host or Checked("")), ("arc", chain), ("dmarc", verdict)]
    return {
        "own_dkim": _summary(signatures),
        "own_dkim_domains": _passing(signatures or []),
        "own_spf": host.result if host else None,
        "own_spf_domain": host.domain or None if host else None,
        "own_dmarc": verdict.result or None,
        "own_dmarc_policy": wanted or None,
        "own_arc": chain.result or None,
        "own_arc_domain": chain.domain or None,
        "own_auth_why": [f"{name} {one.domain}: {one.why}"[:300] for name, one in each if one.why],
    }, checked


def _summary(signatures: list[Checked] | None) -> str | None:
    """One result for all signatures: one that is good is enough."""
    if signatures is None:
        return None
    found = {one.result for one in signatures}
    return next((result for result in _ORDER if result in found), "none")


def _passing(signatures: list[Checked]) -> list[str]:
    return list(dict.fromkeys(one.domain for one in signatures if one.result == "pass"))


def _spf(headers: Headers, way: list[Hop], said_from: str, zone: Zone) -> Checked | None:
    """What SPF says of the host at the border; None where host or sender are not known for sure.

    Where looked-up names alone and the names that hosts gave themselves show different borders,
    the two must agree: a stranger can call himself one of ours, and put any host below.
    """
    if not way:
        return None
    made: dict[int, Checked] = {}
    for at in {border(way, strict=True), border(way, strict=False)}:
        sender = _mail_from(headers, at, said_from)
        if sender is None or not way[at].address:
            return None
        made[at] = spf.check(zone, way[at].address, sender, way[at].helo)
    results = {one.result for one in made.values()}
    return next(iter(made.values())) if len(results) == 1 else None


def _mail_from(headers: Headers, at: int, said_from: str) -> str | None:
    """The sender of the envelope, "" for bounces; None where nobody at the border noted it."""
    seen = 0
    for name, value in headers.fields:
        if name == "received":
            seen += 1
            if seen > at:
                break
        elif name == "return-path":
            return next(iter(addresses(value)), ("", ""))[1]
    return f"postmaster@{said_from}" if said_from else None


def _dmarc(
    headers: Headers, signatures: list[Checked] | None, host: Checked | None, zone: Zone
) -> tuple[Checked, str]:
    senders = [one for raw in headers.all("from")[:10] for _, one in addresses(raw)]
    domains = {ascii_host(domain_of(one)) for one in senders if one}
    if len(domains) != 1 or len(headers.all("from")) != 1:
        return Checked("permerror" if domains else "none", why="not one domain in From"), ""
    made, wanted = dmarc.check(zone, domains.pop(), signatures or [], host)
    if signatures is None and made.result == "fail":
        return Checked("", made.domain, "what was signed is not kept in this file"), wanted
    return made, wanted
