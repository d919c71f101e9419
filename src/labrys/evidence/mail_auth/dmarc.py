"""Checks whether SPF or DKIM speak for the domain in From, and what it wants done: DMARC (RFC 7489)."""

from dataclasses import dataclass
from typing import Final

from labrys.evidence.mail.domains import registered
from labrys.evidence.mail_auth.dkim import NOT_GIVEN, Checked
from labrys.evidence.mail_auth.signature import Bad, tags, told
from labrys.evidence.mail_auth.zone import NotGiven, Zone

_POLICIES: Final = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a domain wants: `wanted` for failures, alignment strict or not."""

    wanted: str
    strict_dkim: bool = False
    strict_spf: bool = False


def policy(zone: Zone, domain: str) -> Policy | None:
    """What the domain, or else the registered one above it, publishes; None where they publish
    nothing. `NotGiven` where no file says, `Bad` where it cannot be read."""
    whole = registered(domain)
    missing: NotGiven | None = None
    for name in dict.fromkeys((domain, whole or domain)):
        try:
            found = zone.ask(f"_dmarc.{name}", "TXT")
        except NotGiven as error:
            missing = missing or error
            continue
        records = [text for text in found if text.replace(" ", "").startswith("v=DMARC1")]
        if len(records) == 1:
            return _parsed(records[0], below=name != domain)
    if missing is not None:
        raise missing
    return None


def _parsed(record: str, *, below: bool) -> Policy:
    found = tags(record.encode("utf-8", "replace"))
    wanted = told(found, "p").lower()
    if below:
        wanted = told(found, "sp", wanted).lower()
    if wanted not in _POLICIES:
        if not told(found, "rua"):
            raise Bad("permerror", "a DMARC record without a policy")
        wanted = "none"
    return Policy(wanted, told(found, "adkim") == "s", told(found, "aspf") == "s")


def check(zone: Zone, domain: str, dkim: list[Checked], spf: Checked | None) -> tuple[Checked, str]:
    """The result for the domain in From, and the policy that applies ("" where there is none).

    `spf` is None where it is not known which host sent the message, or for whom.
    """
    try:
        wanted = policy(zone, domain)
    except NotGiven as error:
        return Checked(NOT_GIVEN, domain, str(error)), ""
    except Bad as bad:
        return Checked(bad.result, domain, str(bad)), ""
    if wanted is None:
        return Checked("none", domain), ""
    return _verdict(domain, dkim, spf, wanted), wanted.wanted


def _verdict(domain: str, dkim: list[Checked], spf: Checked | None, wanted: Policy) -> Checked:
    speaking = [one for one in dkim if _aligned(one.domain, domain, wanted.strict_dkim)]
    if spf is not None and _aligned(spf.domain, domain, wanted.strict_spf):
        speaking.append(spf)
    if any(one.result == "pass" for one in speaking):
        return Checked("pass", domain)
    left = next((one for one in speaking if one.result == NOT_GIVEN), None)
    if left is not None:
        return Checked(NOT_GIVEN, domain, left.why)
    if spf is None:
        return Checked("", domain, "not known for whom and by which host it was sent")
    return Checked("fail", domain)


def _aligned(one: str, other: str, strict: bool) -> bool:
    if strict:
        return one == other
    return bool(one) and (registered(one) or one) == (registered(other) or other)
